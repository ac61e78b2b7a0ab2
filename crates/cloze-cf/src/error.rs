//! Why a model cannot be fitted or asked.

use cloze_train::TrainError;

/// What is wrong with the options or the data of a model of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CfError {
    /// An option outside its range.
    #[error("option {option} is {value}, must be {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// An item id outside the catalogue, in training or in a history.
    #[error("item {item} is outside the catalogue of {catalogue} items")]
    ItemOutOfRange {
        /// The item.
        item: u32,
        /// Number of items.
        catalogue: usize,
    },
    /// The place for scores does not have a row for each query.
    #[error("{found} places for the scores of {queries} queries and {catalogue} items")]
    ScoreLength {
        /// Length of the given slice.
        found: usize,
        /// Number of queries.
        queries: usize,
        /// Number of items.
        catalogue: usize,
    },
}

impl From<CfError> for TrainError {
    fn from(error: CfError) -> Self {
        match error {
            CfError::Option { option, value, expected } => {
                Self::option(option, value, format!("must be {expected}"))
            }
            other => Self::Data(other.to_string()),
        }
    }
}
