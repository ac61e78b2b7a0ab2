//! Vectors of texts on disk, by what the texts say.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array as _, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use cloze_data::DataOptions;
use cloze_train::Reporter;
use sha2::{Digest as _, Sha256};

use crate::error::ReviewError;
use crate::text_model::{TextModel, hex};

/// Texts whose vectors are written together: a run that ends early loses no more.
const PART: usize = 8192;
const EXTENSION: &str = "arrow";

/// A hash of a text.
type Key = [u8; 32];

/// The vectors that one text model has made, in a folder of its own.
///
/// Every file is an Arrow IPC file of the columns `text` (SHA-256 of the text) and `vector` (f32 of the model's width), written
/// under another name and then renamed: a file that is there is whole.
///
/// In memory is where each vector stands, and one file's vectors: a cache of many data sets can be larger than the machine's memory.
pub struct Embeddings {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// The file of each text's vector, and its row there.
    places: HashMap<Key, (usize, usize)>,
    /// The vectors of the file that was read last, with its number.
    last: Option<(usize, Vec<f32>)>,
}

impl Embeddings {
    /// [`Embeddings::open`] in the cache: `embeddings` in the folder that `CLOZE_CACHE` names, or in that of the user's caches.
    ///
    /// # Errors
    /// As [`Embeddings::open`].
    pub fn open_usual(model: &TextModel) -> Result<Self, ReviewError> {
        let cache = DataOptions::default().cache.ok_or_else(|| ReviewError::Stored {
            path: PathBuf::from("CLOZE_CACHE"),
            reason: "there is no folder for caches: set this variable to one".to_owned(),
        })?;
        Self::open(&cache.join("embeddings"), model)
    }

    /// Opens, or makes, what is kept in `folder` for the model.
    ///
    /// # Errors
    /// [`ReviewError::Stored`] for a folder that can't be read or made, or a file that is damaged.
    pub fn open(folder: &Path, model: &TextModel) -> Result<Self, ReviewError> {
        let folder = folder.join(model.fingerprint());
        fs::create_dir_all(&folder).map_err(|error| broken(&folder, &error))?;
        let mut found =
            Self { folder: folder.clone(), files: Vec::new(), places: HashMap::new(), last: None };
        for entry in fs::read_dir(&folder).map_err(|error| broken(&folder, &error))? {
            let path = entry.map_err(|error| broken(&folder, &error))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let (keys, _) = read_file(&path, model.width())?;
                found.add(path, keys);
            }
        }
        Ok(found)
    }

    /// The vectors of `texts`, `[texts, width]`; those that are not kept are made and kept. `progress` hears how many were made,
    /// of how many.
    ///
    /// # Errors
    /// A failure of the model, or to write.
    pub fn of(
        &mut self,
        texts: &[&str],
        model: &mut TextModel,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, ReviewError> {
        let keys: Vec<Key> = texts.iter().map(|text| Sha256::digest(text).into()).collect();
        let mut missing: Vec<(Key, &str)> = Vec::new();
        let mut asked = std::collections::HashSet::new();
        for (key, text) in keys.iter().zip(texts) {
            if !self.places.contains_key(key) && asked.insert(*key) {
                missing.push((*key, text));
            }
        }
        // Long texts first, as within a batch.
        missing.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        let mut done = 0;
        for part in missing.chunks(PART) {
            let texts: Vec<&str> = part.iter().map(|(_, text)| *text).collect();
            let made = model.embed(&texts, &mut |count| progress(done + count, missing.len()))?;
            self.keep(part, &made, model.width())?;
            done += part.len();
        }
        self.gather(&keys, model.width())
    }

    /// The vectors of texts that are kept, file by file.
    fn gather(&mut self, keys: &[Key], width: usize) -> Result<Vec<f32>, ReviewError> {
        let mut wanted: Vec<(usize, usize, usize)> = keys
            .iter()
            .enumerate()
            .filter_map(|(at, key)| self.places.get(key).map(|&(file, row)| (file, row, at)))
            .collect();
        wanted.sort_unstable();
        let mut vectors = vec![0.0; keys.len() * width];
        for of_file in wanted.chunk_by(|a, b| a.0 == b.0) {
            let stored = self.read(of_file[0].0, width)?;
            for &(_, row, at) in of_file {
                vectors[at * width..][..width].copy_from_slice(&stored[row * width..][..width]);
            }
        }
        Ok(vectors)
    }

    /// The vectors of a file.
    fn read(&mut self, file: usize, width: usize) -> Result<&[f32], ReviewError> {
        let last = self.last.take().filter(|(number, _)| *number == file);
        let last = match last {
            Some(last) => last,
            None => (file, read_file(&self.files[file], width)?.1),
        };
        Ok(&self.last.insert(last).1)
    }

    fn add(&mut self, path: PathBuf, keys: Vec<Key>) {
        let file = self.files.len();
        self.files.push(path);
        self.places.extend(keys.into_iter().zip(0..).map(|(key, row)| (key, (file, row))));
    }

    /// The vectors of `texts`, `[texts, width]`, by what is kept in the cache, with progress under the name `what`.
    ///
    /// # Errors
    /// As [`Embeddings::open_usual`] and [`Embeddings::of`].
    pub fn of_all(
        texts: &[&str],
        model: &mut TextModel,
        what: &str,
        reporter: &mut Reporter,
    ) -> Result<Vec<f32>, ReviewError> {
        let mut kept = Self::open_usual(model)?;
        reporter.start(what, texts.len() as u64, what);
        let before = kept.len();
        let vectors = kept.of(texts, model, &mut |done, _| reporter.advance_to(done as u64, String::new))?;
        reporter.finish(&format!("{} {what}, {} of them new,", texts.len(), kept.len() - before));
        Ok(vectors)
    }

    /// Number of texts whose vectors are kept.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn keep(&mut self, part: &[(Key, &str)], made: &[f32], width: usize) -> Result<(), ReviewError> {
        let keys: Vec<Key> = part.iter().map(|(key, _)| *key).collect();
        // The same texts make the same file, in whatever process.
        let name = hex(&Sha256::digest(keys.as_flattened())[..16]);
        let path = self.folder.join(format!("{name}.{EXTENSION}"));
        write(&path, &keys, made, width).map_err(|error| broken(&path, &error))?;
        self.add(path, keys);
        Ok(())
    }
}

fn broken(path: &Path, error: &impl ToString) -> ReviewError {
    ReviewError::Stored { path: path.to_owned(), reason: error.to_string() }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

fn write(path: &Path, keys: &[Key], vectors: &[f32], width: usize) -> Result<(), ArrowError> {
    let vectors = Arc::new(Float32Array::from(vectors.to_vec()));
    let vectors = FixedSizeListArray::try_new(item(), width as i32, vectors, None)?;
    let keys = FixedSizeBinaryArray::try_from_iter(keys.iter())?;
    let schema = Arc::new(Schema::new(vec![
        Field::new("text", keys.data_type().clone(), false),
        Field::new("vector", vectors.data_type().clone(), false),
    ]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(keys), Arc::new(vectors)])?;
    let temporary = path.with_extension("part");
    let mut writer = FileWriter::try_new(File::create(&temporary)?, &schema)?;
    writer.write(&batch)?;
    writer.finish()?;
    writer.into_inner()?.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(())
}

/// The hashes of a file's texts, and their vectors.
fn read_file(path: &Path, width: usize) -> Result<(Vec<Key>, Vec<f32>), ReviewError> {
    read(path, width)
        .map_err(|error| broken(path, &format!("{error}: remove it, and its texts are encoded again")))
}

fn read(path: &Path, width: usize) -> Result<(Vec<Key>, Vec<f32>), ArrowError> {
    let other = || ArrowError::SchemaError("not a file of vectors of this model".to_owned());
    let (mut texts, mut found) = (Vec::new(), Vec::new());
    for batch in FileReader::try_new(File::open(path)?, None)? {
        let batch = batch?;
        let column = |name: &str| batch.column_by_name(name).ok_or_else(other);
        let keys = column("text")?.as_any().downcast_ref::<FixedSizeBinaryArray>().ok_or_else(other)?;
        let vectors = column("vector")?.as_any().downcast_ref::<FixedSizeListArray>().ok_or_else(other)?;
        let values = vectors.values().as_any().downcast_ref::<Float32Array>().ok_or_else(other)?;
        if vectors.value_length() != width as i32 || keys.value_length() != 32 {
            return Err(other());
        }
        for key in keys {
            texts.push(key.and_then(|key| Key::try_from(key).ok()).ok_or_else(other)?);
        }
        found.extend_from_slice(values.values());
    }
    if found.len() != texts.len() * width {
        return Err(other());
    }
    Ok((texts, found))
}
