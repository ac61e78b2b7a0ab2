//! Model folders whose files do not belong together: never another model in silence.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use common::{World, edit_header};
use serde_json::{Value, json};

const WEIGHTS: &str = "bert/model.safetensors";

/// A world with a small bert4rec in `bert`.
fn trained() -> World {
    let world = World::new();
    world.ok(&[
        "train",
        "bert4rec",
        "--data",
        "synthetic",
        "--output",
        "bert",
        "--hidden",
        "8",
        "--layers",
        "1",
        "--max-length",
        "10",
        "--steps",
        "2",
        "--warmup",
        "0",
        "--batch",
        "4",
        "--validate-every",
        "0",
    ]);
    world
}

/// What the weights say of themselves.
fn edit_fingerprint(world: &World, change: impl FnOnce(&mut Value)) {
    edit_header(&world.path(WEIGHTS), |header| {
        let metadata = &mut header["__metadata__"]["cloze"];
        let mut value = serde_json::from_str(metadata.as_str().unwrap()).unwrap();
        change(&mut value);
        *metadata = value.to_string().into();
    });
}

#[test]
fn changed_options_are_refused_with_both_values() {
    let world = trained();
    let card = world.json("bert/config.json");
    let files = ["bert/config.json is not the file", WEIGHTS, "train the model again"];
    for (key, value, told) in [
        ("heads", json!(4), "`heads` was 2 in training and is 4 now"),
        ("head", json!("plain"), "`head` was \"transform-norm\" in training and is \"plain\" now"),
        ("hidden", json!(1_000_000_000_000_u64), "`hidden` was 8 in training and is 1000000000000 now"),
        ("max-length", json!(1_000_000_000_000_000_u64), "`max-length` was 10"),
        ("layers", json!(1_000_000_000), "`layers` was 1"),
        ("laiers", json!(1), "`laiers` was missing in training and is 1 now"),
    ] {
        world.edit("bert/config.json", |now| {
            *now = card.clone();
            now["options"][key] = value;
        });
        let parts = [&files[..], &[told]].concat();
        world.fails_saying(1, &["evaluate", "bert"], &parts);
        world.fails_saying(1, &["recommend", "bert", "--history", "i1"], &parts);
        let reuse =
            ["train", "hybridbert4rec", "--data", "synthetic", "--output", "hybrid", "--reuse", "bert"];
        world.fails_saying(1, &reuse, &parts);
    }
    world.edit("bert/config.json", |now| {
        *now = card.clone();
        now["options"].as_object_mut().unwrap().remove("heads");
    });
    world.fails_saying(1, &["evaluate", "bert"], &["`heads` was 2 in training and is missing now"]);
    world.edit("bert/config.json", |now| {
        *now = card.clone();
        now["model"] = "sasrec".into();
    });
    world.fails_saying(1, &["evaluate", "bert"], &["the model was bert4rec in training and is sasrec now"]);
    world.edit("bert/config.json", |now| *now = card);
    world.ok(&["recommend", "bert", "--history", "i1"]);
}

/// An older version may have had fewer options: both files lack the key.
#[test]
fn a_saved_option_has_no_default() {
    let world = trained();
    world.edit("bert/config.json", |card| {
        card["options"].as_object_mut().unwrap().remove("shuffle");
    });
    edit_fingerprint(&world, |mark| {
        mark["options"].as_object_mut().unwrap().remove("shuffle");
    });
    world.fails_saying(1, &["evaluate", "bert"], &["bert/config.json", "`shuffle` is missing", "again"]);
}

#[test]
fn a_model_that_this_version_does_not_have_is_named_with_the_nearest() {
    let world = trained();
    world.edit("bert/config.json", |card| card["model"] = "bert4rek".into());
    edit_fingerprint(&world, |mark| mark["model"] = "bert4rek".into());
    world.fails_saying(1, &["evaluate", "bert"], &["unknown model `bert4rek`", "did you mean bert4rec"]);
}

#[test]
fn sizes_beyond_the_weights_are_refused_before_they_are_allocated() {
    let world = trained();
    for (key, value, told) in [
        ("hidden", 1_000_000_000_000_u64, "hidden = 1000000000000"),
        ("hidden", 1 << 63, "hidden = 9223372036854775808"),
        ("hidden", 16_384, "shape"),
        ("max-length", 1_000_000_000_000_000, "max_length = 1000000000000000"),
        ("layers", 1_000_000_000, "layers = 1000000000"),
    ] {
        world.edit("bert/config.json", |card| card["options"][key] = value.into());
        edit_fingerprint(&world, |mark| mark["options"][key] = value.into());
        world.fails_saying(1, &["evaluate", "bert"], &[told]);
        world.edit("bert/config.json", |card| {
            card["options"]["hidden"] = 8.into();
            card["options"]["max-length"] = 10.into();
        });
        edit_fingerprint(&world, |mark| {
            mark["options"]["hidden"] = 8.into();
            mark["options"]["max-length"] = 10.into();
        });
    }
}

#[test]
fn a_tensor_that_the_model_does_not_have_is_named() {
    let world = trained();
    edit_header(&world.path(WEIGHTS), |header| {
        let end = header.as_object().unwrap().values().filter_map(|entry| entry["data_offsets"][1].as_u64());
        let end = end.max().unwrap();
        header["bert.pooler.bias"] = json!({"dtype": "F32", "shape": [0], "data_offsets": [end, end]});
    });
    world.fails_saying(1, &["evaluate", "bert"], &[WEIGHTS, "bert.pooler.bias", "train the model again"]);
}

#[test]
fn weights_that_say_nothing_of_themselves_are_refused() {
    let world = trained();
    edit_header(&world.path(WEIGHTS), |header| {
        header.as_object_mut().unwrap().remove("__metadata__");
    });
    world.fails_saying(1, &["evaluate", "bert"], &[WEIGHTS, "does not say", "Train the model again"]);
    let world = trained();
    edit_fingerprint(&world, |mark| *mark = json!({}));
    world.fails_saying(1, &["evaluate", "bert"], &[WEIGHTS, "does not say", "missing field"]);
}

#[test]
fn a_folder_of_the_format_before_is_refused() {
    let world = trained();
    world.edit("bert/config.json", |card| card["format"] = 1.into());
    world.fails_saying(1, &["evaluate", "bert"], &["format 1", "reads 2", "Train the model again"]);
}

/// A later version may have keys that this one does not know: the format goes first.
#[test]
fn a_folder_of_a_later_format_is_refused_by_its_number() {
    let world = trained();
    world.edit("bert/config.json", |card| {
        card["format"] = 3.into();
        card["since"] = "later".into();
    });
    world.fails_saying(1, &["evaluate", "bert"], &["folder format 3, this program reads 2"]);
    world.edit("bert/config.json", |card| card["format"] = 2.into());
    world.fails_saying(1, &["evaluate", "bert"], &["bert/config.json", "unknown field `since`"]);
}

/// What a process leaves that is killed while it puts a new model in the place of the old one.
#[test]
fn a_model_that_was_put_aside_is_found_again_by_whoever_opens_it() {
    let world = World::new();
    world.train("popularity", "pop");
    let aside = world.path(".model-pop-Dead01");
    std::fs::create_dir(&aside).unwrap();
    std::fs::write(aside.join(".lock"), "").unwrap();
    std::fs::rename(world.path("pop"), aside.join("old")).unwrap();
    world.ok(&["recommend", "pop", "--history", "i1"]);
    assert!(world.path("pop/config.json").exists() && !aside.exists());
}

#[test]
fn another_vocabulary_is_refused() {
    let world = trained();
    let vocabulary = world.json("bert/vocabulary.json");
    let told = ["bert/vocabulary.json is not the file", WEIGHTS, "other ids or another order"];
    world.edit("bert/vocabulary.json", |now| now["items"]["ids"].as_array_mut().unwrap().swap(3, 5));
    world.fails_saying(1, &["evaluate", "bert"], &told);
    world.fails_saying(1, &["recommend", "bert", "--history", "i1"], &told);
    world.edit("bert/vocabulary.json", |now| {
        *now = vocabulary;
        for list in ["ids", "titles"] {
            now["items"][list].as_array_mut().unwrap().pop();
        }
    });
    world.fails_saying(1, &["evaluate", "bert"], &told);
}

/// The split counts with dense ids: it is the same where only the ids' names changed.
#[test]
fn other_items_under_the_same_split_are_found() {
    let world = World::new();
    let log = |name: &str| {
        let rows = (0..60).map(|row| format!("u{},{name}{},{row}\n", row % 6, row % 10 + row / 30));
        format!("user,item,time\n{}", rows.collect::<String>())
    };
    for (file, folder, name) in [("a.csv", "a", "i"), ("b.csv", "b", "j")] {
        std::fs::write(world.path(file), log(name)).unwrap();
        world.ok(&[
            "prepare", "--input", file, "--output", folder, "--user", "user", "--item", "item", "--time",
            "time",
        ]);
    }
    world.ok(&["train", "popularity", "--data", "a", "--output", "pop"]);
    let other = ["evaluate", "pop", "--data", "b"];
    world.fails_saying(1, &other, &["other data", "number 0 of the items is \"i0\" in the model and \"j0\""]);
}
