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
    /// A user id beyond those of training.
    #[error("user {user}: the model was trained with {users} users")]
    UserOutOfRange {
        /// The user.
        user: u32,
        /// Number of users.
        users: usize,
    },
    /// A model that would take more memory than it may.
    #[error(
        "{items} items need {need:.1} GiB, option memory-limit is {limit} GiB: filter rare items when the data are \
         prepared, model the most popular ones only (max-items), or raise memory-limit if the machine has the memory"
    )]
    Memory {
        /// Number of items.
        items: usize,
        /// GiB needed.
        need: f64,
        /// GiB allowed.
        limit: f64,
    },
    /// Sequences that cannot be rearranged.
    #[error(transparent)]
    Sequences(#[from] cloze_data::DataError),
    /// The system refused the memory.
    #[error(
        "no memory for a matrix of {items} items ({need:.1} GiB): filter rare items when the data are prepared"
    )]
    OutOfMemory {
        /// Number of items.
        items: usize,
        /// GiB asked for.
        need: f64,
    },
    /// The regularized Gram matrix has no inverse in 64-bit numbers.
    #[error(
        "option lambda is {lambda}, too small for these data: their Gram matrix has no inverse; raise it"
    )]
    Singular {
        /// The weight of the norm.
        lambda: f64,
    },
    /// A decomposition whose iteration does not end.
    #[error("the eigenvalues of the training data do not converge: are there numbers that are not finite?")]
    Decomposition,
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
