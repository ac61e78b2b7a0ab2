//! Readers: from text files to [`Interactions`](crate::Interactions), and to titles.

mod delimited;
mod interactions;
mod titles;

pub use delimited::{Column, Encoding, Table};
pub(crate) use delimited::{Layout, Place, Row, Text};
pub use interactions::{InteractionColumns, read_interactions};
pub use titles::{IdMapColumns, TitleColumns, read_id_map, read_titles};
