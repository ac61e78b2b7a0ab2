//! Rows and columns of text tables. What all readers share.

use std::borrow::Cow;
use std::path::Path;

use super::column::{Column, plain_text_id};
use super::interactions::InteractionColumns;
use super::table::{Encoding, Table};
use crate::DataError;
use crate::error_text::UNQUOTED;
use crate::log::{Rows, refuse_foreign};

/// A text table in memory, with its header taken off.
pub(crate) struct Text<'a> {
    pub(crate) path: &'a Path,
    table: &'a Table,
    content: Cow<'a, [u8]>,
    header: Option<Vec<String>>,
}

impl<'a> Text<'a> {
    /// Takes `bytes`, the (unpacked) content of `path`, which errors name. Rows are decoded where they are cut.
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8], table: &'a Table) -> Result<Self, DataError> {
        refuse_foreign(path, bytes)?;
        let marked = table.encoding == Encoding::Utf8;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| marked).unwrap_or(bytes);
        let mut this = Self { path, table, content: table.encoding.decode(bytes), header: None };
        if table.header {
            let header = this.all_rows().next().transpose()?;
            this.header = header.map(|row| row.cells.into_iter().map(Cow::into_owned).collect());
        }
        Ok(this)
    }

    /// The names of the columns; none of a table without a header.
    pub(crate) fn header(&self) -> &[String] {
        self.header.as_deref().unwrap_or_default()
    }

    fn all_rows(&self) -> impl Iterator<Item = Result<Row<'_>, DataError>> {
        // Blank lines at the end are no rows; a blank line elsewhere is one with too few cells.
        let last = self.content.iter().rposition(|byte| !b"\r\n".contains(byte));
        let body = &self.content[..last.map_or(0, |last| last + 1)];
        Rows::new(body, self.table.quoted()).map(|(line, row)| {
            let text = utf8(self.path, line, row)?;
            Row::checked(self.path, self.table, line, text)
        })
    }

    /// The rows behind the header, or what is wrong with each.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<Row<'_>, DataError>> {
        self.all_rows().skip(usize::from(self.table.header))
    }

    /// The number of cells of the header, or of the first row that can be cut: no row has more. None if there is nothing.
    pub(crate) fn cells(&self) -> Option<usize> {
        if self.header().iter().any(|cell| !cell.is_empty()) {
            return Some(self.header().len());
        }
        self.rows()
            .find_map(|row| row.ok().filter(|row| !row.text.trim().is_empty()))
            .map(|row| row.cells.len())
    }

    /// The columns of interactions.
    pub(crate) fn layout(&self, columns: &InteractionColumns) -> Result<Layout, DataError> {
        Ok(Layout {
            user: self.column(&columns.user, "user")?,
            item: self.column(&columns.item, "item")?,
            time: columns.time.as_ref().map(|column| self.column(column, "time")).transpose()?,
            value: columns.value.as_ref().map(|column| self.column(column, "value")).transpose()?,
        })
    }

    /// The 0-based index of a column, and how to call it in errors.
    pub(crate) fn column(&self, column: &Column, role: &'static str) -> Result<Place, DataError> {
        let none = ["no names: count columns from 1".to_owned()];
        let index = match column {
            // The rows tell whether they have so many.
            Column::Position(position @ 1..) => position - 1,
            other => other.find(self.path, role, self.header.as_deref().unwrap_or(&none))?,
        };
        Ok(Place { index, role })
    }
}

/// A column found in a file.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) role: &'static str,
}

/// The columns of interactions, found in a file.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) user: Place,
    pub(crate) item: Place,
    pub(crate) time: Option<Place>,
    pub(crate) value: Option<Place>,
}

/// One line, cut into cells.
pub(crate) struct Row<'t> {
    path: &'t Path,
    table: &'t Table,
    line: usize,
    text: &'t str,
    cells: Vec<Cow<'t, str>>,
}

impl<'t> Row<'t> {
    /// Cuts a line; quotation marks that do not pair are an error.
    pub(crate) fn checked(
        path: &'t Path,
        table: &'t Table,
        line: usize,
        text: &'t str,
    ) -> Result<Self, DataError> {
        let mut row = Self::bare(path, table, line, text);
        if let Err(expected) = table.cut(text, &mut row.cells) {
            let place = Place { index: row.cells.len(), role: "quoted" };
            return Err(row.wrong(place, text, expected));
        }
        Ok(row)
    }

    /// Refuses a row with more cells than the first of its file, but for empty ones: some programs write a separator behind each
    /// cell. Between spaces no cell is empty, so that there the number has to be the same.
    pub(crate) fn check_cells(&self, expected: Option<usize>) -> Result<(), DataError> {
        let found = self.cells.len();
        let Some(expected) = expected.filter(|_| !self.text.is_empty()) else { return Ok(()) };
        let more = || self.cells.iter().skip(expected).any(|cell| !cell.is_empty());
        let other = if self.table.is_whitespace() { found != expected } else { more() };
        if other {
            let (file, line) = (self.path.to_owned(), self.line);
            return Err(DataError::Ragged { file, line, found, expected });
        }
        Ok(())
    }

    /// A line that is not cut.
    pub(crate) fn bare(path: &'t Path, table: &'t Table, line: usize, text: &'t str) -> Self {
        Self { path, table, line, text, cells: Vec::new() }
    }

    /// Line, counted from 1.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// All cells; one empty cell of an empty line.
    pub(crate) fn cells(&self) -> &[Cow<'t, str>] {
        &self.cells
    }

    /// The error for a row that lacks a column.
    pub(crate) fn missing(&self, place: Place) -> DataError {
        DataError::Fields {
            file: self.path.to_owned(),
            line: self.line,
            found: if self.text.is_empty() { 0 } else { self.cells.len() },
            expected: place.index + 1,
            separator: self.table.name(),
            text: self.text.chars().take(60).collect(),
        }
    }

    /// The cell of a column that must be there, possibly empty.
    pub(crate) fn cell(&self, place: Place) -> Result<&str, DataError> {
        // An empty line splits into one empty cell: to a person it has none.
        let cell = self.cells.get(place.index).filter(|_| !self.text.is_empty());
        cell.map(AsRef::as_ref).ok_or_else(|| self.missing(place))
    }

    /// The cell of an id: not empty, and with a quotation mark before it only where it is said what marks are.
    pub(crate) fn id(&self, place: Place) -> Result<&str, DataError> {
        let id = self.cell(place)?;
        if id.is_empty() {
            return Err(self.wrong(place, id, "an id"));
        }
        if id.starts_with('"') && self.table.quotes.is_none() {
            return Err(self.wrong(place, id, UNQUOTED));
        }
        Ok(plain_text_id(id))
    }

    /// The error for a cell that is not `expected`.
    pub(crate) fn wrong(&self, place: Place, value: &str, expected: &str) -> DataError {
        DataError::Cell {
            file: self.path.to_owned(),
            line: self.line,
            column: format!("column {} ({})", place.index + 1, place.role),
            value: value.chars().take(60).collect(),
            expected: expected.to_owned(),
        }
    }
}

/// A row that begins in this line as text.
pub(crate) fn utf8<'a>(path: &Path, line: usize, row: &'a [u8]) -> Result<&'a str, DataError> {
    std::str::from_utf8(row).map_err(|error| {
        let good = &row[..error.valid_up_to()];
        DataError::Encoding {
            file: path.to_owned(),
            line: line + memchr::memchr_iter(b'\n', good).count(),
            byte: row[error.valid_up_to()],
        }
    })
}
