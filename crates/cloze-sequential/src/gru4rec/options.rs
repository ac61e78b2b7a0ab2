//! The options of GRU4Rec.

use crate::loss::{LossKind, TrainingLoss};
use crate::next_item::push_next_items;
use crate::objective::{Objective, Training, Windows, check};
use cloze_encoder::{AdamWOptions, EncoderConfig, EncoderError, PackedBatch, Schedule};
use cloze_train::TrainError;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Options of GRU4Rec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Gru4RecOptions {
    /// Width of hidden states and item vectors.
    pub hidden: usize,
    /// Recurrent layers, one above the other.
    pub layers: usize,
    /// Longest input; longer histories keep their last items.
    pub max_length: usize,
    /// Dropout of item vectors and of what each layer hands up.
    pub dropout: f64,
    /// With r, a position k places before the last of a training sequence is a target with probability rᵏ: 1 takes
    /// every position as the paper does, 0 the last only (after Petrov & Macdonald 2022, who draw a fixed number).
    pub recency: f64,
    /// What training minimizes.
    pub loss: LossKind,
    /// Sampled items that a target is compared with; 0: one for `bce`, 256 for `sampled-softmax` and `gbce`.
    pub negatives: usize,
    /// gBCE's t: 1 makes up for the sampling, 0 gives BCE.
    pub calibration: f64,
    /// Parts of sequences to train on.
    pub windows: Windows,
    /// Whether every history is shuffled, in training and when asked: a check of what order is worth.
    pub shuffle: bool,
    /// Optimizer steps.
    pub steps: u64,
    /// Sequences a step, or parts of them.
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

impl Default for Gru4RecOptions {
    fn default() -> Self {
        Self {
            hidden: 128,
            layers: 1,
            max_length: 200,
            dropout: 0.2,
            recency: 1.0,
            loss: LossKind::Softmax,
            negatives: 0,
            calibration: 0.75,
            windows: Windows::Last,
            shuffle: false,
            steps: 5000,
            batch: 128,
            learning_rate: 2e-3,
            warmup: 200,
            weight_decay: 0.01,
            clip: 5.0,
            initial_scale: 0.05,
            validate_every: 250,
        }
    }
}

impl Gru4RecOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [(&'static str, &'static str)] = &[
        ("hidden", "Width of hidden states and item vectors"),
        ("layers", "Recurrent layers, one above the other"),
        ("max-length", "Longest input; longer histories keep their last items"),
        ("dropout", "Dropout of item vectors and of what each layer hands up"),
        ("recency", "1: every position is a target; r: one k places before the last with probability r^k"),
        TrainingLoss::LOSS_HELP,
        TrainingLoss::NEGATIVES_HELP,
        TrainingLoss::CALIBRATION_HELP,
        (
            "windows",
            "Part of sequences to train on: last; random, drawn every epoch; or prefix, each item the last one once an epoch",
        ),
        ("shuffle", "Shuffle every history: a check, a model of order must get worse"),
        ("steps", "Optimizer steps"),
        ("batch", "Sequences a step"),
        ("learning-rate", "Highest learning rate: linear warm-up, then linear to 0"),
        ("warmup", "Steps of warm-up"),
        ("weight-decay", "Decoupled weight decay of matrices (none on biases)"),
        ("clip", "Largest gradient norm; longer gradients are scaled down"),
        ("initial-scale", "Standard deviation of the initial matrices"),
        ("validate-every", "Steps between two looks at the validation items; 0: never"),
    ];
}

impl Objective for Gru4RecOptions {
    const SHORTEST: usize = 2;
    const NOTHING: &'static str =
        "no user has two interactions left to train on: there is no next item to predict";

    /// No special token.
    fn encoder(&self, catalogue: usize) -> EncoderConfig {
        EncoderConfig {
            dropout: self.dropout,
            ..EncoderConfig::gru4rec(catalogue, self.hidden, self.layers, self.max_length)
        }
    }

    fn training(&self) -> Training {
        Training {
            max_length: self.max_length,
            loss: TrainingLoss { kind: self.loss, negatives: self.negatives, calibration: self.calibration },
            windows: self.windows,
            shuffle: self.shuffle,
            batch: self.batch,
            schedule: Schedule { peak: self.learning_rate, warmup: self.warmup, steps: self.steps },
            optimizer: AdamWOptions {
                weight_decay: self.weight_decay,
                clip: Some(self.clip),
                ..AdamWOptions::default()
            },
            initial_scale: self.initial_scale,
            initial_identity: 0.0,
            initial_bias: 0.0,
            validate_every: self.validate_every,
        }
    }

    fn validate(&self) -> Result<(), TrainError> {
        self.training().validate()?;
        check("recency", self.recency, (0.0..=1.0).contains(&self.recency), "must be in [0, 1]")
    }

    /// One more than the encoder takes: the last item is a target only.
    fn window(&self) -> usize {
        self.max_length + 1
    }

    fn push_example(
        &self,
        batch: &mut PackedBatch,
        window: &[u32],
        _: usize,
        generator: &mut ChaCha8Rng,
    ) -> Result<(), EncoderError> {
        push_next_items(batch, window, self.max_length, self.recency, generator)
    }

    /// The last `max_length` tokens.
    fn input(&self, history: &[u32], _: usize) -> Vec<u32> {
        history[history.len().saturating_sub(self.max_length)..].to_vec()
    }
}
