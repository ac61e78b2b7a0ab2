//! Rows of delimited text: the plain ones at the speed of the bytes, all others as the exact reader sees them.

use std::path::Path;

use memchr::memchr;

use super::blocks::Block;
use super::cut::Rows;
use super::fast::{Fast, Plain};
use super::rows::{Keep, Lacks, Numbers, Part, Rejected, Time, finite};
use super::times::{TimeRule, whole};
use crate::read::{Encoding, Layout, Place, Row, Table, utf8};
use crate::{DataError, Filters};

/// How the rows of a file are read.
pub(crate) struct TextRows<'a> {
    pub(crate) path: &'a Path,
    pub(crate) table: &'a Table,
    pub(crate) layout: Layout,
    pub(crate) rule: TimeRule,
    pub(crate) filters: &'a Filters,
    /// Whether bad rows are collected instead of ending the reading.
    pub(crate) skip: bool,
    /// Whether values are kept.
    pub(crate) keep: Keep,
    /// Number of cells of the header or the first row; no other has more.
    pub(crate) cells: Option<usize>,
}

impl TextRows<'_> {
    /// Reads a block; `header` if its first row names the columns.
    pub(crate) fn parse(&self, block: &Block, header: bool, numbers: &mut Numbers) -> Part {
        let mut part = Part::new(block.index);
        let bytes = block.bytes.as_slice();
        let marked = block.index == 0 && self.table.encoding == Encoding::Utf8;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| marked).unwrap_or(bytes);
        let read = self.rows(&self.table.encoding.decode(bytes), header, numbers, &mut part);
        part.error = read.err();
        part
    }

    fn rows(
        &self,
        bytes: &[u8],
        header: bool,
        numbers: &mut Numbers,
        part: &mut Part,
    ) -> Result<(), DataError> {
        let quoted = self.table.quoted().filter(|_| memchr(b'"', bytes).is_some());
        // The exact way takes the whole of a block with quotation marks, which may stand in any cell, or with other bytes than
        // UTF-8.
        let plain = quoted.is_none() && std::str::from_utf8(bytes).is_ok();
        let fast = if plain { Fast::new(self.table, &self.layout, self.cells) } else { None };
        let mut rows = Rows::new(bytes, quoted);
        if header && rows.next().is_some() {
            part.content = true;
        }
        for (line, row) in rows.by_ref() {
            if row.is_empty() {
                let (first, count) = part.blank.unwrap_or((line, 0));
                part.blank = Some((first, count + 1));
                continue;
            }
            part.content = true;
            if part.blank.is_some() {
                self.reject_blank(part)?;
            }
            match fast.as_ref().and_then(|fast| fast.row(row)) {
                Some(plain) => self.push_plain(&plain, line, numbers, part)?,
                None => self.exact(row, line, numbers, part)?,
            }
        }
        part.lines = rows.lines();
        Ok(())
    }

    /// The empty lines so far are bad rows: others follow.
    fn reject_blank(&self, part: &mut Part) -> Result<(), DataError> {
        let Some((first, count)) = part.blank.take() else { return Ok(()) };
        for line in first..first + count {
            self.reject(self.blank_error(line), line, "", part)?;
        }
        Ok(())
    }

    /// What is wrong with an empty line amid others.
    pub(crate) fn blank_error(&self, line: usize) -> DataError {
        Row::bare(self.path, self.table, line, "").missing(self.layout.user)
    }

    fn reject(&self, error: DataError, line: usize, text: &str, part: &mut Part) -> Result<(), DataError> {
        if !self.skip || matches!(error, DataError::TooManyIds { .. }) {
            return Err(error);
        }
        part.rejected.push(Rejected { line, reason: error.reason(), text: text.to_owned() });
        Ok(())
    }

    fn push_plain(
        &self,
        plain: &Plain<'_>,
        line: usize,
        numbers: &mut Numbers,
        part: &mut Part,
    ) -> Result<(), DataError> {
        part.rows += 1;
        if self.filters.below(plain.value) {
            return Ok(());
        }
        let time = plain.time.map(Time::number);
        self.push(plain.user, plain.item, time, line, numbers, part)?;
        part.keep(line, plain.value, self.keep);
        Ok(())
    }

    fn push(
        &self,
        user: &[u8],
        item: &[u8],
        time: Option<Time>,
        line: usize,
        numbers: &mut Numbers,
        part: &mut Part,
    ) -> Result<(), DataError> {
        if let Some(time) = time
            && self.rule == TimeRule::Any
        {
            part.note_style(line, time);
        }
        let room = part.push(numbers, user, item, time);
        room.ok_or(DataError::TooManyIds { found: u32::MAX as usize })
    }

    /// The row as the exact reader sees it, with its errors.
    fn exact(
        &self,
        row: &[u8],
        line: usize,
        numbers: &mut Numbers,
        part: &mut Part,
    ) -> Result<(), DataError> {
        let text = match utf8(self.path, line, row) {
            Ok(text) => text,
            Err(error) => return self.reject(error, line, &String::from_utf8_lossy(row), part),
        };
        let parsed = Row::checked(self.path, self.table, line, text).and_then(|row| {
            row.check_cells(self.cells)?;
            if self.filters.drop_without_user && row.cell(self.layout.user)?.is_empty() {
                return Ok(Err(Lacks::User));
            }
            if let Some(place) = self.layout.value.filter(|_| self.filters.drop_without_value)
                && row.cell(place)?.is_empty()
            {
                return Ok(Err(Lacks::Value));
            }
            let (user, item) = (row.id(self.layout.user)?, row.id(self.layout.item)?);
            let time = self.layout.time.map(|place| self.time(&row, place)).transpose()?;
            let value = self.layout.value.map(|place| parse_value(&row, place)).transpose()?;
            Ok(Ok((user.to_owned(), item.to_owned(), time, value)))
        });
        match parsed {
            Err(error) => self.reject(error, line, text, part),
            Ok(Err(lacks)) => {
                part.leave_out(lacks);
                Ok(())
            }
            Ok(Ok((user, item, time, value))) => {
                part.rows += 1;
                if self.filters.below(value) {
                    return Ok(());
                }
                self.push(user.as_bytes(), item.as_bytes(), time, line, numbers, part)?;
                part.keep(line, value, self.keep);
                Ok(())
            }
        }
    }

    fn time(&self, row: &Row<'_>, place: Place) -> Result<Time, DataError> {
        let cell = row.cell(place)?;
        let time = match self.rule {
            TimeRule::Numbers => whole(cell).map(Time::number),
            TimeRule::Any => Time::parse(cell),
        };
        time.ok_or_else(|| row.wrong(place, cell, self.rule.expected()))
    }
}

pub(crate) fn parse_value(row: &Row<'_>, place: Place) -> Result<f64, DataError> {
    let cell = row.cell(place)?;
    let value = cell.parse().ok().and_then(finite);
    value.ok_or_else(|| row.wrong(place, cell, "a finite number"))
}
