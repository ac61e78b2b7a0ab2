//! One file of a log, whatever its format.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::batches::Batches;
use super::blocks::{Block, Blocks};
use super::columns::ColumnRows;
use super::json::JsonRows;
use super::options::{LogFormat, LogOptions};
use super::reject;
use super::rows::{Keep, Numbers};
use super::run::{Meter, Read, Source, run};
use super::stream::{Stream, refuse_foreign};
use super::text::TextRows;
use super::times::TimeRule;
use crate::read::{Column, InteractionColumns, Table, Text};
use crate::{DataError, Filters, Progress};

/// What a reader does with rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowRules {
    /// Bad rows are put aside; otherwise the first is an error.
    pub(super) skip_bad: bool,
    /// What becomes of values.
    pub(super) keep: Keep,
}

/// Reads a file of a log by the format given, or by that of its name.
pub(super) fn read_file(
    options: &LogOptions,
    path: &Path,
    filters: &Filters,
    rules: RowRules,
    progress: &mut dyn Progress,
) -> Result<Read, DataError> {
    match options.resolve(path)? {
        LogFormat::JsonLines => read_json(options, path, filters, rules, progress),
        LogFormat::Parquet => read_parquet(options, path, filters, rules, progress),
        format => {
            let table = options.table(path, format)?;
            read_text(options, path, &table, TimeRule::Any, filters, rules, progress)
        }
    }
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

pub(super) fn read_text(
    options: &LogOptions,
    path: &Path,
    table: &Table,
    rule: TimeRule,
    filters: &Filters,
    rules: RowRules,
    progress: &mut dyn Progress,
) -> Result<Read, DataError> {
    let total = std::fs::metadata(path).ok().map(|file| file.len());
    let mut stream = Stream::open(path)?;
    refuse_foreign(path, &stream.peek()?)?;
    let meter = Meter { path, total, taken: stream.taken() };
    let mut rest = Blocks::new(stream, options.block_bytes, table.quoted());
    let Some(mut first) = rest.next()? else { return Err(DataError::Empty { file: path.to_owned() }) };
    let columns = InteractionColumns {
        user: options.user.clone(),
        item: options.item.clone(),
        time: options.time.clone(),
        value: options.value.clone(),
    };
    let text = Text::new(path, &first.bytes, table)?;
    let (layout, mut cells) = (text.layout(&columns)?, text.cells());
    // The row that the others are compared with may stand behind blocks of empty lines.
    while cells.is_none()
        && let Some(mut more) = rest.next()?
    {
        cells = table.cells_of_first(&more.bytes);
        first.bytes.append(&mut more.bytes);
    }
    let (skip, keep) = (rules.skip_bad, rules.keep);
    let rows = TextRows { path, table, layout, rule, filters, skip, keep, cells };
    let parse =
        |block: Block, numbers: &mut Numbers| rows.parse(&block, table.header && block.index == 0, numbers);
    let first = Some(first);
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
    let mut stream = Stream::open(path)?;
    refuse_foreign(path, &stream.peek()?)?;
    let meter = Meter { path, total, taken: stream.taken() };
    let rows = JsonRows { path, fields, filters, skip: rules.skip_bad, keep: rules.keep };
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
    let rows =
        ColumnRows { path, columns: batches.columns(), filters, skip: rules.skip_bad, keep: rules.keep };
    let parse = |batch: (usize, RecordBatch), numbers: &mut Numbers| rows.parse(batch, numbers);
    Ok(run(batches, options.threads(), parse, &meter, progress))
}
