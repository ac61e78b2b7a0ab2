//! Scores of another system: evaluated, compared, and refused where they are none.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use std::fmt::Write as _;

use common::World;

const EVALUATE: [&str; 5] = ["evaluate", "--data", "synthetic", "--predictions", "theirs.csv"];

/// Scores of `items` items for every user: item 0 is the best.
fn scores(users: usize, items: usize) -> String {
    let mut text = "user,item,score\n".to_owned();
    for user in 0..users {
        for item in 0..items {
            writeln!(text, "u{user},i{item},{}", 1.0 - item as f64 / 1000.0).unwrap();
        }
    }
    text
}

fn world(text: &str) -> World {
    let world = World::new();
    std::fs::write(world.path("theirs.csv"), text).unwrap();
    world
}

#[test]
fn complete_scores_are_evaluated_under_all_protocols_and_compared_with_a_model() {
    let world = world(&scores(300, 200));
    let report = world.ok(&[&EVALUATE[..], &["--name", "their-system"]].concat());
    let coverage =
        "their-system comes from a file of 60,000 scores: 300 of 300 users have scores, 300 of their targets";
    assert!(report.contains(coverage), "{report}");
    for protocol in ["full: ", "uniform-100: ", "popularity-100: "] {
        assert!(report.contains(protocol), "no {protocol} in\n{report}");
    }
    world.train("popularity", "pop");
    world.ok(&["evaluate", "pop"]);
    let table = world.ok(&["compare", "pop", "theirs-evaluation", "--output", "table"]);
    assert!(table.contains("| their-system") && table.contains("| popularity"), "{table}");
    assert!(table.contains(coverage), "{table}");
    let page = std::fs::read_to_string(world.path("table/report.html")).unwrap();
    assert!(page.contains(coverage), "{page}");
}

#[test]
fn partial_scores_are_ranked_in_the_whole_catalogue_and_covered_users_are_counted() {
    let world = world(&scores(120, 10));
    let call = world.run(&EVALUATE);
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    assert!(call.stderr.contains("Not all candidates have scores"), "{}", call.stderr);
    assert!(call.stdout.contains("120 of 300 users have scores"), "{}", call.stdout);
    assert!(!call.stdout.contains("uniform-100: "), "{}", call.stdout);
    let asked = world.ok(&[&EVALUATE[..], &["--protocols", "full,uniform-100"]].concat());
    assert!(asked.contains("uniform-100: "), "{asked}");
    let time = world.ok(&[&EVALUATE[..], &["--split", "global-time", "--output", "time"]].concat());
    assert!(time.contains("synthetic, global-time:0.8,0.9, fit on train"), "{time}");
    assert_eq!(world.json("time/evaluation.json")["meta"]["coverage"]["unknown"], 0);
}

#[test]
fn the_same_scores_have_the_same_figures_whatever_the_order_and_the_format() {
    let text = scores(300, 200);
    let world = world(&text);
    let figures = |arguments: &[&str]| {
        let rows: serde_json::Value = serde_json::from_str(&world.ok(arguments)).unwrap();
        rows.as_array().unwrap().iter().map(|row| row["value"].clone()).collect::<Vec<_>>()
    };
    let ours = figures(&[&EVALUATE[..], &["--json"]].concat());
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    lines.reverse();
    let mut json = String::new();
    for line in &lines {
        let cells: Vec<&str> = line.split(',').collect();
        let (user, item, score) = (cells[0], cells[1], cells[2]);
        writeln!(json, "{{\"who\": \"{user}\", \"what\": \"{item}\", \"score\": {score}}}").unwrap();
    }
    std::fs::write(world.path("theirs.jsonl"), json).unwrap();
    let names = ["--user-column", "who", "--item-column", "what", "--json"];
    let base = ["evaluate", "--data", "synthetic", "--predictions", "theirs.jsonl"];
    assert_eq!(figures(&[&base[..], &names].concat()), ours);
    let plain: String = lines.iter().map(|line| line.replace(',', " ") + "\n").collect();
    std::fs::write(world.path("theirs.txt"), plain).unwrap();
    let places = ["--user-column", "1", "--item-column", "2", "--score-column", "3", "--json"];
    let base = ["evaluate", "--data", "synthetic", "--predictions", "theirs.txt"];
    assert_eq!(figures(&[&base[..], &places].concat()), ours);
}

#[test]
fn unknown_ids_are_named_with_their_line_or_counted() {
    let text = "user,item,score\nu1,i1,0.5\nu1,i999,0.5\nu9999,i1,0.5\n";
    let world = world(text);
    world.fails_saying(
        1,
        &EVALUATE,
        &["theirs.csv, line 3: unknown item \"i999\"", "did you mean", "200 items", "--unknown-ids skip"],
    );
    let skipped = world.ok(&[&EVALUATE[..], &["--unknown-ids", "skip"]].concat());
    assert!(skipped.contains("2 rows of unknown users or items were left out"), "{skipped}");
    assert!(skipped.contains("1 of 300 users have scores"), "{skipped}");
    std::fs::write(world.path("theirs.csv"), "user,item,score\nu9999,i1,0.5\n").unwrap();
    world.fails_saying(1, &EVALUATE, &["line 2: unknown user \"u9999\""]);
    let skip = [&EVALUATE[..], &["--unknown-ids", "skip"]].concat();
    world.fails_saying(1, &skip, &["none of the 1 rows", "are these its ids?"]);
}

#[test]
fn broken_files_are_refused_with_their_place() {
    for (text, parts) in [
        (
            "user,item,score\nu1,i1,0.5\nu2,i1,1\nu1,i1,0.7\n",
            &["lines 2 and 4", "\"u1\"", "\"i1\"", "keep one"][..],
        ),
        ("user,item,score\nu1,i1,NaN\n", &["line 2", "NaN", "a finite number"]),
        ("user,item,score\nu1,i1\n", &["line 2", "2 fields"]),
        ("user,item,rating\nu1,i1,1\n", &["no column \"score\"", "user, item, rating"]),
        ("user,item,score\n", &["theirs.csv"]),
        ("", &["theirs.csv"]),
    ] {
        world(text).fails_saying(1, &EVALUATE, parts);
    }
    let world = World::new();
    world.fails_saying(1, &EVALUATE, &["cannot read the predictions", "theirs.csv"]);
    world.fails_saying(2, &["evaluate", "--predictions", "theirs.csv"], &["--data"]);
    world.fails_saying(2, &["evaluate", "knn", "--predictions", "theirs.csv"], &["cannot be used with"]);
    world.fails_saying(
        2,
        &["evaluate", "knn", "--score-column", "x"],
        &["--score-column", "cannot be used with"],
    );
    world.fails_saying(2, &["evaluate"], &["DIR"]);
}
