//! The rows of `users.parquet`, checked one by one.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, Float64Array, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::{HISTORY_LENGTH, META, TARGET_COUNT, TARGET_FAMILIARITY, USER, base};
use crate::difficulty::{self, Columns, Difficulty};
use crate::error::EvalError;
use crate::guard::guarded;
use crate::ranks::ProtocolRanks;

pub(super) fn read_users(path: &Path, protocols: &mut [ProtocolRanks]) -> Result<(), EvalError> {
    let file = fs::File::open(path).map_err(|source| EvalError::Io {
        action: "reading",
        path: path.to_path_buf(),
        source,
    })?;
    let failed = |source| EvalError::Parquet { path: path.to_path_buf(), source };
    let panicked = |message| failed(ParquetError::General(message));
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file)).map_err(panicked)?;
    let builder = builder.map_err(failed)?;
    check_schema(path, builder.schema())?;
    let mut reader = guarded(|| builder.build()).map_err(panicked)?.map_err(failed)?;
    while let Some(batch) = guarded(|| reader.next()).map_err(panicked)? {
        let batch = batch.map_err(|error| failed(ParquetError::External(Box::new(error))))?;
        read_batch(path, &batch, protocols)?;
    }
    Ok(())
}

fn check_schema(path: &Path, found: &Schema) -> Result<(), EvalError> {
    for expected in base() {
        let problem = match found.field_with_name(expected.name()) {
            Err(_) => format!("lacks the column \"{}\" of an evaluation", expected.name()),
            Ok(field) if field.data_type() != expected.data_type() => {
                let (name, is, needs) = (field.name(), field.data_type(), expected.data_type());
                format!("column \"{name}\" has type {is}, an evaluation has {needs}")
            }
            Ok(_) => continue,
        };
        return Err(EvalError::Content { path: path.to_path_buf(), problem });
    }
    Ok(())
}

/// Appends the rows of a batch to the protocols that they name.
fn read_batch(path: &Path, batch: &RecordBatch, protocols: &mut [ProtocolRanks]) -> Result<(), EvalError> {
    let refuse = |problem: String| EvalError::Content { path: PathBuf::from(path), problem };
    let names: &StringArray = column(path, batch, "protocol")?;
    let numbers = |name| column::<UInt32Array>(path, batch, name);
    let (users, targets) = (numbers(USER)?, numbers("target")?);
    let (candidates, ranks) = (numbers("candidates")?, numbers("rank")?);
    let detailed = batch.column_by_name(TARGET_COUNT).is_some();
    let counts = detailed.then(|| column::<UInt64Array>(path, batch, TARGET_COUNT)).transpose()?;
    let lengths = detailed.then(|| numbers(HISTORY_LENGTH)).transpose()?;
    let familiar = batch.column_by_name(TARGET_FAMILIARITY).is_some();
    let familiarities = familiar.then(|| nullable(path, batch, TARGET_FAMILIARITY)).transpose()?;
    let measured = batch.column_by_name(difficulty::NAMES[0]).is_some();
    let difficulties = measured.then(|| difficulty_columns(path, batch)).transpose()?;
    let known: Vec<String> = protocols.iter().map(|ranks| ranks.protocol.to_string()).collect();
    for row in 0..batch.num_rows() {
        let name = names.value(row);
        let at = known
            .iter()
            .position(|protocol| protocol == name)
            .ok_or_else(|| refuse(format!("has the protocol \"{name}\", which {META} does not list")))?;
        let (user, candidates, rank) = (users.value(row), candidates.value(row), ranks.value(row));
        if rank == 0 || rank > candidates {
            return Err(refuse(format!(
                "user {user} has rank {rank} of {candidates} candidates under {name}"
            )));
        }
        let to = &mut protocols[at];
        to.users.push(user);
        to.targets.push(targets.value(row));
        to.candidates.push(candidates);
        to.ranks.push(rank);
        to.target_counts.extend(counts.map(|counts| counts.value(row)));
        to.history_lengths.extend(lengths.map(|lengths| lengths.value(row)));
        let percent = |column: &UInt32Array| column.is_valid(row).then(|| column.value(row));
        to.target_familiarities.extend(familiarities.map(percent));
        if let Some(columns) = &difficulties {
            to.difficulties.push(Difficulty::read(path, columns, row)?);
        }
    }
    Ok(())
}

fn difficulty_columns<'a>(path: &Path, batch: &'a RecordBatch) -> Result<Columns<'a>, EvalError> {
    let mut columns = Vec::with_capacity(difficulty::NAMES.len());
    for name in difficulty::NAMES {
        columns.push(nullable::<Float64Array>(path, batch, name)?);
    }
    Ok(Columns::try_from(columns).expect("a column for each of the names"))
}

fn column<'a, T: Array + 'static>(
    path: &Path,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a T, EvalError> {
    let array = nullable::<T>(path, batch, name)?;
    if array.null_count() > 0 {
        let problem = format!("column \"{name}\" has missing values");
        return Err(EvalError::Content { path: path.to_path_buf(), problem });
    }
    Ok(array)
}

/// As [`column`], where values may be missing.
fn nullable<'a, T: Array + 'static>(
    path: &Path,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a T, EvalError> {
    let array = batch.column_by_name(name).and_then(|array| array.as_any().downcast_ref::<T>());
    array.ok_or_else(|| EvalError::Content {
        path: path.to_path_buf(),
        problem: format!("column \"{name}\" cannot be read"),
    })
}
