//! A user's own log: prepared, described, trained on, evaluated.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fmt::Write as _;

use common::{World, check_width};
use serde_json::Value;

/// A log in which item k is followed by item k + 1; user 0 has a name with a comma, quotes and an accent.
fn log() -> String {
    let mut text = "when,U,I,stars\n".to_owned();
    for user in 0..12 {
        let name = if user == 0 { "\"Zo\u{eb}, \"\"Z\"\"\"".to_owned() } else { format!("u{user}") };
        for step in 0..8 {
            let item = (user + step) % 10;
            let (time, stars) = (1_600_000_000 + user * 1000 + step * 10, 1 + step % 5);
            writeln!(text, "{time},{name},i{item},{stars}").unwrap();
        }
    }
    text
}

const PREPARE: [&str; 11] =
    ["prepare", "--input", "log.csv", "--user", "U", "--item", "I", "--time", "when", "--output", "own"];

fn world() -> World {
    let world = World::new();
    std::fs::write(world.path("log.csv"), log()).unwrap();
    world
}

#[test]
fn an_own_log_goes_from_the_file_to_recommendations() {
    let world = world();
    let mut items = "id;name;year;colours;words\n".to_owned();
    for item in 0..10 {
        writeln!(items, "i{item};Item {item};1999;red/green;about {item}").unwrap();
    }
    std::fs::write(world.path("items.txt"), items).unwrap();
    let flags = [
        "--items",
        "items.txt",
        "--item-id",
        "id",
        "--title",
        "name",
        "--year",
        "year",
        "--genres",
        "colours",
        "--genre-separator",
        "/",
        "--text",
        "words",
        "--items-separator",
        ";",
        "--value",
        "stars",
        "--k-core",
        "2",
    ];
    let prepared = world.ok(&[&PREPARE[..], &flags].concat());
    check_width(&prepared);
    for part in
        ["96", "times               seconds", "items with a title  10", "cloze train item-knn --data own"]
    {
        assert!(prepared.contains(part), "{part} in {prepared}");
    }
    let origin = world.json("own/origin.json");
    assert_eq!(origin["inputs"][0]["file"], "log.csv");
    assert_eq!(origin["inputs"][0]["size"], log().len());
    assert_eq!(origin["inputs"][0]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(origin["filters"]["user_core"], 2);

    world.ok(&["train", "item-knn", "--data", "own", "--output", "knn"]);
    // The folder is found from elsewhere too.
    let elsewhere = world.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let evaluate =
        world.command().current_dir(&elsewhere).args(["evaluate", "../knn", "--json"]).output().unwrap();
    assert!(evaluate.status.success(), "{}", String::from_utf8_lossy(&evaluate.stderr));
    let rows: Value = serde_json::from_slice(&evaluate.stdout).unwrap();
    assert!(rows.as_array().is_some_and(|rows| !rows.is_empty()), "{rows}");

    let answer = world.ok(&["recommend", "knn", "--user", "Zo\u{eb}, \"Z\"", "--top", "2"]);
    assert!(answer.contains("Item ") && answer.contains("(1999)"), "{answer}");
    let typed = world.ok(&["recommend", "knn", "--history", "Item 3 (1999)", "--top", "1", "--json"]);
    let typed: Value = serde_json::from_str(&typed).unwrap();
    assert!(typed["recommendations"][0]["title"].is_string(), "{typed}");

    let split = |answer: &str| answer.lines().find(|line| line.starts_with("split hash")).unwrap().to_owned();
    let by_folder = world.ok(&["data", "prepare", "own"]);
    let by_file = world.ok(&["data", "prepare", "own/metadata.json"]);
    assert_eq!(split(&by_folder), split(&by_file));
}

#[test]
fn a_description_shows_numbers_plots_and_warnings() {
    let world = world();
    world.ok(&PREPARE);
    let text = world.ok(&["data", "describe", "own"]);
    check_width(&text);
    for part in [
        "users                            12\n",
        "2020-09-13 12:26:40 to 2020-09-13 15:",
        "per user",
        "Users by number of interactions",
        "█",
        "log.csv",
        "sha256",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json: Value = serde_json::from_str(&world.ok(&["data", "describe", "own", "--json"])).unwrap();
    assert_eq!((&json["users"], &json["lengths"]["max"]), (&12.into(), &8.into()));
    assert_eq!(json["timeline"].as_array().map(Vec::len), Some(24));

    world.ok(&["data", "describe", "synthetic", "--html", "page.html"]);
    let page = std::fs::read_to_string(world.path("page.html")).unwrap();
    for part in ["<!doctype html>", "Generated data, not real", "<svg", "per item", "</html>"] {
        assert!(page.contains(part), "{part}");
    }
    // Self-contained: nothing is fetched, nothing runs.
    for part in ["<script", "http-equiv", " src=", "<link", "@import"] {
        assert!(!page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());

    // Without times, the reader is warned.
    let untimed = ["prepare", "--input", "log.csv", "--user", "U", "--item", "I", "--output", "untimed"];
    world.ok(&untimed);
    let text = world.ok(&["data", "describe", "untimed"]);
    assert!(text.contains("Warnings:") && text.contains("There are no times"), "{text}");
    world.fails_saying(
        1,
        &["data", "describe", "own", "--html", "no/such/page.html"],
        &["cannot create a file in no/such"],
    );
}

#[test]
fn several_files_are_one_log() {
    let world = world();
    let whole = log();
    let lines: Vec<&str> = whole.lines().collect();
    let half = |from: usize, to: usize| format!("{}\n{}\n", lines[0], lines[from..to].join("\n"));
    std::fs::write(world.path("a.csv"), half(1, 50)).unwrap();
    std::fs::write(world.path("b.csv"), half(50, 97)).unwrap();
    world.ok(&[&PREPARE[..], &["--name", "own"]].concat());
    let mut two = PREPARE.to_vec();
    two.splice(2..3, ["a.csv", "b.csv"]);
    let last = two.len() - 1;
    two[last] = "two";
    world.ok(&[&two[..], &["--name", "own"]].concat());
    for file in ["sequences.arrow", "users.json", "items.json", "metadata.json"] {
        let read = |folder: &str| std::fs::read(world.path(folder).join(file)).unwrap();
        assert!(read("own") == read("two"), "{file}");
    }
    // A bad row is named by its own file and line.
    std::fs::write(world.path("b.csv"), half(50, 52) + "soon,u1,i1,3\n").unwrap();
    world.fails_saying(1, &two, &["b.csv, line 4, column 1 (time)", "\"soon\""]);
    let skip = [&two[..], &["--bad-rows", "skip"]].concat();
    let call = world.run(&skip);
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    assert!(call.stderr.contains("1 bad rows were left out, see two/rejected.csv"), "{}", call.stderr);
    let rejected = std::fs::read_to_string(world.path("two/rejected.csv")).unwrap();
    assert!(rejected.starts_with("file,line,reason,row\n\"b.csv\",4,"), "{rejected}");
    assert!(rejected.trim_end().ends_with("\"soon,u1,i1,3\""), "{rejected}");
}

#[test]
fn options_that_make_no_sense_are_told() {
    let world = world();
    let with = |flags: &[&'static str]| [&PREPARE[..], flags].concat();
    world.fails_saying(2, &["prepare", "--input", "log.csv", "--output", "o"], &["--user", "--item"]);
    world.fails_saying(2, &with(&["--min-value", "3"]), &["--value"]);
    world.fails_saying(2, &with(&["--title", "name"]), &["--items"]);
    world.fails_saying(
        2,
        &with(&["--items", "log.csv", "--title", "I", "--genre-separator", "/"]),
        &["--genres <COL>"],
    );
    std::fs::write(world.path("log.jsonl"), "{\"U\":1,\"I\":2}\n").unwrap();
    let json = ["prepare", "--input", "log.jsonl", "--user", "U", "--item", "I", "--output", "own"];
    for (flag, value) in
        [("--separator", ";"), ("--header", "true"), ("--encoding", "latin-1"), ("--quotes", "true")]
    {
        let parts = ["log.jsonl", "for delimited text, and this is JSON lines: leave it out", &flag[2..]];
        world.fails_saying(1, &[&json[..], &[flag, value]].concat(), &parts);
    }
    world.fails_saying(
        1,
        &with(&["--separator", "::", "--quotes", "true"]),
        &["quoted cells need one of one byte"],
    );
    world.fails_saying(2, &with(&["--k-core", "2", "--user-core", "3"]), &["--k-core", "--user-core"]);
    world.fails_saying(2, &with(&["--value", "0"]), &["counted from 1"]);
    world.fails_saying(1, &with(&["--items", "log.csv"]), &["--title, --genres or --text"]);
    world.fails_saying(1, &with(&["--k-core", "50"]), &["no interaction is left of 96", "user_core = 50"]);
    world.fails_saying(
        1,
        &with(&["--items", "log.csv", "--item-id", "stars", "--title", "I"]),
        &["log.csv, line", "(id)", "stood above"],
    );
    std::fs::write(world.path("items.csv"), "I,name\nother,x\n").unwrap();
    world.fails_saying(
        1,
        &with(&["--items", "items.csv", "--title", "name"]),
        &["items.csv", "none of its ids is an item of the log"],
    );
    std::fs::write(world.path("items.csv"), "I,name\ni1,x\n").unwrap();
    world.fails_saying(
        1,
        &with(&["--items", "items.csv", "--title", "nam"]),
        &["items.csv, line 1: no column \"nam\" (title)", "I, name"],
    );
    assert!(!world.path("own").exists());
    // Nothing but prepared data is ever replaced.
    std::fs::create_dir(world.path("own")).unwrap();
    std::fs::write(world.path("own/thesis.txt"), "years of work").unwrap();
    world.fails_saying(1, &PREPARE, &["own exists and holds other things", "another folder"]);
    assert!(world.path("own/thesis.txt").exists());
    std::fs::remove_file(world.path("own/thesis.txt")).unwrap();
    world.ok(&PREPARE);
    world.ok(&PREPARE);
}

#[test]
fn what_is_said_of_the_log_holds_for_the_item_file_where_it_can() {
    let world = World::new();
    std::fs::write(world.path("log.tsv"), b"U\tI\n\"a\" \xe9\tx\n").unwrap();
    std::fs::write(world.path("items.tsv"), "I\tname\nx\t\"One\" more\n").unwrap();
    std::fs::write(world.path("items.jsonl"), "{\"I\":\"x\",\"name\":\"One\"}\n").unwrap();
    let fixed =
        ["prepare", "--input", "log.tsv", "--user", "U", "--item", "I", "--output", "own", "--title", "name"];
    let with = |flags: &[&'static str]| [&fixed[..], &["--encoding", "latin-1"], flags].concat();
    let title = || world.json("own/items.json")["titles"][0].clone();
    world.ok(&with(&["--quotes", "false", "--items", "items.tsv"]));
    assert_eq!(title(), "\"One\" more");
    assert_eq!(world.json("own/origin.json")["quotes"], false);
    world.ok(&with(&["--quotes", "false", "--items", "items.jsonl"]));
    assert_eq!(title(), "One");
    world.fails_saying(
        1,
        &with(&["--quotes", "false", "--items", "items.tsv", "--items-quotes", "true"]),
        &["items.tsv, line 2, column 2 (quoted)", "with --items-quotes false marks are text"],
    );
    world.fails_saying(
        1,
        &with(&["--quotes", "false", "--items", "items.jsonl", "--items-encoding", "latin-1"]),
        &["items.jsonl: encoding is given", "JSON lines"],
    );
}

#[test]
fn a_damaged_folder_is_refused() {
    let world = world();
    world.ok(&PREPARE);
    let train = ["train", "popularity", "--data", "own", "--output", "pop"];
    world.edit("own/users.json", |users| users["ids"][0] = "somebody else".into());
    world.fails_saying(1, &train, &["prepared data in", "own", "users.json has"]);
    std::fs::create_dir(world.path("empty")).unwrap();
    let empty = ["train", "popularity", "--data", "empty", "--output", "pop"];
    world.fails_saying(1, &empty, &["prepared data in", "metadata.json", "`cloze prepare`"]);
    assert!(!world.path("pop").exists());
}
