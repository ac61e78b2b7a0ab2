//! The training loop, run directories and model folders.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod folder;
mod tensors;

pub use folder::{Card, FolderError, ModelFolder, TrainedOn, Vocabularies};
pub use tensors::{NamedTensor, Values};
