//! Text tables: separator, encoding, header, columns. What all readers share.

use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::column::{Column, plain_text_id};
use super::interactions::InteractionColumns;
use crate::DataError;
use crate::log::{quoted_end, refuse_foreign, row_end};

/// How a text file is cut into cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What stands between cells, one or more characters; `"whitespace"` stands for any run of spaces and tabs.
    pub separator: String,
    /// Whether the first line names the columns. Default: false.
    #[serde(default)]
    pub header: bool,
    /// The encoding of the text. Default: utf-8.
    #[serde(default)]
    pub encoding: Encoding,
    /// Whether cells in quotation marks may have separators, line breaks and (doubled) quotation marks, as in CSV. The
    /// separator is then one byte. Default: false, quoting is not interpreted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quotes: bool,
}

/// The encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1, as the older `MovieLens` files.
    #[serde(rename = "latin-1")]
    Latin1,
}

/// A text table in memory, with its header taken off.
pub(crate) struct Text<'a> {
    pub(crate) path: &'a Path,
    table: &'a Table,
    content: Cow<'a, str>,
    header: Option<Vec<String>>,
}

impl<'a> Text<'a> {
    /// Decodes `bytes`, the (unpacked) content of `path`, which errors name.
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8], table: &'a Table) -> Result<Self, DataError> {
        refuse_foreign(path, bytes)?;
        let content = match table.encoding {
            Encoding::Utf8 => Cow::Borrowed(utf8(path, bytes)?),
            // ISO 8859-1 is the first 256 code points of Unicode.
            Encoding::Latin1 => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
        };
        let mut this = Self { path, table, content, header: None };
        if table.header {
            let first = this.all_lines().next();
            let header = first.map(|(line, text)| Row::checked(path, table, line, text)).transpose()?;
            this.header = header.map(|row| row.cells.into_iter().map(Cow::into_owned).collect());
        }
        Ok(this)
    }

    /// The names of the columns; none of a table without a header.
    pub(crate) fn header(&self) -> &[String] {
        self.header.as_deref().unwrap_or_default()
    }

    fn all_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        // Blank lines at the end are no rows; a blank line elsewhere is one with too few cells.
        let mut rest = Some(self.content.trim_end_matches(['\n', '\r'])).filter(|body| !body.is_empty());
        let mut next = 1;
        std::iter::from_fn(move || {
            let body = rest?;
            let end = match self.table.separator.as_bytes() {
                [separator] if self.table.quotes => row_end(body.as_bytes(), *separator),
                _ => body.find('\n'),
            };
            let (text, line) = (&body[..end.unwrap_or(body.len())], next);
            rest = end.map(|end| &body[end + 1..]);
            next += if self.table.quotes { text.matches('\n').count() + 1 } else { 1 };
            Some((line, text.strip_suffix('\r').unwrap_or(text)))
        })
    }

    /// Lines with their numbers (counted from 1, the header included) and their cells.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<Row<'_>, DataError>> {
        let skipped = usize::from(self.table.header);
        let rows = self.all_lines().skip(skipped);
        rows.map(|(line, text)| Row::checked(self.path, self.table, line, text))
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
        if table.quotes && text.contains('"') {
            if let Err(expected) = cut_quoted(&table.separator, text, &mut row.cells) {
                let place = Place { index: row.cells.len(), role: "quoted" };
                return Err(row.wrong(place, text, expected));
            }
        } else {
            row.cells = cut(table, text);
        }
        Ok(row)
    }

    /// Refuses a row with another number of cells than the first, where all have to have as many.
    pub(crate) fn check_cells(&self, expected: Option<usize>) -> Result<(), DataError> {
        let found = self.cells.len();
        match expected.filter(|expected| *expected != found && !self.text.is_empty()) {
            Some(expected) => {
                let (file, line) = (self.path.to_owned(), self.line);
                Err(DataError::Ragged { file, line, found, expected })
            }
            None => Ok(()),
        }
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

    /// The cell of an id: not empty, and quoted only where quoting is interpreted.
    pub(crate) fn id(&self, place: Place) -> Result<&str, DataError> {
        let id = self.cell(place)?;
        if id.is_empty() {
            return Err(self.wrong(place, id, "an id"));
        }
        if id.starts_with('"') && !self.table.quotes {
            return Err(self.wrong(place, id, "an id without quotation marks (quoting is not interpreted)"));
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

impl Table {
    /// Runs of spaces and tabs between cells, no header.
    pub(crate) fn whitespace() -> Self {
        let separator = "whitespace".to_owned();
        Self { separator, header: false, encoding: Encoding::Utf8, quotes: false }
    }

    /// The number of cells of the first row of `text`, where all rows have to have as many: cells that no separator
    /// tells apart from a longer list, such as a user and all items, must not be passed over.
    pub(crate) fn cells_of_first(&self, text: &[u8]) -> Option<usize> {
        let first = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find(|row| !row.is_empty())?;
        let cells = || first.split(u8::is_ascii_whitespace).filter(|cell| !cell.is_empty()).count();
        (self.separator == "whitespace").then(cells)
    }

    fn name(&self) -> String {
        match self.separator.as_str() {
            "\t" => "a tab".to_owned(),
            "whitespace" => "spaces or tabs".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

fn cut<'t>(table: &Table, line: &'t str) -> Vec<Cow<'t, str>> {
    if table.separator == "whitespace" {
        line.split_ascii_whitespace().map(Cow::Borrowed).collect()
    } else {
        line.split(table.separator.as_str()).map(Cow::Borrowed).collect()
    }
}

/// Cuts a line with quoted cells, or says what was expected instead of what stands there.
fn cut_quoted<'t>(separator: &str, line: &'t str, cells: &mut Vec<Cow<'t, str>>) -> Result<(), &'static str> {
    let mut rest = line;
    loop {
        let end = if rest.starts_with('"') {
            let end = quoted_end(rest.as_bytes(), 0).ok_or("a closing quotation mark")?;
            if !rest[end..].is_empty() && !rest[end..].starts_with(separator) {
                return Err("a separator behind the closing quotation mark");
            }
            let inside = &rest[1..end - 1];
            let doubled = inside.contains('"');
            cells.push(if doubled { inside.replace("\"\"", "\"").into() } else { inside.into() });
            end
        } else {
            let end = rest.find(separator).unwrap_or(rest.len());
            cells.push(rest[..end].into());
            end
        };
        if end == rest.len() {
            return Ok(());
        }
        rest = &rest[end + separator.len()..];
    }
}

fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        DataError::Encoding {
            file: path.to_owned(),
            line: good.split(|byte| *byte == b'\n').count(),
            byte: bytes[error.valid_up_to()],
        }
    })
}
