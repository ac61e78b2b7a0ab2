//! What can be wrong with a model folder.

use super::{CONFIG_FILE, FORMAT, VOCABULARY_FILE};
use cloze_data::staging::StagingError;
use std::path::{Path, PathBuf};

/// What can be wrong with a model folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The path holds no model.
    #[error("{} is not a model folder: it has no {CONFIG_FILE}. Give the folder that `cloze train --output` wrote", path.display())]
    NotAModel {
        /// The path as given.
        path: PathBuf,
    },
    /// One of the files that every model has is not there.
    #[error("{} is missing: the model folder is not whole. Copy it anew, or train the model again", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
    },
    /// Writing would destroy something that is not a model.
    #[error("{} exists and is not a model folder: nothing was written. Choose another --output or remove it", path.display())]
    Occupied {
        /// The path as given.
        path: PathBuf,
    },
    /// Writing would destroy a file that lies in a model folder and is not of this program.
    #[error(
        "{} holds {}, which this program did not write and which would be removed with the model that is replaced: \
         nothing was written. Move it elsewhere, or choose another --output",
        path.display(),
        file.strip_prefix(path).unwrap_or(file).display()
    )]
    Foreign {
        /// The path as given.
        path: PathBuf,
        /// The file or folder.
        file: PathBuf,
    },
    /// Writing would destroy a model that nobody gave up.
    #[error("{} holds a finished model ({model}): choose another --output, or --replace it when the new one is done", path.display())]
    Finished {
        /// The path as given.
        path: PathBuf,
        /// Which model it is.
        model: String,
    },
    /// A model takes its place by renaming its folder, and this one cannot be renamed.
    #[error(
        "{} cannot be renamed, as a finished model must be: name a folder inside it, such as --output {}",
        path.display(),
        path.join("model").display()
    )]
    Immovable {
        /// The path as given.
        path: PathBuf,
    },
    /// A JSON file does not have the expected form.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        reason: String,
    },
    /// The folder was written by another version.
    #[error("{}: folder format {found}, this program reads {FORMAT}. Train the model again with this version", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Format number found.
        found: u32,
    },
    /// The folder holds another model than the one asked for.
    #[error("{} holds a `{found}` model, `{expected}` was expected", path.display())]
    OtherModel {
        /// The folder.
        path: PathBuf,
        /// Model named in `config.json`.
        found: String,
        /// Model asked for.
        expected: String,
    },
    /// The weights file is damaged.
    #[error("{}: {reason}. The file is damaged or of another model; train again or copy it anew", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The weights do not say what they belong to.
    #[error(
        "{} does not say which {CONFIG_FILE} and {VOCABULARY_FILE} it belongs to ({problem}): `cloze train` did not write \
         it. Train the model again",
        path.display()
    )]
    NoFingerprint {
        /// The weights file.
        path: PathBuf,
        /// What is absent or cannot be read.
        problem: String,
    },
    /// The weights were trained with another configuration or vocabulary than stands beside them.
    #[error(
        "{} is not the file that {} was trained with: {difference}. Put the old file back, or train the model again",
        path.display(),
        weights.display()
    )]
    OtherFingerprint {
        /// The configuration or vocabulary.
        path: PathBuf,
        /// The weights file.
        weights: PathBuf,
        /// In what they differ.
        difference: String,
    },
    /// A configuration without an option: its default today need not be what the model was trained with.
    #[error("{}: options: `{key}` is missing: options of a trained model have no defaults. Train the model again", path.display())]
    MissingOption {
        /// The configuration.
        path: PathBuf,
        /// The option.
        key: String,
    },
    /// Weights that the model does not have.
    #[error("{} has tensors that this model does not have: {names}. The weights belong to another model or version: train the model again", path.display())]
    UnreadTensors {
        /// The weights file.
        path: PathBuf,
        /// Their names.
        names: String,
    },
    /// A weight is absent.
    #[error("{} has no tensor `{name}` (it has {present}): the weights belong to another configuration than {CONFIG_FILE}", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The absent tensor.
        name: String,
        /// A few of those present.
        present: String,
    },
    /// A weight has another shape than the configuration says.
    #[error("{}: `{name}` has shape {found:?}, the configuration in {CONFIG_FILE} gives {expected:?}: the weights belong to another configuration", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape by the configuration.
        expected: Vec<usize>,
    },
    /// A weight is not a number.
    #[error("{}: `{name}` contains {value} at position {index}: training diverged or the file is damaged", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Flat index.
        index: usize,
        /// The value.
        value: f32,
    },
}

impl From<StagingError> for FolderError {
    fn from(StagingError { path, source, .. }: StagingError) -> Self {
        Self::Io { path, source }
    }
}

impl FolderError {
    pub(super) fn immovable(path: &Path) -> Self {
        Self::Immovable { path: path.to_owned() }
    }
}
