//! A model folder that is made beside the one that it will become.

use super::{FolderError, io};
use crate::checkpoint::files::sync_folder;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Held by the process that writes.
const LOCK: &str = ".lock";
/// What is written.
const NEW: &str = "new";
/// What is replaced.
const OLD: &str = "old";
/// Letters and digits at the end of a staging folder's name.
const DRAWN: usize = 6;

/// A folder beside the model's, with `new` and later `old` in it. A lock says that its process is alive: what a killed one
/// has left is cleared away by the next that makes or opens the same model.
pub(super) struct Staging {
    folder: TempDir,
    parent: PathBuf,
    target: PathBuf,
    /// Held until the folder is gone.
    _lock: File,
}

/// The folder that holds `path`, and its name there; none of `.`, `..` and `/`, which cannot be renamed.
pub(super) fn place(path: &Path) -> Option<(PathBuf, OsString)> {
    let name = path.file_name()?.to_owned();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Some((parent.unwrap_or(Path::new(".")).to_owned(), name))
}

/// What the names of the staging folders of a model begin with.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".model-");
    prefix.push(name);
    prefix.push("-");
    prefix
}

impl Staging {
    /// Begins to make `path`.
    pub(super) fn new(path: &Path) -> Result<Self, FolderError> {
        let (parent, name) = place(path).ok_or_else(|| FolderError::immovable(path))?;
        fs::create_dir_all(&parent).map_err(|source| io(&parent, source))?;
        recover(path);
        let folder = tempfile::Builder::new().prefix(&prefix(&name)).rand_bytes(DRAWN).tempdir_in(&parent);
        let folder = folder.map_err(|source| io(&parent, source))?;
        let lock = folder.path().join(LOCK);
        let lock = File::create(&lock).map_err(|source| io(&lock, source))?;
        // A file system without locks: then nothing is cleared away there either.
        let _ = lock.try_lock();
        let new = folder.path().join(NEW);
        fs::create_dir(&new).map_err(|source| io(&new, source))?;
        Ok(Self { folder, target: parent.join(name), parent, _lock: lock })
    }

    /// Where to write.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join(NEW)
    }

    /// Puts what was written in the place of the model, and removes the old one; without success that is back in its place.
    pub(super) fn finish(self) -> Result<(), FolderError> {
        let (new, old) = (self.path(), self.folder.path().join(OLD));
        sync_folder(&new).map_err(|source| io(&new, source))?;
        if let Err(source) = swap(&new, &old, &self.target) {
            if is_there(&old) {
                // Not deleted with the rest: the next command that asks for the model tries again.
                let _ = self.folder.keep();
            }
            return Err(io(&self.target, source));
        }
        sync_folder(&self.parent).map_err(|source| io(&self.parent, source))
    }
}

/// Moves `target`, if there is one, to `old`, and `new` to `target`; if that fails, the old one back.
fn swap(new: &Path, old: &Path, target: &Path) -> std::io::Result<()> {
    if is_there(target) {
        fs::rename(target, old)?;
    }
    fs::rename(new, target).inspect_err(|_| {
        let _ = fs::rename(old, target);
    })
}

/// Whether the path is taken, be it by a link to nowhere.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Clears away what killed processes left of making `path`. A model that one of them had put aside, with nothing in its place
/// yet, comes back. No failure is worth an error here: what is not in its place is told by whoever looks for it.
pub(super) fn recover(path: &Path) {
    let Some((parent, name)) = place(path) else { return };
    let (prefix, target) = (prefix(&name), parent.join(name));
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !is_staging(&entry.file_name(), &prefix) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        let old = entry.path().join(OLD);
        let aside = is_there(&old) && !is_there(&target);
        if !aside || fs::rename(&old, &target).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Exactly: the model `a-b` has names that begin like those of the model `a`.
fn is_staging(name: &OsStr, prefix: &OsStr) -> bool {
    let drawn = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
    drawn.is_some_and(|drawn| drawn.len() == DRAWN && drawn.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    fn model(path: &Path, content: &str) {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("x"), content).unwrap();
    }

    /// What a process leaves that is killed between the two renames.
    fn killed(world: &Path, staging: &str) -> PathBuf {
        let folder = world.join(staging);
        model(&folder.join(OLD), "old");
        model(&folder.join(NEW), "new");
        fs::write(folder.join(LOCK), "").unwrap();
        folder
    }

    #[test]
    fn what_a_process_killed_between_the_renames_put_aside_comes_back() {
        let world = tempfile::tempdir().unwrap();
        let target = world.path().join("a");
        killed(world.path(), ".model-a-Dead01");
        recover(&target);
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "old");
        assert_eq!(entries(world.path()), ["a"]);
        // Where a model stands, it is the newer one.
        killed(world.path(), ".model-a-Dead02");
        fs::write(target.join("x"), "newer").unwrap();
        drop(Staging::new(&target).unwrap());
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "newer");
        assert_eq!(entries(world.path()), ["a"]);
    }

    #[test]
    fn leftovers_of_living_processes_and_of_other_models_stay() {
        let world = tempfile::tempdir().unwrap();
        let living = Staging::new(&world.path().join("a")).unwrap();
        killed(world.path(), ".model-a-b-Dead01");
        killed(world.path(), ".model-a-longer1");
        let before = entries(world.path());
        recover(&world.path().join("a"));
        assert_eq!(entries(world.path()), before);
        drop(living);
        recover(&world.path().join("a-b"));
        assert_eq!(entries(world.path()), [".model-a-longer1", "a-b"]);
    }

    #[test]
    fn the_old_model_goes_when_the_new_one_is_there_and_is_back_if_that_fails() {
        let world = tempfile::tempdir().unwrap();
        let target = world.path().join("a");
        model(&target, "old");
        let staging = Staging::new(&target.join(".")).unwrap();
        model(&staging.path(), "new");
        staging.finish().unwrap();
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "new");
        assert_eq!(entries(world.path()), ["a"]);
        let absent = world.path().join("absent");
        swap(&absent, &world.path().join("old"), &target).unwrap_err();
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "new");
        assert_eq!(entries(world.path()), ["a"]);
    }
}
