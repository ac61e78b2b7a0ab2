//! Bad rows: where they stood, and the file that keeps them.

use std::path::Path;

use super::rows::{Part, Rejected, lines_before};
use crate::DataError;
use crate::whole_file::write_whole;

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

/// Writes the bad rows of all parts, whole or not at all.
pub(crate) fn write(path: &Path, files: &[&Path], parts: &[Part]) -> Result<(), DataError> {
    write_whole(path, |writer| {
        writeln!(writer, "file,line,reason,row")?;
        for (part, line) in parts.iter().zip(lines_before(parts)) {
            let file = files.get(part.file).map(|file| quoted(&file.display().to_string()));
            let file = file.unwrap_or_default();
            for row in &part.rejected {
                let (line, reason, text) = (line + row.line, quoted(&row.reason), quoted(&row.text));
                writeln!(writer, "{file},{line},{reason},{text}")?;
            }
        }
        Ok(())
    })
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
