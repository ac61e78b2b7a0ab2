//! An evaluation: the ranks of one trained model, with what is needed to know whether to compare them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::curve::CurvePoint;
use crate::difficulty::Success;
use crate::ranks::ProtocolRanks;
use crate::ratings::RatingError;
use crate::table::count;

/// Which held-out item was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The test item.
    Test,
    /// The validation item, as during training.
    Validation,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Test => "test",
            Self::Validation => "validation",
        })
    }
}

/// What a model was fitted on. Models of different fits stand in different tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fit {
    /// The training part only: `train`.
    #[serde(rename = "train")]
    Train,
    /// The training part and the validation items: `train+validation`.
    #[serde(rename = "train+validation")]
    TrainAndValidation,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::TrainAndValidation => "train+validation",
        })
    }
}

/// What an evaluation is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// Name of the data set, as in the published figures.
    pub dataset: String,
    /// Whether the data set was generated; reports say so in their titles.
    pub synthetic: bool,
    /// Kind of split, with its cuts where it has any: `leave-one-out`, `global-time:0.8,0.9`.
    pub split: String,
    /// Which held-out item was looked for.
    pub target: Target,
    /// Hash of the split. Evaluations of different splits are not comparable.
    pub split_hash: String,
    /// What the model was fitted on.
    pub fit: Fit,
    /// The model's name.
    pub model: String,
    /// Seed of the model's training.
    pub seed: u64,
    /// The model's options, every one resolved, where they are known. Seeds of one model have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<serde_json::Value>,
    /// Training and scoring, in seconds.
    pub seconds: f64,
    /// Number of evaluated users.
    pub users: usize,
    /// Users who are left out: their held-out item is one that they had before, and seen items are no candidates.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: usize,
    /// For scores that came from a file: what they cover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// For a model that predicts ratings: how far they are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating_error: Option<RatingError>,
    /// By which model, and against which target, the difficulty of lists was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<Success>,
    /// How quality grew, for a model that learns by steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<CurvePoint>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What the scores of a file cover of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Scores of evaluated users.
    pub scores: u64,
    /// Evaluated users with at least one score.
    pub users: usize,
    /// Evaluated users whose target has a score.
    pub targets: usize,
    /// Rows of the file that were left out because the data do not have their user or item.
    pub unknown: u64,
}

/// What a report says of the coverage: once for each model, or for each of its seeds where they differ.
pub(crate) fn coverage_lines(evaluations: &[&Evaluation]) -> Vec<String> {
    let of_model = |meta: &Meta| {
        let model = meta.model.clone();
        evaluations.iter().map(|run| &run.meta).filter(move |other| other.model == model)
    };
    let line = |run: &&Evaluation| {
        let meta = &run.meta;
        let alike = of_model(meta).all(|other| other.coverage == meta.coverage);
        let first = of_model(meta).next().is_some_and(|first| first.seed == meta.seed);
        let name = if alike { meta.model.clone() } else { format!("{} (seed {})", meta.model, meta.seed) };
        if alike && !first { None } else { meta.coverage_line(&name) }
    };
    evaluations.iter().filter_map(line).collect()
}

impl Meta {
    /// Whose items were looked for, in words.
    pub(crate) fn users_line(&self) -> String {
        let left_out = match self.repeats {
            0 => String::new(),
            users => format!(" ({} more are left out: theirs is an item that they had before)", count(users)),
        };
        format!("{} items of {} users{left_out}", self.target, count(self.users))
    }

    fn coverage_line(&self, name: &str) -> Option<String> {
        let Coverage { scores, users, targets, unknown } = self.coverage?;
        let left_out = match unknown {
            0 => String::new(),
            rows => format!("; {} rows of unknown users or items were left out", count(rows as usize)),
        };
        Some(format!(
            "{name} comes from a file of {} scores: {} of {} users have scores, {} of their targets. An item without a \
             score ranks below every item with one{left_out}.",
            count(scores as usize),
            count(users),
            count(self.users),
            count(targets),
        ))
    }
}

/// The ranks of one trained model on one data set.
///
/// [`Evaluation::save`] and [`Evaluation::load`] keep it in a folder as `users.parquet` and
/// `evaluation.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// What was evaluated.
    pub meta: Meta,
    /// The ranks, a protocol each.
    pub protocols: Vec<ProtocolRanks>,
}
