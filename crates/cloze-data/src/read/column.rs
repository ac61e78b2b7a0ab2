//! Columns by name or position, and ids as all readers take them.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// A column: its position, counted from 1, or its name in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Position, counted from 1.
    Position(usize),
    /// The header's cell, letter for letter.
    Name(String),
}

impl Column {
    /// Its place, from 0, in a header. A name without a type finds the typed one of RecBole: `user_id` is
    /// `user_id:token`.
    pub(crate) fn find(
        &self,
        path: &Path,
        role: &'static str,
        header: &[String],
    ) -> Result<usize, DataError> {
        let places = |is: &dyn Fn(&str) -> bool| -> Vec<usize> {
            header.iter().enumerate().filter(|(_, cell)| is(cell)).map(|(place, _)| place).collect()
        };
        let found = match self {
            Self::Position(position) => {
                position.checked_sub(1).filter(|place| *place < header.len()).into_iter().collect()
            }
            Self::Name(name) => {
                let exact = places(&|cell| cell == name);
                let typed = |cell: &str| {
                    cell.strip_prefix(name.as_str()).is_some_and(|rest| RECBOLE_TYPES.contains(&rest))
                };
                if exact.is_empty() { places(&typed) } else { exact }
            }
        };
        match found[..] {
            [place] => Ok(place),
            [first, second, ..] => {
                let (first, second) = (first + 1, second + 1);
                let name = self.to_string();
                let reason = format!(
                    "the header has {name:?} ({role}) twice, as columns {first} and {second}: rename one"
                );
                Err(DataError::Malformed { file: path.to_owned(), reason })
            }
            [] => Err(DataError::Header {
                file: path.to_owned(),
                column: self.to_string(),
                role,
                found: header.to_vec(),
            }),
        }
    }
}

/// What may follow a name in a header of RecBole.
const RECBOLE_TYPES: [&str; 4] = [":token", ":token_seq", ":float", ":float_seq"];

/// An id by the one rule of all readers: a whole number written with a point is the number without it, because programs
/// that met a gap in the column made numbers of another kind of it. `17850.0` is the id `17850`.
pub(crate) fn plain_id(id: &[u8]) -> &[u8] {
    let Some(point) = id.iter().rposition(|byte| *byte != b'0').filter(|at| at + 1 < id.len()) else {
        return id;
    };
    let digits = id[..point].strip_prefix(b"-").unwrap_or(&id[..point]);
    let number = id[point] == b'.' && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if number { &id[..point] } else { id }
}

/// An id by the one rule of all readers: a whole number written with a point is the number without it. `17850.0` is the id `17850`.
pub fn plain_text_id(id: &str) -> &str {
    &id[..plain_id(id.as_bytes()).len()]
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "{position}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain_id;

    #[test]
    fn a_whole_number_with_a_point_is_the_number_without_it() {
        for (id, plain) in [("17850.0", "17850"), ("-3.00", "-3"), ("100", "100"), ("0.0", "0"), ("0", "0")] {
            assert_eq!(plain_id(id.as_bytes()), plain.as_bytes());
        }
        for kept in ["", ".0", "-.0", "1.50", "v1.0", "1.0.0", "00", "1.", "1.0 "] {
            assert_eq!(plain_id(kept.as_bytes()), kept.as_bytes());
        }
    }
}
