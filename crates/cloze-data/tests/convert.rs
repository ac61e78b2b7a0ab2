//! Exports of learning platforms, in forms that Moodle and ILIAS write, by hand and small.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::PathBuf;

use cloze_data::convert::{ConvertOptions, Converted, Platform, convert, write_events};
use cloze_data::read::Encoding;
use common::{Folder, gzip};

const QUIZ: &str = "\
Surname,\"First name\",\"ID number\",\"Email address\",State,\"Started on\",Completed,\"Time taken\",Grade/3.00,\"Q. 1 /1.00\",\"Q. 2 /2.00\"
Able,Anne,17,a@x.org,Finished,\"5 March 2024  10:15 AM\",\"5 March 2024  10:25 AM\",\"10 mins\",2.50,1.00,1.50
Able,Anne,17,a@x.org,\"In progress\",\"6 March 2024  10:15 AM\",-,-,-,-,-
Bunce,Bob,18,b@x.org,Finished,\"5 March 2024  11:00 PM\",\"5 March 2024  11:30 PM\",\"30 mins\",0.00,-,\"Requires grading\"
\"Cole, Jr\",Cy,19,c@x.org,-,-,-,-,-,-,-
Dee,Di,20,d@x.org,Finished,\"4 March 2024  9:00 AM\",\"4 March 2024  9:10 AM\",\"10 mins\",1.00,0.00,1.00
\"Overall average\",,,,,,,,1.17,0.50,1.25
";

const GRADEBOOK: &str = "\
\"First name\",\"Last name\",\"Email address\",\"Quiz: Fractions (Percentage)\",\"Quiz: Fractions (Real)\",\"Assignment: Essay (Percentage)\",\"Course total (Percentage)\",\"Last downloaded from this course\"
Anne,Able,a@x.org,\"85.00 %\",8.50,-,\"85.00 %\",1709633700
Bob,Bunce,b@x.org,\"0.00 %\",0.00,\"100.00 %\",\"50.00 %\",1709633700
";

/// The most points of Halves are what the first two leave: Halves 2, Thirds 1.
const ILIAS: &str = "\
\"Name\";\"Login\";\"Matriculation number\";\"Test Results in Points\";\"Maximum Available Points\";\"Test Results in Marks\";\"First Visit\";\"Last Visit\";\"Scored Pass\";\"Pass\";\"Halves\";\"Thirds\"
\"Able, Anne\";\"anne\";\"7\";\"2.5\";\"3\";\"good\";\"5. Mar 2024, 10:00\";\"5. Mar 2024, 10:15\";\"2\";\"1\";\"0\";\"0.5\"
\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"2\";\"2\";\"0.5\"
\"Bunce, \"\"Bob\"\"\";\"bob\";\"8\";\"1\";\"3\";\"poor\";\"6. Mar 2024, 10:00\";\"6. Mar 2024, 11:00\";\"1\";\"1\";\"0\";\"1\"
";

fn read(
    platform: Platform,
    files: &[(&str, &str)],
    change: impl FnOnce(&mut ConvertOptions),
) -> Result<Converted, String> {
    let folder = Folder::new();
    let paths: Vec<PathBuf> =
        files.iter().map(|(name, content)| folder.put(name, content.as_bytes())).collect();
    let mut options = ConvertOptions::default();
    change(&mut options);
    convert(platform, &paths, &options).map_err(|error| error.to_string())
}

fn rows(converted: &Converted) -> Vec<(&str, &str, &str, f64, i64)> {
    converted
        .events
        .iter()
        .map(|one| (one.learner.as_str(), one.exercise.as_str(), one.objective.as_str(), one.score, one.time))
        .collect()
}

fn refused(platform: Platform, name: &str, content: &str, wanted: &[&str]) {
    let error = read(platform, &[(name, content)], |_| ()).unwrap_err();
    for part in wanted.iter().chain(&[name]) {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn the_questions_of_finished_attempts_at_a_quiz_are_answers() {
    let converted = read(Platform::Moodle, &[("Fractions-grades.csv", QUIZ)], |_| ()).unwrap();
    assert_eq!(
        rows(&converted),
        [
            ("17", "Fractions Q. 1", "Fractions", 1.0, 1_709_634_300),
            ("17", "Fractions Q. 2", "Fractions", 0.75, 1_709_634_300),
            ("20", "Fractions Q. 1", "Fractions", 0.0, 1_709_543_400),
            ("20", "Fractions Q. 2", "Fractions", 0.5, 1_709_543_400),
        ]
    );
    let left_out: Vec<_> = converted.left_out.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    assert_eq!(
        left_out,
        [
            ("answers that are not yet graded", 1),
            ("attempts in the state In progress", 1),
            ("attempts in the state none", 1),
            ("questions without an answer", 1),
            ("rows of averages", 1),
        ]
    );
    assert_eq!(converted.notes, ["times without a zone are taken as UTC"]);
}

#[test]
fn newer_headers_and_an_objective_are_taken() {
    let newer = QUIZ
        .replace("Surname", "Last name")
        .replace("State", "Status")
        .replace("Started on", "Started")
        .replace("Time taken", "Duration");
    let one =
        read(Platform::Moodle, &[("F.csv", &newer)], |options| options.objective = Some("Maths".to_owned()));
    assert!(one.unwrap().events.iter().all(|event| event.objective == "Maths"));
}

#[test]
fn a_learner_is_named_by_a_column_that_no_row_of_any_file_lacks() {
    let lacking = QUIZ.replace("Able,Anne,17,", "Able,Anne,,");
    let files = [("A-grades.csv", QUIZ), ("B-grades.csv", lacking.as_str())];
    let converted = read(Platform::Moodle, &files, |_| ()).unwrap();
    assert_eq!(converted.events[0].learner, "a@x.org");
    assert_eq!(converted.learners(), 2);
    assert!(
        converted.notes[0].contains("ID number names no learner, because 1 of 6 rows"),
        "{:?}",
        converted.notes
    );
    let names = QUIZ.replace(",a@x.org", ",").replace("Able,Anne,17,", "Able,Anne,,");
    let converted = read(Platform::Moodle, &[("A-grades.csv", &names)], |_| ()).unwrap();
    assert_eq!(converted.events[0].learner, "Anne Able");
    assert!(converted.notes.iter().any(|note| note.contains("personal data")), "{:?}", converted.notes);
}

#[test]
fn a_gradebook_gives_its_percentages_in_the_order_of_columns() {
    let converted = read(Platform::Moodle, &[("Maths Grades.csv", GRADEBOOK)], |_| ()).unwrap();
    let time = 1_709_633_700;
    assert_eq!(
        rows(&converted),
        [
            ("a@x.org", "Quiz: Fractions", "Maths", 0.85, time),
            ("b@x.org", "Quiz: Fractions", "Maths", 0.0, time),
            ("b@x.org", "Assignment: Essay", "Maths", 1.0, time),
        ]
    );
    assert!(
        converted.notes.iter().any(|note| note.contains("is that of the columns")),
        "{:?}",
        converted.notes
    );
    assert_eq!(converted.left_out["totals and grades of no activity"], 1);
    let real = GRADEBOOK.replace("(Percentage)", "(Letter)");
    refused(
        Platform::Moodle,
        "Maths.csv",
        &real,
        &["grade display type Percentage", "Quiz: Fractions (Real)"],
    );
}

#[test]
fn the_points_of_every_pass_of_a_test_are_answers() {
    let converted = read(Platform::Ilias, &[("week_1_results.csv", ILIAS)], |_| ()).unwrap();
    let (anne, bob) = (1_709_633_700, 1_709_722_800);
    assert_eq!(
        rows(&converted),
        [
            ("anne", "week_1: Halves", "week_1", 0.0, anne),
            ("anne", "week_1: Thirds", "week_1", 0.5, anne),
            ("anne", "week_1: Halves", "week_1", 1.0, anne),
            ("anne", "week_1: Thirds", "week_1", 0.5, anne),
            ("bob", "week_1: Halves", "week_1", 0.0, bob),
            ("bob", "week_1: Thirds", "week_1", 1.0, bob),
        ]
    );
    assert!(converted.notes[0].contains("one time, the last visit"), "{:?}", converted.notes);
}

#[test]
fn german_headers_latin_1_and_gzip_are_read() {
    let german = ILIAS
        .replace("\"Login\"", "\"Benutzername\"")
        .replace("Test Results in Points", "Testergebnis in Punkten")
        .replace("Maximum Available Points", "Maximal erreichbare Punktezahl")
        .replace("Last Visit", "Letzter Aufruf")
        .replace("Scored Pass", "Bewerteter Durchlauf")
        .replace("\"Pass\"", "\"Durchlauf\"")
        .replace("Mar 2024", "Mär 2024")
        .replace("\"0.5\"", "\"0,5\"")
        .replace("Halves", "Hälften");
    let folder = Folder::new();
    let latin: Vec<u8> = german.chars().map(|letter| letter as u8).collect();
    let path = folder.put("week_1_results.csv.gz", &gzip(&latin));
    let options = ConvertOptions { encoding: Encoding::Latin1, ..ConvertOptions::default() };
    let converted = convert(Platform::Ilias, std::slice::from_ref(&path), &options).unwrap();
    assert_eq!(rows(&converted)[0], ("anne", "week_1: Hälften", "week_1", 0.0, 1_709_633_700));
    let error = convert(Platform::Ilias, &[path], &ConvertOptions::default()).unwrap_err().to_string();
    assert!(error.contains("latin-1"), "{error}");
}

#[test]
fn questions_drawn_at_random_have_titles_before_each_pass() {
    let (header, rest) = ILIAS.split_once('\n').unwrap();
    let lines: Vec<&str> = rest.lines().collect();
    let other = header.replace("Halves", "Sums").replace("Thirds", "Halves");
    let titles = format!("{}\"Thirds\";\"Sums\"", "\"\";".repeat(10));
    // Bob's pass: Sums 0 of 1, Halves 1 of 2.
    let random = [header, lines[0], &titles, lines[1], &other, lines[2]].join("\n");
    let points = |options: &mut ConvertOptions| {
        options.points =
            [("Halves", 2.0), ("Thirds", 2.0), ("Sums", 1.0)].map(|(a, b)| (a.to_owned(), b)).into();
    };
    let converted = read(Platform::Ilias, &[("r_results.csv", &random)], points).unwrap();
    let scores: Vec<_> =
        rows(&converted).iter().map(|row| (row.0.to_owned(), row.1.to_owned(), row.3)).collect();
    let row =
        |learner: &str, exercise: &str, score: f64| (learner.to_owned(), format!("r: {exercise}"), score);
    assert_eq!(
        scores,
        [
            row("anne", "Halves", 0.0),
            row("anne", "Thirds", 0.25),
            row("anne", "Thirds", 1.0),
            row("anne", "Sums", 0.5),
            row("bob", "Sums", 0.0),
            row("bob", "Halves", 0.5),
        ]
    );
}

#[test]
fn a_maximum_that_nothing_proves_is_asked_for() {
    let harder =
        ILIAS.replace("\"3\";\"good\"", "\"5\";\"good\"").replace("\"3\";\"poor\"", "\"5\";\"poor\"");
    let files = [("t_results.csv", harder.as_str())];
    refused(Platform::Ilias, files[0].0, &harder, &["\"Halves\" (at most 2 reached)", "--points 'Halves=2'"]);
    let given = |title: &str, most: f64| {
        let point = (title.to_owned(), most);
        read(Platform::Ilias, &files, |options| options.points = [point].into())
    };
    // The other is then what is left of 5.
    assert!((given("Halves", 4.0).unwrap().events[2].score - 0.5).abs() < 1e-12);
    assert!(
        given("Halves", 1.0)
            .unwrap_err()
            .contains("line 3, column 11 (Halves): found \"2\", expected points from 0 to 1")
    );
    assert!(given("Quarters", 1.0).unwrap_err().contains("no question has the title \"Quarters\""));
}

#[test]
fn bad_cells_are_named_with_line_column_and_value() {
    for (from, to, wanted) in [
        (
            "2.50,1.00,1.50",
            "2.50,1.50,1.50",
            "line 2, column 10 (Q. 1 /1.00): found \"1.50\", expected marks from 0 to 1",
        ),
        ("2.50,1.00,1.50", "2.50,-1.00,1.50", "found \"-1.00\""),
        ("2.50,1.00,1.50", "2.50,good,1.50", "found \"good\""),
        ("\"5 March 2024  10:25 AM\"", "yesterday", "line 2, column 7 (Completed): found \"yesterday\""),
        ("\"5 March 2024  10:25 AM\"", "05/03/2024 10:25", "found \"05/03/2024 10:25\""),
        ("2.50,1.00,1.50", "2.50,1.00", "line 2, column 11: 10 fields"),
    ] {
        refused(Platform::Moodle, "F-grades.csv", &QUIZ.replacen(from, to, 1), &[wanted]);
    }
    for (from, to, wanted) in [
        (
            "\"5. Mar 2024, 10:15\"",
            "\"Today, 10:15\"",
            "line 2, column 8 (Last Visit): found \"Today, 10:15\"",
        ),
        (
            "\"0\";\"0.5\"",
            "\"-1\";\"0.5\"",
            "line 2, column 11 (Halves): found \"-1\", expected points from 0 to 2",
        ),
        ("\"0\";\"0.5\"", "\"0\"", "line 2, column 12 (Thirds): found \"\", expected the points"),
        ("\"0\";\"0.5\"", "\"0\";\"0.5\";\"1\"", "line 2, column 13 (no question): found \"1\""),
        ("\"anne\"", "\"\"", "line 2, column 2 (Login): found \"\", expected the login"),
        ("\"Thirds\"", "\"Halves\"", "two questions have the title \"Halves\""),
        ("\"2\";\"1\";\"0\"", "\"2\";\"one\";\"0\"", "expected the number of a pass"),
    ] {
        refused(Platform::Ilias, "t_results.csv", &ILIAS.replacen(from, to, 1), &[wanted]);
    }
}

#[test]
fn other_forms_are_refused_with_their_columns() {
    let responses = QUIZ.replace("Q. 1 /1.00", "Response 1").replace("Q. 2 /2.00", "Response 2");
    refused(
        Platform::Moodle,
        "F.csv",
        &responses,
        &["with marks for each question", "Response 1, Response 2"],
    );
    let other = "user,item\na,b\n";
    refused(
        Platform::Moodle,
        "F.csv",
        other,
        &["neither the report \"Grades\"", "its columns are user, item"],
    );
    refused(Platform::Ilias, "F.csv", other, &["no results of a test", "its columns are user, item"]);
    refused(Platform::Ilias, "F.csv", &ILIAS.replace("\"Login\"", "\"Counter\""), &["anonymous test"]);
    refused(Platform::Moodle, "F.csv", "Surname\n", &["one column"]);
    refused(Platform::Moodle, "F.xlsx", "PK\u{3}\u{4}...", &["a zip archive"]);
    let head = QUIZ.lines().next().unwrap();
    refused(
        Platform::Moodle,
        "F.csv",
        &format!("{head}\nA,B,1,,In progress,,,,,,\n"),
        &["no answer is left; left out: 1"],
    );
}

#[test]
fn an_exercise_needs_one_objective_and_a_file_of_its_own_name() {
    for (objective, wanted) in [("", "have no learning objective"), ("a|b", "has a |")] {
        let objective = Some(objective.to_owned());
        let error =
            read(Platform::Moodle, &[("F.csv", QUIZ)], |options| options.objective = objective).unwrap_err();
        assert!(error.contains(wanted) && error.contains("--objective"), "{error}");
    }
    let error = read(Platform::Moodle, &[("F-grades.csv", QUIZ), ("F.csv", QUIZ)], |_| ()).unwrap_err();
    assert!(error.contains("has the same name: rename one"), "{error}");
}

#[test]
fn the_log_quotes_what_needs_it() {
    let mut converted = read(Platform::Moodle, &[("A, \"B\".csv", QUIZ)], |_| ()).unwrap();
    converted.events.truncate(1);
    let folder = Folder::new();
    let path = folder.put("log.csv", b"old");
    write_events(&path, &converted.events).unwrap();
    let written = std::fs::read_to_string(path).unwrap();
    let row = "17,\"A, \"\"B\"\" Q. 1\",\"A, \"\"B\"\"\",1,1709634300";
    assert_eq!(written, format!("learner,exercise,objective,score,time\n{row}\n"));
}
