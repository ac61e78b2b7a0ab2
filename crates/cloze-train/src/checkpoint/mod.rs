//! The unfinished run: a folder `training` inside the output folder, there from the first checkpoint until the model is
//! complete.
//!
//! | name | content |
//! |---|---|
//! | `run.json` | [`RunIdentity`]: resolved configuration, data, version, engine |
//! | `metrics.jsonl`, `learning-curve.svg`, `events.out.tfevents.cloze` | the records so far, the last for TensorBoard |
//! | `last/` | the newest checkpoint |
//! | `previous/` | the one before it |
//! | `best/` | the parameters of the best validation of the phase |
//! | `done-<phase>/` | the result of a phase that is over |
//!
//! A checkpoint is written under a temporary name, synced and renamed. A run that goes on from one ends with the same
//! bits as if it had never stopped, because everything drawn depends on seed and step only.

mod error;
pub(crate) mod files;
mod identity;
mod names;
mod records;
mod saved;

pub use error::CheckpointError;
pub use identity::RunIdentity;
pub(crate) use names::is_ours;
pub(crate) use saved::{Mark, Saved};

use crate::interrupt::Interrupt;
use crate::progress::Record;
use files::{remove, replace_folder, write_renamed};
use saved::{STATE_FILE, TENSORS_FILE, read_mark};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of an unfinished run inside the output folder.
pub const TRAINING_FOLDER: &str = "training";
/// The same while it is removed: what a process that was killed then leaves.
pub(crate) const DISCARDED_FOLDER: &str = "training.old";
/// The run's identity.
pub const RUN_FILE: &str = "run.json";
/// The learning curve.
pub const CURVE_FILE: &str = "learning-curve.svg";
const LAST: &str = "last";
const PREVIOUS: &str = "previous";
const BEST: &str = "best";
const DONE: &str = "done-";
/// The finished model, until it is moved up.
pub(crate) const STAGED_MODEL: &str = "model";

/// Reads and writes the checkpoints of a run.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    identity: RunIdentity,
    every: Duration,
    interrupt: Option<Interrupt>,
    written: Instant,
    /// Records of the run that goes on, until the reporter has them.
    records: Vec<Record>,
    /// Records in the events file; none before this process wrote it anew.
    events: usize,
    /// Words for the user about the run that goes on.
    notes: Vec<String>,
    /// The run's identity, locked: two processes would write the same files. Held once the run is begun.
    lock: Option<File>,
}

impl Checkpoints {
    /// The checkpoints of the run `identity` into `output`; with `resume` it goes on where an unfinished one stands, and
    /// starts if there is none. Nothing is written before the first checkpoint.
    ///
    /// # Errors
    /// An unfinished run that was not to be resumed, one of another identity, a damaged one, or one that another process trains.
    pub fn open(output: &Path, identity: RunIdentity, resume: bool) -> Result<Self, CheckpointError> {
        let folder = output.join(TRAINING_FOLDER);
        let mut this = Self {
            folder,
            identity,
            every: Duration::from_mins(1),
            interrupt: None,
            written: Instant::now(),
            records: Vec::new(),
            events: 0,
            notes: Vec::new(),
            lock: None,
        };
        if !this.folder.join(RUN_FILE).is_file() {
            return Ok(this);
        }
        if !resume {
            return Err(Self::unfinished(output));
        }
        let path = this.folder.join(RUN_FILE);
        let stored = read_identity(&path)?;
        refuse_other(&path, &stored, &this.identity)?;
        this.lock(&path)?;
        this.notes.extend(stored.caution(&this.identity));
        this.read_records()?;
        Ok(this)
    }

    /// Seconds between two checkpoints besides those at validations.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Listens to a wish to stop.
    #[must_use]
    pub fn interruptible(self, interrupt: Interrupt) -> Self {
        Self { interrupt: Some(interrupt), ..self }
    }

    /// What the user should know about the run that goes on.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The folder of the unfinished run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The refusal to start anew over an unfinished run, asked for before any work; `None` if there is none.
    pub fn refusal(output: &Path) -> Option<CheckpointError> {
        let exists = output.join(TRAINING_FOLDER).join(RUN_FILE).is_file();
        exists.then(|| Self::unfinished(output))
    }

    /// Whether `output` holds the finished model of this very run.
    ///
    /// # Errors
    /// A finished run of another identity.
    pub fn is_finished(output: &Path, identity: &RunIdentity) -> Result<bool, CheckpointError> {
        let path = output.join(RUN_FILE);
        if !path.is_file() || output.join(TRAINING_FOLDER).join(RUN_FILE).is_file() {
            return Ok(false);
        }
        refuse_other(&path, &read_identity(&path)?, identity)?;
        // Of no use to anybody, and no reason to fail.
        let _ = remove(&output.join(DISCARDED_FOLDER));
        Ok(true)
    }

    fn unfinished(output: &Path) -> CheckpointError {
        let path = output.join(TRAINING_FOLDER);
        let progress = match read_mark(&path.join(LAST)) {
            Ok(mark) => format!(" ({} at step {})", mark.phase, mark.step),
            Err(_) => String::new(),
        };
        CheckpointError::Unfinished { path, progress }
    }

    pub(crate) fn interrupt(&self) -> Option<&Interrupt> {
        self.interrupt.as_ref()
    }

    /// Records of the run that goes on; given once.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Whether it is time for a checkpoint between validations.
    pub(crate) fn is_due(&self) -> bool {
        self.written.elapsed() >= self.every
    }

    /// The result of a phase that is over.
    pub(crate) fn finished(&self, phase: &str) -> Result<Option<Saved>, CheckpointError> {
        let folder = self.folder.join(format!("{DONE}{phase}"));
        if !folder.exists() {
            return Ok(None);
        }
        let way_out = || format!("Remove {} to run that phase again with --resume", folder.display());
        Saved::read(&folder).map(Some).map_err(|reason| damaged(&folder, reason, way_out()))
    }

    /// The newest checkpoint, if it is of this phase.
    pub(crate) fn last(&self, phase: &str) -> Result<Option<Saved>, CheckpointError> {
        let folder = self.newest();
        if !folder.exists() {
            return Ok(None);
        }
        let saved = Saved::read(&folder).and_then(|saved| match saved.optimizer {
            Some(_) => Ok(saved),
            None => Err(format!("{TENSORS_FILE} has no optimizer state")),
        });
        match saved {
            Ok(saved) => Ok(Some(saved).filter(|saved| saved.mark.phase == phase)),
            Err(reason) => Err(damaged(&folder, reason, self.way_out(&folder))),
        }
    }

    /// Where the newest checkpoint stands: cut off between two renames, only the one before it is there.
    fn newest(&self) -> PathBuf {
        let last = self.folder.join(LAST);
        if last.exists() { last } else { self.folder.join(PREVIOUS) }
    }

    /// The best parameters of this phase.
    pub(crate) fn best(&self, phase: &str) -> Result<Option<Saved>, CheckpointError> {
        let aside = self.folder.join(format!("{BEST}.old"));
        let folder = self.folder.join(BEST);
        let folder = if folder.exists() { folder } else { aside };
        if !folder.exists() {
            return Ok(None);
        }
        let way_out = || format!("Remove {} to start anew", self.folder.display());
        let saved = Saved::read(&folder).map_err(|reason| damaged(&folder, reason, way_out()))?;
        Ok(Some(saved).filter(|saved| saved.mark.phase == phase))
    }

    /// Writes the checkpoint to go on from, with the records and the learning curve so far.
    pub(crate) fn write_last(&mut self, saved: &Saved, records: &[Record]) -> Result<(), CheckpointError> {
        self.begin()?;
        self.write_records(records)?;
        self.write(LAST, PREVIOUS, saved)?;
        self.written = Instant::now();
        Ok(())
    }

    /// Writes the best parameters so far.
    pub(crate) fn write_best(&mut self, saved: &Saved) -> Result<(), CheckpointError> {
        self.begin()?;
        let aside = format!("{BEST}.old");
        self.write(BEST, &aside, saved)?;
        // It only bridged the moment between two renames.
        let _ = remove(&self.folder.join(aside));
        Ok(())
    }

    /// Writes the result of a phase, after the records that it counts.
    pub(crate) fn write_finished(
        &mut self,
        saved: &Saved,
        records: &[Record],
    ) -> Result<(), CheckpointError> {
        self.begin()?;
        self.write_records(records)?;
        let name = format!("{DONE}{}", saved.mark.phase);
        self.write(&name, &format!("{name}.old"), saved)
    }

    /// What is there after a divergence.
    pub(crate) fn kept(&self) -> String {
        let mut parts = Vec::new();
        for (name, what) in [(LAST, "the last good checkpoint"), (BEST, "the best parameters")] {
            if let Ok(mark) = read_mark(&self.folder.join(name)) {
                parts.push(format!("{what} (step {}) in {}", mark.step, self.folder.join(name).display()));
            }
        }
        if parts.is_empty() {
            return String::new();
        }
        format!(
            " Kept: {}. --resume would repeat the divergence: train into another --output, or remove {}",
            parts.join(", "),
            self.folder.display()
        )
    }

    fn begin(&mut self) -> Result<(), CheckpointError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let path = self.folder.join(RUN_FILE);
        // None was there when this run was opened: another process has begun in the same folder meanwhile, maybe with other options.
        if path.is_file() {
            return Err(CheckpointError::Busy { path: self.folder.clone() });
        }
        let json = serde_json::to_vec_pretty(&self.identity).unwrap_or_default();
        fs::create_dir_all(&self.folder)
            .and_then(|()| write_renamed(&path, &json))
            .map_err(|error| self.unwritten(&path, error.to_string()))?;
        self.lock(&path)
    }

    /// Makes the run this process's.
    fn lock(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let file = File::open(path).map_err(|error| self.unwritten(path, error.to_string()))?;
        // A file system without locks does without.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(CheckpointError::Busy { path: self.folder.clone() });
        }
        self.lock = Some(file);
        Ok(())
    }

    fn write(&self, name: &str, aside: &str, saved: &Saved) -> Result<(), CheckpointError> {
        let path = self.folder.join(name);
        let (state, tensors) = saved.files(&path).map_err(|reason| self.unwritten(&path, reason))?;
        let files: [(&str, &[u8]); 2] = [(TENSORS_FILE, &tensors), (STATE_FILE, &state)];
        replace_folder(&self.folder, name, aside, &files)
            .map_err(|error| self.unwritten(&path, error.to_string()))
    }

    fn unwritten(&self, path: &Path, reason: String) -> CheckpointError {
        let kept = match read_mark(&self.folder.join(LAST))
            .or_else(|_| read_mark(&self.folder.join(PREVIOUS)))
        {
            Ok(mark) => {
                format!("The checkpoint of step {} is intact: make room, then go on with --resume", mark.step)
            }
            Err(_) if self.folder.join(RUN_FILE).is_file() => {
                "There is no checkpoint yet: make room, then start again with --resume".to_owned()
            }
            Err(_) => "There is no checkpoint yet: make room, then train again".to_owned(),
        };
        CheckpointError::Write { path: path.to_owned(), reason, kept }
    }

    fn way_out(&self, broken: &Path) -> String {
        let previous = self.folder.join(PREVIOUS);
        match Saved::read(&previous) {
            Ok(saved) if broken != previous => format!(
                "The one before it, of step {}, is intact: remove {} and --resume goes on from there",
                saved.mark.step,
                broken.display()
            ),
            _ => format!("Remove {} to start anew", self.folder.display()),
        }
    }
}

fn damaged(path: &Path, reason: String, way_out: String) -> CheckpointError {
    CheckpointError::Damaged { path: path.to_owned(), reason, way_out }
}

fn read_identity(path: &Path) -> Result<RunIdentity, CheckpointError> {
    let read = fs::read(path).map_err(|error| error.to_string());
    let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    parsed.map_err(|reason| {
        let folder = path.parent().unwrap_or(path).display();
        damaged(path, reason, format!("Remove {folder} to start anew"))
    })
}

fn refuse_other(path: &Path, stored: &RunIdentity, now: &RunIdentity) -> Result<(), CheckpointError> {
    let differences = stored.differences(now);
    if differences.is_empty() {
        return Ok(());
    }
    Err(CheckpointError::OtherRun { path: path.to_owned(), differences: differences.join(", ") })
}
