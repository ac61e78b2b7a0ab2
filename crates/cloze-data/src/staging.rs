//! Folders that appear whole or not at all.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::DataError;

const LOCK: &str = ".lock";
/// Random letters and digits at the end of a temporary name.
const RANDOM: usize = 6;
/// What is being replaced.
const OLD: &str = "old";

/// A folder being made beside the one that it will become.
///
/// It holds `new`, what is being written, and later `old`, what it replaces. A lock on a file in it says that its
/// process is alive: what a killed one has left is removed by the next that makes the same folder.
pub(crate) struct Staging {
    folder: TempDir,
    target: PathBuf,
    new: PathBuf,
    /// Held until the folder is gone.
    _lock: File,
}

impl Staging {
    /// Begins to make `target`.
    pub(crate) fn new(target: &Path) -> Result<Self, DataError> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let prefix = format!(".preparing-{name}-");
        remove_abandoned(parent, &prefix, target);
        let folder = tempfile::Builder::new().prefix(&prefix).rand_bytes(RANDOM).tempdir_in(parent);
        let folder = folder.map_err(DataError::io("create a folder in", parent))?;
        let path = folder.path().join(LOCK);
        let lock = File::create(&path).map_err(DataError::io("create", &path))?;
        // A file system without locks: then nothing is removed there either.
        let _ = lock.try_lock();
        let new = folder.path().join("new");
        fs::create_dir(&new).map_err(DataError::io("create", &new))?;
        Ok(Self { folder, target: target.to_owned(), new, _lock: lock })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.new
    }

    /// Puts what was written in the target's place. What was there before goes.
    pub(crate) fn finish(mut self) -> Result<(), DataError> {
        let old = self.folder.path().join(OLD);
        let replaces = self.target.exists();
        if replaces {
            fs::rename(&self.target, &old).map_err(DataError::io("replace", &self.target))?;
        }
        let Err(error) = fs::rename(&self.new, &self.target) else { return Ok(()) };
        if replaces && fs::rename(&old, &self.target).is_err() {
            // It stays where it is, and the next preparation puts it back.
            self.folder.disable_cleanup(true);
        }
        Err(DataError::io("write", &self.target)(error))
    }
}

/// Removes what killed processes have left. Only tidiness: a failure is not worth an error. What one of them had put
/// aside without putting anything in its place comes back.
fn remove_abandoned(parent: &Path, prefix: &str, target: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        // What is being made beside it may have a longer name with the same beginning.
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(prefix));
        let named = random
            .is_some_and(|end| end.len() == RANDOM && end.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let lock = named.then(|| File::open(entry.path().join(LOCK)).ok()).flatten();
        if let Some(lock) = lock
            && !matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
        {
            let old = entry.path().join(OLD);
            if old.exists() && !target.exists() && fs::rename(&old, target).is_err() {
                continue;
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_aside_by_a_process_killed_between_the_renames_comes_back() {
        let world = tempfile::tempdir().unwrap();
        let (target, dead) = (world.path().join("set"), world.path().join(".preparing-set-dead00"));
        for there in [false, true] {
            fs::create_dir_all(dead.join("old")).unwrap();
            fs::write(dead.join("old/x"), "old").unwrap();
            fs::create_dir(dead.join("new")).unwrap();
            fs::write(dead.join(LOCK), "").unwrap();
            if there {
                fs::write(target.join("x"), "newer").unwrap();
            }
            // A preparation that fails after it has begun must not be the end of the old data either.
            drop(Staging::new(&target).unwrap());
            assert!(!dead.exists());
            assert_eq!(fs::read_to_string(target.join("x")).unwrap(), if there { "newer" } else { "old" });
        }
    }

    #[test]
    fn what_another_preparation_left_stays_whatever_its_name_begins_with() {
        let world = tempfile::tempdir().unwrap();
        for other in [".preparing-set-small-dead00", ".preparing-set-dead000", ".preparing-set-dead-0"] {
            let other = world.path().join(other);
            fs::create_dir_all(other.join("old")).unwrap();
            fs::write(other.join(LOCK), "").unwrap();
            drop(Staging::new(&world.path().join("set")).unwrap());
            assert!(other.join("old").exists(), "{}", other.display());
        }
    }

    #[test]
    fn what_was_put_aside_comes_back_where_nothing_takes_its_place() {
        let world = tempfile::tempdir().unwrap();
        let target = world.path().join("set");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "old").unwrap();
        let staging = Staging::new(&target).unwrap();
        fs::remove_dir(staging.path()).unwrap();
        let error = staging.finish().unwrap_err().to_string();
        assert!(error.contains("cannot write"), "{error}");
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "old");
    }

    #[test]
    fn what_a_dead_process_left_goes_and_what_a_living_one_writes_stays() {
        let world = tempfile::tempdir().unwrap();
        let target = world.path().join("set");
        let living = Staging::new(&target).unwrap();
        let dead = world.path().join(".preparing-set-dead00");
        fs::create_dir_all(dead.join("new")).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        let staging = Staging::new(&target).unwrap();
        assert!(!dead.exists() && living.path().exists());
        fs::write(staging.path().join("x"), "2").unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "1").unwrap();
        staging.finish().unwrap();
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "2");
        drop(living);
        assert_eq!(fs::read_dir(world.path()).unwrap().count(), 1, "only the target is left");
    }
}
