//! Readers: from text files to [`Interactions`](crate::Interactions), and to titles.

mod delimited;
mod interactions;
mod titles;

pub(crate) use delimited::read_bytes;
pub use delimited::{Column, Encoding, Table};
pub(crate) use interactions::parse_interactions;
pub use interactions::{InteractionColumns, read_interactions};
pub use titles::{IdMapColumns, TitleColumns, read_id_map, read_titles};
pub(crate) use titles::{parse_id_map, parse_titles};
