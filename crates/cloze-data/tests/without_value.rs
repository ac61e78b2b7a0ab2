//! Rows without a value: an error that names the filter, or dropped and counted, alike in all readers.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use cloze_data::log::{BadRows, LogOptions, ReadReport, read_log_report};
use cloze_data::read::Column;
use cloze_data::{DataError, Dataset, Filters, Silent};
use common::{Folder, log, parquet};

fn valued(path: &Path) -> LogOptions {
    let mut log = log(path, "user", "item", None);
    log.value = Some(Column::Name("score".to_owned()));
    log
}

fn read(log: &LogOptions, drop: bool, min_value: Option<f32>) -> Result<(Dataset, ReadReport), DataError> {
    let filters = Filters { drop_without_value: drop, min_value, ..Filters::default() };
    read_log_report(log, &filters, &BadRows::Error, &mut Silent)
}

/// Four rows, of which the second and third have no score, in every form.
fn files(folder: &Folder) -> Vec<LogOptions> {
    let plain = "user,item,score\na,x,3\na,y,\nb,x,\nb,y,0.5\n";
    let quoted = "user,item,score\na,x,3\n\"a\",y,\nb,x,\"\"\nb,y,0.5\n";
    let json = r#"{"user":"a","item":"x","score":3}
{"user":"a","item":"y","score":null}
{"user":"b","item":"x"}
{"user":"b","item":"y","score":0.5}
"#;
    let text = |all: [&str; 4]| -> ArrayRef { Arc::new(StringArray::from(all.to_vec())) };
    let columns =
        |score| vec![("user", text(["a", "a", "b", "b"])), ("item", text(["x", "y", "x", "y"])), score];
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(3.0), None, Some(f64::NAN), Some(0.5)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("3"), None, Some(""), Some("0.5")]));
    [
        ("fast.csv", plain.as_bytes().to_vec()),
        ("exact.csv", quoted.as_bytes().to_vec()),
        ("lines.jsonl", json.as_bytes().to_vec()),
        ("floats.parquet", parquet(columns(("score", floats)))),
        ("texts.parquet", parquet(columns(("score", texts)))),
    ]
    .into_iter()
    .map(|(name, content)| valued(&folder.put(name, &content)))
    .collect()
}

#[test]
fn rows_without_a_value_are_dropped_and_counted_by_every_reader() {
    let folder = Folder::new();
    for log in files(&folder) {
        let file = log.path.display();
        let (data, report) = read(&log, true, Some(1.0)).unwrap();
        assert_eq!((data.users.len(), data.sequences.interactions(), report.rows), (1, 1, 4), "{file}");
        let removed: Vec<_> =
            report.removed.iter().map(|rule| (rule.rule.as_str(), rule.interactions)).collect();
        assert_eq!(removed, [("drop_without_value", 2), ("min_value", 1)], "{file}");
        let (data, _) = read(&log, true, None).unwrap();
        let ratings: Vec<_> =
            (0..2).flat_map(|user| data.sequences.ratings(user).unwrap()).copied().collect();
        assert_eq!(ratings, [3.0, 0.5], "{file}");
    }
}

#[test]
fn without_the_filter_the_error_names_the_row_and_the_filter() {
    let folder = Folder::new();
    for log in files(&folder) {
        let error = read(&log, false, None).unwrap_err().to_string();
        let parquet = log.path.extension().unwrap() == "parquet";
        let json = log.path.extension().unwrap() == "jsonl";
        let line = if parquet || json { "line 2" } else { "line 3" };
        assert!(error.contains(line) && error.contains("--drop-without-value"), "{error}");
    }
}

#[test]
fn only_a_missing_value_is_dropped() {
    let folder = Folder::new();
    for (name, content, value) in [
        ("word.csv", "user,item,score\na,x,3\na,y,none\n", "none"),
        ("nan.csv", "user,item,score\na,x,3\na,y,NaN\n", "NaN"),
        ("inf.csv", "user,item,score\na,x,3\na,y,inf\n", "inf"),
    ] {
        let log = valued(&folder.put(name, content.as_bytes()));
        assert!(!read(&log, false, None).unwrap_err().to_string().contains("drop-without-value"), "{name}");
        let error = read(&log, true, None).unwrap_err().to_string();
        assert!(error.contains("line 3, column 3 (value)") && error.contains(value), "{error}");
    }
    let short = folder.put("short.csv", b"user,item,score\na,x,3\na,y\n");
    let error = read(&valued(&short), true, None).unwrap_err().to_string();
    assert!(error.contains("2 fields, expected at least 3"), "{error}");
}

#[test]
fn the_filter_needs_a_column_of_values() {
    let folder = Folder::new();
    let path = folder.put("log.csv", b"user,item\na,x\n");
    let error = read(&log(&path, "user", "item", None), true, None).unwrap_err();
    assert!(matches!(error, DataError::FilterNeeds { filter: "drop_without_value", .. }), "{error}");
}
