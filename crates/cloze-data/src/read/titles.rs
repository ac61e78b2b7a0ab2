//! Titles of items, and maps between two numberings of them.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::delimited::{Column, Table, Text};
use crate::DataError;
use crate::log::read_bytes;

/// Which columns of a text table are the id, the title and the year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TitleColumns {
    /// External item id.
    pub id: Column,
    /// Title, taken as it stands ("Postino, Il (1994)").
    pub title: Column,
    /// Year, appended as "Title (year)" where the cell is not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<Column>,
}

/// Which columns of a text table are an id of the interactions, and the id of the same item in the title file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMapColumns {
    /// The id in the interactions.
    pub id: Column,
    /// The id in the title file.
    pub original: Column,
}

/// Reads titles by external item id. Items with an empty title are left out.
///
/// # Errors
/// As [`read_interactions`](crate::read::read_interactions); an id that stands twice is an error too.
pub fn read_titles(
    path: &Path,
    table: &Table,
    columns: &TitleColumns,
) -> Result<HashMap<String, String>, DataError> {
    let bytes = read_bytes(path)?;
    let text = Text::new(path, &bytes, table)?;
    let id = text.column(&columns.id, "id")?;
    let title = text.column(&columns.title, "title")?;
    let year = columns.year.as_ref().map(|column| text.column(column, "year")).transpose()?;
    let mut titles = HashMap::new();
    for row in text.rows() {
        let row = row?;
        let key = row.id(id)?;
        let name = row.cell(title)?.trim();
        let year = year.map(|place| row.cell(place)).transpose()?.map(str::trim);
        let full = match year {
            Some(year) if !year.is_empty() && !name.is_empty() => format!("{name} ({year})"),
            _ => name.to_owned(),
        };
        if titles.insert(key.to_owned(), full).is_some() {
            return Err(row.wrong(id, key, "an id that has not stood above"));
        }
    }
    titles.retain(|_, title| !title.is_empty());
    Ok(titles)
}

/// Reads a map from the ids of the interactions to the ids of the title file.
///
/// # Errors
/// As [`read_titles`].
pub fn read_id_map(
    path: &Path,
    table: &Table,
    columns: &IdMapColumns,
) -> Result<HashMap<String, String>, DataError> {
    let bytes = read_bytes(path)?;
    let text = Text::new(path, &bytes, table)?;
    let id = text.column(&columns.id, "id")?;
    let original = text.column(&columns.original, "original id")?;
    let mut map = HashMap::new();
    for row in text.rows() {
        let row = row?;
        let key = row.id(id)?;
        if map.insert(key.to_owned(), row.id(original)?.to_owned()).is_some() {
            return Err(row.wrong(id, key, "an id that has not stood above"));
        }
    }
    Ok(map)
}
