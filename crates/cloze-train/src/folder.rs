//! The model folder: what training leaves behind and everything else starts from.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | [`Card`]: which model, its options, what it was trained on |
//! | `vocabulary.json` | the items' (and where needed the users') ids and titles, so that inference takes raw ids |
//! | `model.safetensors` | the weights; nothing that can execute on load |
//! | `metrics.jsonl`, `learning-curve.svg` | a line for each [`Record`] of the training run, and their picture |
//! | `events.out.tfevents.cloze` | the same records for TensorBoard |
//! | `run.json` | where checkpoints were kept: what run the model is the result of |

mod write;

use crate::checkpoint::{CURVE_FILE, RUN_FILE, TRAINING_FOLDER};
use crate::curve;
use crate::events::{self, EVENTS_FILE};
use crate::progress::Record;
use crate::tensors::{self, NamedTensor};
use cloze_data::Vocabulary;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs;
use std::path::{Path, PathBuf};

/// File names inside a model folder.
pub const CONFIG_FILE: &str = "config.json";
/// Vocabulary file.
pub const VOCABULARY_FILE: &str = "vocabulary.json";
/// Weights file.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// Training records.
pub const METRICS_FILE: &str = "metrics.jsonl";
/// Version of the folder's layout, written into `config.json`.
pub const FORMAT: u32 = 1;

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
    /// Writing would destroy something that is not a model.
    #[error("{} exists and is not a model folder: nothing was written. Choose another --output or remove it", path.display())]
    Occupied {
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

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedOn {
    /// Data set name, as `--data` took it.
    pub dataset: String,
    /// Whether the data were generated.
    pub synthetic: bool,
    /// Split, `leave-one-out`.
    pub split: String,
    /// Content hash of that split.
    pub split_hash: String,
    /// `train` or `train+validation`.
    pub fit: String,
}

/// `config.json`: everything needed to rebuild the model around its weights, and to know where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Layout version of the folder.
    pub format: u32,
    /// Kind of model, kebab-case (`bert4rec`).
    pub model: String,
    /// Version of the program that wrote the folder.
    pub version: String,
    /// The model's own options, every one resolved.
    pub options: serde_json::Value,
    /// Data, split and fit.
    pub trained_on: TrainedOn,
    /// Seed of initialization, masks, order and dropout.
    pub seed: u64,
    /// Wall-clock seconds of training.
    pub seconds: f64,
}

/// The two vocabularies of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabularies {
    /// Items, by dense id.
    pub items: Vocabulary,
    /// Users, by dense id.
    pub users: Vocabulary,
}

/// An opened model folder.
#[derive(Debug)]
pub struct ModelFolder {
    path: PathBuf,
    /// `config.json`.
    pub card: Card,
    /// `vocabulary.json`.
    pub vocabularies: Vocabularies,
    weights: Vec<u8>,
}

impl ModelFolder {
    /// Writes a model folder: first whole under a temporary name, synced, then renamed into place, so that a model that
    /// stood there survives any failure. The checkpoints of the run inside `path` are removed last: whatever moment this
    /// is cut off at, the model is complete, or the run goes on to write it.
    ///
    /// # Errors
    /// [`FolderError::Occupied`] where `path` holds something that is not a model, and any failure to write.
    pub fn write(
        path: &Path,
        card: &Card,
        vocabularies: &Vocabularies,
        tensors: &[NamedTensor<'_>],
        records: &[Record],
    ) -> Result<(), FolderError> {
        Self::check_free(path)?;
        let mut lines = Vec::new();
        for record in records {
            lines.extend(json_line(record, path)?);
        }
        let mut files = vec![
            (CONFIG_FILE, json(card, path)?),
            (VOCABULARY_FILE, json(vocabularies, path)?),
            (WEIGHTS_FILE, tensors::serialize(tensors, path)?),
            (METRICS_FILE, lines),
        ];
        if !records.is_empty() {
            files.push((CURVE_FILE, curve::svg(records).into_bytes()));
            files.push((EVENTS_FILE, events::file(records)));
        }
        if path.join(TRAINING_FOLDER).join(RUN_FILE).is_file() {
            write::beside_training(path, &files)
        } else {
            write::in_place(path, &files)
        }
    }

    /// Whether [`ModelFolder::write`] may put a model at `path`: asked before training starts, not after.
    ///
    /// # Errors
    /// [`FolderError::Occupied`] where `path` exists and is neither a model folder, nor an unfinished run, nor empty.
    pub fn check_free(path: &Path) -> Result<(), FolderError> {
        let occupied = match fs::read_dir(path) {
            Ok(mut entries) => {
                let ours =
                    path.join(CONFIG_FILE).is_file() || path.join(TRAINING_FOLDER).join(RUN_FILE).is_file();
                entries.next().is_some() && !ours
            }
            Err(_) => path.exists(),
        };
        if occupied { Err(FolderError::Occupied { path: path.to_owned() }) } else { Ok(()) }
    }

    /// Opens a model folder and checks its configuration and vocabulary; weights are checked when they are read.
    ///
    /// # Errors
    /// Each damage has its own [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let config = path.join(CONFIG_FILE);
        if !config.is_file() {
            return Err(FolderError::NotAModel { path: path.to_owned() });
        }
        let card: Card = read_json(&config)?;
        if card.format != FORMAT {
            return Err(FolderError::Format { path: config, found: card.format });
        }
        let vocabularies = read_json(&path.join(VOCABULARY_FILE))?;
        let file = path.join(WEIGHTS_FILE);
        let weights = fs::read(&file).map_err(|source| io(&file, source))?;
        Ok(Self { path: path.to_owned(), card, vocabularies, weights })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's options as their own type; an unknown or missing key is an error.
    ///
    /// # Errors
    /// [`FolderError::OtherModel`], or [`FolderError::Json`] naming the key.
    pub fn options<T: DeserializeOwned>(&self, model: &str) -> Result<T, FolderError> {
        if self.card.model != model {
            return Err(FolderError::OtherModel {
                path: self.path.clone(),
                found: self.card.model.clone(),
                expected: model.to_owned(),
            });
        }
        serde_json::from_value(self.card.options.clone()).map_err(|error| FolderError::Json {
            path: self.path.join(CONFIG_FILE),
            reason: format!("options: {error}"),
        })
    }

    /// A float tensor of the given shape (`None`: any), every value finite.
    ///
    /// # Errors
    /// Absent, of another shape or type, or not finite.
    pub fn f32(&self, name: &str, shape: Option<&[usize]>) -> Result<Vec<f32>, FolderError> {
        let path = self.path.join(WEIGHTS_FILE);
        let values = tensors::read(&self.weights, &path, name, Dtype::F32, shape, f32::from_le_bytes)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => {
                Err(FolderError::NotFinite { path, name: name.to_owned(), index, value: values[index] })
            }
            None => Ok(values),
        }
    }

    /// A tensor of 32-bit ids.
    ///
    /// # Errors
    /// Absent, or of another shape or type.
    pub fn u32(&self, name: &str, shape: Option<&[usize]>) -> Result<Vec<u32>, FolderError> {
        let path = self.path.join(WEIGHTS_FILE);
        tensors::read(&self.weights, &path, name, Dtype::U32, shape, u32::from_le_bytes)
    }

    /// A tensor of counts or offsets.
    ///
    /// # Errors
    /// Absent, or of another shape or type.
    pub fn u64(&self, name: &str, shape: Option<&[usize]>) -> Result<Vec<u64>, FolderError> {
        let path = self.path.join(WEIGHTS_FILE);
        tensors::read(&self.weights, &path, name, Dtype::U64, shape, u64::from_le_bytes)
    }
}

fn io(path: &Path, source: std::io::Error) -> FolderError {
    FolderError::Io { path: path.to_owned(), source }
}

fn json<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, FolderError> {
    serde_json::to_vec_pretty(value)
        .map_err(|error| FolderError::Json { path: path.to_owned(), reason: error.to_string() })
}

fn json_line<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, FolderError> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| FolderError::Json { path: path.to_owned(), reason: error.to_string() })?;
    line.push(b'\n');
    Ok(line)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FolderError> {
    let bytes = fs::read(path).map_err(|source| io(path, source))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| FolderError::Json { path: path.to_owned(), reason: error.to_string() })
}
