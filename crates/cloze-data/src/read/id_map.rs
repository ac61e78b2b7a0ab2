//! Maps between two numberings of items.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::column::{Column, plain_text_id};
use super::items::Cutting;
use super::records::{Asked, each};
use crate::DataError;

/// Which columns of a file are an id of the interactions, and the id of the same item in the item file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMapColumns {
    /// The id in the interactions.
    pub id: Column,
    /// The id in the item file.
    pub original: Column,
}

/// Reads a map from the ids of the interactions to the ids of the item file.
///
/// # Errors
/// As [`read_items`](crate::read::read_items).
pub fn read_id_map(
    path: &Path,
    cutting: &Cutting,
    columns: &IdMapColumns,
) -> Result<HashMap<String, String>, DataError> {
    let asked = [
        Asked { column: columns.id.clone(), role: "id" },
        Asked { column: columns.original.clone(), role: "original id" },
    ];
    let mut map = HashMap::new();
    each(path, cutting, &asked, &mut |records, line, cells| {
        let [id, original] = [0, 1].map(|at| plain_text_id(&cells[at].join(" ")).to_owned());
        if let Some(at) = [&id, &original].iter().position(|id| id.is_empty()) {
            return Err(records.wrong(at, line, "", "an id"));
        }
        match map.insert(id.clone(), original) {
            None => Ok(()),
            Some(_) => Err(records.wrong(0, line, &id, "an id that has not stood above")),
        }
    })?;
    Ok(map)
}
