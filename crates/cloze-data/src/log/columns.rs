//! Rows of Parquet files.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit as ArrowUnit};
use arrow::util::display::array_value_to_string;

use super::TimeRule;
use super::batches::ROLES;
use super::rows::{Keep, Lacks, Numbers, Part, Rejected, Time, finite};
use super::times::TimeUnit;
use crate::whole_file::csv_cell;
use crate::{DataError, Filters};

/// How errors show a missing value.
const NULL: &str = "null";

/// How the rows of a file are read.
pub(crate) struct ColumnRows<'a> {
    pub(crate) path: &'a Path,
    pub(crate) columns: [Option<(usize, String)>; 4],
    pub(crate) filters: &'a Filters,
    pub(crate) skip: bool,
    pub(crate) keep: Keep,
}

/// Columns of a batch in the types that rows are made of.
struct Typed {
    user: ArrayRef,
    item: ArrayRef,
    time: Option<(ArrayRef, Option<TimeUnit>)>,
    value: Option<ArrayRef>,
}

impl ColumnRows<'_> {
    pub(crate) fn parse(&self, (index, batch): (usize, RecordBatch), numbers: &mut Numbers) -> Part {
        let mut part = Part::new(index);
        let result = self.typed(&batch).and_then(|typed| self.rows(&typed, &batch, numbers, &mut part));
        part.error = result.err();
        part.lines = batch.num_rows();
        part.content = part.lines > 0;
        part
    }

    fn typed(&self, batch: &RecordBatch) -> Result<Typed, DataError> {
        let column = |role: usize| {
            let (place, _) = self.columns[role].as_ref()?;
            Some(batch.column(*place).clone())
        };
        let convert = |role: usize, array: ArrayRef, to: &DataType| {
            let refuse = |why: &str| {
                let reason = format!("{} has the type {}: {why}", self.name(role), array.data_type());
                DataError::Malformed { file: self.path.to_owned(), reason }
            };
            if array.data_type().is_nested() {
                return Err(refuse("expected one value a row; of lists, make a row of each value"));
            }
            cast(&array, to).map_err(|error| refuse(&error.to_string()))
        };
        let id = |role: usize| {
            let array = column(role).unwrap_or_else(|| batch.column(0).clone());
            match array.data_type() {
                // A column with gaps comes out of pandas as floats: 17850.0 is the id 17850.
                DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                    convert(role, array, &DataType::Float64)
                }
                _ => convert(role, array, &DataType::LargeUtf8),
            }
        };
        let time = column(2).map(|array| -> Result<_, DataError> {
            let (to, unit) = match array.data_type() {
                DataType::Timestamp(unit, _) => (DataType::Int64, Some(own_unit(*unit))),
                DataType::Date32 | DataType::Date64 => {
                    let seconds = convert(2, array, &DataType::Timestamp(ArrowUnit::Second, None))?;
                    return Ok((convert(2, seconds, &DataType::Int64)?, Some(TimeUnit::Seconds)));
                }
                kind if kind.is_integer() => (DataType::Int64, None),
                DataType::Float16 | DataType::Float32 | DataType::Float64 => (DataType::Float64, None),
                _ => (DataType::LargeUtf8, None),
            };
            Ok((convert(2, array, &to)?, unit))
        });
        let value = column(3).map(|array| convert(3, array, &DataType::Float64));
        Ok(Typed { user: id(0)?, item: id(1)?, time: time.transpose()?, value: value.transpose()? })
    }

    fn rows(
        &self,
        typed: &Typed,
        batch: &RecordBatch,
        numbers: &mut Numbers,
        part: &mut Part,
    ) -> Result<(), DataError> {
        for row in 0..batch.num_rows() {
            if self.filters.drop_without_user && self.is_nothing(batch, 0, &typed.user, row) {
                part.leave_out(Lacks::User);
                continue;
            }
            if let Some(value) = typed.value.as_ref().filter(|_| self.filters.drop_without_value)
                && self.is_nothing(batch, 3, value, row)
            {
                part.leave_out(Lacks::Value);
                continue;
            }
            let read = || -> Result<_, DataError> {
                let user = self.id(0, &typed.user, row)?;
                let item = self.id(1, &typed.item, row)?;
                let time =
                    typed.time.as_ref().map(|(array, unit)| self.time(array, *unit, row)).transpose()?;
                Ok((user, item, time, self.value(typed.value.as_ref(), row)?))
            };
            let (user, item, time, value) = match read().map_err(|error| self.unconverted(error, batch, row))
            {
                Ok(good) => good,
                Err(error) if self.skip => {
                    let text = self.shown(batch, row);
                    part.rejected.push(Rejected { line: row + 1, reason: error.reason(), text });
                    continue;
                }
                Err(error) => return Err(error),
            };
            part.rows += 1;
            if self.filters.below(value) {
                continue;
            }
            if let Some(time) = time {
                part.note_style(row + 1, time);
            }
            let room = part.push(numbers, user.as_bytes(), item.as_bytes(), time);
            room.ok_or(DataError::TooManyIds { found: u32::MAX as usize })?;
            part.keep(row + 1, value, self.keep);
        }
        Ok(())
    }

    fn id<'a>(
        &self,
        role: usize,
        array: &'a ArrayRef,
        row: usize,
    ) -> Result<std::borrow::Cow<'a, str>, DataError> {
        if array.is_null(row) {
            return Err(self.wrong(role, row, NULL, "an id"));
        }
        if let Some(array) = array.as_primitive_opt::<Float64Type>() {
            let value = array.value(row);
            let exact = value.fract() == 0.0 && value.abs() < 9e15;
            let id = exact.then(|| format!("{value:.0}").into());
            return id
                .ok_or_else(|| self.wrong(role, row, &value.to_string(), "an id: a whole number or text"));
        }
        let id = array.as_string_opt::<i64>().map_or("", |array| array.value(row));
        if id.is_empty() { Err(self.wrong(role, row, "", "an id")) } else { Ok(id.into()) }
    }

    fn time(&self, array: &ArrayRef, unit: Option<TimeUnit>, row: usize) -> Result<Time, DataError> {
        let expected = TimeRule::Any.expected();
        if array.is_null(row) {
            return Err(self.wrong(2, row, NULL, expected));
        }
        if let Some(array) = array.as_primitive_opt::<Int64Type>() {
            let value = array.value(row);
            return Ok(unit.map_or_else(|| Time::number(value), |unit| Time::in_unit(value, unit)));
        }
        let text = match array.as_primitive_opt::<Float64Type>() {
            Some(array) => array.value(row).to_string(),
            None => array.as_string_opt::<i64>().map_or("", |array| array.value(row)).to_owned(),
        };
        Time::parse(&text).ok_or_else(|| self.wrong(2, row, &text, expected))
    }

    fn value(&self, array: Option<&ArrayRef>, row: usize) -> Result<Option<f64>, DataError> {
        let Some(array) = array else { return Ok(None) };
        if array.is_null(row) {
            return Err(self.wrong(3, row, NULL, "a finite number"));
        }
        let value = array.as_primitive_opt::<Float64Type>().map_or(f64::NAN, |array| array.value(row));
        finite(value).map(Some).ok_or_else(|| self.wrong(3, row, &value.to_string(), "a finite number"))
    }

    /// Whether a column says that there is no user, or no value: null, empty, or the NaN of pandas.
    fn is_nothing(&self, batch: &RecordBatch, role: usize, typed: &ArrayRef, row: usize) -> bool {
        let Some((place, _)) = &self.columns[role] else { return false };
        let stored = batch.column(*place);
        if stored.is_null(row) {
            return true;
        }
        if typed.is_null(row) {
            // It could not be converted: an empty text that should be a number, or a bad cell, such as one not UTF-8.
            return array_value_to_string(stored, row).is_ok_and(|text| text.is_empty());
        }
        let double =
            || typed.as_primitive_opt::<Float64Type>().is_some_and(|typed| typed.value(row).is_nan());
        let empty = || typed.as_string_opt::<i64>().is_some_and(|typed| typed.value(row).is_empty());
        double() || empty()
    }

    /// A value that could not be converted is told as it stands in the file, not as the null that it became.
    fn unconverted(&self, error: DataError, batch: &RecordBatch, row: usize) -> DataError {
        let DataError::Cell { file, line, column, value, expected } = error else { return error };
        let role = (0..ROLES.len()).find(|role| value == NULL && self.name(*role) == column);
        let array = role.and_then(|role| Some(batch.column(self.columns[role].as_ref()?.0)));
        let value = match array.filter(|array| array.is_valid(row)) {
            Some(array) => match binary(array, row) {
                Some(bytes) => format!("{} (not UTF-8)", String::from_utf8_lossy(bytes)),
                None => array_value_to_string(array, row).unwrap_or(value),
            },
            None => value,
        };
        DataError::Cell { file, line, column, value: value.chars().take(60).collect(), expected }
    }

    /// A row as the list of bad rows shows it: the cells of the columns asked for, as in CSV.
    fn shown(&self, batch: &RecordBatch, row: usize) -> String {
        let cells = self.columns.iter().flatten().map(|(place, _)| {
            let array = batch.column(*place);
            let cell = match binary(array, row) {
                Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                None => array_value_to_string(array, row).unwrap_or_default(),
            };
            csv_cell(&cell)
        });
        cells.collect::<Vec<_>>().join(",")
    }

    fn name(&self, role: usize) -> String {
        let name = self.columns[role].as_ref().map_or("", |(_, name)| name.as_str());
        format!("column {name:?} ({})", ROLES[role])
    }

    fn wrong(&self, role: usize, row: usize, value: &str, expected: &str) -> DataError {
        DataError::Cell {
            file: self.path.to_owned(),
            line: row + 1,
            column: self.name(role),
            value: value.chars().take(60).collect(),
            expected: expected.to_owned(),
        }
    }
}

/// The bytes of a row of a column of bytes.
fn binary(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    let small = || array.as_binary_opt::<i32>().map(|array| array.value(row));
    let large = || array.as_binary_opt::<i64>().map(|array| array.value(row));
    let view = || array.as_binary_view_opt().map(|array| array.value(row));
    small().or_else(large).or_else(view)
}

fn own_unit(unit: ArrowUnit) -> TimeUnit {
    match unit {
        ArrowUnit::Second => TimeUnit::Seconds,
        ArrowUnit::Millisecond => TimeUnit::Milliseconds,
        ArrowUnit::Microsecond => TimeUnit::Microseconds,
        ArrowUnit::Nanosecond => TimeUnit::Nanoseconds,
    }
}
