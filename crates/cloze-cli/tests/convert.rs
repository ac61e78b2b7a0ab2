//! From an export of a learning platform to recommendations.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use std::fmt::Write as _;

use common::{World, check_width};
use serde_json::Value;

/// A quiz of three questions that 12 learners took twice; each second attempt is all right. The second attempt stands first.
fn quiz() -> String {
    let mut text = "Last name,First name,Email address,Status,Started,Completed,Duration,Grade/3.00,Q. 1 /1.00,Q. 2 /1.00,Q. 3 /1.00\n".to_owned();
    for learner in 0..12 {
        let row = |day: u32, marks: &str| {
            format!("N{learner},L,l{learner}@x.org,Finished,-,\"{day} March 2024  10:15 AM\",-,-,{marks}\n")
        };
        text += &row(6, "1.00,1.00,1.00");
        text += &row(5, if learner % 2 == 0 { "0.50,0.00,-" } else { "1.00,0.00,0.00" });
    }
    text + "Overall average,,,,,,,2.00,0.80,0.50,0.60\n"
}

fn ilias() -> String {
    let mut text = "\"Name\";\"Login\";\"Test Results in Points\";\"Maximum Available Points\";\"Last Visit\";\"Scored Pass\";\"Pass\";\
                    \"Right angles\";\"Circles\"\n"
        .to_owned();
    for learner in 0..12 {
        let points = learner % 3;
        writeln!(
            text,
            "\"N\";\"l{learner}@x.org\";\"{points}\";\"4\";\"7. Mär 2024, 10:15\";\"1\";\"1\";\"{points}\";\"{points}\""
        )
        .unwrap();
    }
    text
}

fn prepare(world: &World, inputs: &[&str]) -> String {
    let columns =
        ["--user", "learner", "--item", "exercise", "--time", "time", "--value", "score", "--once-in-a-row"];
    let items = ["--items", inputs[0], "--item-id", "exercise", "--genres", "objective", "--items-repeated"];
    world.ok(&[&["prepare", "--output", "school", "--input"], inputs, &columns, &items].concat())
}

#[test]
fn an_export_of_moodle_is_converted_prepared_and_recommended_from() {
    let world = World::new();
    std::fs::write(world.path("Fractions-grades.csv"), quiz()).unwrap();
    let call = world.run(&["convert", "moodle", "Fractions-grades.csv", "--output", "log.csv"]);
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    check_width(&call.stdout);
    for part in [
        "answers    66",
        "learners   12",
        "exercises  3",
        "6 questions without an answer",
        "1 rows of averages",
    ] {
        assert!(call.stdout.contains(part), "no {part:?} in\n{}", call.stdout);
    }
    assert!(call.stdout.contains("cloze prepare --input log.csv --user learner"), "{}", call.stdout);
    assert!(call.stderr.contains("taken as UTC"), "{}", call.stderr);

    let prepared = prepare(&world, &["log.csv"]);
    assert!(prepared.contains("66"), "{prepared}");
    world.ok(&["train", "item-knn", "--data", "school", "--output", "knn"]);
    world.ok(&["train", "pfa", "--data", "school", "--output", "pfa"]);
    let ask =
        ["recommend", "knn", "--user", "l3@x.org", "--genre", "fractions", "--success", "pfa", "--json"];
    let answer: Value = serde_json::from_str(&world.ok(&ask)).unwrap();
    let history: Vec<_> =
        answer["history"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    let attempt = ["Fractions Q. 1", "Fractions Q. 2", "Fractions Q. 3"];
    assert_eq!(history, [attempt, attempt].concat());
}

#[test]
fn an_export_of_ilias_is_converted_and_joined_with_one_of_moodle() {
    let world = World::new();
    std::fs::write(world.path("Fractions-grades.csv"), quiz()).unwrap();
    std::fs::write(world.path("Geometry_results.csv"), ilias()).unwrap();
    world.ok(&["convert", "moodle", "Fractions-grades.csv", "--output", "m.csv"]);
    let table = world.ok(&["convert", "ilias", "Geometry_results.csv", "--output", "i.csv"]);
    assert!(table.contains("answers    24"), "{table}");
    let log = std::fs::read_to_string(world.path("i.csv")).unwrap();
    assert!(log.contains("l2@x.org,Geometry: Circles,Geometry,1,1709806500\n"), "{log}");
    let prepared = prepare(&world, &["m.csv", "i.csv"]);
    assert!(prepared.contains("90"), "{prepared}");
    let described = world.ok(&["data", "describe", "school"]);
    assert!(described.contains("2024-03-05 10:15:00 to 2024-03-07 10:15:00"), "{described}");
}

#[test]
fn what_cannot_be_converted_is_named_and_leaves_no_log() {
    let world = World::new();
    std::fs::write(world.path("F-grades.csv"), quiz().replacen("0.50", "1.50", 1)).unwrap();
    std::fs::write(world.path("log.csv"), "old\n").unwrap();
    let convert = ["convert", "moodle", "F-grades.csv", "--output", "log.csv"];
    world.fails_saying(
        1,
        &convert,
        &["F-grades.csv, line 3, column 9 (Q. 1 /1.00): found \"1.50\"", "marks from 0 to 1"],
    );
    assert_eq!(std::fs::read_to_string(world.path("log.csv")).unwrap(), "old\n", "and keeps an earlier one");
    world.fails_saying(
        1,
        &["convert", "moodle", "log.csv", "--output", "log.csv"],
        &["is one of the inputs"],
    );
    world.fails_saying(
        1,
        &["convert", "ilias", "F-grades.csv", "--output", "x.csv"],
        &["no results of a test", "Last name"],
    );
    world.fails_saying(
        1,
        &["convert", "moodle", "F-grades.csv", "--output", "x.csv", "--objective", ""],
        &["no learning objective"],
    );
    let points = ["convert", "ilias", "F-grades.csv", "--output", "x.csv", "--points", "Circles"];
    world.fails_saying(2, &points, &["expected TITLE=POINTS"]);
    world.fails_saying(2, &["convert", "moodle", "--output", "x.csv"], &["INPUT"]);
    assert!(!world.path("x.csv").exists());
}
