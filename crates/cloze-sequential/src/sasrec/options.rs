//! The options of SASRec.

use crate::loss::{LossKind, TrainingLoss};
use crate::next_item::push_next_items;
use crate::objective::{Objective, Training, Windows, check, check_slope};
use cloze_encoder::{
    Activation, AdamWOptions, Attention, Body, EncoderConfig, EncoderError, Head, Norm, Output, PackedBatch,
    Positions, Schedule,
};
use cloze_train::TrainError;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Options of SASRec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SasRecOptions {
    /// Width of hidden states and item vectors.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Width of the feed-forward blocks as a multiple of `hidden`; the paper's is 1.
    pub expansion: usize,
    /// Longest input; longer histories keep their last items.
    pub max_length: usize,
    /// What each place of distance takes from the first head's attention scores; a quarter of it in each next head.
    pub distance_slope: f64,
    /// Dropout of hidden states and attention probabilities.
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
    /// Weight of the identity in the matrices of attention that hand vectors on.
    pub initial_identity: f64,
    /// Steps between two looks at the validation items; 0: never.
    pub validate_every: u64,
}

impl Default for SasRecOptions {
    fn default() -> Self {
        Self {
            hidden: 64,
            layers: 2,
            heads: 2,
            expansion: 1,
            max_length: 200,
            distance_slope: 0.0,
            dropout: 0.2,
            recency: 1.0,
            loss: LossKind::Softmax,
            negatives: 0,
            calibration: 0.75,
            windows: Windows::Last,
            shuffle: false,
            steps: 5000,
            batch: 128,
            learning_rate: 1e-3,
            warmup: 200,
            weight_decay: 0.01,
            clip: 5.0,
            initial_scale: 0.05,
            initial_identity: 0.0,
            validate_every: 250,
        }
    }
}

impl SasRecOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [(&'static str, &'static str)] = &[
        ("hidden", "Width of hidden states and item vectors"),
        ("layers", "Transformer layers"),
        ("heads", "Attention heads; divides hidden"),
        ("expansion", "Width of the feed-forward blocks as a multiple of hidden"),
        ("max-length", "Longest input; longer histories keep their last items"),
        (
            "distance-slope",
            "What each place of distance takes from the first head's attention scores, a quarter of it in each next head's \
             (ALiBi): a place looks at what is near first; 0: nothing, as the paper",
        ),
        ("dropout", "Dropout of hidden states and attention probabilities"),
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
        ("weight-decay", "Decoupled weight decay of matrices (none on biases and norms)"),
        ("clip", "Largest gradient norm; longer gradients are scaled down"),
        ("initial-scale", "Standard deviation of the initial matrices"),
        (
            "initial-identity",
            "Weight of the identity in value and output matrices at the start, as in bert4rec",
        ),
        ("validate-every", "Steps between two looks at the validation items; 0: never"),
    ];
}

impl Objective for SasRecOptions {
    const SHORTEST: usize = 2;
    const NOTHING: &'static str =
        "no user has two interactions left to train on: there is no next item to predict";

    /// No special token.
    fn encoder(&self, catalogue: usize) -> EncoderConfig {
        EncoderConfig {
            body: Body::Transformer,
            vocabulary: catalogue,
            outputs: catalogue,
            hidden: self.hidden,
            layers: self.layers,
            heads: self.heads,
            // Too large is found by the encoder's own check, which comes after.
            intermediate: self.expansion.saturating_mul(self.hidden),
            max_length: self.max_length,
            dropout: self.dropout,
            norm: Norm::Pre,
            embedding_norm: false,
            norm_epsilon: 1e-8,
            activation: Activation::Relu,
            positions: Positions::Learned,
            token_types: 0,
            attention: Attention::Causal,
            distance_slope: self.distance_slope,
            head: Head::Plain,
            output: Output::Tied,
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
            initial_identity: self.initial_identity,
            initial_bias: 0.0,
            validate_every: self.validate_every,
        }
    }

    fn validate(&self) -> Result<(), TrainError> {
        self.training().validate()?;
        check_slope(self.distance_slope)?;
        check("expansion", self.expansion, self.expansion > 0, "must be at least 1")?;
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
