//! Models that read reviews, from a file of them to a recommendation with its reasons.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use common::{World, check_width};
use serde_json::Value;

/// A tiny BERT, whose vectors are those of transformers.
fn text_model() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloze-review/tests/golden/tiny");
    folder.to_str().unwrap().to_owned()
}

/// Users of two tastes, each with 6 of the 8 items of the taste and a review of each. `last` is what is written of the last item.
fn reviews(last: &str) -> String {
    let mut lines = "user,item,time,text\n".to_owned();
    for user in 0..40 {
        let taste = user % 2;
        for n in 0..6 {
            let item = 8 * taste + (user / 2 + n) % 8;
            let words =
                ["the guitar sounded good, it was good.", "a bad string! playing the string was bad."];
            let text = if n == 5 { last } else { words[taste] };
            let _ = writeln!(lines, "u{user},i{item},{n},\"{text} {}\"", "a string ".repeat(item % 3));
        }
    }
    lines
}

/// A world with these reviews, prepared as `data`.
fn world(name: &str, last: &str) -> (World, String) {
    let world = World::new();
    std::fs::write(world.path(name), reviews(last)).unwrap();
    world.ok(&[
        "prepare", "--input", name, "--output", "data", "--user", "user", "--item", "item", "--time", "time",
    ]);
    (world, text_model())
}

fn train(world: &World, model: &str, output: &str, extra: &[&str]) {
    let text_model = text_model();
    let call = [
        "train",
        model,
        "--data",
        "data",
        "--reviews",
        "r.csv",
        "--text-model",
        &text_model,
        "--output",
        output,
    ];
    world.ok(&[&call[..], extra].concat());
}

const SMALL: [&str; 8] = ["--text-hidden", "4", "--epochs", "8", "--batch", "32", "--hidden", "4"];

fn best(world: &World, output: &str) -> Value {
    let answer = world.ok(&["recommend", output, "--user", "u3", "--held-out", "--top", "16", "--json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["recommendations"].clone()
}

#[test]
fn what_is_held_out_is_not_read_unless_the_leak_is_asked_for() {
    let found = ["the guitar.", "bad bad bad, it was bad! a bad sound."].map(|last| {
        let (world, _) = world("r.csv", last);
        train(&world, "bert-rs", "left-out", &SMALL);
        train(&world, "bert-rs", "printed", &[&SMALL[..], &["--variant", "as-printed-empty"]].concat());
        train(&world, "review-profiles", "profiles", &[]);
        ["left-out", "profiles", "printed"].map(|output| best(&world, output))
    });
    let [[left_out, profiles, printed], [others, other_profiles, other_printed]] = &found;
    assert_eq!((left_out, profiles), (others, other_profiles));
    assert_ne!(printed, other_printed);
}

#[test]
fn texts_alone_tell_the_tastes_apart_and_reasons_quote_them() {
    let (world, _) = world("r.csv", "it was good and bad, a guitar and a string");
    train(&world, "bert-rs", "rs", &SMALL);
    train(&world, "review-profiles", "profiles", &[]);
    let answer = best(&world, "profiles");
    let first = answer[0]["id"].as_str().unwrap().to_owned();
    let of_taste: Vec<String> = (8..16).map(|item| format!("i{item}")).collect();
    assert!(of_taste.contains(&first), "{first} is of the other taste");

    let text = world.ok(&["recommend", "rs", "--user", "u3", "--explain", "--top", "2"]);
    check_width(&text);
    assert!(text.contains("text ") && text.contains("the user  ") && text.contains("others    "), "{text}");
    let asked = ["recommend", "rs", "--user", "u3", "--held-out", "--explain", "--top", "1", "--json"];
    let answer: Value = serde_json::from_str(&world.ok(&asked)).unwrap();
    let quotations = answer["recommendations"][0]["quotations"].as_array().unwrap().clone();
    assert!(!quotations.is_empty());
    for quotation in &quotations {
        let (about, own) = (&quotation["about"], quotation["own"].as_bool().unwrap());
        assert_ne!(own, *about == answer["recommendations"][0]["id"], "{quotation}");
    }
    // Where the reviews are no longer there, the rest of the reasons is.
    std::fs::rename(world.path("r.csv"), world.path("elsewhere.csv")).unwrap();
    let call = world.run(&["recommend", "rs", "--user", "u3", "--explain", "--top", "2"]);
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    assert!(
        call.stderr.contains("no reviews are quoted") && call.stderr.contains("r.csv"),
        "{}",
        call.stderr
    );
    assert!(call.stdout.contains("because of") && !call.stdout.contains("wrote"), "{}", call.stdout);
    // Someone who was not in training has no texts.
    world.ok(&["recommend", "rs", "--history", "i1", "i2", "--explain"]);
}

#[test]
fn int8_is_the_processor_s_whatever_is_chosen_automatically() {
    let (world, text_model) = world("r.csv", "good.");
    let int8 = [&SMALL[..], &["--text-precision", "int8"]].concat();
    train(&world, "bert-rs", "rs", &[&int8[..], &["--device", "auto"]].concat());
    let written: Value =
        serde_json::from_slice(&std::fs::read(world.path("rs/config.json")).unwrap()).unwrap();
    assert_eq!(written["options"]["text-precision"], "int8", "{written}");
    let text = world.ok(&["recommend", "rs", "--user", "u3", "--explain", "--top", "2"]);
    assert!(text.contains("was bad."), "{text}");
    let base = ["train", "bert-rs", "--data", "data", "--reviews", "r.csv", "--text-model", &text_model];
    for (engine, said) in [
        ("reference", "engine reference: it has no inference in int8"),
        ("typo", "CLOZE_ENGINE=typo: must be one of"),
    ] {
        let mut command = world.command();
        command.args(base).args(["--output", "other"]).args(&int8).env("CLOZE_ENGINE", engine);
        let output = command.output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && message.contains(said), "{message}");
    }
}

#[test]
fn reviews_that_cannot_be_read_are_refused_with_what_to_do() {
    let (world, text_model) = world("r.csv", "good.");
    let base = ["train", "bert-rs", "--data", "data", "--text-model", &text_model, "--output", "out"];
    let fails = |extra: &[&str], parts: &[&str]| {
        world.fails_saying(1, &[&base[..], extra].concat(), parts);
    };
    fails(&[], &["reviews = (nothing)", "needs a file"]);
    fails(&["--reviews", "none.csv"], &["none.csv", "neither a file nor a data set"]);
    fails(&["--reviews", "r.csv", "--review-columns", "user,item"], &["USER,ITEM,TEXT"]);
    fails(&["--reviews", "r.csv", "--review-columns", "user,item,words"], &["words", "r.csv"]);
    std::fs::write(world.path("other.csv"), "user,item,text\nx,y,good\n").unwrap();
    fails(&["--reviews", "other.csv"], &["other.csv", "of another data set", "\"x\""]);
    std::fs::write(
        world.path("bytes.jsonl"),
        b"{\"user\": \"u1\", \"item\": \"i1\", \"text\": \"caf\xe9\"}\n",
    )
    .unwrap();
    fails(&["--reviews", "bytes.jsonl"], &["bytes.jsonl", "line 1"]);
    fails(&["--reviews", "r.csv", "--text-hidden", "999"], &["text-hidden = 999", "at most 16"]);
    // Long reviews, empty ones and characters that the tokenizer does not know are reviews.
    let long = "the guitar sounded good. ".repeat(2500);
    let odd = format!(
        "user,item,text\nu1,i8,\"{long}\"\nu2,i1,\"\"\nu3,i9,\"\u{1f3b8}\u{1f600} \u{5409}\u{4ed6}\"\nu4,i2,\"caf&eacute; &amp; co\"\n"
    );
    std::fs::write(world.path("odd.csv"), odd).unwrap();
    world.ok(&[&base[..], &["--reviews", "odd.csv"], &SMALL[..]].concat());
}

#[test]
fn a_model_is_fine_tuned_on_the_training_part_and_not_taken_for_another_split() {
    let (world, text_model) = world("r.csv", "good.");
    let base =
        ["fine-tune", "--data", "data", "--reviews", "r.csv", "--text-model", &text_model, "--batch", "8"];
    let into = |output, extra: &[&'static str]| [&base[..], &["--output", output], extra].concat();
    let text = world.ok(&into("tuned", &["--epochs", "2"]));
    check_width(&text);
    assert!(
        text.contains("before") && text.contains("after") && text.contains("cloze train bert-rs"),
        "{text}"
    );
    let record = world.json("tuned/fine_tuning.json");
    assert_eq!((&record["learned"], &record["measured"]), (&Value::from(152), &Value::from(8)));
    let train = ["train", "bert-rs", "--data", "data", "--reviews", "r.csv", "--text-model", "tuned"];
    world.ok(&[&train[..], &SMALL[..], &["--output", "rs"]].concat());
    let other = [&train[..], &SMALL[..], &["--output", "other", "--split", "global-time"]].concat();
    world.fails_saying(1, &other, &["tuned", "another split", "what is held out"]);
    // What stands there is not overwritten unless it is ours, and was given up.
    world.fails_saying(
        1,
        &into("tuned", &["--epochs", "1"]),
        &["tuned holds a fine-tuned model", "--replace"],
    );
    world.ok(&into("tuned", &["--epochs", "1", "--replace"]));
    world.ok(&into("tuned", &["--epochs", "1", "--resume"]));
    world.fails_saying(1, &into("data", &[]), &["no fine-tuned model"]);
}
