//! What a prepared folder was made from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hash::sha256_of;
use crate::log::{LogFormat, ReadReport};
use crate::prepared::ORIGIN;
use crate::read::{Column, Encoding, ItemColumns};
use crate::{DataError, Filters, PrepareOptions, Progress};

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
    /// Whether quotation marks were interpreted, where it was given.
    #[serde(default)]
    pub quotes: Option<bool>,
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

/// What a folder was prepared from; none for a folder that was not made by [`prepare`](crate::prepare).
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

impl Origin {
    /// With checksums of all files.
    pub(crate) fn of(
        options: &PrepareOptions,
        report: ReadReport,
        progress: &mut dyn Progress,
    ) -> Result<Self, DataError> {
        let log = &options.log;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: log.paths().map(|path| Input::of(path, progress)).collect::<Result<_, _>>()?,
            user: log.user.clone(),
            item: log.item.clone(),
            time: log.time.clone(),
            value: log.value.clone(),
            format: log.format,
            separator: log.separator.clone(),
            header: log.header,
            quotes: log.quotes,
            encoding: log.encoding,
            filters: options.filters.clone(),
            skip_bad_rows: options.skip_bad_rows,
            items: options.items.as_ref().map(|items| Input::of(&items.path, progress)).transpose()?,
            item_columns: options.items.as_ref().map(|items| items.columns.clone()),
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
