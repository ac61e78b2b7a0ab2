//! `config.json`.

use serde::{Deserialize, Serialize};

/// Version of the folder's layout, written into `config.json`.
pub const FORMAT: u32 = 2;

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedOn {
    /// Data set name, as `--data` took it.
    pub dataset: String,
    /// Whether the data were generated.
    pub synthetic: bool,
    /// Split, `leave-one-out`.
    pub split: String,
    /// Content hash of that split.
    pub split_hash: String,
    /// `train` or `train+validation`.
    pub fit: String,
    /// The share of users that were learned from; absent: all.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub user_share: f64,
}

fn all() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_all(share: &f64) -> bool {
    *share >= all()
}

/// `config.json`: everything needed to rebuild the model around its weights, and to know where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Layout version of the folder.
    pub format: u32,
    /// Kind of model, kebab-case (`bert4rec`).
    pub model: String,
    /// Version of the program that wrote the folder.
    pub version: String,
    /// The model's own options, every one resolved.
    pub options: serde_json::Value,
    /// Data, split and fit.
    pub trained_on: TrainedOn,
    /// Seed of initialization, masks, order and dropout.
    pub seed: u64,
    /// Wall-clock seconds of training.
    pub seconds: f64,
    /// What was noted in training and bears on what the model is worth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The `format` that a JSON object names, read before its other keys: those of another version need not be known here.
pub(crate) fn format_of(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    serde_json::from_slice::<Versioned>(bytes).ok().map(|versioned| versioned.format)
}
