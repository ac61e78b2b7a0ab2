//! The model folder: what training leaves behind and everything else starts from.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | [`Card`]: which model, its options, what it was trained on |
//! | `vocabulary.json` | the items' (and where needed the users') ids and titles, so that inference takes raw ids |
//! | `model.safetensors` | the weights, and of which configuration and vocabulary they are; nothing that can execute on load |
//! | `metrics.jsonl`, `learning-curve.svg` | a line for each [`Record`] of the training run, and their picture |
//! | `events.out.tfevents.cloze` | the same records for TensorBoard |
//! | `run.json` | what run the model is the result of |

mod card;
mod error;
mod fingerprint;
mod free;
mod names;
mod write;

pub(crate) use card::format_of;
pub use card::{Card, FORMAT, TrainedOn};
pub use error::FolderError;
pub(crate) use names::is_model_file;

use crate::checkpoint::{CURVE_FILE, RUN_FILE, RunIdentity, TRAINING_FOLDER};
use crate::curve;
use crate::events::{self, EVENTS_FILE};
use crate::progress::Record;
use crate::tensors::{self, NamedTensor};
use cloze_data::Vocabulary;
use cloze_data::staging::recover;
use fingerprint::Fingerprint;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// File names inside a model folder.
pub const CONFIG_FILE: &str = "config.json";
/// Vocabulary file.
pub const VOCABULARY_FILE: &str = "vocabulary.json";
/// Weights file.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The kind of folder that a model is staged as.
const STAGED: &str = "model";
/// Training records.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// Makes a folder of `files`, of which `config.json` comes last; the model that stood there is replaced once all are written.
/// With checkpoints in the folder, these are removed then, and the run counts as finished.
///
/// # Errors
/// [`FolderError::Io`], [`FolderError::Foreign`], [`FolderError::Immovable`].
pub fn put_files(path: &Path, files: &[(&'static str, Vec<u8>)]) -> Result<(), FolderError> {
    if has_run(path) { write::beside_training(path, files) } else { write::in_place(path, files) }
}

/// Whether `path` holds the checkpoints of an unfinished run.
fn has_run(path: &Path) -> bool {
    path.join(TRAINING_FOLDER).join(RUN_FILE).is_file()
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
    /// Names of the tensors that were asked for.
    read: RefCell<BTreeSet<String>>,
}

impl ModelFolder {
    /// Writes a model folder: first whole under a temporary name, synced, then renamed into place, so that a model that
    /// stood there survives any failure. The checkpoints of the run inside `path` are removed last: whatever moment this
    /// is cut off at, the model is complete, or the run goes on to write it. `run` is what the model is the result of, so that the
    /// same run is known to be finished.
    ///
    /// # Errors
    /// Without checkpoints those of [`ModelFolder::check_free`], and any failure to write.
    pub fn write(
        path: &Path,
        card: &Card,
        vocabularies: &Vocabularies,
        tensors: &[NamedTensor<'_>],
        records: &[Record],
        run: Option<&RunIdentity>,
    ) -> Result<(), FolderError> {
        let goes_on = has_run(path);
        if !goes_on {
            Self::check_free(path)?;
        }
        let mut lines = Vec::new();
        for record in records {
            lines.extend(json_line(record, path)?);
        }
        let mark = Fingerprint::new(card, vocabularies);
        let mut files = vec![
            (CONFIG_FILE, json(card, path)?),
            (VOCABULARY_FILE, json(vocabularies, path)?),
            (WEIGHTS_FILE, tensors::serialize(tensors, Some(mark.metadata(path)?), path)?),
            (METRICS_FILE, lines),
        ];
        if !records.is_empty() {
            files.push((CURVE_FILE, curve::svg(records).into_bytes()));
            files.push((EVENTS_FILE, events::file(records)));
        }
        // The run whose checkpoints lie there brings its own.
        if let Some(run) = run.filter(|_| !goes_on) {
            files.push((RUN_FILE, json(run, path)?));
        }
        put_files(path, &files)
    }

    /// Whether [`ModelFolder::write`] may put a model at `path`: asked before training starts, not after. What a process left
    /// that was killed while it replaced the model is put in order first.
    ///
    /// # Errors
    /// [`FolderError::Occupied`] where `path` exists and is neither a model folder, nor an unfinished run, nor empty;
    /// [`FolderError::Foreign`] where somebody's file lies in it; [`FolderError::Immovable`] where it cannot be renamed.
    pub fn check_free(path: &Path) -> Result<(), FolderError> {
        free::check_free(path)
    }

    /// Whether `path` holds the model of a run that is over, whichever: to go on with it writes nothing, so that nothing has to be
    /// free.
    pub fn is_of_finished_run(path: &Path) -> bool {
        free::is_model(path) && path.join(RUN_FILE).is_file() && !has_run(path)
    }

    /// Whether a model lies at `path`, of whatever version.
    pub fn is_at(path: &Path) -> bool {
        free::is_model(path)
    }

    /// That no finished model lies at `path` which [`ModelFolder::write`] would replace. One that an unfinished run is to replace
    /// was given up when that began.
    ///
    /// # Errors
    /// [`FolderError::Finished`].
    pub fn check_no_model(path: &Path) -> Result<(), FolderError> {
        match free::model_at(path).filter(|_| !has_run(path)) {
            Some(model) => Err(FolderError::Finished { path: path.to_owned(), model }),
            None => Ok(()),
        }
    }

    /// Opens a model folder and checks its configuration and vocabulary, and that the weights were trained with them; the
    /// weights themselves are checked when they are read. What a process left that was killed while it replaced the model is
    /// put in order first.
    ///
    /// # Errors
    /// Each damage has its own [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        recover(STAGED, path);
        let config = path.join(CONFIG_FILE);
        if !config.is_file() {
            return Err(FolderError::NotAModel { path: path.to_owned() });
        }
        let bytes = read(&config)?;
        if let Some(found) = format_of(&bytes).filter(|format| *format != FORMAT) {
            return Err(FolderError::Format { path: config, found });
        }
        let card: Card = parse(&config, &bytes)?;
        let file = path.join(VOCABULARY_FILE);
        let vocabularies = parse(&file, &read(&file)?)?;
        let file = path.join(WEIGHTS_FILE);
        let weights = read(&file)?;
        Fingerprint::of_weights(&weights, &file)?.check(&card, &vocabularies, path)?;
        Ok(Self { path: path.to_owned(), card, vocabularies, weights, read: RefCell::default() })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the training run recorded; nothing where the file is missing.
    ///
    /// # Errors
    /// [`FolderError::Json`] naming the line, or a failure to read.
    pub fn records(&self) -> Result<Vec<Record>, FolderError> {
        let path = self.path.join(METRICS_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(io(&path, source)),
        };
        let record = |(line, text): (usize, &str)| {
            let broken = |error| FolderError::Json {
                path: path.clone(),
                reason: format!("line {}: {error}", line + 1),
            };
            serde_json::from_str(text).map_err(broken)
        };
        text.lines().enumerate().map(record).collect()
    }

    /// The model's options as their own type; an unknown or missing key is an error.
    ///
    /// # Errors
    /// [`FolderError::OtherModel`], [`FolderError::MissingOption`], or [`FolderError::Json`] naming the key.
    pub fn options<T: Serialize + DeserializeOwned>(&self, model: &str) -> Result<T, FolderError> {
        if self.card.model != model {
            return Err(FolderError::OtherModel {
                path: self.path.clone(),
                found: self.card.model.clone(),
                expected: model.to_owned(),
            });
        }
        let path = self.path.join(CONFIG_FILE);
        let wrong = |error| FolderError::Json { path: path.clone(), reason: format!("options: {error}") };
        let options: T = serde_json::from_value(self.card.options.clone()).map_err(wrong)?;
        // The type fills what is absent with defaults, which is for flags, not for what was saved.
        let complete = serde_json::to_value(&options).map_err(wrong)?;
        let mut keys = complete.as_object().into_iter().flat_map(|map| map.keys());
        match keys.find(|key| self.card.options.get(key.as_str()).is_none()) {
            Some(key) => Err(FolderError::MissingOption { path, key: key.clone() }),
            None => Ok(options),
        }
    }

    /// A float tensor of the given shape (`None`: any), every value finite.
    ///
    /// # Errors
    /// Absent, of another shape or type, or not finite.
    pub fn f32(&self, name: &str, shape: Option<&[usize]>) -> Result<Vec<f32>, FolderError> {
        let values = self.tensor(name, Dtype::F32, shape, f32::from_le_bytes)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(FolderError::NotFinite {
                path: self.path.join(WEIGHTS_FILE),
                name: name.to_owned(),
                index,
                value: values[index],
            }),
            None => Ok(values),
        }
    }

    /// A tensor of 32-bit ids.
    ///
    /// # Errors
    /// Absent, or of another shape or type.
    pub fn u32(&self, name: &str, shape: Option<&[usize]>) -> Result<Vec<u32>, FolderError> {
        self.tensor(name, Dtype::U32, shape, u32::from_le_bytes)
    }

    /// A tensor of counts or offsets.
    ///
    /// # Errors
    /// Absent, or of another shape or type.
    pub fn u64(&self, name: &str, shape: Option<&[usize]>) -> Result<Vec<u64>, FolderError> {
        self.tensor(name, Dtype::U64, shape, u64::from_le_bytes)
    }

    /// Whether there is a tensor of this name.
    ///
    /// # Errors
    /// Damaged weights.
    pub fn has(&self, name: &str) -> Result<bool, FolderError> {
        let names = tensors::names(&self.weights, &self.path.join(WEIGHTS_FILE))?;
        Ok(names.iter().any(|one| one == name))
    }

    fn tensor<const SIZE: usize, T>(
        &self,
        name: &str,
        dtype: Dtype,
        shape: Option<&[usize]>,
        decode: impl Fn([u8; SIZE]) -> T,
    ) -> Result<Vec<T>, FolderError> {
        self.read.borrow_mut().insert(name.to_owned());
        tensors::read(&self.weights, &self.path.join(WEIGHTS_FILE), name, dtype, shape, decode)
    }

    /// Asked when a model is loaded: a tensor that nobody read is a part that the model would do without in silence.
    ///
    /// # Errors
    /// [`FolderError::UnreadTensors`] naming them.
    pub fn check_all_read(&self) -> Result<(), FolderError> {
        let path = self.path.join(WEIGHTS_FILE);
        let mut unread = tensors::names(&self.weights, &path)?;
        unread.retain(|name| !self.read.borrow().contains(name));
        if unread.is_empty() {
            Ok(())
        } else {
            Err(FolderError::UnreadTensors { path, names: tensors::list(unread) })
        }
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

fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    fs::read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => FolderError::Incomplete { path: path.to_owned() },
        _ => io(path, source),
    })
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, FolderError> {
    serde_json::from_slice(bytes)
        .map_err(|error| FolderError::Json { path: path.to_owned(), reason: error.to_string() })
}
