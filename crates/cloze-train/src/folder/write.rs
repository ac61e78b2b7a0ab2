//! Putting a model folder in its place.

use super::free::{check_movable, check_own};
use super::names::Names;
use super::{CONFIG_FILE, FolderError, STAGED, io};
use crate::checkpoint::files::{discard, remove, write_synced};
use crate::checkpoint::{DISCARDED_FOLDER, RUN_FILE, STAGED_MODEL, TRAINING_FOLDER};
use cloze_data::staging::{Staging, is_there, sync_folder};
use std::fs;
use std::path::Path;

/// Files by name.
type Files = [(&'static str, Vec<u8>)];

/// Writes the folder beside `path` and renames it.
pub(super) fn in_place(path: &Path, files: &Files) -> Result<(), FolderError> {
    check_movable(path)?;
    let staging = Staging::new(STAGED, path)?;
    if is_there(path) {
        check_own(path)?;
    }
    write_all(staging.path(), files)?;
    Ok(staging.finish()?)
}

/// Writes the model of the run whose checkpoints lie in `path`: staged among them, so that they and the model are never
/// both gone. `config.json`, by which a model folder is known, goes first of what stood there and comes last.
pub(super) fn beside_training(path: &Path, files: &Files) -> Result<(), FolderError> {
    let training = path.join(TRAINING_FOLDER);
    let staged = training.join(STAGED_MODEL);
    remove(&staged).and_then(|()| fs::create_dir(&staged)).map_err(|source| io(&staged, source))?;
    write_all(&staged, files)?;
    let config = path.join(CONFIG_FILE);
    if config.exists() {
        fs::remove_file(&config).map_err(|source| io(&config, source))?;
    }
    let names = Names::of(path);
    for entry in fs::read_dir(path).map_err(|source| io(path, source))? {
        let entry = entry.map_err(|source| io(path, source))?;
        if entry.path() != training {
            remove_own(names, &entry).map_err(|source| io(&entry.path(), source))?;
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

/// Removes what belonged to the old model. What somebody put there since the run began stays.
fn remove_own(names: Names, entry: &fs::DirEntry) -> std::io::Result<()> {
    if names.foreign_in(entry)?.is_some() {
        return Ok(());
    }
    let path = entry.path();
    if entry.file_type()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn write_all(folder: &Path, files: &Files) -> Result<(), FolderError> {
    files.iter().try_for_each(|(name, bytes)| {
        let path = folder.join(name);
        write_synced(&path, bytes).map_err(|source| io(&path, source))
    })
}
