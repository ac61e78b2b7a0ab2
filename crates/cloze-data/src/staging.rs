//! Folders that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
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

/// A folder being made beside the one that it will become: `.KIND-NAME-xxxxxx`, with `new`, which is written, and later `old`,
/// which it replaces, in it.
///
/// A lock on a file in it says that its process is alive: what a killed one has left is cleared away by the next that makes
/// the same folder, or asks for it with [`recover`].
pub struct Staging {
    folder: TempDir,
    parent: PathBuf,
    target: PathBuf,
    new: PathBuf,
    /// Held until the folder is gone.
    _lock: File,
}

/// What could not be done with a folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct StagingError {
    /// What was tried, as a verb: "create", "replace".
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl StagingError {
    fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// The folder that holds `path`, and its name there; none of `.`, `..` and `/`, which cannot be renamed.
pub fn place(path: &Path) -> Option<(PathBuf, OsString)> {
    let name = path.file_name()?.to_owned();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Some((parent.unwrap_or(Path::new(".")).to_owned(), name))
}

/// Whether the path is taken, be it by a link to nowhere.
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Waits until a folder's list of names is on the disk; only Unix can say so.
///
/// # Errors
/// Those of the file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

impl Staging {
    /// Begins to make `path`, a `kind` of folder.
    ///
    /// # Errors
    /// Folders that cannot be made; a path that is no name (`.`, `..`, `/`).
    pub fn new(kind: &str, path: &Path) -> Result<Self, StagingError> {
        let nameless =
            || io::Error::new(io::ErrorKind::InvalidInput, "it cannot be renamed: name a folder in it");
        let (parent, name) = place(path).ok_or_else(nameless).map_err(StagingError::of("replace", path))?;
        fs::create_dir_all(&parent).map_err(StagingError::of("create", &parent))?;
        recover(kind, path);
        let prefix = prefix(kind, &name);
        let folder = tempfile::Builder::new().prefix(&prefix).rand_bytes(DRAWN).tempdir_in(&parent);
        let folder = folder.map_err(StagingError::of("create a folder in", &parent))?;
        let lock = folder.path().join(LOCK);
        let lock = File::create(&lock).map_err(StagingError::of("create", &lock))?;
        // A file system without locks: then nothing is cleared away there either.
        let _ = lock.try_lock();
        let new = folder.path().join(NEW);
        fs::create_dir(&new).map_err(StagingError::of("create", &new))?;
        Ok(Self { folder, target: parent.join(name), parent, new, _lock: lock })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.new
    }

    /// Puts what was written in its place, and removes what was there; without success that is back.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn finish(self) -> Result<(), StagingError> {
        let old = self.folder.path().join(OLD);
        sync_folder(&self.new).map_err(StagingError::of("write", &self.new))?;
        if let Err(error) = swap(&self.new, &old, &self.target) {
            if is_there(&old) {
                // Not deleted with the rest: the next that asks for the folder tries again.
                let _ = self.folder.keep();
            }
            return Err(error);
        }
        sync_folder(&self.parent).map_err(StagingError::of("write", &self.parent))
    }
}

/// Moves `target`, if there is one, to `old`, and `new` to `target`; if that fails, the old one back.
fn swap(new: &Path, old: &Path, target: &Path) -> Result<(), StagingError> {
    if is_there(target) {
        fs::rename(target, old).map_err(StagingError::of("replace", target))?;
    }
    fs::rename(new, target).map_err(StagingError::of("write", target)).inspect_err(|_| {
        let _ = fs::rename(old, target);
    })
}

/// What the names of the staging folders of a folder begin with.
fn prefix(kind: &str, name: &OsStr) -> OsString {
    let mut prefix = OsString::from(format!(".{kind}-"));
    prefix.push(name);
    prefix.push("-");
    prefix
}

/// Clears away what killed processes left of making `path`. What one of them had put aside, with nothing in its place yet,
/// comes back. No failure is worth an error here: what is not in its place is told by whoever looks for it.
pub fn recover(kind: &str, path: &Path) {
    let Some((parent, name)) = place(path) else { return };
    let (prefix, target) = (prefix(kind, &name), parent.join(name));
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

/// Exactly: the folder `a-b` has names that begin like those of the folder `a`.
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

    fn filled(path: &Path, content: &str) {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("x"), content).unwrap();
    }

    fn content(path: &Path) -> String {
        fs::read_to_string(path.join("x")).unwrap()
    }

    /// What a process leaves that is killed between the two renames.
    fn killed(world: &Path, staging: &str) -> PathBuf {
        let folder = world.join(staging);
        filled(&folder.join(OLD), "old");
        filled(&folder.join(NEW), "new");
        fs::write(folder.join(LOCK), "").unwrap();
        folder
    }

    #[test]
    fn what_a_process_killed_between_the_renames_put_aside_comes_back() {
        let world = tempfile::tempdir().unwrap();
        let target = world.path().join("a");
        killed(world.path(), ".model-a-Dead01");
        recover("model", &target);
        assert_eq!(content(&target), "old");
        assert_eq!(entries(world.path()), ["a"]);
        // Where one stands, it is the newer one; and a new one that fails after it has begun is not the end of it.
        killed(world.path(), ".model-a-Dead02");
        filled(&target, "newer");
        drop(Staging::new("model", &target).unwrap());
        assert_eq!(content(&target), "newer");
        assert_eq!(entries(world.path()), ["a"]);
    }

    #[test]
    fn leftovers_of_living_processes_and_of_other_folders_stay() {
        let world = tempfile::tempdir().unwrap();
        let living = Staging::new("model", &world.path().join("a")).unwrap();
        for other in [".model-a-b-Dead01", ".model-a-longer1", ".model-a-dead-0", ".data-a-Dead01"] {
            killed(world.path(), other);
        }
        let before = entries(world.path());
        recover("model", &world.path().join("a"));
        assert_eq!(entries(world.path()), before);
        drop(living);
        recover("model", &world.path().join("a-b"));
        assert_eq!(entries(world.path()), [".data-a-Dead01", ".model-a-dead-0", ".model-a-longer1", "a-b"]);
    }

    #[test]
    fn the_old_one_goes_when_the_new_one_is_there_and_is_back_if_that_fails() {
        let world = tempfile::tempdir().unwrap();
        let target = world.path().join("a");
        filled(&target, "old");
        let staging = Staging::new("model", &target.join(".")).unwrap();
        filled(staging.path(), "new");
        staging.finish().unwrap();
        assert_eq!(content(&target), "new");
        assert_eq!(entries(world.path()), ["a"]);
        let absent = world.path().join("absent");
        let error = swap(&absent, &world.path().join("old"), &target).unwrap_err().to_string();
        assert!(error.contains("cannot write"), "{error}");
        assert_eq!(content(&target), "new");
        assert_eq!(entries(world.path()), ["a"]);
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        for path in [".", "..", "/", "a/.."] {
            let error = Staging::new("model", Path::new(path)).err().unwrap().to_string();
            assert!(error.contains("cannot be renamed"), "{error}");
        }
    }
}
