//! What can go wrong in the encoder.

use crate::config::MAX_PARAMETERS;

/// Errors of configuration, batches, parameters and engines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// A configuration value that no encoder can have.
    #[error("encoder configuration: {key} = {value}: {rule}")]
    Config {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// An encoder larger than [`MAX_PARAMETERS`].
    #[error(
        "encoder configuration: {what} parameters, at most {MAX_PARAMETERS} are possible: lower one of them"
    )]
    Size {
        /// What is too large, with the values that make it so.
        what: String,
    },
    /// A token id beyond the embedding table.
    #[error("token {token} at row {row} of the batch: the embedding table has {vocabulary} rows")]
    Token {
        /// The token.
        token: u32,
        /// Row in the packed batch.
        row: usize,
        /// Rows of the table.
        vocabulary: usize,
    },
    /// A position beyond the position table.
    #[error(
        "position {position} at row {row} of the batch: the encoder was built for at most {max_length} positions"
    )]
    Position {
        /// The position.
        position: u32,
        /// Row in the packed batch.
        row: usize,
        /// Rows of the position table.
        max_length: usize,
    },
    /// A target that the output layer does not score.
    #[error("target {target} of output row {row}: the output layer scores {outputs} tokens")]
    Target {
        /// The target.
        target: u32,
        /// Index among the output rows.
        row: usize,
        /// Number of scored tokens.
        outputs: usize,
    },
    /// A batch that contradicts itself.
    #[error("packed batch: {0}")]
    Batch(String),
    /// Parameters of another layout.
    #[error("parameter `{name}`: {problem}")]
    Parameter {
        /// The parameter.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A parameter that the loss does not reach: a broken graph, never to be trained on in silence.
    #[error("parameter `{0}` received no gradient")]
    NoGradient(String),
    /// Training diverged.
    #[error(
        "step {step}: the gradient's norm is {norm}. Training diverged: lower the learning rate or lengthen the warm-up"
    )]
    Diverged {
        /// Optimizer step, counted from 0.
        step: u64,
        /// The norm.
        norm: f64,
    },
    /// A call out of order.
    #[error("{call} was called before {needs}")]
    Order {
        /// The call.
        call: &'static str,
        /// What must come first.
        needs: &'static str,
    },
    /// An environment variable with a value that means nothing here.
    #[error("environment variable {name}={value}: must be one of {expected}, or unset")]
    Environment {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// Vector instructions that the processor does not have.
    #[error("this processor has no {level} instructions, only: {present}")]
    Level {
        /// What was asked for.
        level: &'static str,
        /// What there is.
        present: String,
    },
    /// No GPU can be used: what is missing, and what to do about it.
    #[error("no CUDA device: {0}")]
    NoDevice(String),
    /// A body that the engine has no kernels for.
    #[error(
        "engine {engine}: it computes transformers, not gated recurrent units: train and use this model on the processor \
         (--device cpu, CLOZE_ENGINE=cpu)"
    )]
    Body {
        /// The engine.
        engine: &'static str,
    },
    /// A precision that the engine does not compute in.
    #[error(
        "engine {engine}: it has no inference in {precision}: take the processor's (--device cpu, CLOZE_ENGINE=cpu)"
    )]
    Precision {
        /// The engine.
        engine: String,
        /// What was asked for.
        precision: &'static str,
    },
    /// A failure of a GPU.
    #[error("CUDA device: {call}: {problem}")]
    Device {
        /// What was asked of it.
        call: String,
        /// What it answered.
        problem: String,
    },
    /// A failure inside candle.
    #[error("tensor library: {0}")]
    Candle(#[from] candle_core::Error),
}

impl EncoderError {
    pub(crate) fn environment(name: &'static str, value: String, expected: &[&str]) -> Self {
        Self::Environment { name, value, expected: expected.join(", ") }
    }
}

/// Result of this crate.
pub type Result<T, E = EncoderError> = std::result::Result<T, E>;
