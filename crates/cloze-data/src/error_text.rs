//! How errors are made and what they say at length.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::DataError;
use crate::staging::StagingError;

/// One source that was tried, and why it did not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The source: a folder, an address, a package.
    pub source: String,
    /// Why it did not serve.
    pub reason: String,
}

impl From<StagingError> for DataError {
    fn from(StagingError { action, path, source }: StagingError) -> Self {
        Self::Io { action, path, source }
    }
}

impl DataError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// What errors expect of a JSON object that lacks a field.
pub(crate) const NO_FIELD: &str = "an object that has it";
/// What errors expect instead of an id that seems to be quoted.
pub(crate) const UNQUOTED: &str = "an id without quotation marks (quoting is not interpreted)";

impl DataError {
    /// What is wrong with a row, without the place.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Cell { column, value, expected, .. } => {
                format!("{column}: found {:?}, expected {expected}", beginning(value))
            }
            Self::Fields { found, expected, separator, .. } => {
                format!("{found} fields, expected at least {expected} separated by {separator}")
            }
            Self::Ragged { found, expected, .. } => {
                format!(
                    "{found} fields, the first row has {expected}: make a row of each item, and put a cell with a \
                     separator in it in quotation marks"
                )
            }
            Self::Encoding { byte, .. } => format!("byte {byte:#04x} is not UTF-8"),
            other => other.to_string(),
        }
    }

    /// Of a row without a value, says which filter leaves such rows out; of a wrong quotation mark, which option makes it text.
    #[must_use]
    pub(crate) fn with_option(mut self) -> Self {
        let Self::Cell { column, value, expected, .. } = &mut self else { return self };
        if column.ends_with("(value)") {
            // NaN is a gap in Parquet, whose columns are named in quotation marks, and a bad number in a text.
            let gap = value == "NaN" && column.starts_with("column \"");
            let absent = expected.as_str() == NO_FIELD;
            if gap || absent || ["", "null"].contains(&value.as_str()) {
                expected
                    .push_str("; the filter drop_without_value (--drop-without-value) leaves such rows out");
            }
        }
        if column.ends_with("(quoted)") || expected.as_str() == UNQUOTED {
            expected.push_str("; with quotes = false marks are text");
        }
        self
    }

    /// The same error, so many lines further down.
    #[must_use]
    pub(crate) fn moved(mut self, lines: usize) -> Self {
        match &mut self {
            Self::Cell { line, .. }
            | Self::Fields { line, .. }
            | Self::Ragged { line, .. }
            | Self::Encoding { line, .. } => {
                *line += lines;
            }
            _ => {}
        }
        self
    }
}

pub(crate) fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!(" (did you mean {}?)", nearest.join(" or ")) }
}

pub(crate) fn unobtainable(name: &str, attempts: &[Attempt], wanted: &[String], licence_url: &str) -> String {
    let tried: Vec<_> = attempts.iter().map(|one| format!("  - {}: {}", one.source, one.reason)).collect();
    let wanted: Vec<_> = wanted.iter().map(|file| format!("  - {file}")).collect();
    format!(
        "the data set {name} could not be obtained. Tried:\n{}\nTo provide it by hand, put the files of one line in \
         place (CLOZE_DATA_DIR or --data-dir names the folder):\n{}\nFiles and licence: {licence_url}",
        tried.join("\n"),
        wanted.join("\n")
    )
}

/// Characters of a text that an error shows: a cell may be as long as a file.
const SHOWN: usize = 80;
/// Cells of a header that an error shows.
const CELLS: usize = 30;

/// The beginning of a text.
pub(crate) fn beginning(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::from(format!("{}…", &text[..end])),
        None => Cow::from(text),
    }
}

/// The first cells of a header.
pub(crate) fn cells(found: &[String]) -> String {
    let shown: Vec<_> = found.iter().take(CELLS).map(|cell| beginning(cell)).collect();
    let more = found.len().saturating_sub(CELLS);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ").replace('\r', "\\r") + &rest
}

/// A header of one cell is mostly one that was cut at the wrong character.
pub(crate) fn separator_hint(found: &[String]) -> String {
    if found.iter().any(|cell| cell.contains('\r')) {
        return ": its lines end in CR alone, as old Macintosh files do; convert them (tr '\\r' '\\n')"
            .to_owned();
    }
    let [only] = found else { return String::new() };
    match only.chars().find(|character| [';', '\t', '|', ','].contains(character)) {
        Some(character) => format!(": one cell; is the separator {character:?}?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_no_more_of_a_file_than_fits_a_screen() {
        assert_eq!(beginning(&"ä".repeat(SHOWN)), "ä".repeat(SHOWN));
        assert_eq!(beginning(&"ä".repeat(3000)), "ä".repeat(SHOWN) + "…");
        let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        assert!(cells(&names).ends_with("29 and 70 more"), "{}", cells(&names));
        let macintosh = ["user".to_owned(), "item\ru0".to_owned()];
        assert_eq!(cells(&macintosh), "user, item\\ru0");
        assert!(separator_hint(&macintosh).contains("CR"));
    }
}
