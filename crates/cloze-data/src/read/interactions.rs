//! Interactions from delimited text.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringBuilder};
use serde::{Deserialize, Serialize};

use super::delimited::{Column, Place, Row, Table, Text, read_bytes};
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

/// Reads the interactions of a text file (plain or gzip), in file order.
///
/// # Errors
/// The file can't be read or decoded, a column is missing, or a cell is not what its column holds: the error names
/// file, line, column and value. [`DataError::Empty`] for a file without rows.
pub fn read_interactions(
    path: &Path,
    table: &Table,
    columns: &InteractionColumns,
) -> Result<Interactions, DataError> {
    parse_interactions(path, &read_bytes(path)?, table, columns)
}

/// As [`read_interactions`], from the unpacked content of the file.
pub(crate) fn parse_interactions(
    path: &Path,
    bytes: &[u8],
    table: &Table,
    columns: &InteractionColumns,
) -> Result<Interactions, DataError> {
    let text = Text::new(path, bytes, table)?;
    let user = text.column(&columns.user, "user")?;
    let item = text.column(&columns.item, "item")?;
    let time = columns.time.as_ref().map(|column| text.column(column, "time")).transpose()?;
    let value = columns.value.as_ref().map(|column| text.column(column, "value")).transpose()?;

    let (mut users, mut items) = (StringBuilder::new(), StringBuilder::new());
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut room = (0, 0);
    for row in text.rows() {
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
            values.push(parse_value(&row, place)?);
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
    /// Above this, f64 no longer holds every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let cell = row.cell(place)?;
    if let Ok(time) = cell.parse::<i64>() {
        return Ok(time);
    }
    match cell.parse::<f64>() {
        Ok(time) if time.fract() == 0.0 && time.abs() <= EXACT => Ok(time as i64),
        _ => Err(row.wrong(place, cell, "a whole number, such as Unix seconds")),
    }
}

fn parse_value(row: &Row<'_>, place: Place) -> Result<f32, DataError> {
    let cell = row.cell(place)?;
    match cell.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(row.wrong(place, cell, "a finite number")),
    }
}
