//! What sets one sequential transformer apart from another; the rest, [`crate::Tower`] and [`crate::Sampler`], is shared.

use crate::loss::TrainingLoss;
use cloze_encoder::config::MAX_SLOPE;
use cloze_encoder::{AdamWOptions, EncoderConfig, EncoderError, PackedBatch, Schedule};
use cloze_train::TrainError;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A batch is made in memory: a larger one is a slip of the hand.
const LARGEST_BATCH: usize = 1_000_000;
/// Far beyond what trains: a larger one is a slip of the hand, and at some size no `f32`.
const LARGEST_IDENTITY: f64 = 1000.0;

/// Which parts of sequences are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Windows {
    /// The last items, every epoch.
    Last,
    /// A window drawn anew every epoch, so that all items are trained on.
    Random,
    /// Every prefix, one an example: an epoch takes each item of each sequence once as the last one. So a user counts by
    /// how much there is to learn, and not a target of a short history more than one of a long.
    Prefix,
}

/// The options of a transformer and its task. Tokens below `catalogue` are items; what stands behind them is special.
pub trait Objective: Clone + Send {
    /// Shortest sequence that there is something to learn from.
    const SHORTEST: usize;
    /// What to say when no sequence is that long.
    const NOTHING: &'static str;

    /// The encoder over `catalogue` tokens and the special ones of this task.
    fn encoder(&self, catalogue: usize) -> EncoderConfig;

    /// How it is trained.
    fn training(&self) -> Training;

    /// Checks what the encoder does not check itself.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    fn validate(&self) -> Result<(), TrainError>;

    /// Longest part of a sequence that one example is made of.
    fn window(&self) -> usize;

    /// Appends the example of a window of [`Objective::SHORTEST`] to [`Objective::window`] tokens.
    ///
    /// # Errors
    /// None for such windows; the packed batch's otherwise.
    fn push_example(
        &self,
        batch: &mut PackedBatch,
        window: &[u32],
        catalogue: usize,
        generator: &mut ChaCha8Rng,
    ) -> Result<(), EncoderError>;

    /// The input whose last row stands for the place after `history`, at most as long as the encoder allows; empty if
    /// there is none.
    fn input(&self, history: &[u32], catalogue: usize) -> Vec<u32>;
}

/// How a transformer is trained, whatever its task.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Longest input; inputs are aligned at the end of the position table.
    pub max_length: usize,
    /// What is minimized.
    pub loss: TrainingLoss,
    /// Parts of sequences to train on.
    pub windows: Windows,
    /// Whether every history is shuffled.
    pub shuffle: bool,
    /// Sequences a step, or parts of them.
    pub batch: usize,
    /// Learning rates and number of steps.
    pub schedule: Schedule,
    /// Optimizer.
    pub optimizer: AdamWOptions,
    /// Standard deviation of the initial matrices.
    pub initial_scale: f64,
    /// Weight of the identity in the matrices that hand vectors on ([`with_identity`](cloze_encoder::Parameters::with_identity)).
    pub initial_identity: f64,
    /// Bias of the head's transform ([`with_transform_bias`](cloze_encoder::Parameters::with_transform_bias)).
    pub initial_bias: f64,
    /// Steps between two looks at the validation items; 0: never.
    pub validate_every: u64,
}

impl Training {
    /// Checks the values against their rules.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    pub fn validate(&self) -> Result<(), TrainError> {
        let Schedule { peak, warmup, steps } = self.schedule;
        let (clip, decay) = (self.optimizer.clip.unwrap_or(1.0), self.optimizer.weight_decay);
        self.loss.validate()?;
        check("max-length", self.max_length, self.max_length >= 2, "must be at least 2")?;
        check("steps", steps, steps > 0, "must be at least 1")?;
        check("batch", self.batch, self.batch > 0, "must be at least 1")?;
        check("batch", self.batch, self.batch <= LARGEST_BATCH, "must be at most 1000000")?;
        let rule = format!("must be below steps = {steps}: lower warmup too, a tenth of steps is usual");
        check("warmup", warmup, warmup < steps, &rule)?;
        check("learning-rate", peak, positive(peak), "must be positive")?;
        check("clip", clip, positive(clip), "must be positive")?;
        check("initial-scale", self.initial_scale, positive(self.initial_scale), "must be positive")?;
        let identity = self.initial_identity;
        check(
            "initial-identity",
            identity,
            (0.0..=LARGEST_IDENTITY).contains(&identity),
            "must be in [0, 1000]",
        )?;
        let bias = self.initial_bias;
        check("initial-bias", bias, bias.abs() <= LARGEST_IDENTITY, "must be in [-1000, 1000]")?;
        check("weight-decay", decay, decay >= 0.0 && decay.is_finite(), "must not be negative")
    }
}

fn positive(x: f64) -> bool {
    x > 0.0 && x.is_finite()
}

/// The encoder's rule, by the option's name.
pub(crate) fn check_slope(slope: f64) -> Result<(), TrainError> {
    check("distance-slope", slope, (0.0..=MAX_SLOPE).contains(&slope), "must be in [0, 1000]")
}

/// An option against its rule.
pub(crate) fn check(
    key: &'static str,
    value: impl std::fmt::Display,
    holds: bool,
    rule: &str,
) -> Result<(), TrainError> {
    if holds { Ok(()) } else { Err(TrainError::option(key, value, rule)) }
}
