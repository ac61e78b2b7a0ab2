//! The log that exports become.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::Event;
use crate::DataError;

/// Writes the answers as CSV with the header `learner,exercise,objective,score,time`, whole or not at all.
///
/// # Errors
/// [`DataError::Io`] if the file can't be written.
pub fn write_events(path: &Path, events: &[Event]) -> Result<(), DataError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(DataError::io("create a file in", folder))?;
    let mut writer = BufWriter::new(file);
    let mut all = || -> std::io::Result<()> {
        writeln!(writer, "learner,exercise,objective,score,time")?;
        for event in events {
            let [learner, exercise, objective] =
                [&event.learner, &event.exercise, &event.objective].map(|text| quoted(text));
            writeln!(writer, "{learner},{exercise},{objective},{},{}", event.score, event.time)?;
        }
        writer.flush()
    };
    all().map_err(DataError::io("write", path))?;
    let file = writer.into_inner().map_err(|error| DataError::io("write", path)(error.into_error()))?;
    file.persist(path).map_err(|error| DataError::io("write", path)(error.error))?;
    Ok(())
}

/// A cell of CSV, in quotation marks where it needs them.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
