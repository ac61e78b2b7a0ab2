//! Which log to read, and how.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::rows::Keep;
use crate::DataError;
use crate::read::{Column, Encoding, Table};

/// How the rows of a log are written. Each may be packed as gzip or zstd: the first bytes of the file tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Commas between cells; quoted cells may have commas, quotation marks and line breaks. `.csv`
    Csv,
    /// Tabs between cells, else as CSV; `u.data` of `MovieLens` and the files of RecBole. `.tsv`, `.tab`, `.data`,
    /// `.inter`, `.item`
    Tsv,
    /// `::` between cells, as in `ratings.dat` of `MovieLens`. `.dat`
    Dat,
    /// Spaces or tabs between cells, as in the `user item` lines of SASRec; all rows have as many cells as the first.
    /// `.txt`
    Text,
    /// One JSON object a line. `.jsonl`, `.ndjson`, `.json`
    JsonLines,
    /// Apache Parquet. `.parquet`, `.pq`
    Parquet,
}

impl LogFormat {
    /// The format that the name of a file gives away, without a final `.gz` or `.zst`.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let packed = [".gz", ".gzip", ".zst", ".zstd"];
        let name = packed.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" | "data" | "inter" | "item" => Some(Self::Tsv),
            "dat" => Some(Self::Dat),
            "txt" => Some(Self::Text),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }

    fn separator(self) -> Option<&'static str> {
        match self {
            Self::Csv => Some(","),
            Self::Tsv => Some("\t"),
            Self::Dat => Some("::"),
            Self::Text => Some("whitespace"),
            Self::JsonLines | Self::Parquet => None,
        }
    }

    /// What errors call a format that is no delimited text.
    fn no_text(self) -> Option<&'static str> {
        match self {
            Self::JsonLines => Some("JSON lines"),
            Self::Parquet => Some("Parquet"),
            Self::Csv | Self::Tsv | Self::Dat | Self::Text => None,
        }
    }
}

/// A log to be read: a file, and which of its columns are what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The file, plain or packed as gzip or zstd.
    pub path: PathBuf,
    /// Further files of the same log, in this order behind the first. Default: none.
    pub more: Vec<PathBuf>,
    /// How its rows are written. Default: by the extension, see [`LogFormat`].
    pub format: Option<LogFormat>,
    /// External user id: the column's name, or its position counted from 1. A whole number with a point is the id without
    /// it, as in all readers: `17850.0` is `17850`. A name also finds the typed one of RecBole (`user_id:token`).
    pub user: Column,
    /// External item id.
    pub item: Column,
    /// Time: whole numbers of one unit (see [`TimeUnit`](crate::log::TimeUnit)), seconds with a fraction (then kept as
    /// microseconds) or ISO 8601. Default: the file's order.
    pub time: Option<Column>,
    /// Value such as a rating, a finite number; needed by [`Filters::min_value`](crate::Filters::min_value).
    pub value: Option<Column>,
    /// What stands between the cells of a text, one or more characters; `whitespace` for any run of spaces and tabs.
    /// Default: by the format.
    pub separator: Option<String>,
    /// Whether the first line names the columns. Default: yes if a column is given by name.
    pub header: Option<bool>,
    /// Whether a cell in quotation marks may have separators, line breaks and (doubled) quotation marks; otherwise marks are
    /// text. Needs a separator of one byte. Default: yes in CSV and TSV with such a one, else no.
    pub quotes: Option<bool>,
    /// The encoding of a text. Default: utf-8.
    pub encoding: Encoding,
    /// The name of the data set. Default: the file's name without its extensions.
    pub name: Option<String>,
    /// Number of threads. Default: as many as the machine has. The result does not depend on it.
    pub threads: Option<usize>,
    /// Bytes of text that a thread takes at a time. Default: 4 MiB. The result does not depend on it.
    pub block_bytes: usize,
}

impl LogOptions {
    /// The log in `path` with these columns for user and item, and defaults for all else.
    pub fn new(path: impl Into<PathBuf>, user: Column, item: Column) -> Self {
        Self {
            path: path.into(),
            more: Vec::new(),
            format: None,
            user,
            item,
            time: None,
            value: None,
            separator: None,
            header: None,
            quotes: None,
            encoding: Encoding::Utf8,
            name: None,
            threads: None,
            block_bytes: 4 << 20,
        }
    }

    /// All files, in their order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.path).chain(&self.more).map(PathBuf::as_path)
    }

    /// The format given, or found for one of the files.
    pub(crate) fn resolve(&self, path: &Path) -> Result<LogFormat, DataError> {
        let by_separator = self.separator.is_some().then_some(LogFormat::Csv);
        let format = self.format.or_else(|| LogFormat::of(path)).or(by_separator);
        let reason = "the extension tells no format: expected .csv, .tsv, .dat, .txt, .jsonl or .parquet (with or \
                      without .gz or .zst), or a format given";
        let unknown = || DataError::Malformed { file: path.to_owned(), reason: reason.to_owned() };
        format.ok_or_else(unknown)
    }

    /// Refuses what is said of delimited text where no file of the log is such.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let given = [
            ("separator", self.separator.is_some()),
            ("header", self.header.is_some()),
            ("quotes", self.quotes == Some(true)),
            ("encoding", self.encoding != Encoding::Utf8),
        ];
        let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        for path in self.paths() {
            if self.resolve(path)?.no_text().is_none() {
                return Ok(());
            }
        }
        let kind = self.resolve(&self.path)?.no_text().unwrap_or_default();
        let reason =
            format!("{option} is given, which is for delimited text, and this is {kind}: leave it out");
        Err(DataError::Malformed { file: self.path.clone(), reason })
    }

    /// How a text of this format is cut into cells.
    pub(crate) fn table(&self, path: &Path, format: LogFormat) -> Result<Table, DataError> {
        let named = |column: &Column| matches!(column, Column::Name(_));
        let header = self.header.unwrap_or_else(|| self.columns().into_iter().flatten().any(named));
        let separator = self.separator.as_deref().or(format.separator()).unwrap_or_default();
        let refuse = |reason: String| Err(DataError::Malformed { file: path.to_owned(), reason });
        if separator.is_empty() {
            return refuse("the separator is empty: expected one or more characters".to_owned());
        }
        let possible = separator.len() == 1;
        if self.quotes == Some(true) && !possible {
            return refuse(format!(
                "quotes = true with the separator {separator:?}: quoted cells need one of one byte"
            ));
        }
        let usual = possible && matches!(format, LogFormat::Csv | LogFormat::Tsv);
        let quotes = self.quotes.or(usual.then_some(true));
        Ok(Table { separator: separator.to_owned(), header, encoding: self.encoding, quotes })
    }

    /// A log's values are ratings.
    pub(crate) fn keep(&self) -> Keep {
        if self.value.is_some() { Keep::Ratings } else { Keep::Nothing }
    }

    /// The columns of user, item, time and value.
    pub(crate) fn columns(&self) -> [Option<&Column>; 4] {
        [Some(&self.user), Some(&self.item), self.time.as_ref(), self.value.as_ref()]
    }

    /// The number of threads to use.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.threads.unwrap_or_else(all).max(1)
    }

    /// The name of the data set.
    pub(crate) fn name(&self) -> String {
        let file = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let stem = |file: String| file.split('.').find(|part| !part.is_empty()).unwrap_or("log").to_owned();
        self.name.clone().unwrap_or_else(|| file.map_or_else(|| "log".to_owned(), stem))
    }
}

/// What becomes of rows that can't be read: a missing cell, a number that is none, NaN.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BadRows {
    /// The first one is an error that names file, line, column and value.
    #[default]
    Error,
    /// They are left out, counted, and written with line and reason to a CSV file.
    Skip {
        /// The file to write: `file,line,reason,row`. It is written only if there are such rows, whole or not at all.
        rejected: PathBuf,
    },
}
