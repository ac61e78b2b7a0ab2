//! Text tables: separator, encoding, header, columns. What all readers share.

use std::borrow::Cow;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// How a text file is cut into cells. Quoting is not interpreted.
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

/// A column: its position, counted from 1, or its name in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Position, counted from 1.
    Position(usize),
    /// The header's cell, letter for letter.
    Name(String),
}

/// The bytes of a file, unpacked if they begin like gzip.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::with_capacity(4 * bytes.len());
    let mut decoder = flate2::read::MultiGzDecoder::new(bytes.as_slice());
    decoder.read_to_end(&mut unpacked).map_err(|source| DataError::Gzip { file: path.to_owned(), source })?;
    Ok(unpacked)
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
        let content = match table.encoding {
            Encoding::Utf8 => Cow::Borrowed(utf8(path, bytes)?),
            // ISO 8859-1 is the first 256 code points of Unicode.
            Encoding::Latin1 => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
        };
        let mut this = Self { path, table, content, header: None };
        if table.header {
            let header = this.all_lines().next().map(|(_, line)| cut(table, line));
            this.header = header.map(|cells| cells.into_iter().map(str::to_owned).collect());
        }
        Ok(this)
    }

    fn all_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        // Blank lines at the end are no rows; a blank line elsewhere is one with too few cells.
        let body = self.content.trim_end_matches(['\n', '\r']);
        let lines = body.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        (1..).zip(lines).filter(move |_| !body.is_empty())
    }

    /// Lines with their numbers (counted from 1, the header included) and their cells.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let skipped = usize::from(self.table.header);
        let rows = self.all_lines().skip(skipped);
        rows.map(|(line, text)| Row {
            path: self.path,
            table: self.table,
            line,
            text,
            cells: cut(self.table, text),
        })
    }

    /// The 0-based index of a column, and how to call it in errors.
    pub(crate) fn column(&self, column: &Column, role: &'static str) -> Result<Place, DataError> {
        let index = match column {
            Column::Position(position) => position.checked_sub(1),
            Column::Name(name) => {
                let header = self.header.as_deref().unwrap_or_default();
                header.iter().position(|cell| cell == name)
            }
        };
        index.map(|index| Place { index, role }).ok_or_else(|| DataError::Header {
            file: self.path.to_owned(),
            column: column.to_string(),
            role,
            found: self.header.clone().unwrap_or_else(|| vec!["no names: count columns from 1".to_owned()]),
        })
    }
}

/// A column found in a file.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) role: &'static str,
}

/// One line, cut into cells.
pub(crate) struct Row<'t> {
    path: &'t Path,
    table: &'t Table,
    line: usize,
    text: &'t str,
    cells: Vec<&'t str>,
}

impl<'t> Row<'t> {
    /// The cell of a column that must be there, possibly empty.
    pub(crate) fn cell(&self, place: Place) -> Result<&'t str, DataError> {
        // An empty line splits into one empty cell: to a person it has none.
        let cell = self.cells.get(place.index).filter(|_| !self.text.is_empty());
        cell.copied().ok_or_else(|| DataError::Fields {
            file: self.path.to_owned(),
            line: self.line,
            found: if self.text.is_empty() { 0 } else { self.cells.len() },
            expected: place.index + 1,
            separator: self.table.name(),
            text: self.text.chars().take(60).collect(),
        })
    }

    /// The cell of an id: neither empty nor quoted.
    pub(crate) fn id(&self, place: Place) -> Result<&'t str, DataError> {
        let id = self.cell(place)?;
        if id.is_empty() {
            return Err(self.wrong(place, id, "an id"));
        }
        if id.starts_with('"') {
            return Err(self.wrong(place, id, "an id without quotation marks (quoting is not interpreted)"));
        }
        Ok(id)
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
    fn name(&self) -> String {
        match self.separator.as_str() {
            "\t" => "a tab".to_owned(),
            "whitespace" => "spaces or tabs".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "{position}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn cut<'t>(table: &Table, line: &'t str) -> Vec<&'t str> {
    if table.separator == "whitespace" {
        line.split_ascii_whitespace().collect()
    } else {
        line.split(table.separator.as_str()).collect()
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
