//! A table of an export in memory.

use std::path::{Path, PathBuf};

use crate::DataError;
use crate::log::{read_bytes, refuse_foreign};
use crate::read::{Encoding, Table, Text};

/// A table with a header.
pub(super) struct Sheet {
    pub(super) path: PathBuf,
    /// The name of the file, without what the platform puts behind the name of a quiz or test.
    pub(super) name: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Line>,
}

/// A row, with its line in the file, counted from 1.
pub(super) struct Line {
    pub(super) line: usize,
    pub(super) cells: Vec<String>,
}

impl Sheet {
    pub(super) fn read(path: &Path, encoding: Encoding, endings: &[&str]) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        refuse_foreign(path, &bytes)?;
        let malformed =
            |reason: &str| DataError::Malformed { file: path.to_owned(), reason: reason.to_owned() };
        let separator = separator(&bytes)
            .ok_or_else(|| malformed("the first line has one column: expected an export as CSV"))?;
        let table = Table { separator: separator.to_string(), header: true, encoding, quotes: Some(true) };
        let text = Text::new(path, &bytes, &table)?;
        let header = text.header().iter().map(|cell| cell.trim().to_owned()).collect();
        let mut rows = Vec::new();
        for row in text.rows() {
            let row = row?;
            let cells = row.cells().iter().map(|cell| cell.trim().to_owned()).collect();
            rows.push(Line { line: row.line(), cells });
        }
        Ok(Self { path: path.to_owned(), name: name(path, endings), header, rows })
    }

    /// The first column with one of these names, in letters of either case.
    pub(super) fn column(&self, names: &[&str]) -> Option<usize> {
        self.header.iter().position(|cell| names.iter().any(|name| cell.eq_ignore_ascii_case(name)))
    }

    /// The same of a column that has to be there.
    pub(super) fn required(&self, names: &[&str], role: &'static str) -> Result<usize, DataError> {
        self.column(names).ok_or_else(|| DataError::Header {
            file: self.path.clone(),
            column: names.join(" or "),
            role,
            found: self.header.clone(),
        })
    }

    /// A row that has as many cells as the header: a cell that is missing is no cell without an answer.
    pub(super) fn check_whole(&self, row: &Line) -> Result<(), DataError> {
        let (found, expected) = (row.cells.len(), self.header.len());
        if found == expected {
            return Ok(());
        }
        Err(DataError::Ragged { file: self.path.clone(), line: row.line, found, expected })
    }

    pub(super) fn wrong(&self, row: &Line, column: usize, expected: &str) -> DataError {
        let name = self.header.get(column).map_or("", String::as_str);
        self.wrong_called(row, column, name, expected)
    }

    /// The same where the column is called something else than in the first line.
    pub(super) fn wrong_called(&self, row: &Line, column: usize, name: &str, expected: &str) -> DataError {
        DataError::Cell {
            file: self.path.clone(),
            line: row.line,
            column: format!("column {} ({name})", column + 1),
            value: row.cell(column).chars().take(60).collect(),
            expected: expected.to_owned(),
        }
    }

    /// The error for a file that has none of the forms.
    pub(super) fn unknown(&self, reason: &str) -> DataError {
        let reason = format!("{reason}; its columns are {}", self.header.join(", "));
        DataError::Malformed { file: self.path.clone(), reason }
    }
}

impl Line {
    /// A cell; empty if the row is too short for it.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// A number, whose decimals may stand behind a comma.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = if text.contains('.') { text.to_owned() } else { text.replacen(',', ".", 1) };
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A comma, a semicolon or a tab: what the first line has most of, outside of quotation marks.
fn separator(bytes: &[u8]) -> Option<char> {
    let (mut quoted, mut counts) = (false, [(',', 0), (';', 0), ('\t', 0)]);
    for byte in bytes.iter().take_while(|byte| **byte != b'\n') {
        quoted ^= *byte == b'"';
        for (separator, count) in &mut counts {
            *count += usize::from(!quoted && char::from(*byte) == *separator);
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0).map(|best| best.0)
}

fn name(path: &Path, endings: &[&str]) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut name = name.as_str();
    for ending in [".gz", ".zst", ".csv", ".tsv", ".txt"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    let own = endings.iter().find_map(|ending| name.strip_suffix(ending));
    own.filter(|name| !name.is_empty()).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{name, number, separator};

    #[test]
    fn the_separator_is_found_outside_of_quotation_marks() {
        assert_eq!(separator(b"a,\"b;c;d\",e\n1;2;3;4"), Some(','));
        assert_eq!(separator(b"\"a, b\";\"c, d\""), Some(';'));
        assert_eq!(separator(b"a\tb"), Some('\t'));
        assert_eq!(separator(b"a"), None);
    }

    #[test]
    fn numbers_have_a_point_or_a_comma() {
        assert_eq!([number("1.50"), number("1,50"), number("0")], [Some(1.5), Some(1.5), Some(0.0)]);
        assert_eq!([number("1,000.5"), number("1,2,3"), number("-"), number("NaN")], [None; 4]);
    }

    #[test]
    fn a_quiz_is_called_after_its_file() {
        let name = |path: &str| name(Path::new(path), &["-grades", "_results"]);
        assert_eq!(name("a/Maths-Fractions-grades.csv.gz"), "Maths-Fractions");
        assert_eq!([name("week_1_results.csv"), name("-grades.csv")], ["week_1", "-grades"]);
    }
}
