//! The options of Caser.

use super::activation::CaserActivation;
use super::layout::Shape;
use crate::loss::{LossKind, TrainingLoss};
use crate::objective::{Training, Windows, check};
use cloze_encoder::{AdamWOptions, Schedule};
use cloze_train::TrainError;
use serde::{Deserialize, Serialize};

/// Negatives of a target under the paper's loss, where the options give no number.
const PAPER_NEGATIVES: usize = 3;

/// A batch's targets are gathered in memory: more are a slip of the hand.
const MOST_TARGETS: usize = 1 << 16;

/// Options of Caser. Sizes are those of the paper and of the authors' code for MovieLens 1M; the loss is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct CaserOptions {
    /// Width d of item vectors, user vectors and z.
    pub hidden: usize,
    /// Items that a score is made from, L: the last of the history.
    pub max_length: usize,
    /// Items after a window that it is trained to predict, T.
    pub targets: usize,
    /// Horizontal filters of each height, `n_h`.
    pub horizontal: usize,
    /// Vertical filters, `n_v`.
    pub vertical: usize,
    /// φ of the horizontal filters.
    pub filter_activation: CaserActivation,
    /// φ of z.
    pub activation: CaserActivation,
    /// Whether users have vectors; without them the model knows a user by the last items only.
    pub users: bool,
    /// Dropout of the filters' outputs.
    pub dropout: f64,
    /// Whether windows with fewer than L items before them, or fewer than T behind, are trained on as well.
    pub edges: bool,
    /// What training minimizes.
    pub loss: LossKind,
    /// Sampled items that a target is compared with; 0: three for `bce`, 256 for `sampled-softmax` and `gbce`.
    pub negatives: usize,
    /// gBCE's t: 1 makes up for the sampling, 0 gives BCE.
    pub calibration: f64,
    /// Optimizer steps.
    pub steps: u64,
    /// Windows a step.
    pub batch: usize,
    /// Highest learning rate: linear warm-up, then linear to 0.
    pub learning_rate: f64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// λ of the paper's penalty `λ/2 ‖Θ‖²`, a part of the gradient that Adam sees.
    pub l2: f64,
    /// Decoupled weight decay of all parameters.
    pub weight_decay: f64,
    /// Largest gradient norm.
    pub clip: f64,
    /// Standard deviation of the initial tables; filters start with that of PyTorch's layers.
    pub initial_scale: f64,
    /// Steps between two looks at the validation items; 0: never.
    pub validate_every: u64,
}

impl Default for CaserOptions {
    fn default() -> Self {
        Self {
            hidden: 50,
            max_length: 5,
            targets: 3,
            horizontal: 16,
            vertical: 4,
            filter_activation: CaserActivation::Relu,
            activation: CaserActivation::Relu,
            users: true,
            dropout: 0.5,
            edges: true,
            loss: LossKind::Softmax,
            negatives: 0,
            calibration: 0.75,
            steps: 20_000,
            batch: 512,
            learning_rate: 1e-3,
            warmup: 200,
            l2: 1e-6,
            weight_decay: 0.0,
            clip: 5.0,
            initial_scale: 0.02,
            validate_every: 1000,
        }
    }
}

impl CaserOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [(&'static str, &'static str)] = &[
        ("hidden", "Width of item vectors, user vectors and of what the last items become"),
        ("max-length", "Items that a score is made from, the last of the history: the paper's L"),
        ("targets", "Items after a window that it is trained to predict: the paper's T"),
        ("horizontal", "Horizontal filters of each height from 1 to max-length; 0: none"),
        ("vertical", "Vertical filters; 0: none"),
        ("filter-activation", "Of the horizontal filters: relu, tanh, sigmoid or identity"),
        ("activation", "Of the layer behind the filters: relu, tanh, sigmoid or identity"),
        ("users", "Whether users have vectors"),
        ("dropout", "Dropout of the filters' outputs"),
        ("edges", "Train on windows that reach over an end of the history too"),
        TrainingLoss::LOSS_HELP,
        (
            "negatives",
            "Sampled items a target is compared with; 0: 3 for bce, 256 for sampled-softmax and gbce",
        ),
        TrainingLoss::CALIBRATION_HELP,
        ("steps", "Optimizer steps"),
        ("batch", "Windows a step"),
        ("learning-rate", "Highest learning rate: linear warm-up, then linear to 0"),
        ("warmup", "Steps of warm-up"),
        ("l2", "Penalty on the squares of all parameters, as the paper has it: a part of the gradient"),
        ("weight-decay", "Decoupled weight decay of all parameters"),
        ("clip", "Largest gradient norm; longer gradients are scaled down"),
        ("initial-scale", "Standard deviation of the initial vectors of items and users"),
        ("validate-every", "Steps between two looks at the validation items; 0: never"),
    ];

    /// Checks the values against their rules; called before anything is allocated.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    pub(super) fn validate(&self) -> Result<(), TrainError> {
        let (training, filters) = (self.training(), self.horizontal.saturating_add(self.vertical));
        check("max-length", self.max_length, self.max_length >= 1, "must be at least 1")?;
        Training { max_length: self.max_length.max(2), ..training }.validate()?;
        check("hidden", self.hidden, self.hidden > 0, "must be at least 1")?;
        check("targets", self.targets, self.targets > 0, "must be at least 1")?;
        check("targets", self.targets, self.targets <= MOST_TARGETS, "must be at most 65536")?;
        check("horizontal", self.horizontal, filters > 0, "must be at least 1 where vertical = 0")?;
        check("dropout", self.dropout, (0.0..1.0).contains(&self.dropout), "must be in [0, 1)")?;
        check("l2", self.l2, self.l2 >= 0.0 && self.l2.is_finite(), "must not be negative")
    }

    /// The shape over `items` and `users`.
    pub(super) fn shape(&self, items: usize, users: usize) -> Shape {
        Shape {
            items,
            users: if self.users { users } else { 0 },
            hidden: self.hidden,
            length: self.max_length,
            horizontal: self.horizontal,
            vertical: self.vertical,
        }
    }

    /// The loss, with the paper's number of negatives where it is the paper's loss.
    pub(super) fn training_loss(&self) -> TrainingLoss {
        let negatives = match (self.negatives, self.loss) {
            (0, LossKind::Bce) => PAPER_NEGATIVES,
            (count, _) => count,
        };
        TrainingLoss { kind: self.loss, negatives, calibration: self.calibration }
    }

    /// What Caser has in common with the transformers.
    pub(super) fn training(&self) -> Training {
        Training {
            max_length: self.max_length,
            loss: self.training_loss(),
            windows: Windows::Last,
            shuffle: false,
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
}
