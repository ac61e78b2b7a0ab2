//! Prepared data on disk: read once, mapped into memory from then on.
//!
//! A folder holds `sequences.arrow` (Arrow IPC: `items` as `LargeList<UInt32>`, `times` as `LargeList<Int64>` and
//! `ratings` as `LargeList<Float32>` if there are any), `users.json`, `items.json`, `details.json` if there are genres or texts, and `metadata.json`, which
//! pins size and sha256 of the others. A folder made from a user's own log also has `origin.json`, and `rejected.csv` if
//! rows were left out.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Int64Array, LargeListArray, RecordBatch, UInt32Array,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Int64Type, UInt32Type};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::root_as_footer;
use arrow::ipc::writer::FileWriter;
use memmap2::Mmap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::guard::guarded;
use crate::hash::{sha256, sha256_of};
use crate::log::TimeUnit;
use crate::staging::Staging;
use crate::{DataError, Dataset, ItemDetails, Sequences, Vocabulary};

/// Raised when readers, filters or this layout change what a folder holds.
pub(crate) const FORMAT: u32 = 4;

/// The kind of folder that a prepared one is staged as.
pub(crate) const STAGED: &str = "preparing";
const SEQUENCES: &str = "sequences.arrow";
const USERS: &str = "users.json";
const ITEMS: &str = "items.json";
const DETAILS: &str = "details.json";
pub(crate) const METADATA: &str = "metadata.json";
pub(crate) const ORIGIN: &str = "origin.json";
pub(crate) const REJECTED: &str = "rejected.csv";
/// All that a prepared folder may hold.
pub(crate) const FILES: [&str; 7] = [SEQUENCES, USERS, ITEMS, DETAILS, METADATA, ORIGIN, REJECTED];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: u32,
    name: String,
    title: String,
    synthetic: bool,
    /// None without times.
    time_unit: Option<TimeUnit>,
    sequences: Pin,
    users: Pin,
    items: Pin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Pin>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    size: u64,
    sha256: String,
}

/// Writes `dataset` to `folder`: to a temporary sibling first, then renamed, so that `folder` is never half written.
/// A folder that is there already is replaced.
///
/// # Errors
/// [`DataError::Io`] or [`DataError::Arrow`] if the files can't be written.
pub fn write_prepared(folder: &Path, dataset: &Dataset) -> Result<(), DataError> {
    let staging = Staging::new(STAGED, folder)?;
    write_files(staging.path(), dataset)?;
    Ok(staging.finish()?)
}

/// Writes the files of a prepared folder, `metadata.json` last.
pub(crate) fn write_files(path: &Path, dataset: &Dataset) -> Result<(), DataError> {
    write_sequences(&path.join(SEQUENCES), &dataset.sequences)?;
    write_json(&path.join(USERS), &dataset.users)?;
    write_json(&path.join(ITEMS), &dataset.items)?;
    let details = (!dataset.details.is_empty()).then(|| path.join(DETAILS));
    let details = details.map(|path| write_json(&path, &dataset.details).and_then(|()| pin(&path)));
    let metadata = Metadata {
        format: FORMAT,
        name: dataset.name.clone(),
        title: dataset.title.clone(),
        synthetic: dataset.synthetic,
        time_unit: dataset.sequences.time_unit(),
        sequences: pin(&path.join(SEQUENCES))?,
        users: pin(&path.join(USERS))?,
        items: pin(&path.join(ITEMS))?,
        details: details.transpose()?,
    };
    write_json(&path.join(METADATA), &metadata)
}

/// Reads what [`write_prepared`] wrote. The sequences stay in the mapped file; vocabularies are read.
///
/// Sizes and checksums of all files are verified first, at the speed of sha256.
///
/// # Errors
/// [`DataError::Prepared`] for a missing, truncated or damaged file, and for another format version.
pub fn read_prepared(folder: &Path) -> Result<Dataset, DataError> {
    let wrong = |reason: String| DataError::Prepared { folder: folder.to_owned(), reason };
    let read = || -> Result<Dataset, String> {
        let missing = |error| format!("{METADATA}: {error}; expected a folder that `cloze prepare` wrote");
        let metadata = std::fs::read(folder.join(METADATA)).map_err(missing)?;
        let metadata: Metadata =
            serde_json::from_slice(&metadata).map_err(|error| format!("{METADATA}: {error}"))?;
        if metadata.format != FORMAT {
            return Err(format!(
                "format {}, this version reads {FORMAT}: prepare the data again",
                metadata.format
            ));
        }
        let users: Vocabulary = read_json(folder, USERS, &metadata.users)?;
        let items: Vocabulary = read_json(folder, ITEMS, &metadata.items)?;
        let details = metadata.details.as_ref().map(|pin| read_json::<ItemDetails>(folder, DETAILS, pin));
        let details = details.transpose()?.unwrap_or_default();
        details.check(items.len()).map_err(|error| format!("{DETAILS}: {error}"))?;
        let buffer = map(folder, SEQUENCES, &metadata.sequences)?;
        let sequences = guarded(|| decode(&buffer)).and_then(|decoded| decoded);
        let sequences = sequences.map_err(|error| format!("{SEQUENCES}: {error}"))?;
        let sequences = sequences.with_time_unit(metadata.time_unit);
        if sequences.len() != users.len() {
            return Err(format!("{} sequences of {} users", sequences.len(), users.len()));
        }
        let (name, title, synthetic) = (metadata.name, metadata.title, metadata.synthetic);
        if let Some(item) = sequences.values().iter().find(|item| **item as usize >= items.len()) {
            return Err(format!("{SEQUENCES}: item {item} of {}", items.len()));
        }
        Ok(Dataset { name, title, synthetic, users, items, sequences, details })
    };
    read().map_err(wrong)
}

fn write_sequences(path: &Path, sequences: &Sequences) -> Result<(), DataError> {
    let offsets = OffsetBuffer::new(sequences.offsets().clone());
    let list =
        |name: &str, data_type: DataType, values: ArrayRef| -> Result<(String, ArrayRef), ArrowError> {
            let field = Arc::new(Field::new("item", data_type, false));
            let array = LargeListArray::try_new(field, offsets.clone(), values, None)?;
            Ok((name.to_owned(), Arc::new(array)))
        };
    let items = UInt32Array::new(sequences.values().clone(), None);
    let mut columns = vec![list("items", DataType::UInt32, Arc::new(items))?];
    if let Some(times) = sequences.all_times() {
        columns.push(list("times", DataType::Int64, Arc::new(Int64Array::new(times.clone(), None)))?);
    }
    if let Some(ratings) = sequences.all_ratings() {
        let ratings = Arc::new(Float32Array::new(ratings.clone(), None));
        columns.push(list("ratings", DataType::Float32, ratings)?);
    }
    let batch = RecordBatch::try_from_iter(columns)?;
    let file = File::create(path).map_err(DataError::io("write", path))?;
    // Of a full disk, the path is what one wants to know.
    let failed = |error| match error {
        ArrowError::IoError(_, source) => DataError::Io { action: "write", path: path.to_owned(), source },
        other => DataError::Arrow(other),
    };
    let mut writer = FileWriter::try_new(BufWriter::new(file), &batch.schema()).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    // Unwraps the BufWriter too: an error of its last flush is not lost.
    writer.finish().map_err(failed)?;
    let buffered = writer.into_inner().map_err(failed)?;
    buffered.into_inner().map_err(|error| DataError::io("write", path)(error.into_error()))?;
    Ok(())
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DataError> {
    let text = serde_json::to_vec(value).map_err(|error| DataError::io("write", path)(error.into()))?;
    std::fs::write(path, text).map_err(DataError::io("write", path))
}

fn pin(path: &Path) -> Result<Pin, DataError> {
    let (size, sha256) = sha256_of(path, &mut |_| {})?;
    Ok(Pin { size, sha256 })
}

fn read_json<T: DeserializeOwned>(folder: &Path, name: &str, pin: &Pin) -> Result<T, String> {
    let bytes = map(folder, name, pin)?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{name}: {error}"))
}

/// Maps a file into memory and verifies it.
fn map(folder: &Path, name: &str, pin: &Pin) -> Result<Buffer, String> {
    let file = File::open(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    let size = file.metadata().map_err(|error| format!("{name}: {error}"))?.len();
    if size != pin.size {
        return Err(format!("{name} has {size} bytes, expected {}", pin.size));
    }
    // SAFETY: prepared files are written under a temporary name and renamed, and nothing changes them in place.
    let map = unsafe { Mmap::map(&file) }.map_err(|error| format!("{name}: {error}"))?;
    let found = sha256(&map);
    if found != pin.sha256 {
        return Err(format!("{name} has sha256 {found}, expected {}", pin.sha256));
    }
    Ok(Buffer::from(bytes::Bytes::from_owner(map)))
}

/// Sequences over the bytes of an Arrow IPC file, without a copy.
fn decode(buffer: &Buffer) -> Result<Sequences, String> {
    const TRAILER: usize = 10;
    let end = buffer.len().checked_sub(TRAILER).ok_or("too short")?;
    let trailer = buffer[end..].try_into().map_err(|_| "too short")?;
    let length = read_footer_length(trailer).map_err(|error| error.to_string())?;
    let begin = end.checked_sub(length).ok_or("the footer is longer than the file")?;
    let footer = root_as_footer(&buffer[begin..end]).map_err(|error| error.to_string())?;
    let schema = fb_to_schema(footer.schema().ok_or("no schema")?);
    let decoder = FileDecoder::new(Arc::new(schema), footer.version());
    let blocks = footer.recordBatches().ok_or("no record batch")?;
    if blocks.len() != 1 {
        return Err(format!("{} record batches, expected 1", blocks.len()));
    }
    let block = blocks.get(0);
    let whole = i64::from(block.metaDataLength()).checked_add(block.bodyLength());
    let (offset, length) = (usize::try_from(block.offset()), whole.map(usize::try_from));
    let (Ok(offset), Some(Ok(length))) = (offset, length) else {
        return Err("block out of range".to_owned());
    };
    if offset.checked_add(length).is_none_or(|end| end > buffer.len()) {
        return Err("block out of range".to_owned());
    }
    let data = buffer.slice_with_length(offset, length);
    let batch = decoder.read_record_batch(block, &data).map_err(|error| error.to_string())?;
    from_batch(&batch.ok_or("an empty message")?)
}

fn from_batch(batch: &RecordBatch) -> Result<Sequences, String> {
    let column = |name: &str| batch.column_by_name(name).and_then(|array| array.as_list_opt::<i64>());
    let items = column("items").ok_or("no column `items` of lists")?;
    let values = items.values().as_primitive_opt::<UInt32Type>().ok_or("items are not UInt32")?;
    let times = like::<Int64Type>(items, column("times"), "times are not Int64 in the shape of the items")?;
    let ratings =
        like::<Float32Type>(items, column("ratings"), "ratings are not Float32 in the shape of the items")?;
    if items.null_count() + values.null_count() > 0 {
        return Err("nulls".to_owned());
    }
    let offsets = items.offsets().inner().clone();
    Sequences::from_parts(offsets, values.values().clone(), times)
        .and_then(|sequences| sequences.with_ratings(ratings))
        .map_err(|error| error.to_string())
}

/// The values of a column that has the shape of the items.
fn like<T: ArrowPrimitiveType>(
    items: &LargeListArray,
    list: Option<&LargeListArray>,
    otherwise: &'static str,
) -> Result<Option<ScalarBuffer<T::Native>>, &'static str> {
    let Some(list) = list else { return Ok(None) };
    let same = list.offsets() == items.offsets();
    let values = list.values().as_primitive_opt::<T>().filter(|values| same && values.null_count() == 0);
    values.map(|values| Some(values.values().clone())).ok_or(otherwise)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::SyntheticOptions;

    /// A checksum that was made anew must not lead Arrow's reader into a panic.
    #[test]
    fn damaged_sequences_with_a_right_checksum_do_not_panic() {
        let options =
            SyntheticOptions { users: 4, items: 8, groups: 2, mean_length: 3, ..SyntheticOptions::default() };
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("set");
        write_prepared(&folder, &options.generate().unwrap()).unwrap();
        let (path, metadata) = (folder.join(SEQUENCES), folder.join(METADATA));
        let whole = fs::read(&path).unwrap();
        let mut card: serde_json::Value = serde_json::from_slice(&fs::read(&metadata).unwrap()).unwrap();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0xff;
            card["sequences"] = serde_json::json!({ "size": bytes.len(), "sha256": sha256(&bytes) });
            // Replaced, not changed in place: an earlier one may still be mapped.
            fs::remove_file(&path).unwrap();
            fs::write(&path, &bytes).unwrap();
            fs::write(&metadata, card.to_string()).unwrap();
            let _ = read_prepared(&folder);
        }
    }
}
