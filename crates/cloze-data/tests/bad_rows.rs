//! What is left out with the bad rows, and how the list of them shows it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int64Array, StringArray, TimestampMillisecondArray, TimestampSecondArray,
};
use cloze_data::log::{BadRows, LogOptions, ReadReport, read_log_report};
use cloze_data::read::{Column, Encoding};
use cloze_data::{DataError, Dataset, Filters, Silent};
use common::{Folder, counted, load, log, parquet, refused};

/// Reads without bad rows, and the list of these.
fn skipping(folder: &Folder, log: &LogOptions) -> Result<(Dataset, ReadReport, String), DataError> {
    let rejected = folder.0.path().join("rejected.csv");
    let skip = BadRows::Skip { rejected: rejected.clone() };
    let (data, report) = read_log_report(log, &Filters::default(), &skip, &mut Silent)?;
    Ok((data, report, std::fs::read_to_string(rejected).unwrap_or_default()))
}

#[test]
fn a_line_of_another_encoding_is_a_bad_row() {
    let folder = Folder::new();
    for (name, content) in [
        ("plain.csv", b"user,item\na,x\ncaf\xe9,y\nb,x\n".as_slice()),
        ("quoted.csv", b"user,item\n\"a\",x\ncaf\xe9,y\nb,x\n"),
        ("log.jsonl", b"{}\n{\"user\":\"a\",\"item\":\"x\"}\n{\"user\":\"caf\xe9\",\"item\":\"y\"}\n{\"user\":\"b\",\"item\":\"x\"}\n"),
    ] {
        for block_bytes in [1, 20, 1 << 20] {
            let log = LogOptions { block_bytes, ..log(&folder.put(name, content), "user", "item", None) };
            let (data, _, list) = skipping(&folder, &log).unwrap();
            assert_eq!((data.users.ids(), data.items.ids()), (&["a", "b"].map(String::from)[..], &["x".to_owned()][..]));
            assert!(list.contains("caf\u{fffd}") && list.contains(&format!("{name}\",3,")), "{list}");
            if !name.ends_with("csv") {
                continue;
            }
            assert!(list.contains(",3,\"byte 0xe9 is not UTF-8\",\"caf\u{fffd},y\"\n"), "{list}");
            assert!(refused(&log).contains(&format!("{name}, line 3: byte 0xe9 is not UTF-8")));
            let old = LogOptions { encoding: Encoding::Latin1, ..log };
            assert_eq!(load(&old).unwrap().users.ids()[1], "caf\u{e9}");
        }
    }
    // Of a row with line breaks, the line in which the byte stands; a header is no row.
    let path = folder.put("breaks.csv", b"user,item\n\"a\n\nb\xe9\",x\n");
    assert!(refused(&log(&path, "user", "item", None)).contains("breaks.csv, line 4: byte 0xe9"));
    let path = folder.put("header.csv", b"us\xe9r,item\na,x\n");
    let error = skipping(&folder, &counted(&path, None)).map(|read| read.1.rejected);
    assert!(error.is_ok_and(|rejected| rejected == 1), "without a header the first line is a row");
    let error = skipping(&folder, &log(&path, "user", "item", None)).unwrap_err().to_string();
    assert!(error.contains("header.csv, line 1: byte 0xe9"), "{error}");
}

#[test]
fn a_bad_row_of_parquet_is_shown_by_the_columns_asked_for() {
    let folder = Folder::new();
    let users: ArrayRef =
        Arc::new(BinaryArray::from_opt_vec(vec![Some(b"a, \"b\""), Some(b"caf\xe9"), None, Some(b"d")]));
    let items: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), Some("y"), Some("z"), Some("x")]));
    let times: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(2), Some(3), Some(4)]));
    let columns = vec![("item", items.clone()), ("other", items), ("user", users), ("time", times)];
    let mut log = log(&folder.put("log.parquet", &parquet(columns)), "user", "item", Some("time"));
    log.value = Some(Column::Name("time".to_owned()));
    let (data, _, list) = skipping(&folder, &log).unwrap();
    assert_eq!(data.users.ids(), ["d"]);
    let rows: Vec<_> = list.lines().skip(1).map(|row| &row[row.rfind(",\"").unwrap() + 2..]).collect();
    // In the list itself, quotation marks are doubled once more.
    assert!(list.contains(",\"\"\"a, \"\"\"\"b\"\"\"\"\"\",x,,\"\n"), "{list}");
    assert_eq!(rows[1..], ["caf\u{fffd},y,2,2\"", ",z,3,3\""]);
}

#[test]
fn typed_times_of_two_units_are_told_as_those_of_a_log() {
    let folder = Folder::new();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let put = |name: &str, time: ArrayRef| {
        folder.put(name, &parquet(vec![("user", text.clone()), ("item", text.clone()), ("time", time)]))
    };
    let seconds = put("a.parquet", Arc::new(TimestampSecondArray::from(vec![1_513_468_800])));
    let millis = put("b.parquet", Arc::new(TimestampMillisecondArray::from(vec![1_513_468_800_000])));
    let mut log = log(&seconds, "user", "item", Some("time"));
    log.more = vec![millis];
    let error = refused(&log);
    let parts =
        ["b.parquet, line 1: the time \"1513468800000\" is in milliseconds, those before it in seconds"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    assert!(error.contains("a log has one unit in all of its files; convert"), "{error}");
    assert!(skipping(&folder, &log).is_err(), "what a second unit means is not for a row to say");
}
