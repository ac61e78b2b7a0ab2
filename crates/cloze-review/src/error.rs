//! What can go wrong with texts and their models.

use std::path::PathBuf;

use cloze_data::DataError;
use cloze_encoder::EncoderError;
use cloze_encoder::hugging_face::HuggingFaceError;
use cloze_train::TrainError;

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
    /// A text that can't be cut into word pieces.
    #[error("{text:?} can't be cut into word pieces: {reason}")]
    Text {
        /// Its beginning.
        text: String,
        /// Why.
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
    /// Reviews that are not there.
    #[error(
        "reviews {given:?}: neither a file nor a data set with reviews: give --reviews FILE (.jsonl, .json.gz, .csv or .parquet)"
    )]
    Source {
        /// What was asked for.
        given: String,
    },
    /// Reviews of other users and items.
    #[error(
        "{}: none of its {found} reviews is of a user and an item of the data; one is of user {:?} and item {:?}: are they of \
         another data set?",
        path.display(), example.0, example.1
    )]
    Strangers {
        /// The file.
        path: PathBuf,
        /// Reviews in it.
        found: usize,
        /// User and item of one of them.
        example: (String, String),
    },
    /// A file of reviews that can't be read.
    #[error(transparent)]
    Data(#[from] DataError),
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

/// A training that can't go on for want of vectors.
impl From<ReviewError> for TrainError {
    fn from(error: ReviewError) -> Self {
        Self::Data(error.to_string())
    }
}
