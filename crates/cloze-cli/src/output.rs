//! Standard output, and where else results may go.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use cloze_train::ModelFolder;

/// That results are not put among the files of a model, where they would be taken for its own.
pub(crate) fn check_no_model(output: &Path) -> Result<()> {
    ensure!(
        !ModelFolder::is_at(output),
        "--output {} is a model folder: name another one, for these results alone",
        output.display()
    );
    Ok(())
}

/// Prints a result. A reader who has gone away (`cloze ... | head`) is no error: the work is done by then.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints a result for machines.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("cannot write the result as JSON")?;
    print(&(text + "\n"))
}

/// A line on standard error, beside the result; nobody has to read it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
