//! A user's own log as a folder that every command takes for a data set.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hash::sha256_of;
use crate::log::{BadRows, Known, LogFormat, LogOptions, ReadReport, read_log_with};
use crate::prepared::{FILES, METADATA, ORIGIN, REJECTED, read_prepared, write_files, write_json};
use crate::read::{Column, Cutting, Encoding, ItemColumns, read_items};
use crate::staging::Staging;
use crate::{DataError, Dataset, Filters, Progress};

/// What to prepare, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareOptions {
    /// The log.
    pub log: LogOptions,
    /// Which interactions are kept. Default: all.
    pub filters: Filters,
    /// Whether bad rows are left out and kept in `rejected.csv` of the folder. Default: the first is an error.
    pub skip_bad_rows: bool,
    /// A file with titles, genres, text of the items. Default: none.
    pub items: Option<ItemFile>,
    /// Title for people. Default: the name of the log.
    pub title: Option<String>,
}

/// A file with a row for each item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFile {
    /// The file, plain or packed as gzip or zstd.
    pub path: PathBuf,
    /// How its rows are written. Default: by the extension, see [`LogFormat`].
    pub format: Option<LogFormat>,
    /// What stands between the cells of a text. Default: by the format.
    pub separator: Option<String>,
    /// The encoding of a text. Default: utf-8.
    pub encoding: Encoding,
    /// Which columns are what.
    pub columns: ItemColumns,
}

/// What a folder was prepared from, and how: `origin.json` in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Version of the program that prepared it.
    pub version: String,
    /// The files of the log, in their order.
    pub inputs: Vec<Input>,
    /// Column of the user.
    pub user: Column,
    /// Column of the item.
    pub item: Column,
    /// Column of the time.
    pub time: Option<Column>,
    /// Column of the value.
    pub value: Option<Column>,
    /// The format, where it was given.
    pub format: Option<LogFormat>,
    /// The separator, where it was given.
    pub separator: Option<String>,
    /// Whether the first line names the columns, where it was given.
    pub header: Option<bool>,
    /// The encoding of texts.
    pub encoding: Encoding,
    /// Which interactions were kept.
    pub filters: Filters,
    /// Whether bad rows were left out.
    pub skip_bad_rows: bool,
    /// The item file.
    pub items: Option<Input>,
    /// The columns of the item file.
    pub item_columns: Option<ItemColumns>,
    /// What reading met with; files are relative to the folder.
    pub report: ReadReport,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The path, as it was given.
    pub file: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// sha256 of the file as it lies on disk.
    pub sha256: String,
}

impl PrepareOptions {
    /// This log, with defaults for all else.
    pub fn new(log: LogOptions) -> Self {
        Self { log, filters: Filters::default(), skip_bad_rows: false, items: None, title: None }
    }
}

/// Reads a log, filters it, and writes the folder `output`, whose path [`load`](crate::load) takes for a data set. The
/// folder appears whole or not at all; a prepared folder that is there already is replaced.
///
/// # Errors
/// [`DataError::Occupied`] if `output` is something else; the errors of [`read_log`](crate::log::read_log) and
/// [`read_items`]; [`DataError::Io`] if the folder can't be written, as on a full disk.
pub fn prepare(
    options: &PrepareOptions,
    output: &Path,
    progress: &mut dyn Progress,
) -> Result<(Dataset, ReadReport), DataError> {
    check_free(output)?;
    let staging = Staging::new(output)?;
    let folder = staging.path();
    let rejected = folder.join(REJECTED);
    let bad_rows =
        if options.skip_bad_rows { BadRows::Skip { rejected: rejected.clone() } } else { BadRows::Error };
    let items = options.items.as_ref();
    let records =
        items.map(|items| read_items(&items.path, &items.cutting()?, &items.columns)).transpose()?;
    let (log, filters) = (&options.log, &options.filters);
    let title = options.title.clone().unwrap_or_else(|| log.name());
    let known = Known { title: &title, items: records.as_ref(), starts: None };
    let read = read_log_with(log, filters, &bad_rows, known, progress);
    let (dataset, mut report) = read.map_err(|error| keep_rejected(error, &rejected, output))?;
    if let (Some(records), Some(items)) = (&records, items)
        && !dataset.items.ids().iter().any(|id| records.contains_key(id))
    {
        let example = dataset.items.id(0).unwrap_or_default();
        let reason =
            format!("none of its ids is an item of the log, such as {example:?}: name the column of the id");
        return Err(DataError::Malformed { file: items.path.clone(), reason });
    }
    report.rejected_file = report.rejected_file.map(|_| PathBuf::from(REJECTED));
    let origin = options.origin(report.clone(), progress)?;
    write_json(&folder.join(ORIGIN), &origin)?;
    write_files(folder, &dataset)?;
    staging.finish()?;
    report.rejected_file = report.rejected_file.map(|file| output.join(file));
    Ok((read_prepared(output)?, report))
}

/// What a folder was prepared from; none for a folder that was not made by [`prepare`].
///
/// # Errors
/// [`DataError::Prepared`] if the file can't be read.
pub fn read_origin(folder: &Path) -> Result<Option<Origin>, DataError> {
    let path = folder.join(ORIGIN);
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(DataError::io("read", &path))?;
    let wrong = |error: serde_json::Error| DataError::Prepared {
        folder: folder.to_owned(),
        reason: format!("{ORIGIN}: {error}"),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(wrong)
}

/// A folder that is not there, is empty, or holds nothing but prepared data.
fn check_free(output: &Path) -> Result<(), DataError> {
    let ours = |name: &std::ffi::OsStr| FILES.iter().any(|file| name == *file);
    let free = match fs::read_dir(output) {
        Ok(entries) => {
            let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            let prepared = names.iter().any(|name| name == METADATA) && names.iter().all(|name| ours(name));
            names.is_empty() || prepared
        }
        Err(_) => !output.exists(),
    };
    // "." and ".." can't be replaced.
    if free && output.file_name().is_some() {
        Ok(())
    } else {
        Err(DataError::Occupied { folder: output.to_owned() })
    }
}

/// The folder of a failed preparation goes, the list of its bad rows stays: beside it.
fn keep_rejected(error: DataError, rejected: &Path, output: &Path) -> DataError {
    match error {
        DataError::AllRejected { file, rejected: count, .. } => {
            let mut name = output.as_os_str().to_owned();
            name.push(format!("-{REJECTED}"));
            let report = PathBuf::from(name);
            match fs::rename(rejected, &report) {
                Ok(()) => DataError::AllRejected { file, rejected: count, report },
                Err(source) => DataError::Io { action: "write", path: report, source },
            }
        }
        other => other,
    }
}

impl ItemFile {
    /// The file `path` with these columns, and defaults for all else.
    pub fn new(path: impl Into<PathBuf>, columns: ItemColumns) -> Self {
        Self { path: path.into(), format: None, separator: None, encoding: Encoding::Utf8, columns }
    }

    fn cutting(&self) -> Result<Cutting, DataError> {
        // The same rules as for a log.
        let id = &self.columns.id;
        let mut log = LogOptions::new(&self.path, id.clone(), id.clone());
        log.format = self.format;
        log.separator.clone_from(&self.separator);
        log.encoding = self.encoding;
        log.header = Some(self.columns.used().iter().any(|column| matches!(column, Column::Name(_))));
        Ok(match log.resolve(&self.path)? {
            LogFormat::JsonLines => Cutting::JsonLines,
            LogFormat::Parquet => Cutting::Parquet,
            format => Cutting::Table(log.table(&self.path, format)?),
        })
    }
}

impl PrepareOptions {
    fn origin(&self, report: ReadReport, progress: &mut dyn Progress) -> Result<Origin, DataError> {
        let log = &self.log;
        Ok(Origin {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: log.paths().map(|path| Input::of(path, progress)).collect::<Result<_, _>>()?,
            user: log.user.clone(),
            item: log.item.clone(),
            time: log.time.clone(),
            value: log.value.clone(),
            format: log.format,
            separator: log.separator.clone(),
            header: log.header,
            encoding: log.encoding,
            filters: self.filters.clone(),
            skip_bad_rows: self.skip_bad_rows,
            items: self.items.as_ref().map(|items| Input::of(&items.path, progress)).transpose()?,
            item_columns: self.items.as_ref().map(|items| items.columns.clone()),
            report,
        })
    }
}

impl Input {
    /// Size and checksum of a file.
    fn of(path: &Path, progress: &mut dyn Progress) -> Result<Self, DataError> {
        let total = fs::metadata(path).ok().map(|file| file.len());
        progress.start(&format!("Checksum of {}", path.display()), total);
        let (size, sha256) = sha256_of(path, &mut |read| progress.advance(read))?;
        progress.finish();
        Ok(Self { file: path.to_owned(), size, sha256 })
    }
}
