//! What can be wrong with a checkpoint.

use std::path::PathBuf;

/// Errors of checkpoints and of resuming.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It could not be written: a full disk, mostly.
    #[error("cannot write the checkpoint {}: {reason}. {kept}", path.display())]
    Write {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The system's reason.
        reason: String,
        /// What is left to go on from.
        kept: String,
    },
    /// It is there and cannot be used.
    #[error("the checkpoint {} is damaged: {reason}. {way_out}", path.display())]
    Damaged {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        way_out: String,
    },
    /// A run in progress would be lost.
    #[error(
        "{} holds an unfinished run{}: --resume goes on with it; to start anew remove that folder or choose another \
         --output", path.display(), progress
    )]
    Unfinished {
        /// The run's folder.
        path: PathBuf,
        /// How far it is, if that can be told.
        progress: String,
    },
    /// Two processes would write the same checkpoints.
    #[error("{}: another process trains this run: wait for it, or choose another --output", path.display())]
    Busy {
        /// The run's folder.
        path: PathBuf,
    },
    /// The folder's run is not the one that was asked for.
    #[error(
        "{} is of another run than this one: {differences}. Give the same options, choose another --output, or --replace a run \
         that is finished",
        path.display()
    )]
    OtherRun {
        /// The run's file.
        path: PathBuf,
        /// What differs, with both values.
        differences: String,
    },
}
