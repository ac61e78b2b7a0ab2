//! Manifests: the built-in ones, local files, and every error with its message.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::Path;

use cloze_data::{DataOptions, Manifest, Silent, fetch, load, manifests};
use common::{TINY, manifest, options};

const LOCAL: &str = "[[sources]]\nkind = \"local\"\n";

fn error(text: &str) -> String {
    Manifest::parse("tiny.toml", text).unwrap_err().to_string()
}

/// Loads `tiny` from the text of a manifest and the content of a file in the same folder.
fn load_tiny(
    manifest: &str,
    file: &str,
    content: &str,
) -> Result<cloze_data::Dataset, cloze_data::DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    let path = folder.path().join("tiny.toml");
    std::fs::write(&path, manifest).unwrap();
    load(path.to_str().unwrap(), &options(None, &folder.path().join("cache")), &mut Silent)
}

#[test]
fn the_built_in_manifests_name_licence_citation_and_expected_numbers() {
    let names: Vec<_> = manifests().iter().map(|manifest| manifest.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "amazon-beauty",
            "amazon-books",
            "amazon-books-10k",
            "amazon-musical-instruments",
            "assistments-2009",
            "assistments-2015",
            "assistments-2015-runs",
            "goodreads-poetry",
            "ml-100k",
            "ml-1m",
            "ml-20m",
            "ml-latest-small",
            "online-retail",
            "oulad",
            "steam",
            "synthetic",
            "yelp"
        ]
    );
    for manifest in manifests() {
        assert!(!manifest.licence.is_empty() && !manifest.citation.is_empty() && manifest.expected.is_some());
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let error = load("ml100k", &DataOptions::default(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("unknown data set \"ml100k\" (did you mean ml-100k"), "{error}");
    assert!(
        error.contains(
            "known: amazon-beauty, amazon-books, amazon-books-10k, amazon-musical-instruments, assistments-2009, assistments-2015, assistments-2015-runs, goodreads-poetry"
        ),
        "{error}"
    );
}

#[test]
fn a_missing_manifest_file_is_named() {
    let error = load("nowhere/my.toml", &DataOptions::default(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("cannot read the manifest nowhere/my.toml"), "{error}");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
    let text = manifest(LOCAL).replace("separator", "seperator");
    let message = error(&text);
    for part in ["manifest tiny.toml", "line 12", "unknown field `seperator`", "`separator`"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    let message = error(&manifest("[[sources]]\nkind = \"ftp\"\n"));
    assert!(message.contains("unknown variant `ftp`") && message.contains("python-package"), "{message}");
}

#[test]
fn rules_of_manifests_are_checked() {
    let good = manifest(LOCAL);
    Manifest::parse("tiny.toml", &good).unwrap();
    let https = "[[sources]]\nkind = \"https\"\nurl = \"u\"\nsize = 1\nform = \"FORM\"\nsha256 = \"SUM\"\n";
    let https = |form: &str, sum: &str| manifest(&https.replace("FORM", form).replace("SUM", sum));
    let sum = "0".repeat(64);
    for (text, part) in [
        (good.replace("\"\\t\"", "\"\""), "separator = \"\""),
        (good.replace("\"\\t\"", "\"::\", quotes = true"), "quotes = true with separator = \"::\""),
        (good.replace("user = 1", "user = 0"), "counted from 1"),
        (good.replace("user = 1", "user = \"id\""), "needs header = true"),
        (good.replace("name = \"tiny\"", "name = \"../tiny\""), "letters, digits"),
        (good.replace("table =", "format = \"parquet\"\ntable ="), "either table"),
        (manifest(""), "at least one [[forms]] and one [[sources]]"),
        (https("other", &sum), "form = \"other\": there is text"),
        (https("text", "abc"), "64 lower-case hexadecimal digits"),
        (https("text", &sum) + "members = [\"a/b.data\"]\n", "members have none of the files"),
        (https("text", &sum) + "members = [\"a/..\"]\n", "is no file name"),
    ] {
        let message = error(&text);
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn only_the_numbers_that_are_given_are_checked() {
    let some = manifest(LOCAL).replace("users = 2, items = 3, interactions = 4", "users = 2");
    assert_eq!(load_tiny(&some, "tiny.data", "a\tx\t1\nb\ty\t1\n").unwrap().items.len(), 2);
    let error = load_tiny(&some, "tiny.data", "a\tx\t1\n").unwrap_err().to_string();
    assert!(error.contains("found 1 users, expected 2"), "{error}");
}

#[test]
fn a_file_to_be_fetched_by_hand_is_told_with_its_address() {
    let by_hand =
        "[[sources]]\nkind = \"by-hand\"\nurl = \"https://example.org/x.zip\"\nnote = \"unpack it\"\n";
    let cache = tempfile::tempdir().unwrap();
    let path = cache.path().join("tiny.toml");
    std::fs::write(&path, manifest(by_hand)).unwrap();
    let error = load(path.to_str().unwrap(), &options(None, cache.path()), &mut Silent).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("https://example.org/x.zip: to be fetched by hand: unpack it"), "{error}");
    assert!(error.contains("$CLOZE_DATA_DIR/tiny/tiny.data"), "{error}");
}

#[test]
fn local_files_are_found_in_the_folder_of_the_set_or_beside() {
    let nested = load_tiny(&manifest(LOCAL), "tiny/tiny.data", TINY).unwrap();
    let flat = load_tiny(&manifest(LOCAL), "tiny.data", TINY).unwrap();
    assert_eq!(nested, flat);
    assert_eq!(nested.users.ids(), ["a", "b"]);
}

#[test]
fn wrong_numbers_are_an_error_that_names_both() {
    let error = load_tiny(&manifest(LOCAL), "tiny.data", "a\tx\t1\nb\ty\t1\n").unwrap_err().to_string();
    assert!(error.contains("tiny: found 2 items, expected 3 (read from"), "{error}");
}

#[test]
fn a_local_file_with_another_checksum_is_an_error() {
    let pinned = manifest(LOCAL).replace("table =", &format!("sha256 = \"{}\"\ntable =", "0".repeat(64)));
    let error = load_tiny(&pinned, "tiny.data", TINY).unwrap_err().to_string();
    assert!(error.contains("tiny.data: sha256 is ") && error.contains("expected 0000"), "{error}");
}

#[test]
fn without_any_source_the_error_says_where_to_put_which_file() {
    let cache = tempfile::tempdir().unwrap();
    let offline = DataOptions { offline: true, ..options(None, cache.path()) };
    let error = load("ml-100k", &offline, &mut Silent).unwrap_err().to_string();
    for part in [
        "local folder: not tried: no --data-dir and CLOZE_DATA_DIR is not set",
        "ml-100k.zip: not tried: offline",
        "Python package recbole 1.2.1: not tried: offline",
        "$CLOZE_DATA_DIR/ml-100k/u.data, with $CLOZE_DATA_DIR/ml-100k/u.item for the items' titles",
        "$CLOZE_DATA_DIR/ml-100k/ml-100k.inter",
        "https://grouplens.org/datasets/movielens/100k/",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let error = fetch("ml-1m", &options(Some(Path::new("nowhere")), cache.path()), &mut Silent);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("local folder nowhere: no such folder"), "{error}");
}

#[test]
fn the_data_are_prepared_once_and_a_damaged_preparation_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.data"), TINY).unwrap();
    let path = folder.path().join("tiny.toml");
    std::fs::write(&path, manifest(LOCAL)).unwrap();
    let options = options(None, &folder.path().join("cache"));
    let mut progress = common::Recorder::default();
    let mut again = || load(path.to_str().unwrap(), &options, &mut progress).unwrap();
    let first = again();
    assert_eq!(again(), first);
    let prepared: Vec<_> =
        std::fs::read_dir(folder.path().join("cache/prepared")).unwrap().flatten().collect();
    assert_eq!(prepared.len(), 1, "one preparation, no temporary folder left");
    let damaged = prepared[0].path().join("sequences.arrow");
    // Replaced, not changed in place: `first` still maps the old file.
    std::fs::remove_file(&damaged).unwrap();
    std::fs::write(&damaged, b"ARROW1").unwrap();
    assert_eq!(again(), first);
    let started: Vec<_> = progress.started.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(started.iter().filter(|what| what.starts_with("Reading")).count(), 2);
    let notes = &progress.notes;
    assert!(notes.len() == 1 && notes[0].contains("preparing again"), "{notes:?}");
}

#[test]
fn item_files_that_are_absent_are_noted_where_the_data_are_prepared() {
    let items = "[forms.items]\nfiles = [\"tiny/tiny.items\"]\ntable = { separator = \"\\t\" }\ncolumns = { id = 1, title = 2 }\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.data"), TINY).unwrap();
    let path = folder.path().join("tiny.toml");
    std::fs::write(&path, manifest(&format!("{items}{LOCAL}"))).unwrap();
    let options = options(None, &folder.path().join("cache"));
    let noted = || {
        let mut progress = common::Recorder::default();
        let dataset = load(path.to_str().unwrap(), &options, &mut progress).unwrap();
        (dataset.items.has_titles(), progress.notes)
    };
    let (titles, notes) = noted();
    assert!(!titles && notes.len() == 1 && notes[0].contains("without tiny.items beside it"), "{notes:?}");
    std::fs::write(folder.path().join("tiny.items"), "x\tThe X\n").unwrap();
    assert_eq!(noted(), (true, Vec::new()));
}

/// Filters that leave nothing of the published file's first lines do so because the rest is absent.
#[test]
fn a_truncated_file_is_blamed_and_not_the_filters() {
    let filtered = manifest(LOCAL).replace("[[forms]]", "[filters]\nmin_item_interactions = 2\n\n[[forms]]");
    let error = load_tiny(&filtered, "tiny.data", "a\tx\t1\n").unwrap_err().to_string();
    assert!(error.contains("found 0 interactions, expected 4"), "{error}");
    assert!(
        error.contains("tiny.data") && error.contains("not whole") && !error.contains("loosen"),
        "{error}"
    );
}
