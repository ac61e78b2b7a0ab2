//! Rows of Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit as ArrowUnit};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::rows::{Numbers, Part, Rejected, Time};
use super::run::Source;
use super::times::{Style, TimeUnit, iso, whole};
use super::{Stream, TimeRule, read_bytes};
use crate::guard::guarded;
use crate::read::Column;
use crate::{DataError, Filters};

/// Rows of one batch.
const BATCH: usize = 1 << 16;
const ROLES: [&str; 4] = ["user", "item", "time", "value"];

/// The batches of a file, with only the columns that matter.
pub(crate) struct Batches {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    /// For user, item, time and value: the column of a batch and its name.
    columns: [Option<(usize, String)>; 4],
    next: usize,
}

impl Batches {
    pub(crate) fn open(path: &Path, columns: [Option<&Column>; 4]) -> Result<Self, DataError> {
        if Stream::open(path)?.is_packed() {
            return Self::new(path, Bytes::from(read_bytes(path)?), columns);
        }
        Self::new(path, File::open(path).map_err(DataError::io("read", path))?, columns)
    }

    fn new<R: ChunkReader + 'static>(
        path: &Path,
        file: R,
        columns: [Option<&Column>; 4],
    ) -> Result<Self, DataError> {
        let error = |error: &dyn std::fmt::Display| damaged(path, error);
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file));
        let builder = builder.map_err(|e| error(&e))?.map_err(|e| error(&e))?;
        let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut places = [None; 4];
        for (role, column) in columns.into_iter().enumerate() {
            let Some(column) = column else { continue };
            let place = match column {
                Column::Position(position) => position.checked_sub(1).filter(|place| *place < names.len()),
                Column::Name(name) => names.iter().position(|found| found == name),
            };
            places[role] = Some(place.ok_or_else(|| DataError::Header {
                file: path.to_owned(),
                column: column.to_string(),
                role: ROLES[role],
                found: names.clone(),
            })?);
        }
        let mut wanted: Vec<usize> = places.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let in_batch = |place: usize| wanted.partition_point(|other| *other < place);
        let columns = places.map(|place| place.map(|place| (in_batch(place), names[place].clone())));
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
        let reader = guarded(|| builder.with_projection(mask).with_batch_size(BATCH).build());
        let reader = reader.map_err(|e| error(&e))?.map_err(|e| error(&e))?;
        Ok(Self { path: path.to_owned(), reader, columns, next: 0 })
    }

    /// Names of the columns by role.
    pub(crate) fn columns(&self) -> [Option<(usize, String)>; 4] {
        self.columns.clone()
    }
}

impl Source for Batches {
    type Unit = (usize, RecordBatch);

    fn next(&mut self) -> Result<Option<Self::Unit>, DataError> {
        let next = guarded(|| self.reader.next()).map_err(|error| damaged(&self.path, &error))?;
        let Some(batch) = next else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        batch.map(|batch| Some((index, batch))).map_err(|error| damaged(&self.path, &error))
    }

    fn position(&self) -> usize {
        self.next
    }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> DataError {
    let reason = format!("damaged, truncated or no Parquet ({error})");
    DataError::Malformed { file: path.to_owned(), reason }
}

/// How the rows of a file are read.
pub(crate) struct ColumnRows<'a> {
    pub(crate) path: &'a Path,
    pub(crate) columns: [Option<(usize, String)>; 4],
    pub(crate) filters: &'a Filters,
    pub(crate) skip: bool,
    pub(crate) keep: bool,
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
            cast(&array, to).map_err(|error| {
                let name = self.name(role);
                let reason = format!("{name} has the type {}: {error}", array.data_type());
                DataError::Malformed { file: self.path.to_owned(), reason }
            })
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
        let value = column(3).map(|array| convert(3, array, &DataType::Float32));
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
            if self.filters.drop_without_user && is_nobody(&typed.user, row) {
                part.leave_out();
                continue;
            }
            let read = || -> Result<_, DataError> {
                let user = self.id(0, &typed.user, row)?;
                let item = self.id(1, &typed.item, row)?;
                let time =
                    typed.time.as_ref().map(|(array, unit)| self.time(array, *unit, row)).transpose()?;
                Ok((user, item, time, self.value(typed.value.as_ref(), row)?))
            };
            let (user, item, time, value) = match read() {
                Ok(good) => good,
                Err(error) if self.skip => {
                    let text = String::new();
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
                part.note_style(row + 1, time.style, || time.value.to_string());
            }
            let room = part.push(numbers, user.as_bytes(), item.as_bytes(), time);
            room.ok_or(DataError::TooManyIds { found: u32::MAX as usize })?;
            part.keep(row + 1, value.filter(|_| self.keep));
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
            return Err(self.wrong(role, row, "null", "an id"));
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
            return Err(self.wrong(2, row, "null", expected));
        }
        if let Some(array) = array.as_primitive_opt::<Int64Type>() {
            let value = array.value(row);
            return Ok(
                unit.map_or_else(|| Time::number(value), |unit| Time { value, style: Style::Number(unit) })
            );
        }
        let text = match array.as_primitive_opt::<Float64Type>() {
            Some(array) => array.value(row).to_string(),
            None => array.as_string_opt::<i64>().map_or("", |array| array.value(row)).to_owned(),
        };
        let time = whole(&text).map(Time::number).or_else(|| iso(&text).map(Time::iso));
        time.ok_or_else(|| self.wrong(2, row, &text, expected))
    }

    fn value(&self, array: Option<&ArrayRef>, row: usize) -> Result<Option<f32>, DataError> {
        let Some(array) = array else { return Ok(None) };
        if array.is_null(row) {
            return Err(self.wrong(3, row, "null", "a finite number"));
        }
        let value = array.as_primitive_opt::<Float32Type>().map_or(f32::NAN, |array| array.value(row));
        if value.is_finite() {
            Ok(Some(value))
        } else {
            Err(self.wrong(3, row, &value.to_string(), "a finite number"))
        }
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

/// Whether the column of the user says that there is none: null, empty, or the NaN of pandas.
fn is_nobody(array: &ArrayRef, row: usize) -> bool {
    let float = || array.as_primitive_opt::<Float64Type>().is_some_and(|array| array.value(row).is_nan());
    let empty = || array.as_string_opt::<i64>().is_some_and(|array| array.value(row).is_empty());
    array.is_null(row) || float() || empty()
}

fn own_unit(unit: ArrowUnit) -> TimeUnit {
    match unit {
        ArrowUnit::Second => TimeUnit::Seconds,
        ArrowUnit::Millisecond => TimeUnit::Milliseconds,
        ArrowUnit::Microsecond => TimeUnit::Microseconds,
        ArrowUnit::Nanosecond => TimeUnit::Nanoseconds,
    }
}
