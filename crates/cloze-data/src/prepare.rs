//! A user's own log as a folder that every command takes for a data set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::log::{BadRows, Known, LogOptions, ReadReport, read_log_with};
use crate::prepared::{FILES, METADATA, ORIGIN, REJECTED, STAGED, read_prepared, write_files, write_json};
use crate::staging::Staging;
use crate::{DataError, Dataset, Filters, ItemFile, Origin, Progress};

/// What to prepare, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareOptions {
    /// The log.
    pub log: LogOptions,
    /// Which interactions are kept. Default: all.
    pub filters: Filters,
    /// Whether bad rows are left out, those of the log kept in `rejected.csv` of the folder, those of the item file counted.
    /// Default: the first is an error.
    pub skip_bad_rows: bool,
    /// A file with titles, genres, text of the items. Default: none.
    pub items: Option<ItemFile>,
    /// Title for people. Default: the name of the log.
    pub title: Option<String>,
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
/// [`read_items`](crate::read::read_items); [`DataError::Malformed`] for an input that can be read only once, such as a pipe;
/// [`DataError::Io`] if the folder can't be written, as on a full disk.
pub fn prepare(
    options: &PrepareOptions,
    output: &Path,
    progress: &mut dyn Progress,
) -> Result<(Dataset, ReadReport), DataError> {
    check_free(output)?;
    check_inputs(options)?;
    let staging = Staging::new(STAGED, output)?;
    let folder = staging.path();
    let rejected = folder.join(REJECTED);
    let bad_rows =
        if options.skip_bad_rows { BadRows::Skip { rejected: rejected.clone() } } else { BadRows::Error };
    let items = options.items.as_ref().map(|items| items.read(options.skip_bad_rows)).transpose()?;
    let (log, filters) = (&options.log, &options.filters);
    let title = options.title.clone().unwrap_or_else(|| log.name());
    let known = Known { title: &title, items: items.as_ref().map(|items| &items.records), starts: None };
    let read = read_log_with(log, filters, &bad_rows, known, progress);
    let (dataset, mut report) = read.map_err(|error| keep_rejected(error, &rejected, output))?;
    if let (Some(items), Some(file)) = (items, &options.items) {
        if !dataset.items.ids().iter().any(|id| items.records.contains_key(id)) {
            return Err(no_item_of_the_log(file, &dataset));
        }
        (report.rejected_items, report.first_rejected_item) = (items.rejected, items.first_rejected);
    }
    report.rejected_file = report.rejected_file.map(|_| PathBuf::from(REJECTED));
    let origin = Origin::of(options, report.clone(), progress)?;
    write_json(&folder.join(ORIGIN), &origin)?;
    write_files(folder, &dataset)?;
    staging.finish()?;
    report.rejected_file = report.rejected_file.map(|file| output.join(file));
    Ok((read_prepared(output)?, report))
}

fn no_item_of_the_log(file: &ItemFile, dataset: &Dataset) -> DataError {
    let example = dataset.items.id(0).unwrap_or_default();
    let reason =
        format!("none of its ids is an item of the log, such as {example:?}: name the column of the id");
    DataError::Malformed { file: file.path.clone(), reason }
}

/// Refuses what can be read only once: contents are read, then checksums are made.
fn check_inputs(options: &PrepareOptions) -> Result<(), DataError> {
    for path in options.log.paths().chain(options.items.iter().map(|items| items.path.as_path())) {
        // What can't be looked at, and a folder, are errors of the readers.
        let once = fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir());
        if once {
            let reason = "no regular file, and it has to be read twice: write it to a file first".to_owned();
            return Err(DataError::Malformed { file: path.to_owned(), reason });
        }
    }
    Ok(())
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
