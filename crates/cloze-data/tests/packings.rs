//! Every reader with every packing, whole and cut.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use cloze_data::log::{LogFormat, LogOptions};
use common::{Folder, counted, gzip, load, log, parquet};

const ROWS: i64 = 300;

/// The same log as each reader takes it: file name, content, options.
fn forms(folder: &Folder) -> Vec<(&'static str, Vec<u8>, LogOptions)> {
    let place = |name: &str| folder.0.path().join(name);
    let rows = |separator: &str| -> String {
        (0..ROWS)
            .map(|row| [row % 97, row % 89, row].map(|cell| cell.to_string()).join(separator) + "\n")
            .collect()
    };
    let object =
        |row: i64| format!("{{\"user\": {}, \"item\": \"{}\", \"time\": {row}}}\n", row % 97, row % 89);
    let json = (0..ROWS).map(object).collect::<Vec<_>>().concat();
    let column =
        |cell: fn(i64) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..ROWS).map(cell))) };
    let columns =
        vec![("user", column(|row| row % 97)), ("item", column(|row| row % 89)), ("time", column(|row| row))];
    let named = |name: &str| log(&place(name), "user", "item", Some("time"));
    let plain = |name: &str| counted(&place(name), Some(3));
    vec![
        ("log.csv", format!("user,item,time\n{}", rows(",")).into_bytes(), named("log.csv")),
        ("log.tsv", format!("user\titem\ttime\n{}", rows("\t")).into_bytes(), named("log.tsv")),
        (
            "log.inter",
            format!("user:token\titem:token\ttime:float\n{}", rows("\t")).into_bytes(),
            named("log.inter"),
        ),
        ("ratings.dat", rows("::").into_bytes(), plain("ratings.dat")),
        ("u.data", rows("\t").into_bytes(), plain("u.data")),
        ("sequences.txt", rows(" ").into_bytes(), plain("sequences.txt")),
        ("log.jsonl", json.into_bytes(), named("log.jsonl")),
        ("log.parquet", parquet(columns), named("log.parquet")),
    ]
}

#[test]
fn every_reader_takes_every_packing() {
    let folder = Folder::new();
    let mut first = None;
    for (name, content, mut log) in forms(&folder) {
        log.name = Some("log".to_owned());
        let packed = zstd::encode_all(&content[..], 3).unwrap();
        let half = content.len() / 2;
        // As `cat a.gz b.gz` makes them: one file of several members.
        let members = [gzip(&content[..half]), gzip(&content[half..])].concat();
        let frames =
            [&content[..half], &content[half..]].map(|part| zstd::encode_all(part, 3).unwrap()).concat();
        // As pzstd makes them: a frame to be skipped says how long the next one is.
        let skipped = [&b"\x50\x2a\x4d\x18\x04\0\0\0\x01\x02\0\0"[..], &packed].concat();
        let ends = ["", ".gz", ".zst", ".gz", ".zst", ".zst"];
        let contents = [content.clone(), gzip(&content), packed, members, frames, skipped];
        for (end, bytes) in ends.into_iter().zip(contents) {
            log.path = folder.put(&format!("{name}{end}"), &bytes);
            assert!(LogFormat::of(&log.path).is_some(), "{name}{end}");
            let data = load(&log).unwrap();
            assert_eq!(data.sequences.interactions(), ROWS as usize, "{name}{end}");
            let first = first.get_or_insert_with(|| data.clone());
            assert_eq!(data.users.ids(), first.users.ids(), "{name}{end}");
            assert!(
                data.sequences == first.sequences && data.items.ids() == first.items.ids(),
                "{name}{end}"
            );
        }
    }
}

#[test]
fn every_packed_file_that_is_cut_is_an_error_that_names_it() {
    let folder = Folder::new();
    for (name, content, mut log) in forms(&folder) {
        for (end, bytes) in [(".gz", gzip(&content)), (".zst", zstd::encode_all(&content[..], 3).unwrap())] {
            for kept in [
                5,
                12,
                bytes.len() / 4,
                bytes.len() / 2,
                bytes.len() * 3 / 4,
                bytes.len() - 5,
                bytes.len() - 1,
            ] {
                log.path = folder.put(&format!("{name}{end}"), &bytes[..kept]);
                let error = load(&log).unwrap_err().to_string();
                assert!(error.contains(name) && error.contains("truncated"), "{name}{end}, {kept}: {error}");
            }
        }
    }
}
