//! Everything that can go wrong in an evaluation, each with the data that names the culprit.

use std::path::PathBuf;

use crate::recommender::ModelError;

/// Why an evaluation, a stored evaluation or a comparison was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A candidate protocol that is not one of the known forms.
    #[error(
        "unknown candidate protocol \"{given}\"; known forms: full, uniform-N, popularity-N, within-genre (N negatives, e.g. uniform-100)"
    )]
    UnknownProtocol {
        /// The text that was given.
        given: String,
    },
    /// A metric that is not one of the known forms.
    #[error(
        "unknown metric \"{given}\"; known forms: recall@K (also hr@K), ndcg@K, mrr@K, mrr (e.g. ndcg@10)"
    )]
    UnknownMetric {
        /// The text that was given.
        given: String,
    },
    /// The model and the data disagree on the number of items.
    #[error("model {model} scores {model_items} items, the data has {data_items}")]
    CatalogueMismatch {
        /// The model's name.
        model: String,
        /// Items that the model scores.
        model_items: usize,
        /// Items of the data.
        data_items: usize,
    },
    /// Two inputs that describe the same users have different lengths.
    #[error("{what}: {found} given for {expected} users")]
    LengthMismatch {
        /// Which input.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// An item id outside the catalogue.
    #[error("item {item} of {user} ({place}) is outside the catalogue of {catalogue} items", user = user_name(*user))]
    ItemOutOfRange {
        /// The user whose data it is.
        user: Option<u32>,
        /// The offending item.
        item: u32,
        /// `history` or `target`.
        place: &'static str,
        /// Number of items.
        catalogue: usize,
    },
    /// A user id beyond the number of users.
    #[error("user {user} is none of {users} users")]
    UserOutOfRange {
        /// The dense id.
        user: u32,
        /// Number of users.
        users: usize,
    },
    /// A pair of user and item with two scores: which one is meant?
    #[error("user {user} has two scores for item {item}")]
    DuplicateScore {
        /// The user's dense id.
        user: u32,
        /// The item's dense id.
        item: u32,
    },
    /// A user appears twice among the cases, so users could not be resampled or paired.
    #[error("user {user} appears twice among the evaluated users")]
    DuplicateUser {
        /// The dense id.
        user: u32,
    },
    /// Nothing to evaluate.
    #[error("no users to evaluate")]
    NoUsers,
    /// The target is an item that is no candidate.
    #[error(
        "the target of user {user}, item {item}, is in its history, whose items are no candidates: leave such users out \
         (Cases::without_repeats), or rank seen items too (exclude_seen: false)"
    )]
    RepeatedTarget {
        /// The user.
        user: u32,
        /// The target.
        item: u32,
    },
    /// Every target is an item that the user had before.
    #[error(
        "the held-out item of all {users} users is one that they had before, so that nothing new is to be found: rank seen \
         items too (--keep-seen)"
    )]
    OnlyRepeats {
        /// Number of users.
        users: usize,
    },
    /// An option outside its range.
    #[error("option {option}: {problem}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The model itself failed.
    #[error("model {model} failed to score")]
    Model {
        /// The model's name.
        model: String,
        /// The model's own error.
        #[source]
        source: ModelError,
    },
    /// A score that orders nothing: NaN or +infinity (negative infinity means "never recommend").
    #[error("model {model} gave item {item} the score {score} for {user}", user = user_name(*user))]
    BadScore {
        /// The model's name.
        model: String,
        /// The user, if known in training.
        user: Option<u32>,
        /// The item.
        item: u32,
        /// NaN or +infinity.
        score: f32,
    },
    /// A model that says how likely an answer is right, and whose score is no probability.
    #[error(
        "model {model} gave item {item} the value {value} for user {user}, which is no probability from 0 to 1"
    )]
    NoProbability {
        /// The model's name.
        model: String,
        /// The user.
        user: u32,
        /// The item.
        item: u32,
        /// The score.
        value: f32,
    },
    /// Reading or writing failed.
    #[error("{action} {path}", path = path.display())]
    Io {
        /// `reading`, `writing`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A Parquet file that cannot be read or written: truncated, damaged or no Parquet at all.
    #[error("{path} is damaged or no Parquet file", path = path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A JSON file that does not have the expected fields.
    #[error("{path} is not the expected JSON", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A readable file whose content is not that of an evaluation.
    #[error("{path}: {problem}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A number that no statistic can be made of.
    #[error("{what} number {at} is {value}")]
    NotFinite {
        /// What the number is.
        what: &'static str,
        /// Its index, from 0.
        at: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A baseline, or a model of a claimed order, that is not among the models.
    #[error("no evaluation of the model \"{given}\"; models: {}", known.join(", "))]
    UnknownModel {
        /// The name that was given.
        given: String,
        /// The models that there are.
        known: Vec<String>,
    },
    /// Evaluations that must not stand in one table.
    #[error("evaluations of {dataset} cannot be compared: {field} is {left}, but {right}")]
    NotComparable {
        /// The data set.
        dataset: String,
        /// What differs.
        field: &'static str,
        /// One value and the run that has it.
        left: String,
        /// The other value and the run that has that.
        right: String,
    },
    /// The same run was given twice, which would make an interval too narrow.
    #[error("{model} on {dataset} (fit on {fit}) was given twice with seed {seed}")]
    DuplicateRun {
        /// The data set.
        dataset: String,
        /// What the model was fitted on.
        fit: String,
        /// The model.
        model: String,
        /// The seed.
        seed: u64,
    },
}

fn user_name(user: Option<u32>) -> String {
    user.map_or_else(|| "an unknown user".to_owned(), |id| format!("user {id}"))
}
