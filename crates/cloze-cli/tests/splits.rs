//! A split by time: trained, evaluated, refused where it is another one.

mod common;

use std::fmt::Write as _;

use common::World;
use serde_json::Value;

const SPLIT: [&str; 2] = ["--split", "global-time:0.8,0.9"];

/// Settings with which a step takes milliseconds.
const TINY: [&str; 14] = [
    "--hidden",
    "8",
    "--heads",
    "2",
    "--layers",
    "1",
    "--max-length",
    "20",
    "--steps",
    "3",
    "--batch",
    "8",
    "--warmup",
    "1",
];

#[test]
fn every_model_is_trained_and_evaluated_on_a_split_by_time() {
    let world = World::new();
    let models: [(&str, &[&str]); 8] = [
        ("popularity", &[]),
        ("popularity-recent", &[]),
        ("item-knn", &[]),
        ("item-knn-decay", &[]),
        ("ease", &[]),
        ("ease-decay", &[]),
        ("bert4rec", &TINY),
        ("hybridbert4rec", &["--reuse", "bert4rec"]),
    ];
    let mut hashes = std::collections::BTreeSet::new();
    for (model, options) in models {
        let train = ["train", model, "--data", "synthetic", "--output", model];
        world.ok(&[&train[..], &SPLIT, options].concat());
        let card = &world.json(&format!("{model}/config.json"))["trained_on"];
        assert_eq!(card["split"], "global-time:0.8,0.9");
        hashes.insert(card["split_hash"].as_str().unwrap().to_owned());
        let report = world.ok(&["evaluate", model, "--protocols", "full"]);
        assert!(report.contains("synthetic, global-time:0.8,0.9, fit on train"), "{report}");
        let meta = &world.json(&format!("{model}/evaluation/evaluation.json"))["meta"];
        assert_eq!(meta["split_hash"], card["split_hash"]);
        assert!(meta["users"].as_u64().unwrap() < 300, "users without a past or a future are not tested");
    }
    assert_eq!(hashes.len(), 1);
    let folders: Vec<&str> = models.iter().map(|(model, _)| *model).collect();
    let table = world.ok(&[&["compare"][..], &folders].concat());
    assert!(table.contains("Split global-time:0.8,0.9, hash"), "{table}");
    world.ok(&["recommend", "item-knn", "--user", "u1"]);
}

#[test]
fn both_fits_of_a_split_by_time_predict_the_same_items() {
    let world = World::new();
    for (fit, output) in [("train", "a"), ("train+validation", "b")] {
        let train = ["train", "item-knn", "--data", "synthetic", "--output", output, "--fit", fit];
        world.ok(&[&train[..], &SPLIT].concat());
        world.ok(&["evaluate", output, "--split", "global-time:0.9"]);
    }
    let table: Value = serde_json::from_str(&world.ok(&["compare", "a", "b", "--json"])).unwrap();
    let fits: std::collections::BTreeSet<&str> =
        table.as_array().unwrap().iter().map(|row| row["fit"].as_str().unwrap()).collect();
    assert_eq!(fits.len(), 2);
    world.ok(&["evaluate", "a", "--target", "validation"]);
    world.fails_saying(1, &["evaluate", "b", "--target", "validation"], &["--target test"]);
}

#[test]
fn another_split_than_the_model_was_trained_on_is_refused() {
    let world = World::new();
    world.train("popularity", "loo");
    let parts = [
        "loo was trained on the split leave-one-out, not on global-time:0.8,0.9",
        "--split global-time:0.8,0.9",
    ];
    world.fails_saying(1, &[&["evaluate", "loo"][..], &SPLIT].concat(), &parts);
    let train = ["train", "popularity", "--data", "synthetic", "--output", "time"];
    world.ok(&[&train[..], &SPLIT].concat());
    world.fails_saying(
        1,
        &["evaluate", "time", "--split", "leave-one-out"],
        &["trained on the split global-time"],
    );
    // Another cut is another split, and so is a card that says so.
    world.fails_saying(
        1,
        &["evaluate", "time", "--split", "global-time:0.7,0.9"],
        &["not on global-time:0.7,0.9"],
    );
    world.edit("time/config.json", |card| card["trained_on"]["split"] = "global-time:0.7,0.9".into());
    world.fails_saying(1, &["evaluate", "time"], &["another split"]);
    world.edit("time/config.json", |card| card["trained_on"]["split"] = "by-moon".into());
    world.fails_saying(1, &["evaluate", "time"], &["config.json", "by-moon", "leave-one-out"]);
}

#[test]
fn a_tower_of_another_split_is_not_reused() {
    let world = World::new();
    let bert = ["train", "bert4rec", "--data", "synthetic", "--output", "bert"];
    world.ok(&[&bert[..], &TINY].concat());
    let hybrid = ["train", "hybridbert4rec", "--data", "synthetic", "--output", "hybrid", "--reuse", "bert"];
    world.fails_saying(
        1,
        &[&hybrid[..], &SPLIT].concat(),
        &["bert", "what it learned may know what is held out"],
    );
}

#[test]
fn splits_that_cannot_be_are_refused_with_the_forms() {
    let world = World::new();
    let train = ["train", "popularity", "--data", "synthetic", "--output", "pop", "--split"];
    let refused = |split: &str, code: i32, parts: &[&str]| {
        world.fails_saying(code, &[&train[..], &[split]].concat(), parts);
    };
    refused("leave-two-out", 2, &["leave-two-out", "leave-one-out, global-time"]);
    refused("global-time:0.9,0.8", 2, &["after the test part"]);
    refused("global-time:2090-01-01,2091-01-01", 1, &["choose another cut"]);
    assert!(!world.path("pop").exists());
    world.fails_saying(2, &["evaluate", "pop", "--split", "validation"], &["--target validation"]);

    // A log without times.
    std::fs::create_dir(world.path("tiny")).unwrap();
    let rows: Vec<String> = (0..40).map(|n| format!("u{} i{}", n % 5, n % 7)).collect();
    std::fs::write(world.path("tiny/tiny.txt"), rows.join("\n")).unwrap();
    let manifest = "name = \"tiny\"\ntitle = \"t\"\ncitation = \"c\"\nlicence = \"l\"\nlicence_url = \"u\"\n\
        [[forms]]\nname = \"f\"\n[forms.interactions]\nfiles = [\"tiny/tiny.txt\"]\n\
        table = { separator = \"whitespace\" }\ncolumns = { user = 1, item = 2 }\n\
        [[sources]]\nkind = \"local\"\n";
    std::fs::write(world.path("tiny.toml"), manifest).unwrap();
    let prepare = ["data", "prepare", "tiny.toml", "--data-dir", "."];
    world.ok(&prepare);
    world.fails_saying(1, &[&prepare[..], &SPLIT].concat(), &["tiny.toml", "no times"]);
}

#[test]
fn the_numbers_of_a_split_are_shown() {
    let world = World::new();
    let shown = world.ok(&[&["data", "prepare", "synthetic"][..], &SPLIT].concat());
    for part in
        ["global-time:0.8,0.9, validation from time ", "test from time", "users held out", "split hash"]
    {
        assert!(shown.contains(part), "no {part} in\n{shown}");
    }
}

#[test]
fn what_a_user_had_before_is_looked_for_among_all_items_or_not_at_all() {
    let world = World::new();
    let mut log = "user,item\n".to_owned();
    for user in 0..20 {
        // Every fourth user ends with the item of the beginning.
        let last = if user % 4 == 0 { user } else { user + 3 };
        for item in [user, user + 1, user + 2, last] {
            writeln!(log, "u{user},i{}", item % 10).unwrap();
        }
    }
    std::fs::write(world.path("log.csv"), log).unwrap();
    world.ok(&["prepare", "--input", "log.csv", "--user", "user", "--item", "item", "--output", "shop"]);
    world.ok(&["train", "popularity", "--data", "shop", "--output", "pop"]);
    let call = world.run(&["evaluate", "pop", "--protocols", "full"]);
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    assert!(call.stderr.contains("5 of 20 users are left out"), "{}", call.stderr);
    assert!(call.stdout.contains("test items of 15 users (5 more are left out"), "{}", call.stdout);
    let meta = || world.json("pop/evaluation/evaluation.json")["meta"].clone();
    assert_eq!((meta()["users"].as_u64(), meta()["repeats"].as_u64()), (Some(15), Some(5)));
    world.ok(&["evaluate", "pop", "--keep-seen"]);
    assert_eq!((meta()["users"].as_u64(), meta()["repeats"].as_u64()), (Some(20), None));
}
