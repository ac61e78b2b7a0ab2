//! Files that appear whole or not at all.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::DataError;

/// A file in `folder` under a temporary name, which is to be renamed.
pub(crate) fn temporary(folder: &Path) -> Result<NamedTempFile, DataError> {
    let mut file = tempfile::Builder::new();
    // As any other file: temporary ones are otherwise for their owner alone.
    #[cfg(unix)]
    file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    file.tempfile_in(folder).map_err(DataError::io("create a file in", folder))
}

/// Writes the file `path`: beside its place first, then renamed. A link stays one to the file that is written; a pipe or a device
/// is written to as it stands, for a file in its place would end it.
///
/// # Errors
/// [`DataError::Io`].
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), DataError> {
    let failed = || DataError::io("write", path);
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let mut there = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(failed())?);
        return write(&mut there).and_then(|()| there.flush()).map_err(failed());
    }
    let target = match path.canonicalize() {
        Ok(target) if path.is_symlink() => Cow::from(target),
        _ => Cow::from(path),
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut writer = BufWriter::new(temporary(folder)?);
    write(&mut writer).and_then(|()| writer.flush()).map_err(failed())?;
    let file = writer.into_inner().map_err(|error| failed()(error.into_error()))?;
    file.persist(&target).map_err(|error| failed()(error.error))?;
    Ok(())
}

/// A cell of CSV, in quotation marks where it needs them.
pub(crate) fn csv_cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::write_whole;

    #[test]
    fn a_file_may_be_read_by_whom_the_umask_says() {
        let folder = tempfile::tempdir().unwrap();
        let (usual, whole) = (folder.path().join("usual"), folder.path().join("whole"));
        fs::write(&usual, "x").unwrap();
        write_whole(&whole, |file| write!(file, "x")).unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&whole), mode(&usual));
        assert_eq!(fs::read_to_string(whole).unwrap(), "x");
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_whole(&link, |file| write!(file, "new")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(file).unwrap(), "new");
        let nowhere = folder.path().join("nowhere");
        std::os::unix::fs::symlink("/dev/null", &nowhere).unwrap();
        write_whole(&nowhere, |file| write!(file, "new")).unwrap();
        assert!(nowhere.is_symlink() && fs::read(nowhere).unwrap().is_empty());
    }
}
