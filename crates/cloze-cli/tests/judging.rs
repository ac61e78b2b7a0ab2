//! Pools for annotators, and models measured by what these say.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use common::{World, check_width};
use serde_json::Value;

/// Two models of generated data, and a pool of their items.
fn world() -> World {
    let world = World::new();
    world.train("item-knn", "knn");
    world.train("popularity", "popular");
    world
        .ok(&["pool", "knn", "popular", "--output", "pool.csv", "--top", "5", "--users", "8", "--seed", "3"]);
    world
}

fn pool(world: &World, name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(world.path(name)).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// Writes a file with these grades behind the rows of the pool.
fn graded(world: &World, name: &str, grade: impl Fn(&[String]) -> &'static str) {
    let rows = pool(world, "pool.csv");
    let mut text = rows[0].join(",") + "\n";
    for row in &rows[1..] {
        writeln!(text, "{},{}", row[..4].join(","), grade(row)).unwrap();
    }
    std::fs::write(world.path(name), text).unwrap();
}

fn top(world: &World, model: &str, user: &str) -> Vec<String> {
    let answer = world.ok(&["recommend", model, "--user", user, "--top", "5", "--json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let best = answer["recommendations"].as_array().unwrap();
    best.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pool_is_the_union_of_the_models_lists_in_an_order_of_its_own() {
    let world = world();
    let rows = pool(&world, "pool.csv");
    assert_eq!(rows[0], ["user", "item", "title", "genres", "relevant"]);
    let users: BTreeSet<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(users.len(), 8);
    let mut in_order = 0;
    for user in &users {
        let items: Vec<&str> =
            rows[1..].iter().filter(|row| row[0] == **user).map(|row| row[1].as_str()).collect();
        let (a, b) = (top(&world, "knn", user), top(&world, "popular", user));
        let expected: BTreeSet<&str> = a.iter().chain(&b).map(String::as_str).collect();
        assert_eq!(items.len(), expected.len(), "each once");
        assert_eq!(items.iter().copied().collect::<BTreeSet<_>>(), expected);
        in_order += usize::from(items.starts_with(&a.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    assert!(in_order < 2, "{in_order} of 8 users' pools begin as a model's list");
    let again =
        ["pool", "popular", "knn", "--output", "again.csv", "--top", "5", "--users", "8", "--seed", "3"];
    world.ok(&again);
    assert_eq!(pool(&world, "again.csv"), rows, "the order of the models does not show");
    world.fails_saying(1, &["pool", "knn", "--output", "pool.csv"], &["grades in it would be lost"]);
}

#[test]
fn models_are_measured_by_the_grades() {
    let world = world();
    // What knn has is relevant, what only the other has is not.
    graded(&world, "graded.csv", |row| if top(&world, "knn", &row[0]).contains(&row[1]) { "2" } else { "0" });
    world.train("item-knn-decay", "new");
    let ask = ["judge", "graded.csv", "knn", "popular", "new", "--top", "5"];
    let table = world.ok(&ask);
    check_width(&table);
    for part in ["P@5", "MAP", "judged", "8 users", "1.00 [1.00, 1.00]"] {
        assert!(table.contains(part), "{part} in {table}");
    }
    let found: Value = serde_json::from_str(&world.ok(&[&ask[..], &["--json"]].concat())).unwrap();
    let value = |model: usize, measure: &str| {
        let means = found[model]["means"].as_array().unwrap();
        let mean = means.iter().find(|mean| mean["measure"] == measure).unwrap();
        assert_eq!(mean["users"], 8);
        mean["mean"]["value"].as_f64().unwrap()
    };
    for measure in ["precision", "recall", "average-precision", "ndcg", "judged"] {
        assert!((value(0, measure) - 1.0).abs() < 1e-12, "{measure}: {found}");
    }
    assert!(value(1, "precision") < 0.9 && (value(1, "judged") - 1.0).abs() < 1e-12, "{found}");
    assert!(value(2, "judged") < 1.0, "not in the pool: {found}");

    // Half of the rows: the share of judged items says so.
    graded(&world, "half.csv", |row| if row[1].len().is_multiple_of(2) { "1" } else { "" });
    let half = world.ok(&["judge", "half.csv", "popular", "--top", "5"]);
    assert!(half.contains("rows judged"), "{half}");
}

#[test]
fn what_annotators_may_get_wrong_is_named_with_its_place() {
    let world = world();
    graded(&world, "graded.csv", |_| "1");
    let good = std::fs::read_to_string(world.path("graded.csv")).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let cells: Vec<&str> = lines[1].split(',').collect();
    let fails = |changed: &str, parts: &[&str]| {
        let text = format!("{}\n{}\n{changed}\n", lines[0], lines[1]);
        std::fs::write(world.path("bad.csv"), text).unwrap();
        world.fails_saying(1, &["judge", "bad.csv", "knn"], parts);
    };
    let second: Vec<&str> = lines[2].split(',').collect();
    let row = |user: &str, item: &str, grade: &str| format!("{user},{item},,,{grade}");
    let place = "bad.csv, line 3, column";
    fails(&row("nobody", second[1], "1"), &[place, "\"user\"", "unknown user \"nobody\""]);
    fails(&row(second[0], "nothing", "1"), &[place, "\"item\"", "unknown item \"nothing\""]);
    fails(&row(second[0], second[1], "good"), &[place, "\"relevant\"", "\"good\" is no number"]);
    fails(&row(second[0], second[1], "4"), &[place, "\"4\" is no grade", "to 3"]);
    fails(&row(cells[0], cells[1], ""), &[place, "stand in line 2 already"]);
    fails("1,2", &["line 3: 2 fields, the header has 5"]);
    let judge = ["judge", "bad.csv", "knn"];
    std::fs::write(world.path("bad.csv"), "user;item;relevant\n1;2;1\n").unwrap();
    world.fails_saying(1, &judge, &["line 1: no column \"user\"", "with commas"]);
    world.fails_saying(1, &["judge", "pool.csv", "knn"], &["none of the", "write 0 for"]);
    std::fs::write(world.path("bad.csv"), "").unwrap();
    world.fails_saying(1, &judge, &["is empty"]);
    world.fails_saying(1, &["judge", "missing.csv", "knn"], &["cannot read missing.csv"]);
}
