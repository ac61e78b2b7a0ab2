//! Interaction logs as typed Arrow data: readers, vocabularies, sequences, splits, data set manifests.
//!
//! ```text
//! raw file ──read──▶ Interactions ──Filters──▶ Dataset (Vocabulary + Sequences) ──▶ LeaveOneOut
//! ```
//!
//! [`load`] goes the whole way for a name such as `ml-100k`, or for the path of a manifest; `synthetic` needs no file:
//!
//! ```
//! use cloze_data::{DataOptions, LeaveOneOut, Silent, load};
//!
//! let data = load("synthetic", &DataOptions::default(), &mut Silent)?;
//! let split = LeaveOneOut::new(&data.sequences)?;
//! assert_eq!(split.held_out(), data.users.len());
//! # Ok::<(), cloze_data::DataError>(())
//! ```
//!
//! Every error names what is wrong and where (file, line, column, value). Nothing is dropped silently: a row that can't
//! be read is an error.

mod dataset;
mod error;
mod hash;
mod interactions;
mod load;
pub mod manifest;
mod options;
mod prepared;
mod progress;
pub mod read;
mod sequences;
mod source;
mod split;
mod synthetic;
mod vocabulary;

pub use dataset::{Dataset, Filters};
pub use error::{Attempt, DataError};
pub use interactions::Interactions;
pub use load::{fetch, load};
pub use manifest::{Manifest, manifest, manifests};
pub use options::DataOptions;
pub use prepared::{read_prepared, write_prepared};
pub use progress::{Progress, Silent};
pub use sequences::Sequences;
pub use split::LeaveOneOut;
pub use synthetic::SyntheticOptions;
pub use vocabulary::{UnknownItem, Vocabulary};
