//! Readers: from text files to [`Interactions`](crate::Interactions), and from item files to what is known of items.

mod column;
mod delimited;
mod id_map;
mod interactions;
mod items;
mod records;
mod reviews;

pub use column::Column;
pub(crate) use column::plain_id;
pub use delimited::{Encoding, Table};
pub(crate) use delimited::{Layout, Place, Row, Text};
pub use id_map::{IdMapColumns, read_id_map};
pub use interactions::{InteractionColumns, read_interactions};
pub use items::{Cutting, GenreColumns, ItemColumns, ItemRecord, read_items};
pub use reviews::{ReviewColumns, ReviewTexts, read_review_file, read_reviews};
