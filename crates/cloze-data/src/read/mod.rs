//! Readers: from text files to [`Interactions`](crate::Interactions), and from item files to what is known of items.

mod column;
mod delimited;
mod genre_names;
mod id_map;
mod interactions;
mod items;
mod periods;
mod records;
mod reviews;
mod table;

pub(crate) use column::plain_id;
pub use column::{Column, plain_text_id};
pub(crate) use delimited::{Layout, Place, Row, Text, utf8};
pub(crate) use genre_names::rename_genres;
pub use id_map::{IdMapColumns, read_id_map};
pub use interactions::{InteractionColumns, read_interactions};
pub(crate) use items::read_items_with;
pub use items::{Cutting, GenreColumns, ItemColumns, ItemRecord, read_items};
pub use periods::{Day, Periods};
pub(crate) use periods::{Starts, read_starts, second};
pub use reviews::{ReviewColumns, ReviewTexts, read_review_file, read_reviews};
pub use table::{Encoding, Table};
