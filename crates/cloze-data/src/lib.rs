//! Interaction logs as typed Arrow data: readers, vocabularies, sequences, splits, data set manifests.
//!
//! ```text
//! raw file ──log──▶ numbers ──Filters──▶ Dataset (Vocabulary + Sequences) ──▶ LeaveOneOut | GlobalTime
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
//! [`log::read_log`] does the same for any log of one's own, and [`prepare`] keeps the result as a folder that [`load`]
//! takes. Every error names what is wrong and where (file, line, column, value). Nothing is dropped silently: a row that
//! can't be read is an error, or on request written to a file with its reason.

pub mod convert;
mod dataset;
mod describe;
mod details;
mod error;
mod error_text;
mod filter;
mod guard;
mod hash;
mod interactions;
mod item_file;
mod leak;
mod load;
pub mod log;
pub mod manifest;
mod moment;
mod options;
mod origin;
mod prepare;
mod prepared;
mod progress;
pub mod read;
mod sequences;
mod source;
mod split;
mod split_spec;
mod split_time;
pub mod staging;
mod synthetic;
mod vocabulary;
pub mod whole_file;

pub use dataset::Dataset;
pub use describe::{Bucket, Description, Distribution, Span, describe};
pub use details::ItemDetails;
pub use error::{Attempt, DataError};
pub use filter::{Filters, Removed};
pub use interactions::Interactions;
pub use item_file::ItemFile;
pub use leak::check_leaks;
pub use load::{fetch, load};
pub use manifest::{Manifest, manifest, manifests};
pub use moment::Moment;
pub use options::DataOptions;
pub use origin::{Input, Origin, read_origin};
pub use prepare::{PrepareOptions, prepare};
pub use prepared::{read_prepared, write_prepared};
pub use progress::{Progress, Silent};
pub use sequences::Sequences;
pub use split::{LeaveOneOut, Split};
pub use split_spec::{CutSpec, SplitSpec};
pub use split_time::{Cut, GlobalTime};
pub use synthetic::SyntheticOptions;
pub use vocabulary::{UnknownItem, Vocabulary};
