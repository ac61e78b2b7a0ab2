//! Interactions from delimited text.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringBuilder};
use serde::{Deserialize, Serialize};

use super::column::Column;
use super::delimited::{Layout, Place, Row, Text};
use super::table::Table;
use crate::log::{TimeRule, parse_value, read_bytes, whole};
use crate::{DataError, Interactions};

/// Which columns of a text table are the user, the item, the time and the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InteractionColumns {
    /// External user id.
    pub user: Column,
    /// External item id.
    pub item: Column,
    /// Time, a whole number (`1.2e9` and `881250949.0` count as whole).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Column>,
    /// Value such as a rating, a finite number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Column>,
}

/// Reads the interactions of a text file (plain, gzip or zstd), in file order.
///
/// # Errors
/// The file can't be read or decoded, a column is missing, or a cell is not what its column holds: the error names
/// file, line, column and value. [`DataError::Empty`] for a file without rows.
pub fn read_interactions(
    path: &Path,
    table: &Table,
    columns: &InteractionColumns,
) -> Result<Interactions, DataError> {
    let bytes = read_bytes(path)?;
    let text = Text::new(path, &bytes, table)?;
    let cells = text.cells();
    let Layout { user, item, time, value } = text.layout(columns)?;
    let (mut users, mut items) = (StringBuilder::new(), StringBuilder::new());
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut room = (0, 0);
    for row in text.rows() {
        let row = row?;
        row.check_cells(cells)?;
        let (user, item) = (row.id(user)?, row.id(item)?);
        room = (room.0 + user.len(), room.1 + item.len());
        // Arrow's Utf8 has 32-bit offsets, and its builder panics beyond them.
        if room.0.max(room.1) > i32::MAX as usize {
            return Err(DataError::TooLarge { file: path.to_owned(), bytes: room.0.max(room.1) });
        }
        users.append_value(user);
        items.append_value(item);
        if let Some(place) = time {
            times.push(parse_time(&row, place)?);
        }
        if let Some(place) = value {
            values.push(parse_value(&row, place)? as f32);
        }
    }
    if room == (0, 0) {
        return Err(DataError::Empty { file: path.to_owned() });
    }
    let mut arrays: Vec<(&str, ArrayRef)> =
        vec![("user", Arc::new(users.finish())), ("item", Arc::new(items.finish()))];
    if time.is_some() {
        arrays.push(("time", Arc::new(Int64Array::from(times))));
    }
    if value.is_some() {
        arrays.push(("value", Arc::new(Float32Array::from(values))));
    }
    Interactions::new(RecordBatch::try_from_iter(arrays)?)
}

fn parse_time(row: &Row<'_>, place: Place) -> Result<i64, DataError> {
    let cell = row.cell(place)?;
    whole(cell).ok_or_else(|| row.wrong(place, cell, TimeRule::Numbers.expected()))
}
