//! Files that appear whole or not at all.

use std::io::{BufWriter, Write as _};
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

/// Writes the file `path`: beside its place first, then renamed.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> std::io::Result<()>,
) -> Result<(), DataError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut writer = BufWriter::new(temporary(folder)?);
    let written = write(&mut writer).and_then(|()| writer.flush());
    written.map_err(DataError::io("write", path))?;
    let file = writer.into_inner().map_err(|error| DataError::io("write", path)(error.into_error()))?;
    file.persist(path).map_err(|error| DataError::io("write", path)(error.error))?;
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
    use std::io::Write as _;
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
}
