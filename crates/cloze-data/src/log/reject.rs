//! Bad rows: where they stood, and the file that keeps them.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::rows::{Part, Rejected, lines_before};
use crate::DataError;

/// Empty lines at the end of a block are bad rows if another block has more. `error` says what is wrong with one.
pub(crate) fn blanks(parts: &mut [Part], skip: bool, error: impl Fn(usize) -> DataError) {
    let Some(last) = parts.iter().rposition(|part| part.content) else { return };
    for part in &mut parts[..last] {
        let Some((first, count)) = part.blank.take() else { continue };
        if part.error.is_some() {
            continue;
        }
        if !skip {
            part.error = Some(error(first));
            continue;
        }
        let rejected = |line| Rejected { line, reason: error(line).reason(), text: String::new() };
        part.rejected.extend((first..first + count).map(rejected));
    }
}

/// Writes the bad rows of all parts: to a temporary file first, then renamed.
pub(crate) fn write(path: &Path, files: &[&Path], parts: &[Part]) -> Result<(), DataError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(DataError::io("create a file in", folder))?;
    let mut writer = BufWriter::new(file);
    let mut all = || -> std::io::Result<()> {
        writeln!(writer, "file,line,reason,row")?;
        for (part, line) in parts.iter().zip(lines_before(parts)) {
            let file = files.get(part.file).map(|file| quoted(&file.display().to_string()));
            let file = file.unwrap_or_default();
            for row in &part.rejected {
                let (line, reason, text) = (line + row.line, quoted(&row.reason), quoted(&row.text));
                writeln!(writer, "{file},{line},{reason},{text}")?;
            }
        }
        writer.flush()
    };
    all().map_err(DataError::io("write", path))?;
    let file = writer.into_inner().map_err(|error| DataError::io("write", path)(error.into_error()))?;
    file.persist(path).map_err(|error| DataError::io("write", path)(error.error))?;
    Ok(())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
