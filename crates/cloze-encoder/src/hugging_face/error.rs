//! What can be wrong with a stored model.

use crate::error::EncoderError;
use std::path::PathBuf;

/// Errors of [`super::open`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HuggingFaceError {
    /// A file that can't be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder without weights in the one form that is read.
    #[error(
        "{folder} holds no model.safetensors. Weights in parts and pickled ones (which can run code) are not read: open \
         the model with transformers and store it by `save_pretrained(folder, max_shard_size=\"100GB\")`"
    )]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// A configuration that is no JSON, lacks a key, or has a value of the wrong type.
    #[error("{path} is no configuration of BERT: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A configuration that the encoder can't have.
    #[error("{path}: {key} = {value}: {rule}")]
    Unsupported {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it would have to be.
        rule: &'static str,
    },
    /// Weights that are cut off or are no safetensors.
    #[error("{path} is damaged, cut off, or not of the format safetensors ({source}); obtain the file again")]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// A tensor that the encoder needs.
    #[error("{path} has no tensor `{name}`, which its config.json asks for; its tensors: {present}")]
    Missing {
        /// The weights.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The first names that there are.
        present: String,
    },
    /// A tensor of another shape.
    #[error("{path}: tensor `{name}` has shape {found:?}, by config.json it would be {expected:?}")]
    Shape {
        /// The weights.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The configuration's.
        expected: Vec<usize>,
    },
    /// A tensor of values that are no floats, or of a form that is not read.
    #[error("{path}: tensor `{name}` holds values of type {found}; F32, F16 and BF16 are read")]
    Type {
        /// The weights.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The type.
        found: String,
    },
    /// A tensor with a value that is infinite or not a number.
    #[error(
        "{path}: value {place} of tensor `{name}` is {value}: the model is damaged or was stored after it diverged"
    )]
    NotFinite {
        /// The weights.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Index of the value, row-major.
        place: usize,
        /// The value.
        value: f32,
    },
    /// A configuration that no encoder can have.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
}
