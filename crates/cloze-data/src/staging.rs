//! Folders that appear whole or not at all.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::DataError;

const LOCK: &str = ".lock";
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
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent);
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
    pub(crate) fn finish(self) -> Result<(), DataError> {
        if self.target.exists() {
            let old = self.folder.path().join(OLD);
            fs::rename(&self.target, old).map_err(DataError::io("replace", &self.target))?;
        }
        fs::rename(&self.new, &self.target).map_err(DataError::io("write", &self.target))
    }
}

/// Removes what killed processes have left. Only tidiness: a failure is not worth an error. What one of them had put
/// aside without putting anything in its place comes back.
fn remove_abandoned(parent: &Path, prefix: &str, target: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(prefix);
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
        let (target, dead) = (world.path().join("set"), world.path().join(".preparing-set-dead"));
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
    fn what_a_dead_process_left_goes_and_what_a_living_one_writes_stays() {
        let world = tempfile::tempdir().unwrap();
        let target = world.path().join("set");
        let living = Staging::new(&target).unwrap();
        let dead = world.path().join(".preparing-set-dead");
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
