//! The training loop, progress, and the model folder that training leaves behind.

pub mod folder;
mod model;
mod progress;
mod tensors;
mod training;

pub use folder::{Card, FolderError, ModelFolder, TrainedOn, Vocabularies};
pub use model::{Model, Run, TrainError, TrainingData};
pub use progress::{Record, Reporter};
pub use tensors::{NamedTensor, Values};
pub use training::{Plan, Task, train};
