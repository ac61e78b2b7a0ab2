//! Files of scores: every format gives the same rows, and what is no score is an error with its place.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use cloze_data::log::{LogOptions, Scores, read_scores};
use cloze_data::read::Column;
use cloze_data::{DataError, Silent};
use parquet::arrow::ArrowWriter;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn options(path: &Path) -> LogOptions {
    let named = |name: &str| Column::Name(name.to_owned());
    let mut options = LogOptions::new(path, named("user"), named("item"));
    options.value = Some(named("score"));
    options
}

fn read(path: &Path) -> Result<Scores, DataError> {
    read_scores(&options(path), &mut Silent)
}

/// The rows with their ids.
fn rows(scores: &Scores) -> Vec<(&str, &str, f64, u32)> {
    let one = |row: &cloze_data::log::ScoreRow| {
        (&*scores.users[row.user as usize], &*scores.items[row.item as usize], row.score, row.line)
    };
    scores.rows.iter().map(one).collect()
}

fn parquet(folder: &Folder, scores: &[f64]) -> PathBuf {
    let users: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, 7]));
    let items: ArrayRef = Arc::new(StringArray::from(vec!["x", "y", "y"]));
    let scores: ArrayRef = Arc::new(Float64Array::from(scores.to_vec()));
    let batch = RecordBatch::try_from_iter([("user", users), ("item", items), ("score", scores)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    folder.put("scores.parquet", &bytes)
}

#[test]
fn every_format_gives_the_same_rows() {
    let folder = Folder::new();
    let expected =
        |first: u32| [("7", "x", 0.5, first), ("8", "y", -1.25, first + 1), ("7", "y", 3e-3, first + 2)];
    let csv = folder.put("s.csv", b"item,score,user\nx,0.5,7\ny,-1.25,8\ny,3e-3,7\n");
    assert_eq!(rows(&read(&csv).unwrap()), expected(2));
    let tsv =
        folder.put("s.tsv", b"user\titem\tother\tscore\r\n7\tx\t\t0.5\r\n8\ty\t\t-1.25\r\n7\ty\t\t0.003\r\n");
    assert_eq!(rows(&read(&tsv).unwrap()), expected(2));
    let json = folder.put(
        "s.jsonl",
        b"{\"user\": 7, \"item\": \"x\", \"score\": 0.5}\n{\"user\": \"8\", \"item\": \"y\", \"score\": -1.25}\n\
          {\"score\": 0.003, \"user\": 7, \"item\": \"y\"}\n",
    );
    assert_eq!(rows(&read(&json).unwrap()), expected(1));
    assert_eq!(rows(&read(&parquet(&folder, &[0.5, -1.25, 0.003])).unwrap()), expected(1));

    let mut plain = options(&folder.put("s.txt", b"7 x 0.5\n8 y -1.25\n7 y 0.003\n"));
    (plain.user, plain.item, plain.value) =
        (Column::Position(1), Column::Position(2), Some(Column::Position(3)));
    assert_eq!(rows(&read_scores(&plain, &mut Silent).unwrap()), expected(1));
}

#[test]
fn lines_are_right_in_any_number_of_blocks_and_threads() {
    let folder = Folder::new();
    let lines: Vec<String> = (0..500).map(|n| format!("u{},i{},{}", n % 17, n % 23, n)).collect();
    let path = folder.put("s.csv", format!("user,item,score\n{}\n", lines.join("\n")).as_bytes());
    for (block_bytes, threads) in [(4 << 20, 1), (64, 1), (64, 4), (7, 3)] {
        let options = LogOptions { block_bytes, threads: Some(threads), ..options(&path) };
        let scores = read_scores(&options, &mut Silent).unwrap();
        for (n, row) in rows(&scores).into_iter().enumerate() {
            assert_eq!(row, (&*format!("u{}", n % 17), &*format!("i{}", n % 23), n as f64, n as u32 + 2));
        }
    }
}

#[test]
fn what_is_no_score_is_an_error_with_its_place() {
    let folder = Folder::new();
    let refused = |name: &str, content: &str, parts: &[&str]| {
        let error = read(&folder.put(name, content.as_bytes())).unwrap_err().to_string();
        for part in [name].iter().chain(parts) {
            assert!(error.contains(part), "no {part:?} in {error}");
        }
    };
    for bad in ["NaN", "inf", "-inf", "high", ""] {
        refused("a.csv", &format!("user,item,score\nu,i,1\nu,j,{bad}\n"), &["line 3", "a finite number"]);
    }
    refused("b.csv", "user,item,score\nu,i\n", &["line 2", "2 fields"]);
    refused("c.csv", "user,item,score\nu,,1\n", &["line 2", "an id"]);
    refused("d.csv", "user,item,rating\nu,i,1\n", &["score", "user, item, rating"]);
    refused("e.csv", "user,item,score\n", &["e.csv"]);
    refused(
        "f.jsonl",
        "{\"user\": 1, \"item\": 2, \"score\": 1}\n{\"user\": 1, \"item\": 2}\n",
        &["line 2", "score"],
    );
    refused("g.jsonl", "{\"user\": 1, \"item\": 2, \"score\": \"NaN\"}\n", &["line 1", "NaN"]);
    refused("h.bin", "x", &[".parquet"]);
    refused("i.parquet", "PAR1 and no more", &["damaged"]);
    let error = read(&parquet(&folder, &[0.0, f64::NAN, 1.0])).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("NaN"), "{error}");
}

#[test]
fn scores_keep_what_single_precision_rounds() {
    let folder = Folder::new();
    let near = [0.999_999_99, 0.999_999_98, 0.999_999_97];
    let (mut csv, mut json) = ("user,item,score\n".to_owned(), String::new());
    for (item, score) in near.iter().enumerate() {
        writeln!(csv, "u,{item},{score}").unwrap();
        writeln!(json, "{{\"user\": \"u\", \"item\": {item}, \"score\": {score}}}").unwrap();
    }
    let texts =
        [("near.csv", csv), ("near.jsonl", json)].map(|(name, text)| folder.put(name, text.as_bytes()));
    for path in texts.into_iter().chain([parquet(&folder, &near)]) {
        let scores: Vec<f64> = read(&path).unwrap().rows.iter().map(|row| row.score).collect();
        assert_eq!(scores, near, "{}", path.display());
    }
}
