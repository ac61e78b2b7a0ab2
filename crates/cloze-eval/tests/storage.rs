//! Evaluations on disk.

mod common;

use std::fs;

use cloze_eval::{EvalError, Evaluation, Protocol};
use common::evaluation;

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let mut saved = evaluation("item-knn", 3, &[1, 2, 101, 7]);
    let mut full = saved.protocols[0].clone();
    (full.protocol, full.candidates) = (Protocol::Full, vec![200, 300, 400, 500]);
    saved.protocols.push(full);
    saved.save(folder.path()).unwrap();
    assert_eq!(Evaluation::load(folder.path()).unwrap(), saved);

    saved.meta.seconds = 9.0;
    saved.save(folder.path()).unwrap();
    assert_eq!(Evaluation::load(folder.path()).unwrap(), saved, "saving again replaces");
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["evaluation.json", "users.parquet"], "no temporary files stay");
}

#[test]
fn an_archive_has_the_ranks_and_not_what_follows_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let ranks: Vec<u32> = (0..1000).map(|user| user * 37 % 101 + 1).collect();
    let saved = evaluation("item-knn", 3, &ranks);
    let whole = folder.path().join("whole");
    let ids: Vec<String> = (0..1000).map(|user| format!("user-{}", user * 7919 % 1000)).collect();
    saved.save_with_ids(&whole, &ids).unwrap();
    let archive = folder.path().join("archive");
    Evaluation::load(&whole).unwrap().archive(&archive).unwrap();
    assert_eq!(Evaluation::load(&archive).unwrap(), saved);
    let size = |folder: &std::path::Path| fs::metadata(folder.join("users.parquet")).unwrap().len();
    assert!(size(&archive) * 2 < size(&whole), "{} of {} bytes", size(&archive), size(&whole));
}

#[test]
fn damaged_files_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let message = |folder: &std::path::Path| Evaluation::load(folder).unwrap_err().to_string();
    assert!(message(folder.path()).starts_with("reading"), "nothing saved");

    evaluation("item-knn", 3, &[1, 2, 101, 7]).save(folder.path()).unwrap();
    let (users, meta) = (folder.path().join("users.parquet"), folder.path().join("evaluation.json"));
    let bytes = fs::read(&users).unwrap();
    for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&users, &bytes[..length]).unwrap();
        assert!(message(folder.path()).contains("users.parquet is damaged"), "{length} bytes");
    }
    fs::write(&users, "user,rank\n1,2\n").unwrap();
    assert!(message(folder.path()).contains("users.parquet is damaged"));
    fs::write(&users, &bytes).unwrap();
    assert!(Evaluation::load(folder.path()).is_ok());

    let text = fs::read_to_string(&meta).unwrap();
    for (from, to, expected) in [
        ("\"users\": 4", "\"users\": 5", "4 users under popularity-100"),
        ("popularity-100", "popularity-99", "which evaluation.json does not list"),
        ("\"format\": 1", "\"format\": 2", "format 2"),
        ("\"synthetic\"", "\"sinthetic\"", "not the expected JSON"),
    ] {
        fs::write(&meta, text.replace(from, to)).unwrap();
        assert!(message(folder.path()).contains(expected), "{}", message(folder.path()));
    }
}

#[test]
fn a_parquet_file_of_something_else_is_refused() {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, UInt32Array};
    use arrow::record_batch::RecordBatch;

    let folder = tempfile::tempdir().unwrap();
    evaluation("item-knn", 3, &[1]).save(folder.path()).unwrap();
    let column: ArrayRef = Arc::new(UInt32Array::from(vec![1]));
    for (name, expected) in [("item", "lacks the column \"user\""), ("user", "lacks the column \"target\"")] {
        let batch = RecordBatch::try_from_iter([(name, Arc::clone(&column))]).unwrap();
        let file = fs::File::create(folder.path().join("users.parquet")).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let error = Evaluation::load(folder.path()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn impossible_ranks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    evaluation("item-knn", 3, &[1, 102]).save(folder.path()).unwrap();
    let message = Evaluation::load(folder.path()).unwrap_err().to_string();
    assert!(message.ends_with("user 1 has rank 102 of 101 candidates under popularity-100"), "{message}");
}

#[test]
fn ranks_that_do_not_match_the_users_are_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut short = evaluation("item-knn", 3, &[1, 2]);
    short.protocols[0].ranks.pop();
    let error = short.save(folder.path()).unwrap_err();
    assert!(matches!(error, EvalError::LengthMismatch { what: "ranks", found: 1, expected: 2 }));
}

#[test]
fn what_was_saved_stays_until_all_that_replaces_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let old = evaluation("item-knn", 3, &[1, 2]);
    old.save(folder.path()).unwrap();
    // Nothing can be written under the temporary name of the second file.
    let blocked = folder.path().join(format!(".evaluation.json.{}.tmp", std::process::id()));
    fs::create_dir(&blocked).unwrap();
    let error = evaluation("other", 3, &[7, 8]).save(folder.path()).unwrap_err();
    assert!(matches!(error, EvalError::Io { action: "writing", .. }), "{error}");
    fs::remove_dir(&blocked).unwrap();
    assert_eq!(Evaluation::load(folder.path()).unwrap(), old);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn no_flipped_byte_makes_loading_panic(place in 0.0..1.0, mask: u8, of_users: bool) {
        let folder = tempfile::tempdir().unwrap();
        evaluation("item-knn", 3, &[1, 2, 101, 7]).save(folder.path()).unwrap();
        let path = folder.path().join(if of_users { "users.parquet" } else { "evaluation.json" });
        let mut bytes = fs::read(&path).unwrap();
        let place = (place * bytes.len() as f64) as usize;
        bytes[place] ^= mask;
        fs::write(&path, bytes).unwrap();
        let _ = Evaluation::load(folder.path());
    }
}
