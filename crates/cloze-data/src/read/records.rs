//! Rows of any file as lists of texts: what item files need, whatever their format.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::value::RawValue;

use super::column::Column;
use super::delimited::Text;
use super::items::Cutting;
use super::table::Table;
use crate::DataError;
use crate::guard::guarded;
use crate::log::{read_bytes, refuse_foreign};

/// A column that is wanted, and what for.
pub(crate) struct Asked {
    pub(crate) column: Column,
    pub(crate) role: &'static str,
}

/// A file whose rows are being read: makes errors with their place.
pub(crate) struct Records<'a> {
    path: &'a Path,
    /// How errors call each column.
    labels: Vec<String>,
}

/// Takes line (from 1), and for each column its texts: none for null, several for a list.
type Take<'t> = dyn FnMut(&Records<'_>, usize, &[Vec<String>]) -> Result<(), DataError> + 't;

/// Takes the error of a row, and returns it if it ends the reading.
pub(crate) type Refuse<'t> = dyn FnMut(DataError) -> Result<(), DataError> + 't;

/// Calls `take` for every row of the file.
pub(crate) fn each(
    path: &Path,
    cutting: &Cutting,
    asked: &[Asked],
    take: &mut Take<'_>,
) -> Result<(), DataError> {
    each_or_refuse(path, cutting, asked, take, &mut Err)
}

/// Calls `take` for every row of the file, and `refuse` for what is wrong with one, an error of `take` included.
pub(crate) fn each_or_refuse(
    path: &Path,
    cutting: &Cutting,
    asked: &[Asked],
    take: &mut Take<'_>,
    refuse: &mut Refuse<'_>,
) -> Result<(), DataError> {
    let bytes = read_bytes(path)?;
    if bytes.is_empty() {
        return Err(DataError::Malformed { file: path.to_owned(), reason: "the file is empty".to_owned() });
    }
    match cutting {
        Cutting::Table(table) => text(path, &bytes, table, asked, take, refuse),
        Cutting::JsonLines => json(path, &bytes, asked, take, refuse),
        Cutting::Parquet => parquet(path, bytes, asked, take, refuse),
    }
}

impl Records<'_> {
    pub(crate) fn wrong(&self, column: usize, line: usize, value: &str, expected: &str) -> DataError {
        DataError::Cell {
            file: self.path.to_owned(),
            line,
            column: self.labels.get(column).cloned().unwrap_or_default(),
            value: value.chars().take(60).collect(),
            expected: expected.to_owned(),
        }
    }
}

fn text(
    path: &Path,
    bytes: &[u8],
    table: &Table,
    asked: &[Asked],
    take: &mut Take<'_>,
    refuse: &mut Refuse<'_>,
) -> Result<(), DataError> {
    let text = Text::new(path, bytes, table)?;
    let places: Vec<_> =
        asked.iter().map(|asked| text.column(&asked.column, asked.role)).collect::<Result<_, DataError>>()?;
    let label = |place: &super::Place| format!("column {} ({})", place.index + 1, place.role);
    let records = Records { path, labels: places.iter().map(label).collect() };
    let cells = text.cells();
    for row in text.rows() {
        let taken = row.and_then(|row| {
            row.check_cells(cells)?;
            let mut cells = Vec::with_capacity(places.len());
            for (at, place) in places.iter().enumerate() {
                let cell = if at == 0 { row.id(*place)? } else { row.cell(*place)? };
                cells.push(vec![cell.to_owned()]);
            }
            take(&records, row.line(), &cells)
        });
        taken.or_else(&mut *refuse)?;
    }
    Ok(())
}

fn json(
    path: &Path,
    bytes: &[u8],
    asked: &[Asked],
    take: &mut Take<'_>,
    refuse: &mut Refuse<'_>,
) -> Result<(), DataError> {
    refuse_foreign(path, bytes)?;
    let malformed = |reason: &str| DataError::Malformed { file: path.to_owned(), reason: reason.to_owned() };
    let mut names = Vec::with_capacity(asked.len());
    for asked in asked {
        match &asked.column {
            Column::Name(name) => names.push(name.as_str()),
            Column::Position(_) => return Err(malformed("columns of JSON have names, not positions")),
        }
    }
    let label = |asked: &Asked| format!("field {:?} ({})", asked.column.to_string(), asked.role);
    let records = Records { path, labels: asked.iter().map(label).collect() };
    let mut found = vec![false; names.len()];
    let mut first = None;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (line, row) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if row.trim_ascii().is_empty() {
            continue;
        }
        let taken = object(path, line + 1, row).and_then(|object| {
            first.get_or_insert_with(|| object.keys().cloned().collect::<Vec<_>>());
            let values: Vec<_> = names.iter().map(|name| object.get(*name)).collect();
            found.iter_mut().zip(&values).for_each(|(found, value)| *found |= value.is_some());
            let mut cells = Vec::with_capacity(names.len());
            for (at, value) in values.into_iter().enumerate() {
                let Some(value) = value else {
                    cells.push(Vec::new());
                    continue;
                };
                let other = || records.wrong(at, line + 1, value.get(), "text, a number, or a list of them");
                cells.push(texts(value, 0).ok_or_else(other)?);
            }
            take(&records, line + 1, &cells)
        });
        taken.or_else(&mut *refuse)?;
    }
    // A field may be absent from some objects; from all of them it is misspelt.
    match (first, found.iter().position(|found| !found)) {
        (Some(first), Some(at)) => Err(header(path, &asked[at], first)),
        _ => Ok(()),
    }
}

/// The fields of an object, whose numbers are thus kept as they are written.
fn object<'r>(path: &Path, line: usize, row: &'r [u8]) -> Result<BTreeMap<String, &'r RawValue>, DataError> {
    serde_json::from_slice(row).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line").next().unwrap_or_default();
        DataError::Cell {
            file: path.to_owned(),
            line,
            column: "the line".to_owned(),
            value: String::from_utf8_lossy(row).chars().take(60).collect(),
            expected: format!("one JSON object ({reason})"),
        }
    })
}

fn header(path: &Path, asked: &Asked, found: Vec<String>) -> DataError {
    let column = asked.column.to_string();
    DataError::Header { file: path.to_owned(), column, role: asked.role, found }
}

/// The texts of a JSON value; `None` for an object, and for lists in lists without end.
fn texts(value: &RawValue, depth: usize) -> Option<Vec<String>> {
    const DEEPEST: usize = 64;
    let json = value.get();
    match json.as_bytes().first()? {
        b'n' => Some(Vec::new()),
        b'"' => Some(vec![serde_json::from_str(json).ok()?]),
        b'[' if depth < DEEPEST => {
            let values: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            let all: Option<Vec<Vec<String>>> =
                values.into_iter().map(|value| texts(value, depth + 1)).collect();
            all.map(|all| all.concat())
        }
        b'[' | b'{' => None,
        // A number, true or false.
        _ => Some(vec![json.to_owned()]),
    }
}

fn parquet(
    path: &Path,
    bytes: Vec<u8>,
    asked: &[Asked],
    take: &mut Take<'_>,
    refuse: &mut Refuse<'_>,
) -> Result<(), DataError> {
    let damaged = |error: &dyn std::fmt::Display| {
        let reason = format!("damaged, truncated or no Parquet ({error})");
        DataError::Malformed { file: path.to_owned(), reason }
    };
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)));
    let builder = builder.map_err(|error| damaged(&error))?.map_err(|error| damaged(&error))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut places = Vec::with_capacity(asked.len());
    for asked in asked {
        places.push(asked.column.find(path, asked.role, &names)?);
    }
    let label = |(asked, place): (&Asked, &usize)| format!("column {:?} ({})", names[*place], asked.role);
    let records = Records { path, labels: asked.iter().zip(&places).map(label).collect() };
    let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
    let mut wanted = places.clone();
    wanted.sort_unstable();
    wanted.dedup();
    let reader = guarded(|| builder.with_projection(mask).build());
    let mut reader = reader.map_err(|error| damaged(&error))?.map_err(|error| damaged(&error))?;
    let mut line = 0;
    while let Some(batch) = guarded(|| reader.next()).map_err(|error| damaged(&error))? {
        let batch = batch.map_err(|error| damaged(&error))?;
        let column = |place: &usize| batch.column(wanted.partition_point(|other| other < place)).clone();
        let columns: Vec<ArrayRef> = places
            .iter()
            .map(|place| as_text(&column(place)).map_err(|error| damaged(&error)))
            .collect::<Result<_, DataError>>()?;
        for row in 0..batch.num_rows() {
            line += 1;
            let cells: Vec<Vec<String>> = columns.iter().map(|column| cell(column, row)).collect();
            take(&records, line, &cells).or_else(&mut *refuse)?;
        }
    }
    Ok(())
}

/// Text, lists of text, or floats, whose whole numbers are ids without a point.
fn as_text(array: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    let to = match array.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            DataType::new_large_list(DataType::LargeUtf8, true)
        }
        _ => DataType::LargeUtf8,
    };
    cast(array, &to)
}

fn cell(array: &ArrayRef, row: usize) -> Vec<String> {
    if array.is_null(row) {
        return Vec::new();
    }
    if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        let value = floats.value(row);
        let whole = value.fract() == 0.0 && value.abs() < 9e15;
        return vec![if whole { format!("{value:.0}") } else { value.to_string() }];
    }
    if let Some(lists) = array.as_list_opt::<i64>() {
        let list = lists.value(row);
        return (0..list.len()).flat_map(|at| cell(&list, at)).collect();
    }
    array.as_string_opt::<i64>().map_or_else(Vec::new, |texts| vec![texts.value(row).to_owned()])
}
