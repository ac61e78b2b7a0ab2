//! What can go wrong with texts and their models.

use std::path::PathBuf;

use cloze_encoder::EncoderError;
use cloze_encoder::hugging_face::HuggingFaceError;

/// A failure on the way from a text to its vector.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A model that is neither a folder nor to be had from the hub.
    #[error(
        "text model {id:?}: no such folder, and the file {file} of the model hub is neither in the cache {} nor to be \
         downloaded: {reason}. Where there is a network, run the same command once: an interrupted download goes on \
         where it stopped. Or give a folder with config.json, model.safetensors and tokenizer.json",
        cache.display()
    )]
    Unavailable {
        /// What was asked for.
        id: String,
        /// The file that could not be had.
        file: &'static str,
        /// Where it was looked for.
        cache: PathBuf,
        /// Why the download failed.
        reason: String,
    },
    /// Weights or configuration of the model.
    #[error(transparent)]
    Model(#[from] HuggingFaceError),
    /// The tokenizer's file.
    #[error("{}: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why it is none.
        reason: String,
    },
    /// A tokenizer that was not made for the model.
    #[error("{}: the tokenizer {problem}, so that its ids would mean other word pieces", folder.display())]
    OtherVocabulary {
        /// The model's folder.
        folder: PathBuf,
        /// How the two differ.
        problem: String,
    },
    /// A way of pooling that the model does not have.
    #[error("{}: the model has no pooler: take the pooling mean or cls", folder.display())]
    NoPooler {
        /// The model's folder.
        folder: PathBuf,
    },
    /// A failure of the encoder.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// A file of stored vectors.
    #[error("{}: {reason}", path.display())]
    Stored {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
}
