//! The training loop, its checkpoints, progress, and the model folder that training leaves behind.

pub mod checkpoint;
mod curve;
mod events;
pub mod folder;
mod interrupt;
mod model;
mod progress;
mod share;
mod tensors;
mod training;
mod validation;

pub use checkpoint::{CheckpointError, Checkpoints, RunIdentity};
pub use folder::{Card, FolderError, ModelFolder, TrainedOn, Vocabularies, put_files};
pub use interrupt::Interrupt;
pub use model::{Model, Run, TrainError, TrainingData};
pub use progress::{Record, Reporter};
pub use share::share_of_users;
pub use tensors::{NamedTensor, Values, serialize};
pub use training::{Plan, Step, Task, train};
pub use validation::validation_cases;
