//! Putting a model folder in its place.

use super::{CONFIG_FILE, FolderError, io};
use crate::checkpoint::files::{discard, remove, sync_folder, write_synced};
use crate::checkpoint::{DISCARDED_FOLDER, RUN_FILE, TRAINING_FOLDER};
use std::fs;
use std::path::Path;

/// Files by name.
type Files = [(&'static str, Vec<u8>)];

/// Writes the folder beside `path` and renames it.
pub(super) fn in_place(path: &Path, files: &Files) -> Result<(), FolderError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|source| io(parent, source))?;
    let staging =
        tempfile::Builder::new().prefix(".model-").tempdir_in(parent).map_err(|source| io(parent, source))?;
    write_all(staging.path(), files)?;
    swap(staging, path, parent)
}

/// Writes the model of the run whose checkpoints lie in `path`: staged among them, so that they and the model are never
/// both gone. `config.json`, by which a model folder is known, goes first of what stood there and comes last.
pub(super) fn beside_training(path: &Path, files: &Files) -> Result<(), FolderError> {
    let training = path.join(TRAINING_FOLDER);
    let staged = training.join("model");
    remove(&staged).and_then(|()| fs::create_dir(&staged)).map_err(|source| io(&staged, source))?;
    write_all(&staged, files)?;
    let config = path.join(CONFIG_FILE);
    if config.exists() {
        fs::remove_file(&config).map_err(|source| io(&config, source))?;
    }
    for entry in fs::read_dir(path).map_err(|source| io(path, source))? {
        let old = entry.map_err(|source| io(path, source))?.path();
        if old != training {
            let removed = if old.is_dir() { fs::remove_dir_all(&old) } else { fs::remove_file(&old) };
            removed.map_err(|source| io(&old, source))?;
        }
    }
    let move_up = |from: &Path, name: &str| {
        let target = path.join(name);
        fs::rename(from.join(name), &target).map_err(|source| io(&target, source))
    };
    for (name, _) in files.iter().filter(|(name, _)| *name != CONFIG_FILE) {
        move_up(&staged, name)?;
    }
    let identity = fs::read(training.join(RUN_FILE)).map_err(|source| io(&training, source))?;
    write_synced(&path.join(RUN_FILE), &identity).map_err(|source| io(path, source))?;
    move_up(&staged, CONFIG_FILE)?;
    let aside = path.join(DISCARDED_FOLDER);
    sync_folder(path).and_then(|()| discard(&training, &aside)).map_err(|source| io(path, source))
}

fn write_all(folder: &Path, files: &Files) -> Result<(), FolderError> {
    files.iter().try_for_each(|(name, bytes)| {
        let path = folder.join(name);
        write_synced(&path, bytes).map_err(|source| io(&path, source))
    })
}

/// Puts the staged folder in the place of `path`. The old model is moved aside, and back if the second rename fails.
fn swap(staging: tempfile::TempDir, path: &Path, parent: &Path) -> Result<(), FolderError> {
    let aside = tempfile::Builder::new()
        .prefix(".replaced-")
        .tempdir_in(parent)
        .map_err(|source| io(parent, source))?;
    let old = aside.path().join("model");
    let replaced = path.exists();
    if replaced {
        fs::rename(path, &old).map_err(|source| io(path, source))?;
    }
    let staged = staging.keep();
    fs::rename(&staged, path).map_err(|source| {
        if replaced && fs::rename(&old, path).is_err() {
            // The old model cannot go back to its place: then it stays under its temporary name, and is not deleted.
            let _ = aside.keep();
        }
        let _ = fs::remove_dir_all(&staged);
        io(path, source)
    })
}
