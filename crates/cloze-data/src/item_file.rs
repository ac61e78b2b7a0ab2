//! The file of the items that a log is prepared with.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::DataError;
use crate::log::{LogFormat, LogOptions};
use crate::read::{Column, Cutting, Encoding, ItemColumns, ItemRecord, read_items_with};

/// A file with a row for each item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFile {
    /// The file, plain or packed as gzip or zstd.
    pub path: PathBuf,
    /// How its rows are written. Default: by the extension, see [`LogFormat`].
    pub format: Option<LogFormat>,
    /// What stands between the cells of a text. Default: by the format.
    pub separator: Option<String>,
    /// Whether a cell in quotation marks may have separators and more, as in [`LogOptions::quotes`]. Default: by the format.
    pub quotes: Option<bool>,
    /// The encoding of a text. Default: utf-8.
    pub encoding: Encoding,
    /// Which columns are what.
    pub columns: ItemColumns,
}

/// What an item file has.
pub(crate) struct ReadItems {
    pub(crate) records: HashMap<String, ItemRecord>,
    /// Number of bad rows, left out.
    pub(crate) rejected: u64,
    /// The first of them: where it stands, and what is wrong with it.
    pub(crate) first_rejected: Option<String>,
}

impl ItemFile {
    /// The file `path` with these columns, and defaults for all else.
    pub fn new(path: impl Into<PathBuf>, columns: ItemColumns) -> Self {
        let (path, encoding) = (path.into(), Encoding::Utf8);
        Self { path, format: None, separator: None, quotes: None, encoding, columns }
    }

    /// Reads the file, on request without its bad rows.
    pub(crate) fn read(&self, skip_bad_rows: bool) -> Result<ReadItems, DataError> {
        let (mut rejected, mut first_rejected) = (0, None);
        let mut refuse = |error: DataError| {
            if !skip_bad_rows {
                return Err(error.with_option());
            }
            rejected += 1;
            first_rejected.get_or_insert_with(|| error.to_string());
            Ok(())
        };
        let records = read_items_with(&self.path, &self.cutting()?, &self.columns, &mut refuse)?;
        match &first_rejected {
            Some(first) if records.is_empty() => {
                let reason = format!("all {rejected} rows are bad; the first: {first}");
                Err(DataError::Malformed { file: self.path.clone(), reason })
            }
            _ => Ok(ReadItems { records, rejected, first_rejected }),
        }
    }

    fn cutting(&self) -> Result<Cutting, DataError> {
        // The same rules as for a log.
        let id = &self.columns.id;
        let mut log = LogOptions::new(&self.path, id.clone(), id.clone());
        log.format = self.format;
        log.separator.clone_from(&self.separator);
        log.quotes = self.quotes;
        log.encoding = self.encoding;
        log.check()?;
        log.header = Some(self.columns.used().iter().any(|column| matches!(column, Column::Name(_))));
        Ok(match log.resolve(&self.path)? {
            LogFormat::JsonLines => Cutting::JsonLines,
            LogFormat::Parquet => Cutting::Parquet,
            format => Cutting::Table(log.table(&self.path, format)?),
        })
    }
}
