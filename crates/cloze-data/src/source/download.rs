//! Downloads that survive interruption: resumed by range, verified by size and sha256, renamed when whole.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::progress::end;
use crate::{DataError, Progress};

/// A machine without network is told so after this long.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that sends nothing for this long is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// A cut connection is taken up again this often before the call fails.
const TRIES: usize = 3;

/// What to download.
pub(crate) struct Download<'a> {
    pub(crate) url: &'a str,
    pub(crate) size: u64,
    pub(crate) sha256: &'a str,
}

impl Download<'_> {
    /// Downloads to `<target>.part`, going on where an earlier call stopped, and renames to `target`.
    pub(crate) fn run(&self, target: &Path, progress: &mut dyn Progress) -> Result<(), DataError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let part = Part::open(PathBuf::from(name))?;
        progress.start(&format!("Downloading {}", self.url), Some(self.size));
        let fetched = self.fetch(&part, progress).and_then(|()| self.verify(&part));
        end(progress, &fetched);
        if fetched.is_err() && part.len()? == 0 {
            std::fs::remove_file(&part.path).map_err(DataError::io("remove", &part.path))?;
        }
        fetched?;
        std::fs::rename(&part.path, target).map_err(DataError::io("rename", &part.path))
    }

    fn fetch(&self, part: &Part, progress: &mut dyn Progress) -> Result<(), DataError> {
        if part.len()? > self.size {
            // Longer than the whole: left by another version of the file.
            part.clear()?;
        }
        progress.advance(part.len()?);
        for attempt in 1.. {
            let before = part.len()?;
            if before == self.size {
                break;
            }
            let result = self.receive(part, before, progress);
            // Only a connection that had brought something is worth another try.
            if part.len()? == self.size || (part.len()? > before && attempt < TRIES) {
                continue;
            }
            result?;
            return Err(self.error(format!(
                "the connection ended after {} of {} bytes; call again to go on from there",
                part.len()?,
                self.size
            )));
        }
        Ok(())
    }

    /// One request: appends what arrives.
    fn receive(&self, part: &Part, have: u64, progress: &mut dyn Progress) -> Result<(), DataError> {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .http_status_as_error(false);
        let agent = config.build().new_agent();
        // Compressed on the way, ranges would count other bytes than ours.
        let mut request = agent.get(self.url).header("Accept-Encoding", "identity");
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(|error| self.error(error.to_string()))?;
        match response.status().as_u16() {
            206 if have > 0 && starts_at(response.headers().get("Content-Range"), have) => {}
            // The server ignores ranges: from the start again.
            200 => part.clear()?,
            status => {
                // Our bytes do not fit the server's file; after any other answer they are still good.
                if status == 206 || status == 416 {
                    part.clear()?;
                }
                return Err(self.error(format!("the server answered {status}")));
            }
        }
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = body.read(&mut buffer).map_err(|error| self.cut(&error.to_string()))?;
            if read == 0 {
                return Ok(());
            }
            part.append(&buffer[..read])?;
            progress.advance(read as u64);
            if part.len()? > self.size {
                let found = part.len()?;
                part.clear()?;
                return Err(DataError::Size { file: part.path.clone(), expected: self.size, found });
            }
        }
    }

    fn verify(&self, part: &Part) -> Result<(), DataError> {
        let mut file = File::open(&part.path).map_err(DataError::io("read", &part.path))?;
        let mut hasher = Sha256::new();
        std::io::copy(&mut file, &mut hasher).map_err(DataError::io("read", &part.path))?;
        let found = hex(&hasher.finalize());
        if found == self.sha256 {
            return Ok(());
        }
        // Going on from wrong bytes could never end well.
        part.clear()?;
        Err(self.error(format!("sha256 is {found}, expected {}; what arrived was removed", self.sha256)))
    }

    fn cut(&self, reason: &str) -> DataError {
        self.error(format!("the connection was cut ({reason}); call again to go on from there"))
    }

    fn error(&self, reason: String) -> DataError {
        DataError::Download { url: self.url.to_owned(), reason }
    }
}

fn starts_at(range: Option<&ureq::http::HeaderValue>, have: u64) -> bool {
    let text = range.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.trim_start().starts_with(&format!("bytes {have}-"))
}

/// The file of what has arrived, locked against a second process.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn open(path: PathBuf) -> Result<Self, DataError> {
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file = file.map_err(DataError::io("write", &path))?;
        file.try_lock().map_err(|error| DataError::Download {
            url: path.display().to_string(),
            reason: format!("another process is downloading to this file ({error})"),
        })?;
        Ok(Self { path, file })
    }

    fn len(&self) -> Result<u64, DataError> {
        let metadata = self.file.metadata().map_err(DataError::io("read", &self.path))?;
        Ok(metadata.len())
    }

    fn clear(&self) -> Result<(), DataError> {
        self.file.set_len(0).map_err(DataError::io("write", &self.path))
    }

    fn append(&self, bytes: &[u8]) -> Result<(), DataError> {
        (&self.file).write_all(bytes).map_err(DataError::io("write", &self.path))
    }
}
