//! How errors are made and what they say at length.

use std::path::PathBuf;

use crate::DataError;
use crate::error::Attempt;

impl DataError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl DataError {
    /// What is wrong with a row, without the place.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Cell { column, value, expected, .. } => {
                format!("{column}: found {value:?}, expected {expected}")
            }
            Self::Fields { found, expected, separator, .. } => {
                format!("{found} fields, expected at least {expected} separated by {separator}")
            }
            other => other.to_string(),
        }
    }

    /// The same error, so many lines further down.
    #[must_use]
    pub(crate) fn moved(mut self, lines: usize) -> Self {
        match &mut self {
            Self::Cell { line, .. } | Self::Fields { line, .. } | Self::Encoding { line, .. } => {
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
