//! The options of BERT4Rec.

use cloze_encoder::{AdamWOptions, EncoderConfig, Head, Schedule};
use cloze_train::TrainError;
use serde::{Deserialize, Serialize};

/// Which part of a sequence longer than the encoder is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Windows {
    /// The last items, every epoch.
    Last,
    /// A window drawn anew every epoch, so that all items are trained on.
    Random,
}

/// Options of BERT4Rec; the defaults reach the published quality on MovieLens-1M.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Bert4RecOptions {
    /// Width of hidden states and item vectors.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Longest sequence; longer ones keep their last items.
    pub max_length: usize,
    /// Dropout of hidden states and attention probabilities.
    pub dropout: f64,
    /// Whether the head normalizes after GELU, as the original code does.
    pub head_norm: bool,
    /// Probability that a position is masked.
    pub mask_probability: f64,
    /// Share of training sequences in which only the last item is masked, as at inference.
    pub last_mask_share: f64,
    /// Part of long sequences to train on.
    pub windows: Windows,
    /// Optimizer steps.
    pub steps: u64,
    /// Sequences a step.
    pub batch: usize,
    /// Highest learning rate: linear warm-up, then linear to 0.
    pub learning_rate: f64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f64,
    /// Largest gradient norm.
    pub clip: f64,
    /// Standard deviation of the initial matrices.
    pub initial_scale: f64,
    /// Steps between two looks at the validation items; 0: never.
    pub validate_every: u64,
}

impl Default for Bert4RecOptions {
    fn default() -> Self {
        Self {
            hidden: 64,
            layers: 2,
            heads: 2,
            max_length: 200,
            dropout: 0.2,
            head_norm: true,
            mask_probability: 0.3,
            last_mask_share: 0.1,
            windows: Windows::Last,
            steps: 5000,
            batch: 256,
            learning_rate: 4e-3,
            warmup: 200,
            weight_decay: 0.01,
            clip: 5.0,
            initial_scale: 0.05,
            validate_every: 500,
        }
    }
}

impl Bert4RecOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [(&'static str, &'static str)] = &[
        ("hidden", "Width of hidden states and item vectors"),
        ("layers", "Transformer layers"),
        ("heads", "Attention heads; divides hidden"),
        ("max-length", "Longest sequence; longer ones keep their last items"),
        ("dropout", "Dropout of hidden states and attention probabilities"),
        ("head-norm", "Normalize after GELU in the head, as the original code does"),
        ("mask-probability", "Probability that a position is masked"),
        ("last-mask-share", "Share of training sequences with only the last item masked, as at inference"),
        ("windows", "Part of long sequences to train on: last, or random (drawn every epoch)"),
        ("steps", "Optimizer steps"),
        ("batch", "Sequences a step"),
        ("learning-rate", "Highest learning rate: linear warm-up, then linear to 0"),
        ("warmup", "Steps of warm-up"),
        ("weight-decay", "Decoupled weight decay of matrices (none on biases and norms)"),
        ("clip", "Largest gradient norm; longer gradients are scaled down"),
        ("initial-scale", "Standard deviation of the initial matrices"),
        ("validate-every", "Steps between two looks at the validation items; 0: never"),
    ];

    /// The encoder over `catalogue` tokens and \[MASK\].
    pub fn encoder(&self, catalogue: usize) -> EncoderConfig {
        EncoderConfig {
            dropout: self.dropout,
            head: if self.head_norm { Head::TransformNorm } else { Head::Transform },
            ..EncoderConfig::bert4rec(catalogue, self.hidden, self.layers, self.heads, self.max_length)
        }
    }

    /// The optimizer.
    pub fn optimizer(&self) -> AdamWOptions {
        AdamWOptions { weight_decay: self.weight_decay, clip: Some(self.clip), ..AdamWOptions::default() }
    }

    /// The learning rates.
    pub fn schedule(&self) -> Schedule {
        Schedule { peak: self.learning_rate, warmup: self.warmup, steps: self.steps }
    }

    /// Checks what the encoder does not check itself.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    pub fn validate(&self) -> Result<(), TrainError> {
        let share = 0.0..=1.0;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let rules: [(&'static str, String, bool, &str); 10] = [
            ("max-length", self.max_length.to_string(), self.max_length >= 2, "must be at least 2"),
            ("steps", self.steps.to_string(), self.steps > 0, "must be at least 1"),
            ("batch", self.batch.to_string(), self.batch > 0, "must be at least 1"),
            ("warmup", self.warmup.to_string(), self.warmup < self.steps, "must be below steps"),
            (
                "mask-probability",
                self.mask_probability.to_string(),
                self.mask_probability > 0.0 && self.mask_probability <= 1.0,
                "must be in (0, 1]",
            ),
            (
                "last-mask-share",
                self.last_mask_share.to_string(),
                share.contains(&self.last_mask_share),
                "must be in [0, 1]",
            ),
            (
                "learning-rate",
                self.learning_rate.to_string(),
                positive(self.learning_rate),
                "must be positive",
            ),
            ("clip", self.clip.to_string(), positive(self.clip), "must be positive"),
            (
                "initial-scale",
                self.initial_scale.to_string(),
                positive(self.initial_scale),
                "must be positive",
            ),
            (
                "weight-decay",
                self.weight_decay.to_string(),
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "must not be negative",
            ),
        ];
        match rules.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((key, value, _, rule)) => Err(TrainError::option(key, value, rule)),
            None => Ok(()),
        }
    }
}
