//! Files that are either complete or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::EvalError;

/// Writes to a temporary name in the same folder, syncs, renames.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), EvalError> {
    let failed = |source| EvalError::Io { action: "writing", path: path.to_path_buf(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(|source| {
        // Best effort: the error that is reported is the first one.
        let _ = fs::remove_file(&temporary);
        failed(source)
    })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, EvalError> {
    fs::read(path).map_err(|source| EvalError::Io { action: "reading", path: path.to_path_buf(), source })
}

/// JSON with two spaces of indentation and a final newline.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), EvalError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| EvalError::Json { path: path.to_path_buf(), source })?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}
