//! Parquet files as batches of the columns that matter.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::run::Source;
use super::{Stream, read_bytes};
use crate::DataError;
use crate::guard::guarded;
use crate::read::Column;

/// Rows of one batch.
const BATCH: usize = 1 << 16;
pub(super) const ROLES: [&str; 4] = ["user", "item", "time", "value"];

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
        let empty = || DataError::Empty { file: path.to_owned() };
        if Stream::open(path)?.is_packed() {
            let bytes = read_bytes(path)?;
            return if bytes.is_empty() {
                Err(empty())
            } else {
                Self::new(path, Bytes::from(bytes), columns)
            };
        }
        let file = File::open(path).map_err(DataError::io("read", path))?;
        match file.metadata() {
            Ok(about) if about.is_file() && about.len() == 0 => Err(empty()),
            _ => Self::new(path, file, columns),
        }
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
            places[role] = Some(column.find(path, ROLES[role], &names)?);
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
