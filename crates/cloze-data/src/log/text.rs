//! Rows of delimited text: the plain ones at the speed of the bytes, all others as the exact reader sees them.

use std::borrow::Cow;
use std::path::Path;

use memchr::memchr;

use super::blocks::{Block, row_end};
use super::rows::{Lacks, Numbers, Part, Rejected, Time};
use super::times::{TimeRule, short, whole};
use crate::read::{Encoding, Layout, Place, Row, Table};
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
    pub(crate) keep: bool,
    /// Number of cells of the first row, where all rows have to have as many.
    pub(crate) cells: Option<usize>,
}

/// The columns that matter, if the separator is one byte.
struct Fast {
    separator: u8,
    last: usize,
    user: usize,
    item: usize,
    time: Option<usize>,
    value: Option<usize>,
}

/// A row whose cells are all plain.
struct Plain<'a> {
    user: &'a [u8],
    item: &'a [u8],
    time: Option<i64>,
    value: Option<f32>,
}

impl TextRows<'_> {
    /// Reads a block; `header` if its first row names the columns.
    pub(crate) fn parse(&self, block: &Block, header: bool, numbers: &mut Numbers) -> Part {
        let mut part = Part::new(block.index);
        let bytes = block.bytes.as_slice();
        let marked = block.index == 0 && self.table.encoding == Encoding::Utf8;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| marked).unwrap_or(bytes);
        let text = match self.decode(bytes, &mut part) {
            Ok(text) => text,
            Err(error) => {
                part.error = Some(error);
                return part;
            }
        };
        if let Err(error) = self.rows(text.as_bytes(), header, numbers, &mut part) {
            part.error = Some(error);
        }
        part
    }

    fn decode<'b>(&self, bytes: &'b [u8], part: &mut Part) -> Result<Cow<'b, str>, DataError> {
        match (self.table.encoding, std::str::from_utf8(bytes)) {
            (Encoding::Utf8, Ok(text)) => Ok(Cow::Borrowed(text)),
            (Encoding::Latin1, Ok(text)) if text.is_ascii() => Ok(Cow::Borrowed(text)),
            (Encoding::Latin1, _) => Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect())),
            (Encoding::Utf8, Err(error)) => {
                let good = &bytes[..error.valid_up_to()];
                let line = good.split(|byte| *byte == b'\n').count();
                part.lines = line;
                let byte = bytes[error.valid_up_to()];
                Err(DataError::Encoding { file: self.path.to_owned(), line, byte })
            }
        }
    }

    fn rows(
        &self,
        bytes: &[u8],
        header: bool,
        numbers: &mut Numbers,
        part: &mut Part,
    ) -> Result<(), DataError> {
        let quotes = self.table.quotes && memchr(b'"', bytes).is_some();
        let separator = self.table.separator.as_bytes()[0];
        // Quoted blocks go the exact way as a whole: a mark may stand in any cell.
        let fast = if quotes { None } else { self.fast() };
        let (mut at, mut skip) = (0, header);
        while at < bytes.len() {
            let rest = &bytes[at..];
            let end = if quotes { row_end(rest, separator) } else { memchr(b'\n', rest) };
            let end = end.unwrap_or(rest.len());
            let row = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            at += end + 1;
            let line = part.lines + 1;
            part.lines += if quotes { memchr::memchr_iter(b'\n', row).count() + 1 } else { 1 };
            if std::mem::take(&mut skip) {
                part.content = true;
                continue;
            }
            if row.is_empty() {
                let (first, count) = part.blank.unwrap_or((line, 0));
                part.blank = Some((first, count + 1));
                continue;
            }
            part.content = true;
            if part.blank.is_some() {
                self.reject_blank(part)?;
            }
            let plain = fast.as_ref().and_then(|fast| fast.row(row));
            let time = match plain {
                Some(plain) => self.push_plain(&plain, line, numbers, part),
                None => self.exact(row, line, numbers, part),
            };
            time?;
        }
        Ok(())
    }

    /// A row of an empty line, or `None` if the text is not one: an empty line amid others is a bad row.
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
        part.keep(line, plain.value.filter(|_| self.keep));
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
        // Whole rows of a decoded text: always UTF-8.
        let text = String::from_utf8_lossy(row);
        let parsed = Row::checked(self.path, self.table, line, &text).and_then(|row| {
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
            Err(error) => self.reject(error, line, &text, part),
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
                part.keep(line, value.filter(|_| self.keep));
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

    fn fast(&self) -> Option<Fast> {
        let [separator] = self.table.separator.as_bytes() else { return None };
        let Layout { user, item, time, value } = self.layout;
        let (user, item) = (user.index, item.index);
        let (time, value) = (time.map(|place| place.index), value.map(|place| place.index));
        let last = user.max(item).max(time.unwrap_or(0)).max(value.unwrap_or(0));
        Some(Fast { separator: *separator, last, user, item, time, value })
    }
}

impl Fast {
    /// The row if it is plain; `None` leaves the verdict to the exact reader.
    fn row<'a>(&self, row: &'a [u8]) -> Option<Plain<'a>> {
        let mut plain = Plain { user: &[], item: &[], time: None, value: None };
        let mut rest = row;
        for column in 0..=self.last {
            let end = rest.iter().position(|byte| *byte == self.separator);
            if end.is_none() && column < self.last {
                return None;
            }
            let cell = &rest[..end.unwrap_or(rest.len())];
            rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
            if column == self.user {
                plain.user = cell;
            }
            if column == self.item {
                plain.item = cell;
            }
            if Some(column) == self.time {
                plain.time = Some(short(cell)?);
            }
            if Some(column) == self.value {
                plain.value = Some(decimal(cell)?);
            }
        }
        let id = |id: &[u8]| !id.is_empty() && id[0] != b'"';
        (id(plain.user) && id(plain.item)).then_some(plain)
    }
}

/// A number of few digits such as `3` or `4.5`. Both parts of the quotient are exact in f32, so that the quotient is
/// what the parser of the standard library gives.
fn decimal(text: &[u8]) -> Option<f32> {
    if text.is_empty() || text.len() > 7 || !text[0].is_ascii_digit() {
        return None;
    }
    let (mut digits, mut scale, mut behind) = (0_u32, 1_u32, false);
    for byte in text {
        match byte {
            b'.' if !behind => behind = true,
            b'0'..=b'9' => {
                digits = digits * 10 + u32::from(byte - b'0');
                scale *= if behind { 10 } else { 1 };
            }
            _ => return None,
        }
    }
    Some(digits as f32 / scale as f32)
}

pub(crate) fn parse_value(row: &Row<'_>, place: Place) -> Result<f32, DataError> {
    let cell = row.cell(place)?;
    match cell.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(row.wrong(place, cell, "a finite number")),
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn short_decimals_are_read_as_the_parser_reads_them() {
        for whole in 0..2000_u32 {
            for text in [format!("{whole}"), format!("{}.{}", whole / 7, whole % 100), format!("0.{whole}")] {
                if let Some(value) = decimal(text.as_bytes()) {
                    assert_eq!(value.to_bits(), text.parse::<f32>().unwrap().to_bits(), "{text}");
                }
            }
        }
        assert!(
            ["", ".5", "-1", "1e3", "1.2.3", "12345678", "nan"]
                .iter()
                .all(|t| decimal(t.as_bytes()).is_none())
        );
    }
}
