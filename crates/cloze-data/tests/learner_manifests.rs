//! What manifests of learners' data say besides: periods that times count from, names of genres.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use cloze_data::{DataError, Dataset, Manifest, load};
use common::{Folder, Recorder, options};

const MANIFEST: &str = r#"
name = "school"
title = "School"
citation = "nobody"
licence = "none"
licence_url = "https://example.org/school"
[[forms]]
name = "csv"
[forms.interactions]
files = ["log.csv"]
table = { separator = ",", header = true }
columns = { user = "learner", item = "exercise", time = "day", value = "score" }
[forms.items]
files = ["exercises.csv"]
table = { separator = ",", header = true }
columns = { id = "exercise", genres = { column = "skill" } }
[forms.periods]
column = "term"
starts = { autumn = "2013-10-01", spring = "2014-02-01" }
[filters]
drop_without_value = true
[[sources]]
kind = "local"
"#;
/// Day 3 of spring stands before two days of autumn, one of them before its beginning.
const LOG: &str = "learner,exercise,day,score\na,s1,3,50\na,a2,-11,70\na,a1,40,\na,a3,40,90\n";
const EXERCISES: &str = "exercise,term,skill\na1,autumn,1\na2,autumn,1\na3,autumn,2\ns1,spring,2\n";
const NAMES: &str = r#"{"Sums ": 1, "Shapes": 2}"#;

fn with_names(manifest: &str) -> String {
    manifest.replace("name = \"csv\"", "name = \"csv\"\ngenre_names = { files = [\"skills.json\"] }")
}

fn read(files: &[(&str, &str)]) -> (Result<Dataset, DataError>, Vec<String>) {
    let folder = Folder::new();
    for (name, content) in files {
        folder.put(name, content.as_bytes());
    }
    let mut recorder = Recorder::default();
    let path = folder.0.path().join("school.toml");
    let cache = folder.0.path().join("cache");
    let data = load(path.to_str().unwrap(), &options(None, &cache), &mut recorder);
    (data, recorder.notes)
}

fn refused(files: &[(&str, &str)]) -> String {
    read(files).0.unwrap_err().to_string()
}

#[test]
fn days_of_periods_are_ordered_across_periods() {
    let (data, notes) = read(&[("school.toml", MANIFEST), ("log.csv", LOG), ("exercises.csv", EXERCISES)]);
    let data = data.unwrap();
    let items: Vec<_> = data.sequences.get(0).iter().map(|item| data.items.id(*item).unwrap()).collect();
    assert_eq!(items, ["a2", "a3", "s1"], "and the row without a score is gone");
    // 2013-09-20, 2013-11-10 and 2014-02-04.
    assert_eq!(data.sequences.times(0).unwrap(), [1_379_635_200, 1_384_041_600, 1_391_472_000]);
    assert_eq!(data.details.distinct_genres(), ["1", "2"]);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_period_without_a_start_is_named_with_its_line() {
    let exercises = EXERCISES.replace("s1,spring", "s1,summer");
    let error = refused(&[("school.toml", MANIFEST), ("log.csv", LOG), ("exercises.csv", &exercises)]);
    let wanted = "line 5, column 2 (period): found \"summer\", expected a period whose start the manifest gives: autumn, spring";
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn times_that_count_from_no_known_period_are_refused() {
    let error = refused(&[("school.toml", MANIFEST), ("log.csv", LOG)]);
    assert!(error.contains("log.csv") && error.contains("exercises.csv"), "{error}");
    let fewer = EXERCISES.replace("a3,autumn,2\n", "");
    let error = refused(&[("school.toml", MANIFEST), ("log.csv", LOG), ("exercises.csv", &fewer)]);
    assert!(error.contains("item \"a3\" is not in the item file"), "{error}");
    let far = LOG.replace("-11", "-900000000000000000");
    let error = refused(&[("school.toml", MANIFEST), ("log.csv", &far), ("exercises.csv", EXERCISES)]);
    assert!(error.contains("-900000000000000000 is no number of days"), "{error}");
}

#[test]
fn genres_get_the_names_of_their_file() {
    let manifest = with_names(MANIFEST);
    let files = [
        ("school.toml", manifest.as_str()),
        ("log.csv", LOG),
        ("exercises.csv", EXERCISES),
        ("skills.json", NAMES),
    ];
    let (data, notes) = read(&files);
    assert_eq!(data.unwrap().details.distinct_genres(), ["Shapes", "Sums"]);
    assert!(notes.is_empty(), "{notes:?}");
    // Without the file they keep their numbers, with a word.
    let (data, notes) = read(&files[..3]);
    assert_eq!(data.unwrap().details.distinct_genres(), ["1", "2"]);
    assert!(notes[0].contains("without skills.json beside it genres go by their numbers"), "{notes:?}");
}

#[test]
fn a_file_of_names_that_does_not_fit_is_refused() {
    let manifest = with_names(MANIFEST);
    for (names, wanted) in [
        (r#"{"Sums": 1}"#, "no name for the genre \"2\" (of item \"a3\")"),
        (r#"{"Sums": 1, "Adding": 1, "Shapes": 2}"#, "1 has the names \"Sums\" and \"Adding\""),
        (r#"{"Sums": 1, "Sums": 2}"#, "\"Sums\" is the name of 1 and of 2"),
        (r#"{"Sums": [1], "Shapes": 2}"#, "\"Sums\" has [1]: expected the number of a genre"),
        (r#"["Sums", "Shapes"]"#, "expected one JSON object of name: number"),
    ] {
        let files = [
            ("school.toml", manifest.as_str()),
            ("log.csv", LOG),
            ("exercises.csv", EXERCISES),
            ("skills.json", names),
        ];
        let error = refused(&files);
        assert!(error.contains("skills.json") && error.contains(wanted), "{error}");
    }
}

#[test]
fn rules_of_periods_and_names_are_checked() {
    for (from, to, wanted) in [
        ("2014-02-01", "2014-02-30", "is no date"),
        ("2014-02-01", "2014-02-01T10:00", "is no date"),
        (", time = \"day\"", "", "expected a column of the time"),
        ("starts = { autumn = \"2013-10-01\", spring = \"2014-02-01\" }", "starts = {}", "starts = {}"),
        ("column = \"term\"", "column = 0", "columns are counted from 1"),
    ] {
        let error = Manifest::parse("school.toml", &MANIFEST.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let without = with_names(MANIFEST).replace(", genres = { column = \"skill\" }", "");
    let error = Manifest::parse("school.toml", &without).unwrap_err().to_string();
    assert!(error.contains("genre_names: expected a file name, and genres"), "{error}");
}
