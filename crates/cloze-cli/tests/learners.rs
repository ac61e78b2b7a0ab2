//! Logs of learners: exercises with learning objectives, and what is recommended for one of these.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use std::fmt::Write as _;

use common::{World, check_width};
use serde_json::Value;

/// 30 learners at 12 exercises, each of one or two of the objectives Shapes and Sums: a row for each of the exercise's.
fn log() -> String {
    let mut lines = "learner,exercise,objective,right,order\n".to_owned();
    for learner in 0..30 {
        for step in 0..8 {
            let exercise = (learner * 5 + step) % 12;
            let objectives = match exercise {
                0..6 => &["Shapes"][..],
                6 => &["Shapes", "Sums"],
                _ => &["Sums"],
            };
            for objective in objectives {
                writeln!(lines, "l{learner},x{exercise},{objective},{},{step}", learner % 2).unwrap();
            }
        }
    }
    lines
}

const PREPARE: [&str; 21] = [
    "prepare",
    "--input",
    "log.csv",
    "--output",
    "school",
    "--once-in-a-row",
    "--user",
    "learner",
    "--item",
    "exercise",
    "--time",
    "order",
    "--value",
    "right",
    "--items",
    "log.csv",
    "--item-id",
    "exercise",
    "--genres",
    "objective",
    "--items-repeated",
];

fn world() -> World {
    let world = World::new();
    std::fs::write(world.path("log.csv"), log()).unwrap();
    let prepared = world.ok(&PREPARE);
    assert!(prepared.contains("240") && prepared.contains("once_in_a_row"), "{prepared}");
    world.ok(&["train", "item-knn", "--data", "school", "--output", "knn"]);
    world
}

#[test]
fn exercises_of_one_objective_are_recommended_and_evaluated() {
    let world = world();
    let ask = ["recommend", "knn", "--user", "l3", "--genre", "sums", "--top", "3"];
    check_width(&world.ok(&ask));
    let answer: Value = serde_json::from_str(&world.ok(&[&ask[..], &["--json"]].concat())).unwrap();
    let best = answer["recommendations"].as_array().unwrap();
    assert!(!best.is_empty());
    for (rank, item) in (1..).zip(best) {
        assert_eq!(item["rank"], rank);
        assert!(item["genres"].as_array().unwrap().contains(&Value::from("Sums")), "{item}");
    }
    // Hidden, it has its rank among the objective's.
    let hidden = [&ask[..], &["--held-out", "--json"]].concat();
    let hidden: Value = serde_json::from_str(&world.ok(&hidden)).unwrap();
    assert!(hidden["held_out"]["candidates"].as_u64().unwrap() <= 7, "{hidden}");

    let table = world.ok(&["evaluate", "knn", "--protocols", "full,within-genre"]);
    assert!(table.contains("within-genre: items that share a genre with the target"), "{table}");
    // From what was done for the objective alone.
    let narrow = [&ask[..], &["--history-within-genre", "--json"]].concat();
    let narrow: Value = serde_json::from_str(&world.ok(&narrow)).unwrap();
    let history = narrow["history"].as_array().unwrap();
    assert!(!history.is_empty() && history.len() < answer["history"].as_array().unwrap().len(), "{narrow}");
    let within = ["evaluate", "knn", "--history-within-genre", "--output", "narrow", "--protocols"];
    let table = world.ok(&[&within[..], &["within-genre"]].concat());
    assert!(table.contains("history within genre"), "{table}");
    world.fails_saying(1, &[&within[..], &["full"]].concat(), &["give --protocols within-genre with it"]);
    let error = ["recommend", "knn", "--user", "l3", "--genre", "Summs"];
    world.fails_saying(1, &error, &["no such genre", "did you mean Sums", "Shapes, Sums"]);
}

#[test]
fn exercises_come_with_the_learner_s_success_and_at_the_difficulty_asked_for() {
    let world = world();
    world.ok(&["train", "pfa", "--data", "school", "--output", "pfa"]);
    let table = world.ok(&["evaluate", "pfa", "--protocols", "full"]);
    assert!(table.contains("AUC 1.000") && table.contains("30 held-out ratings"), "{table}");
    let ask = |user: &str, range: &[&str]| -> Vec<f64> {
        let base = ["recommend", "knn", "--user", user, "--success", "pfa", "--json"];
        let answer: Value = serde_json::from_str(&world.ok(&[&base[..], range].concat())).unwrap();
        answer["recommendations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["success"].as_f64().unwrap())
            .collect()
    };
    // Even learners answer everything wrong, odd ones everything right.
    assert!(ask("l3", &[]).iter().all(|success| *success > 0.5));
    assert!(ask("l4", &[]).iter().all(|success| *success < 0.5));
    assert!(!ask("l3", &["--success-range", "0.5,1"]).is_empty());
    assert!(ask("l4", &["--success-range", "0.5,1"]).is_empty());
    let text = world.ok(&["recommend", "knn", "--user", "l3", "--success", "pfa"]);
    check_width(&text);
    assert!(text.contains("success"), "{text}");
    world.fails_saying(1, &["recommend", "knn", "--user", "l3", "--success", "knn"], &["a pfa is needed"]);
    let range = ["recommend", "knn", "--user", "l3", "--success", "pfa", "--success-range", "0.8,0.5"];
    world.fails_saying(2, &range, &["the smaller first"]);
    world.fails_saying(
        1,
        &["train", "pfa", "--data", "synthetic", "--output", "x"],
        &["cloze prepare --value"],
    );
}

#[test]
fn data_without_objectives_say_how_to_get_them() {
    let world = World::new();
    world.train("item-knn", "knn");
    world.fails_saying(
        1,
        &["recommend", "knn", "--user", "u7", "--genre", "Sums"],
        &["no genres", "--genres COLUMN"],
    );
    let evaluate = ["evaluate", "knn", "--protocols", "within-genre"];
    world.fails_saying(1, &evaluate, &["within-genre needs data whose items have genres"]);
}

/// The ids of the history of a learner, oldest first.
fn history(world: &World, learner: &str) -> Vec<String> {
    let answer = world.ok(&["recommend", "knn", "--user", learner, "--json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let ids = answer["history"].as_array().unwrap().iter();
    ids.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_learner_with_one_answer_is_advised_and_never_held_out() {
    let world = World::new();
    std::fs::write(world.path("log.csv"), log() + "once,x7,Sums,1,0\n").unwrap();
    let prepared = world.ok(&PREPARE);
    assert!(
        prepared.contains("users               31") && prepared.contains("users held out      30"),
        "{prepared}"
    );
    world.ok(&["train", "item-knn", "--data", "school", "--output", "knn"]);
    world.ok(&["train", "pfa", "--data", "school", "--output", "pfa"]);
    assert_eq!(history(&world, "once"), ["x7"]);
    let ask = ["recommend", "knn", "--user", "once", "--genre", "Sums", "--success", "pfa", "--json"];
    let answer: Value = serde_json::from_str(&world.ok(&ask)).unwrap();
    assert!(!answer["recommendations"].as_array().unwrap().is_empty(), "{answer}");
    world.fails_saying(1, &["recommend", "knn", "--user", "once", "--held-out"], &["once"]);
    world.ok(&["evaluate", "knn", "--protocols", "full"]);
    // Nobody else is there: nothing can be held out.
    std::fs::write(world.path("log.csv"), "learner,exercise,objective,right,order\nonce,x7,Sums,1,0\n")
        .unwrap();
    world.ok(&PREPARE);
    let train = ["train", "item-knn", "--data", "school", "--output", "none"];
    world.fails_saying(1, &train, &["none of the 1 users has 3 interactions"]);
}

#[test]
fn an_exercise_without_an_objective_is_counted_and_in_no_objective() {
    let world = World::new();
    // Exercise 8 loses its only objective.
    let text: String = log()
        .lines()
        .map(|line| if line.contains(",x8,") { line.replace("Sums", "") } else { line.to_owned() } + "\n")
        .collect();
    std::fs::write(world.path("log.csv"), text).unwrap();
    let prepared = world.ok(&PREPARE);
    assert!(
        prepared.contains("items               12") && prepared.contains("items with a genre  11"),
        "{prepared}"
    );
    world.ok(&["train", "item-knn", "--data", "school", "--output", "knn"]);
    for objective in ["Sums", "Shapes"] {
        let ask = ["recommend", "knn", "--user", "l3", "--genre", objective, "--top", "12", "--json"];
        let answer: Value = serde_json::from_str(&world.ok(&ask)).unwrap();
        let best = answer["recommendations"].as_array().unwrap();
        assert!(!best.is_empty() && best.iter().all(|item| item["id"] != "x8"), "{answer}");
    }
    world.ok(&["evaluate", "knn", "--protocols", "full,within-genre"]);
    world.ok(&["train", "pfa", "--data", "school", "--output", "pfa"]);
}

#[test]
fn answers_that_are_no_number_are_named_and_those_without_one_can_be_dropped() {
    let world = World::new();
    for (right, parts) in [
        ("inf", &["log.csv, line 242, column 4 (value): found \"inf\"", "a finite number"][..]),
        ("NaN", &["line 242, column 4 (value): found \"NaN\""]),
        ("yes", &["found \"yes\", expected a finite number"]),
        ("", &["found \"\", expected a finite number", "--drop-without-value"]),
    ] {
        let lines = log().lines().count();
        std::fs::write(world.path("log.csv"), log() + &format!("l3,x7,Sums,{right},9\n")).unwrap();
        let named: Vec<String> =
            parts.iter().map(|part| part.replace("242", &(lines + 1).to_string())).collect();
        world.fails_saying(1, &PREPARE, &named.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let prepared = world.ok(&[&PREPARE[..], &["--drop-without-value"]].concat());
    assert!(prepared.contains("1 by drop_without_value"), "{prepared}");
    // All out of the range of wrong and right: there is nothing to learn from.
    let text = log().replace(",0,", ",-3,").replace(",1,", ",-2,");
    std::fs::write(world.path("log.csv"), text).unwrap();
    world.ok(&PREPARE);
    world.fails_saying(
        1,
        &["train", "pfa", "--data", "school", "--output", "pfa"],
        &["all answers are wrong"],
    );
}

#[test]
fn answers_come_in_the_order_of_their_times_whatever_that_of_the_rows() {
    let world = world();
    let expected = history(&world, "l3");
    let text = log();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    std::fs::write(world.path("log.csv"), lines.join("\n")).unwrap();
    world.ok(&PREPARE);
    world.ok(&["train", "item-knn", "--data", "school", "--output", "knn", "--replace"]);
    assert_eq!(history(&world, "l3"), expected);
}

#[test]
fn the_difficulty_of_recommended_exercises_is_measured_against_a_target() {
    let world = world();
    world.ok(&["train", "pfa", "--data", "school", "--output", "pfa"]);
    let measure = ["--success", "pfa", "--success-target", "0.7"];
    let table = world.ok(&[&["evaluate", "knn"][..], &measure].concat());
    check_width(&table.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n"));
    let parts = ["Difficulty fit: target 0.7, by pfa", "gap to target", "(taken next)", "category coverage"];
    for part in parts {
        assert!(table.contains(part), "{part} in {table}");
    }
    let kept = world.json("knn/evaluation/evaluation.json");
    assert_eq!(
        (&kept["meta"]["success"]["model"], &kept["meta"]["success"]["target"]),
        (&"pfa".into(), &0.7.into())
    );
    // The pfa itself recommends what is easiest: more is answered right than of its data, and of what is taken next.
    world.ok(&[&["evaluate", "pfa"][..], &measure].concat());
    world.ok(&["compare", "knn", "pfa", "--output", "report"]);
    let rows = world.json("report/analysis.json")["difficulty"].as_array().unwrap().clone();
    let p = |model: &str, of: &str| {
        let row = rows.iter().find(|row| row["model"] == model && row["of"] == of).unwrap();
        row["success"]["value"].as_f64().unwrap()
    };
    assert!(p("pfa", "list") >= p("item-knn", "list") && p("pfa", "list") >= p("pfa", "random"), "{rows:?}");
    let page = std::fs::read_to_string(world.path("report/report.html")).unwrap();
    assert!(page.contains("Difficulty fit: target 0.7"));

    world.train("item-knn", "other");
    let fails = |arguments: &[&str], code: i32, parts: &[&str]| {
        world.fails_saying(code, &[&["evaluate"][..], arguments].concat(), parts);
    };
    fails(&["other", "--success", "pfa"], 1, &["must be of the same data and split", "cloze train pfa"]);
    fails(&["knn", "--success", "knn"], 1, &["a pfa is needed"]);
    fails(&["knn", "--success", "pfa", "--protocols", "uniform-100"], 1, &["add full to --protocols"]);
    fails(&["knn", "--success", "pfa", "--success-target", "70"], 2, &["a probability from 0 to 1"]);
    fails(&["knn", "--success-target", "0.5"], 2, &["--success"]);
    world.ok(&["train", "pfa", "--data", "school", "--output", "both", "--fit", "train+validation"]);
    fails(
        &["knn", "--target", "validation", "--success", "both"],
        1,
        &["has seen the answers", "--fit train"],
    );
}
