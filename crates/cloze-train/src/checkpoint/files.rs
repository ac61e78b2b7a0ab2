//! Folders that are there whole or not at all.

use cloze_data::staging::sync_folder;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file and waits until it is on the disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a file under a temporary name and renames it.
pub(crate) fn write_renamed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

/// Makes `parent/name` a folder of these files; one that stood there becomes `parent/aside`. Whatever moment this is cut
/// off at, `name` or `aside` is a complete folder, and a failure leaves `name` as it was.
pub(crate) fn replace_folder(
    parent: &Path,
    name: &str,
    aside: &str,
    files: &[(&str, &[u8])],
) -> io::Result<()> {
    let (target, aside, staged) = (parent.join(name), parent.join(aside), parent.join(format!("{name}.new")));
    remove(&staged)?;
    fs::create_dir(&staged)?;
    let written = files.iter().try_for_each(|(file, bytes)| write_synced(&staged.join(file), bytes));
    if let Err(error) = written.and_then(|()| sync_folder(&staged)) {
        // Half a checkpoint only takes room that the disk does not have.
        let _ = remove(&staged);
        return Err(error);
    }
    if target.exists() {
        remove(&aside)?;
        fs::rename(&target, &aside)?;
    }
    fs::rename(&staged, &target)?;
    sync_folder(parent)
}

/// Removes a folder that may not be there.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a folder that must never be seen in part: it is out of sight, as `aside`, before the first file goes.
pub(crate) fn discard(folder: &Path, aside: &Path) -> io::Result<()> {
    remove(aside)?;
    fs::rename(folder, aside)?;
    remove(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_folder_stands_aside_and_a_failed_one_changes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let at = parent.path();
        let read = |name: &str| fs::read(at.join(name).join("file")).ok();
        replace_folder(at, "last", "previous", &[("file", b"one")]).unwrap();
        replace_folder(at, "last", "previous", &[("file", b"two")]).unwrap();
        assert_eq!((read("last"), read("previous")), (Some(b"two".to_vec()), Some(b"one".to_vec())));
        // A name in a folder that is not there cannot be written.
        replace_folder(at, "last", "previous", &[("file", b"three"), ("no/file", b"")]).unwrap_err();
        assert_eq!((read("last"), read("previous")), (Some(b"two".to_vec()), Some(b"one".to_vec())));
        assert!(!at.join("last.new").exists());
        // Left by a process that was killed while writing.
        fs::create_dir(at.join("last.new")).unwrap();
        replace_folder(at, "last", "previous", &[("file", b"four")]).unwrap();
        assert_eq!(read("last"), Some(b"four".to_vec()));
    }

    #[test]
    fn a_discarded_folder_is_gone_whatever_an_earlier_attempt_left() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, aside) = (parent.path().join("run"), parent.path().join("run.old"));
        for path in [&folder, &aside] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("file"), "").unwrap();
        }
        discard(&folder, &aside).unwrap();
        assert!(!folder.exists() && !aside.exists());
    }
}
