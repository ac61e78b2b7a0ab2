//! Files that are either complete or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::EvalError;

/// Writes to a temporary name in the same folder, syncs, renames.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), EvalError> {
    let staged = Staged::write(path, bytes)?;
    staged.put()
}

/// Writes files of a folder that belong together; the folder is made if it is missing. What stood there before stays
/// until all are written under temporary names: a full disk takes nothing away. They are renamed in their order, after
/// the old file of the last name is gone: while that name is there, all of them are of one kind.
///
/// # Errors
/// [`EvalError::Io`] when writing fails.
pub fn write_together(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), EvalError> {
    fs::create_dir_all(folder).map_err(io("creating", folder))?;
    let write = |(name, bytes): &(&str, Vec<u8>)| Staged::write(&folder.join(name), bytes);
    let staged: Vec<Staged> = files.iter().map(write).collect::<Result<_, _>>()?;
    if let Some(last) = staged.last().filter(|last| staged.len() > 1 && last.path.exists()) {
        fs::remove_file(&last.path).map_err(io("replacing", &last.path))?;
    }
    staged.into_iter().try_for_each(Staged::put)
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> EvalError {
    let path = path.to_path_buf();
    move |source| EvalError::Io { action, path, source }
}

/// A file under a temporary name, which is gone unless it is put in its place.
struct Staged {
    path: PathBuf,
    temporary: PathBuf,
}

impl Staged {
    fn write(path: &Path, bytes: &[u8]) -> Result<Self, EvalError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let staged = Self { path: path.to_path_buf(), temporary };
        let written = File::create(&staged.temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(io("writing", path))?;
        Ok(staged)
    }

    fn put(self) -> Result<(), EvalError> {
        fs::rename(&self.temporary, &self.path).map_err(io("writing", &self.path))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Best effort, and nothing to do after the renaming.
        let _ = fs::remove_file(&self.temporary);
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, EvalError> {
    fs::read(path).map_err(|source| EvalError::Io { action: "reading", path: path.to_path_buf(), source })
}

/// JSON with two spaces of indentation and a final newline.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), EvalError> {
    write_atomically(path, &json(path, value)?)
}

pub(crate) fn json<T: serde::Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, EvalError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| EvalError::Json { path: path.to_path_buf(), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}
