//! Raw interactions: a typed view over an Arrow record batch.

use arrow::array::{Array, ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};

use crate::DataError;

/// Rows (user, item, time?, value?) in file order.
///
/// Columns of the batch: `user` and `item` (`Utf8`), optionally `time` (`Int64`) and `value` (`Float32`, such as a
/// number of stars); no nulls, no NaN. Other columns are left alone.
#[derive(Debug, Clone)]
pub struct Interactions {
    batch: RecordBatch,
    users: StringArray,
    items: StringArray,
    times: Option<Int64Array>,
    values: Option<Float32Array>,
}

impl Interactions {
    /// A view over `batch`.
    ///
    /// # Errors
    /// [`DataError::Schema`] for a missing column, another type, a null or a NaN.
    pub fn new(batch: RecordBatch) -> Result<Self, DataError> {
        let users = required(&batch, "user")?;
        let items = required(&batch, "item")?;
        let times = optional::<Int64Array>(&batch, "time", "Int64 without nulls")?;
        let values = optional::<Float32Array>(&batch, "value", "Float32 without nulls or NaN")?;
        if let Some(values) = &values
            && let Some(row) = values.values().iter().position(|value| value.is_nan())
        {
            let found = format!("NaN in row {row}");
            return Err(DataError::Schema {
                column: "value",
                found,
                expected: "Float32 without nulls or NaN",
            });
        }
        Ok(Self { batch, users, items, times, values })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// External user ids, one for each row.
    pub fn users(&self) -> &StringArray {
        &self.users
    }

    /// External item ids, one for each row.
    pub fn items(&self) -> &StringArray {
        &self.items
    }

    /// Times, one for each row, if the data have them.
    pub fn times(&self) -> Option<&[i64]> {
        self.times.as_ref().map(|times| times.values().as_ref())
    }

    /// Values (ratings), one for each row, if the data have them.
    pub fn values(&self) -> Option<&[f32]> {
        self.values.as_ref().map(|values| values.values().as_ref())
    }

    /// The record batch.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }
}

const TEXT: &str = "Utf8 without nulls";

fn required(batch: &RecordBatch, column: &'static str) -> Result<StringArray, DataError> {
    let missing = || DataError::Schema { column, found: "no such column".to_owned(), expected: TEXT };
    optional(batch, column, TEXT)?.ok_or_else(missing)
}

fn optional<A: Array + Clone + 'static>(
    batch: &RecordBatch,
    column: &'static str,
    expected: &'static str,
) -> Result<Option<A>, DataError> {
    let Some(array) = batch.column_by_name(column) else { return Ok(None) };
    let found = |found: String| DataError::Schema { column, found, expected };
    let typed = downcast::<A>(array).ok_or_else(|| found(array.data_type().to_string()))?;
    if typed.null_count() > 0 {
        return Err(found(format!("{} nulls", typed.null_count())));
    }
    Ok(Some(typed))
}

fn downcast<A: Array + Clone + 'static>(array: &ArrayRef) -> Option<A> {
    array.as_any().downcast_ref::<A>().cloned()
}
