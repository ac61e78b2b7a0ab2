//! No content makes the readers of Parquet files panic.
//!
//! Random bytes are hardly ever a Parquet file. So the input is a list of edits (two bytes for the place, one for what
//! it is changed by) of a small one in one of three packings; with an odd first byte it is the whole file instead.
#![no_main]

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use cloze_data::log::LogFormat;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

static FILES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())].map(file)
});

/// A file that is a log and an item file alike.
fn file(packing: Compression) -> Vec<u8> {
    let rows = 0..20_i64;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("i{}", row % 7))));
    let mut lists = ListBuilder::new(StringBuilder::new());
    rows.for_each(|row| lists.append_option((row % 3 > 0).then(|| [Some("x"), Some("y")])));
    let columns = [
        ("u", numbers.clone()),
        ("i", texts.clone()),
        ("t", numbers.clone()),
        ("v", numbers),
        ("g", Arc::new(lists.finish())),
        ("x", texts),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let properties = WriterProperties::builder().set_compression(packing).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a plain schema");
    writer.write(&batch).expect("room in memory");
    writer.into_inner().expect("room in memory")
}

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((kind, content)) = content.split_first() else { return };
    if kind % 2 == 1 {
        return cloze_fuzz::read(content, LogFormat::Parquet);
    }
    let Some((options, edits)) = content.split_first() else { return };
    let mut bytes = FILES[usize::from(*kind) / 2 % 3].clone();
    cloze_fuzz::edit(&mut bytes, edits);
    bytes.insert(0, *options);
    cloze_fuzz::read(&bytes, LogFormat::Parquet);
});
