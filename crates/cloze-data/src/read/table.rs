//! How texts are cut into cells: separator, encoding, quotation marks.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::log::{Rows, quoted_end};

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
    /// Whether cells in quotation marks may have separators, line breaks and (doubled) quotation marks, as in CSV; the separator
    /// is then one byte. If not, marks are text. Default: they are text, but for an id that begins with one, which is an error:
    /// most likely it is quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotes: Option<bool>,
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

impl Encoding {
    /// The same text in UTF-8, as far as it is one.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Latin1 if !bytes.is_ascii() => {
                // ISO 8859-1 is the first 256 code points of Unicode.
                Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes())
            }
            Self::Utf8 | Self::Latin1 => Cow::Borrowed(bytes),
        }
    }
}

impl Table {
    /// Runs of spaces and tabs between cells, no header.
    pub(crate) fn whitespace() -> Self {
        let separator = "whitespace".to_owned();
        Self { separator, header: false, encoding: Encoding::Utf8, quotes: None }
    }

    pub(super) fn is_whitespace(&self) -> bool {
        self.separator == "whitespace"
    }

    /// The separator, if line breaks between quotation marks belong to the cell.
    pub(crate) fn quoted(&self) -> Option<u8> {
        match self.separator.as_bytes() {
            [separator] if self.quotes == Some(true) => Some(*separator),
            _ => None,
        }
    }

    /// The number of cells of the first of some whole rows that is not blank and can be cut.
    pub(crate) fn cells_of_first(&self, rows: &[u8]) -> Option<usize> {
        let text = self.encoding.decode(rows);
        let mut rows = Rows::new(&text, self.quoted()).filter_map(|(_, row)| std::str::from_utf8(row).ok());
        rows.find_map(|row| {
            let mut cells = Vec::new();
            let cut = !row.trim().is_empty() && self.cut(row, &mut cells).is_ok();
            cut.then_some(cells.len())
        })
    }

    /// Cuts a row, or says what was expected instead of what stands behind the cells so far.
    pub(super) fn cut<'t>(&self, row: &'t str, cells: &mut Vec<Cow<'t, str>>) -> Result<(), &'static str> {
        if self.quotes == Some(true) && row.contains('"') {
            return cut_quoted(&self.separator, row, cells);
        }
        if self.is_whitespace() {
            cells.extend(row.split_ascii_whitespace().map(Cow::Borrowed));
        } else {
            cells.extend(row.split(self.separator.as_str()).map(Cow::Borrowed));
        }
        Ok(())
    }

    /// What errors call the separator.
    pub(super) fn name(&self) -> String {
        match self.separator.as_str() {
            "\t" => "a tab".to_owned(),
            "whitespace" => "spaces or tabs".to_owned(),
            other => format!("{other:?}"),
        }
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
