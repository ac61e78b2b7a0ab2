//! Any interaction log to a data set, at the speed of the disk.
//!
//! ```text
//! file ─Stream─▶ blocks of whole rows ─threads─▶ (user, item, time) as numbers ─group─▶ by user, by time ─Filters─▶ Dataset
//! ```
//!
//! Ids become numbers where they are read, so that a row takes 16 bytes whatever its ids; one counting sort brings the
//! rows of each user together. The result depends neither on the number of threads nor on the size of blocks.
//!
//! ```no_run
//! use cloze_data::log::{BadRows, LogOptions, read_log};
//! use cloze_data::read::Column;
//! use cloze_data::{Filters, Silent};
//!
//! let named = |name: &str| Column::Name(name.to_owned());
//! let mut log = LogOptions::new("clicks.csv.zst", named("visitor"), named("article"));
//! log.time = Some(named("when"));
//! let data = read_log(&log, &Filters::k_core(5), &BadRows::Error, &mut Silent)?;
//! # Ok::<(), cloze_data::DataError>(())
//! ```

mod batches;
mod blocks;
mod columns;
mod cut;
mod fast;
mod files;
mod finish;
mod group;
mod intern;
mod json;
mod options;
mod reject;
mod rows;
mod run;
mod scores;
mod stream;
mod text;
mod times;

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use cut::{Rows, quoted_end};
pub(crate) use group::{Grouped, Maps, group};
pub use options::{BadRows, LogFormat, LogOptions};
pub(crate) use rows::{Keep, Numbers, Part, Time};
pub use scores::{ScoreRow, Scores, read_scores};
pub(crate) use stream::{Stream, content_sha256, read_bytes, refuse_foreign};
pub(crate) use text::parse_value;
pub use times::TimeUnit;
pub(crate) use times::{TimeRule, iso, whole};

use crate::filter::Removed;
use crate::read::{ItemRecord, Starts, Table};
use crate::{DataError, Dataset, Filters, Progress};
use files::{RowRules, read_file, read_text};
use finish::finish;
use run::Read;

/// What reading a log met with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadReport {
    /// Good rows of all files.
    pub rows: u64,
    /// Bad rows, left out.
    pub rejected: u64,
    /// The file with the bad rows, if there are any.
    pub rejected_file: Option<PathBuf>,
    /// Bad rows of the item file, left out; see [`prepare`](crate::prepare).
    #[serde(default)]
    pub rejected_items: u64,
    /// The first of them: where it stands, and what is wrong with it.
    #[serde(default)]
    pub first_rejected_item: Option<String>,
    /// The unit of the times, as they are kept; none without times.
    pub time_unit: Option<TimeUnit>,
    /// What each filter that was set removed, in the order of application.
    pub removed: Vec<Removed>,
}

/// Reads a log into a data set: rows, filters, order by user and time.
///
/// Titles of items are none; see [`prepare`](crate::prepare) and [`Manifest`](crate::Manifest) for data with item files.
///
/// # Errors
/// The file can't be read or unpacked, a column is missing, or (with [`BadRows::Error`]) a row is not what its columns
/// hold: the error names file, line, column and value. [`DataError::Empty`] for a file without rows,
/// [`DataError::NothingLeft`] if the filters drop everything, [`DataError::MixedTimes`] for two units of time.
pub fn read_log(
    options: &LogOptions,
    filters: &Filters,
    bad_rows: &BadRows,
    progress: &mut dyn Progress,
) -> Result<Dataset, DataError> {
    Ok(read_log_report(options, filters, bad_rows, progress)?.0)
}

/// As [`read_log`], with what was met on the way.
///
/// # Errors
/// As [`read_log`].
pub fn read_log_report(
    options: &LogOptions,
    filters: &Filters,
    bad_rows: &BadRows,
    progress: &mut dyn Progress,
) -> Result<(Dataset, ReadReport), DataError> {
    let known = Known { title: &options.name(), items: None, starts: None };
    read_log_with(options, filters, bad_rows, known, progress)
}

/// What is known of a log from elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Title for people.
    pub(crate) title: &'a str,
    /// Titles, genres and texts of the items by their ids.
    pub(crate) items: Option<&'a HashMap<String, ItemRecord>>,
    /// Where times are days of the item's period: when that begins.
    pub(crate) starts: Option<&'a Starts>,
}

/// As [`read_log_report`], with a title and what is known of items.
pub(crate) fn read_log_with(
    options: &LogOptions,
    filters: &Filters,
    bad_rows: &BadRows,
    known: Known<'_>,
    progress: &mut dyn Progress,
) -> Result<(Dataset, ReadReport), DataError> {
    options.check()?;
    filters.check(options.time.is_some(), options.value.is_some())?;
    let rules = RowRules { skip_bad: *bad_rows != BadRows::Error, keep: options.keep() };
    let mut read = Read::default();
    for (file, path) in options.paths().enumerate() {
        let one = read_file(options, path, filters, rules, progress).map_err(DataError::with_option)?;
        read.add(file, one);
        if read.parts.iter().any(|part| part.error.is_some()) {
            break;
        }
    }
    finish(read, options, TimeRule::Any, filters, bad_rows, known)
}

/// As [`read_log`], of a text whose cutting is known.
pub(crate) fn read_table(
    options: &LogOptions,
    table: &Table,
    filters: &Filters,
    known: Known<'_>,
    progress: &mut dyn Progress,
) -> Result<Dataset, DataError> {
    filters.check(options.time.is_some(), options.value.is_some())?;
    let rule = TimeRule::Numbers;
    let rules = RowRules { skip_bad: false, keep: options.keep() };
    let read = read_text(options, &options.path, table, rule, filters, rules, progress)?;
    Ok(finish(read, options, rule, filters, &BadRows::Error, known)?.0)
}
