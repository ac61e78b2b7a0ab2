//! What a model is to the command line: trained from sequences, kept in a folder, asked for scores.

use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::folder::{FolderError, ModelFolder, TrainedOn};
use crate::progress::Reporter;
use crate::tensors::NamedTensor;
use cloze_data::{ItemDetails, Sequences, Vocabulary};
use cloze_encoder::{Body, EncoderError};
use cloze_eval::{EvalError, Recommender};
use serde::{Serialize, de::DeserializeOwned};
use std::path::PathBuf;

/// What a model may learn from: nothing that is held out is reachable from here.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// The users' items in time order, held-out interactions removed.
    pub sequences: &'a Sequences,
    /// Number of items.
    pub items: usize,
    /// The items' ids and titles, where they are known: for a model that reads them.
    pub names: Option<&'a Vocabulary>,
    /// The users' ids, where they are known: for a model that reads what they wrote.
    pub users: Option<&'a Vocabulary>,
    /// The items' genres and texts, where they are known.
    pub details: Option<&'a ItemDetails>,
    /// Where the sequences come from: a part that is reused must come from the same.
    pub origin: &'a TrainedOn,
    /// Each user's validation item, for early stopping only; absent where validation items are trained on.
    pub validation: Option<&'a [Option<u32>]>,
    /// The same users with their held-out interactions too: for a form of a model that exists to show what a leak is worth, and
    /// for nothing else.
    pub leak: Option<&'a Sequences>,
}

impl<'a> TrainingData<'a> {
    /// Data of which no more is known.
    pub fn new(sequences: &'a Sequences, items: usize, origin: &'a TrainedOn) -> Self {
        Self {
            sequences,
            items,
            names: None,
            users: None,
            details: None,
            origin,
            validation: None,
            leak: None,
        }
    }
}

/// The circumstances of a training run.
pub struct Run<'a> {
    /// Seed of everything drawn.
    pub seed: u64,
    /// Where progress is shown and metrics are recorded.
    pub reporter: &'a mut Reporter,
    /// Folder of a trained model whose parts are to be reused instead of trained again.
    pub reuse: Option<PathBuf>,
    /// Where the run's state is kept, so that it can go on after an interruption; `None`: nowhere.
    pub checkpoints: Option<Checkpoints>,
}

impl<'a> Run<'a> {
    /// A run that reuses nothing and keeps no checkpoints.
    pub fn new(seed: u64, reporter: &'a mut Reporter) -> Self {
        Self { seed, reporter, reuse: None, checkpoints: None }
    }
}

/// A trainable recommender.
///
/// An option's name is the same everywhere: as a key of a configuration file, as a flag, in `config.json`.
pub trait Model: Recommender + Sized {
    /// Kind of model, kebab-case, as the command line takes it.
    const NAME: &'static str;
    /// One line for the help text.
    const ABOUT: &'static str;
    /// Flags of an example, where it needs more than data: what it reads, or data of its kind.
    const EXAMPLE: Option<&'static str> = None;
    /// Each option with one line of help, in the order in which they are to be listed.
    const HELP: &'static [(&'static str, &'static str)];
    /// The body of the encoder that it trains on an engine; `None` where it learns by steps of its own, on the processor.
    const BODY: Option<Body> = Some(Body::Transformer);
    /// The options; unknown keys are refused, absent ones take their defaults.
    type Options: Serialize + DeserializeOwned + Default + Clone + Send;

    /// Trains the model.
    ///
    /// # Errors
    /// Options that contradict each other or the data, and divergence.
    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError>;

    /// The options that it was trained with.
    fn options(&self) -> &Self::Options;

    /// Its weights.
    ///
    /// # Errors
    /// A failure of the engine.
    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError>;

    /// The model of a folder.
    ///
    /// # Errors
    /// Weights that are damaged or belong to another configuration.
    fn load(folder: &ModelFolder) -> Result<Self, TrainError>;
}

/// What can go wrong while training or loading.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An option that cannot be.
    #[error("{key} = {value}: {rule}")]
    Option {
        /// The option.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// Data that cannot be trained on.
    #[error("{0}")]
    Data(String),
    /// A part given for reuse that does not fit.
    #[error("{}: {problem}", path.display())]
    Reuse {
        /// The folder given.
        path: PathBuf,
        /// Why it does not fit.
        problem: String,
    },
    /// Training diverged: going on would only make it worse.
    #[error(
        "{phase}, step {step}: the gradient's norm is {norm:.4e}{loss} at learning rate {rate:.3e}. Training diverged: \
         lower the learning rate (half of it, to begin with), lengthen the warm-up or lower the clip.{kept}"
    )]
    Diverged {
        /// Phase of the run.
        phase: String,
        /// Step, counted from 0.
        step: u64,
        /// `, loss …` where it was computed.
        loss: String,
        /// Norm of the gradient before clipping.
        norm: f64,
        /// Learning rate of the step.
        rate: f64,
        /// What is left on disk.
        kept: String,
    },
    /// Someone asked to stop; a checkpoint was written.
    #[error("stopped in {phase} after step {step} of {steps}: the checkpoint is in {}", folder.display())]
    Interrupted {
        /// Phase of the run.
        phase: String,
        /// Steps done.
        step: u64,
        /// Steps of the phase.
        steps: u64,
        /// Folder of the unfinished run.
        folder: PathBuf,
    },
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The encoder.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The evaluation on validation items.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// The data layer.
    #[error(transparent)]
    Sequences(#[from] cloze_data::DataError),
}

impl TrainError {
    /// An option's value with the rule that it breaks.
    pub fn option(key: &'static str, value: impl std::fmt::Display, rule: impl Into<String>) -> Self {
        Self::Option { key, value: value.to_string(), rule: rule.into() }
    }
}
