//! The options of BERT4Rec.

use crate::loss::{LossKind, TrainingLoss};
use crate::objective::{Objective, Training, Windows, check, check_slope};
use cloze_encoder::{
    Activation, AdamWOptions, EncoderConfig, EncoderError, Head, Output, PackedBatch, Positions, Schedule,
};
use cloze_train::TrainError;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

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
    /// Width of the feed-forward block; 0: four times `hidden`.
    pub intermediate: usize,
    /// Activation of the feed-forward blocks and of the head.
    pub activation: Activation,
    /// Whether the sum of the input's vectors is normalized.
    pub embedding_norm: bool,
    /// Whether the encoder sees positions.
    pub positions: Positions,
    /// What each place of distance takes from the first head's attention scores; a quarter of it in each next head.
    pub distance_slope: f64,
    /// What stands between hidden state and output layer: the original code's transform and norm, or less.
    pub head: Head,
    /// Whether the output layer has the input's item vectors or a matrix of its own.
    pub output_layer: Output,
    /// Probability that a position is masked; at least one is. 0: one is, drawn evenly.
    pub mask_probability: f64,
    /// Share of training sequences in which only the last item is masked, as at inference.
    pub last_mask_share: f64,
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
    /// Weight of the identity in the matrices that hand vectors on: a masked place starts as a mean of the item vectors around it.
    pub initial_identity: f64,
    /// Bias of the head's transform at the start: so far above zero GELU hands on both signs, and the norm behind it takes the
    /// constant away.
    pub initial_bias: f64,
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
            intermediate: 0,
            activation: Activation::GeluErf,
            embedding_norm: true,
            positions: Positions::Learned,
            distance_slope: 1.0,
            head: Head::TransformNorm,
            output_layer: Output::Tied,
            mask_probability: 0.3,
            last_mask_share: 0.1,
            loss: LossKind::Softmax,
            negatives: 0,
            calibration: 0.75,
            windows: Windows::Last,
            shuffle: false,
            steps: 5000,
            batch: 256,
            learning_rate: 4e-3,
            warmup: 200,
            weight_decay: 0.01,
            clip: 5.0,
            initial_scale: 0.05,
            initial_identity: 2.0,
            initial_bias: 4.0,
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
        ("intermediate", "Width of the feed-forward block; 0: four times hidden"),
        ("activation", "Activation of feed-forward blocks and head: gelu-erf, gelu-tanh or relu"),
        ("embedding-norm", "Normalize the sum of the input's vectors, as BERT does"),
        ("positions", "What the encoder sees of order: learned vectors, or none"),
        (
            "distance-slope",
            "What each place of distance takes from the first head's attention scores, a quarter of it in each next head's \
             (ALiBi): a place looks at what is near first; 0: nothing, as BERT",
        ),
        (
            "head",
            "Between hidden state and output layer: transform-norm (as the original code), transform or plain",
        ),
        ("output-layer", "The output layer's item vectors: tied to the input's, or separate"),
        (
            "mask-probability",
            "Probability that a position is masked, at least one a sequence; 0: exactly one",
        ),
        ("last-mask-share", "Share of training sequences with only the last item masked, as at inference"),
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
            "Weight of the identity in value, output and head matrices at the start: a masked place begins as a mean of \
             the items around it; 0: none, as BERT",
        ),
        (
            "initial-bias",
            "Bias of the head's transform at the start, so that GELU hands on both signs and the norm behind it takes the \
             constant away; 0: as BERT",
        ),
        ("validate-every", "Steps between two looks at the validation items; 0: never"),
    ];

    /// Rows to mask: the last only, or each with the mask probability and at least one.
    fn masked_rows(&self, length: usize, generator: &mut ChaCha8Rng) -> Vec<u32> {
        let last = length as u32 - 1;
        if generator.random_bool(self.last_mask_share) {
            return vec![last];
        }
        let drawn = self.mask_probability > 0.0;
        let mut rows: Vec<u32> =
            (0..=last).filter(|_| drawn && generator.random_bool(self.mask_probability)).collect();
        if rows.is_empty() {
            rows.push(generator.random_range(0..=last));
        }
        rows
    }
}

impl Objective for Bert4RecOptions {
    const SHORTEST: usize = 1;
    const NOTHING: &'static str = "there is no interaction to train on";

    /// One special token, \[MASK\], right behind the items.
    fn encoder(&self, catalogue: usize) -> EncoderConfig {
        let usual = EncoderConfig::bert4rec(catalogue, self.hidden, self.layers, self.heads, self.max_length);
        EncoderConfig {
            dropout: self.dropout,
            intermediate: if self.intermediate == 0 { usual.intermediate } else { self.intermediate },
            activation: self.activation,
            embedding_norm: self.embedding_norm,
            positions: self.positions,
            distance_slope: self.distance_slope,
            head: self.head,
            output: self.output_layer,
            ..usual
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
            initial_bias: self.initial_bias,
            validate_every: self.validate_every,
        }
    }

    fn validate(&self) -> Result<(), TrainError> {
        self.training().validate()?;
        check_slope(self.distance_slope)?;
        let (mask, last) = (self.mask_probability, self.last_mask_share);
        check("mask-probability", mask, (0.0..=1.0).contains(&mask), "must be in [0, 1]")?;
        check("last-mask-share", last, (0.0..=1.0).contains(&last), "must be in [0, 1]")
    }

    fn window(&self) -> usize {
        self.max_length
    }

    /// Masks positions; their tokens are the targets.
    fn push_example(
        &self,
        batch: &mut PackedBatch,
        window: &[u32],
        catalogue: usize,
        generator: &mut ChaCha8Rng,
    ) -> Result<(), EncoderError> {
        let mut tokens = window.to_vec();
        let rows = self.masked_rows(tokens.len(), generator);
        let targets: Vec<u32> = rows.iter().map(|&row| tokens[row as usize]).collect();
        for &row in &rows {
            tokens[row as usize] = catalogue as u32;
        }
        batch.push(&tokens, (self.max_length - tokens.len()) as u32, &rows, &targets)
    }

    /// The last `max_length − 1` tokens, \[MASK\] appended.
    fn input(&self, history: &[u32], catalogue: usize) -> Vec<u32> {
        let start = history.len().saturating_sub(self.max_length - 1);
        history[start..].iter().copied().chain([catalogue as u32]).collect()
    }
}
