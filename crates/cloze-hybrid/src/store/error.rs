//! What can go wrong with a profile store.

use super::Side;
use cloze_train::TrainError;
use std::path::{Path, PathBuf};

/// What can go wrong with a profile store; none of it changes what is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No file.
    #[error("{}: there is no profile store; `cloze profiles build` makes one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A finished store where one is to be made.
    #[error(
        "{}: is a finished profile store: `cloze profiles update` adds to it; to make it anew from the data, without what was \
         added, remove the file first", path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Profiles of other weights.
    #[error(
        "{}: has the profiles of another model, which mean nothing to this one: give that model, or make a store of this one in \
         another file", path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
    },
    /// Another layout.
    #[error(
        "{}: is a profile store of format {found}, this version of cloze has format {}: use the version that wrote it, or build a new \
         store in another file", path.display(), super::FORMAT
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// The build was stopped.
    #[error("{}: its build was stopped; the same `cloze profiles build` goes on with it", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
    },
    /// An unfinished build of other data.
    #[error(
        "{}: is an unfinished build from other data: go on with those, or remove the file to build from these", path.display()
    )]
    OtherData {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("{}: another process has the store open: wait until it is done", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Not what was written.
    #[error(
        "{}: is no profile store, or is damaged ({reason}): restore a copy, or remove the file and build it again", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{}: {reason}; the store is as it was before", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A model that has no profiles to store.
    #[error(
        "the model has no profiles that an interaction renews: of hybridbert4rec the variants paper, as-printed, hidden, \
         trained-projections and end-to-end have them, with --item-profiles tower, of hybridbert4rec-learners paper and \
         trained-projections, with --profiles tower (the default variant, fused, has none)"
    )]
    NoProfiles,
    /// A user or item that the model does not know.
    #[error("{side} {number} is unknown: the model has {known}")]
    Unknown {
        /// Which of the two.
        side: Side,
        /// Its number.
        number: u32,
        /// How many there are.
        known: usize,
    },
    /// An interaction without a time where the others have one.
    #[error(
        "an interaction needs a time, as those of the store have: it says where in the sequences it belongs"
    )]
    NeedsTime,
    /// An interaction with a time where the others have none.
    #[error(
        "the store's interactions have no times, so a new one takes none: it becomes the last of its user"
    )]
    HasNoTimes,
    /// An answer without a score where how hard an objective is comes from scores.
    #[error(
        "the score of the answer is needed (--score): this model learns from it how hard the objective is"
    )]
    NeedsScore,
    /// An answer with a score that nothing would be done with.
    #[error("this model does not read scores: leave the score of the answer out (--score)")]
    TakesNoScore,
    /// The model.
    #[error(transparent)]
    Model(#[from] TrainError),
}

impl StoreError {
    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    /// What redb says, in these words.
    pub(super) fn of(path: &Path, error: impl Into<redb::Error>) -> Self {
        let path = path.to_owned();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Busy { path },
            // Files of other programs, and truncated ones, are told from failures of the system by their kind.
            redb::Error::Io(error) if !is_about_content(error.kind()) => {
                Self::Failed { path, reason: error.to_string() }
            }
            error => Self::Damaged { path, reason: error.to_string() },
        }
    }
}

fn is_about_content(kind: std::io::ErrorKind) -> bool {
    matches!(kind, std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
}
