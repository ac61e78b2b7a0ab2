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
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

pub(crate) use blocks::{quoted_end, row_end};
pub(crate) use group::{Grouped, Maps, group};
pub use options::{BadRows, LogFormat, LogOptions};
pub(crate) use rows::{Numbers, Part, Time};
pub use scores::{ScoreRow, Scores, read_scores};
pub(crate) use stream::{Stream, content_sha256, read_bytes, refuse_foreign};
pub(crate) use text::parse_value;
pub use times::TimeUnit;
pub(crate) use times::{TimeRule, iso, whole};

use crate::filter::Removed;
use crate::read::{Column, InteractionColumns, ItemRecord, Starts, Table, Text};
use crate::{DataError, Dataset, Filters, Progress};
use batches::Batches;
use blocks::{Block, Blocks};
use columns::ColumnRows;
use finish::finish;
use json::JsonRows;
use run::{Meter, Read, Source, run};
use text::TextRows;

/// What reading a log met with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadReport {
    /// Good rows of all files.
    pub rows: u64,
    /// Bad rows, left out.
    pub rejected: u64,
    /// The file with the bad rows, if there are any.
    pub rejected_file: Option<PathBuf>,
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
    filters.check(options.time.is_some(), options.value.is_some())?;
    let rules = RowRules { skip_bad: *bad_rows != BadRows::Error, keep_values: options.value.is_some() };
    let mut read = Read::default();
    for (file, path) in options.paths().enumerate() {
        let one = match options.resolve(path)? {
            LogFormat::JsonLines => read_json(options, path, filters, rules, progress)?,
            LogFormat::Parquet => read_parquet(options, path, filters, rules, progress)?,
            format => {
                let table = options.table(path, format)?;
                read_text(options, path, &table, TimeRule::Any, filters, rules, progress)?
            }
        };
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
    let rules = RowRules { skip_bad: false, keep_values: options.value.is_some() };
    let read = read_text(options, &options.path, table, rule, filters, rules, progress)?;
    Ok(finish(read, options, rule, filters, &BadRows::Error, known)?.0)
}

/// What a reader does with rows.
#[derive(Debug, Clone, Copy)]
struct RowRules {
    /// Bad rows are put aside; otherwise the first is an error.
    skip_bad: bool,
    /// Values are kept: scores, ratings.
    keep_values: bool,
}

impl Source for Blocks {
    type Unit = Block;

    fn next(&mut self) -> Result<Option<Block>, DataError> {
        Blocks::next(self)
    }

    fn position(&self) -> usize {
        Blocks::position(self)
    }
}

/// The first block, which was needed for the header, then the others.
struct Again {
    first: Option<Block>,
    rest: Blocks,
}

impl Source for Again {
    type Unit = Block;

    fn next(&mut self) -> Result<Option<Block>, DataError> {
        match self.first.take() {
            Some(block) => Ok(Some(block)),
            None => self.rest.next(),
        }
    }

    fn position(&self) -> usize {
        if self.first.is_some() { 0 } else { self.rest.position() }
    }
}

fn read_text(
    options: &LogOptions,
    path: &Path,
    table: &Table,
    rule: TimeRule,
    filters: &Filters,
    rules: RowRules,
    progress: &mut dyn Progress,
) -> Result<Read, DataError> {
    let total = std::fs::metadata(path).ok().map(|file| file.len());
    let stream = Stream::open(path)?;
    let meter = Meter { path, total, taken: stream.taken() };
    let quoted = table.quotes.then(|| table.separator.as_bytes().first().copied()).flatten();
    let mut rest = Blocks::new(stream, options.block_bytes, quoted);
    let first = rest.next()?;
    let head = first.as_ref().map_or(&[][..], |block| block.bytes.as_slice());
    let header = if table.header {
        let end = quoted.map_or_else(|| memchr::memchr(b'\n', head), |separator| row_end(head, separator));
        &head[..end.unwrap_or(head.len())]
    } else {
        &[]
    };
    if first.is_none() {
        return Err(DataError::Empty { file: path.to_owned() });
    }
    refuse_foreign(path, head)?;
    let columns = InteractionColumns {
        user: options.user.clone(),
        item: options.item.clone(),
        time: options.time.clone(),
        value: options.value.clone(),
    };
    let layout = Text::new(path, header, table)?.layout(&columns)?;
    let cells = table.cells_of_first(head);
    let (skip, keep) = (rules.skip_bad, rules.keep_values);
    let rows = TextRows { path, table, layout, rule, filters, skip, keep, cells };
    let parse =
        |block: Block, numbers: &mut Numbers| rows.parse(&block, table.header && block.index == 0, numbers);
    let mut read = run(Again { first, rest }, options.threads(), parse, &meter, progress);
    reject::blanks(&mut read.parts, rules.skip_bad, |line| rows.blank_error(line));
    Ok(read)
}

fn read_json(
    options: &LogOptions,
    path: &Path,
    filters: &Filters,
    rules: RowRules,
    progress: &mut dyn Progress,
) -> Result<Read, DataError> {
    let mut fields = [None; 4];
    for (field, column) in fields.iter_mut().zip(options.columns()) {
        *field = match column {
            Some(Column::Name(name)) => Some(name.as_str()),
            Some(Column::Position(_)) => {
                let reason = "columns of JSON have names, not positions".to_owned();
                return Err(DataError::Malformed { file: path.to_owned(), reason });
            }
            None => None,
        };
    }
    let total = std::fs::metadata(path).ok().map(|file| file.len());
    let stream = Stream::open(path)?;
    let meter = Meter { path, total, taken: stream.taken() };
    let rows = JsonRows { path, fields, filters, skip: rules.skip_bad, keep: rules.keep_values };
    let parse = |block: Block, numbers: &mut Numbers| rows.parse(&block, numbers);
    let blocks = Blocks::new(stream, options.block_bytes, None);
    Ok(run(blocks, options.threads(), parse, &meter, progress))
}

fn read_parquet(
    options: &LogOptions,
    path: &Path,
    filters: &Filters,
    rules: RowRules,
    progress: &mut dyn Progress,
) -> Result<Read, DataError> {
    let batches = Batches::open(path, options.columns())?;
    // How far a Parquet reader is in its file is not known.
    let meter = Meter { path, total: None, taken: Arc::default() };
    let rows = ColumnRows {
        path,
        columns: batches.columns(),
        filters,
        skip: rules.skip_bad,
        keep: rules.keep_values,
    };
    let parse = |batch: (usize, RecordBatch), numbers: &mut Numbers| rows.parse(batch, numbers);
    Ok(run(batches, options.threads(), parse, &meter, progress))
}
