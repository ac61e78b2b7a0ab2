//! `cloze profiles`: from training to a renewed recommendation, and what is refused.
#![allow(clippy::unwrap_used)]

mod common;

use common::World;
use serde_json::Value;

const TRAIN: [&str; 12] = [
    "train",
    "hybridbert4rec",
    "--data",
    "synthetic",
    "--steps",
    "5",
    "--warmup",
    "1",
    "--hidden",
    "16",
    "--max-length",
    "20",
];

/// Of the variants with two towers.
const TWO: [&str; 4] = ["--cf-steps", "5", "--head-steps", "5"];

fn train(world: &World, output: &str, variant: &str) {
    let two: &[&str] = if variant == "fused" { &[] } else { &TWO };
    world.ok(&[&TRAIN[..], two, &["--output", output, "--variant", variant]].concat());
}

#[test]
fn an_option_that_the_variant_does_not_read_is_refused_with_the_one_that_does() {
    let world = World::new();
    let train = [&TRAIN[..], &["--output", "none"]].concat();
    let fails = |more: &[&str], parts: &[&str]| world.fails_saying(1, &[&train[..], more].concat(), parts);
    fails(&TWO, &["cf-steps = 5", "--variant fused", "trained-projections"]);
    fails(&["--item-profiles", "users"], &["item-profiles", "--variant fused"]);
    fails(&["--variant", "paper", "--gate", "true"], &["gate = true", "give --variant fused"]);
    assert!(!world.path("none").join("config.json").exists());
}

fn recommended(world: &World, store: &str, user: &str) -> Value {
    let arguments = ["recommend", "hybrid", "--store", store, "--user", user, "--json"];
    serde_json::from_str(&world.ok(&arguments)).unwrap()
}

#[test]
fn profiles_are_built_asked_and_renewed() {
    let world = World::new();
    train(&world, "hybrid", "trained-projections");
    let said = world.ok(&["profiles", "build", "hybrid", "--store", "store"]);
    assert!(said.contains("profiles of 300 users and 200 items of synthetic in store"), "{said}");
    let plain: Value =
        serde_json::from_str(&world.ok(&["recommend", "hybrid", "--user", "u100", "--json"])).unwrap();
    let before = recommended(&world, "store", "u100");
    assert_eq!(before["history"], plain["history"], "all interactions of the data");
    let best = before["recommendations"][0]["id"].as_str().unwrap();
    let update = ["profiles", "update", "hybrid", "--store", "store", "--user", "u100", "--item", best];
    world.fails_saying(1, &update, &["needs a time"]);
    let said = world.ok(&[&update[..], &["--time", "99999999999"]].concat());
    assert!(said.contains("both profiles renewed"), "{said}");
    let after = recommended(&world, "store", "u100");
    let history = after["history"].as_array().unwrap();
    assert_eq!(history.last().unwrap()["id"], best);
    assert_eq!(history.len(), before["history"].as_array().unwrap().len() + 1);
    let items = after["recommendations"].as_array().unwrap();
    assert!(items.iter().all(|item| item["id"] != best), "had, so not recommended again");
    // Sent twice, it is taken down once; in another unit, not at all.
    let said = world.ok(&[&update[..], &["--time", "99999999999"]].concat());
    assert!(said.contains("known already"), "{said}");
    world.fails_saying(
        1,
        &[&update[..], &["--time", "999999999990"]].concat(),
        &["milliseconds", "seconds too"],
    );
    assert_eq!(recommended(&world, "store", "u100"), after);
    assert!(world.ok(&["recommend", "hybrid", "--store", "store", "--user", "u100"]).contains("user u100"));
}

#[test]
fn what_has_no_profiles_or_is_no_store_is_refused_with_the_way_out() {
    let world = World::new();
    train(&world, "hybrid", "paper");
    world.train("popularity", "popular");
    train(&world, "fused", "fused");
    let build = |model: &'static str| ["profiles", "build", model, "--store", "store"];
    world.fails_saying(1, &build("popular"), &["popular is a popularity", "trained-projections"]);
    world.fails_saying(1, &build("fused"), &["fused", "trained-projections", "default variant"]);
    let ask = ["recommend", "hybrid", "--user", "u100", "--store", "store"];
    world.fails_saying(1, &ask, &["no profile store", "cloze profiles build"]);
    world.ok(&build("hybrid"));
    world.fails_saying(1, &build("hybrid"), &["finished profile store", "cloze profiles update"]);
    world.fails_saying(1, &[&ask[..3], &["nobody"], &ask[4..]].concat(), &["unknown user"]);
    world.fails_saying(2, &[&ask[..], &["--explain"]].concat(), &["--explain"]);
    std::fs::remove_dir_all(world.path("hybrid")).unwrap();
    train(&world, "hybrid", "hidden");
    world.fails_saying(1, &ask, &["another model"]);
    let whole = std::fs::read(world.path("store")).unwrap();
    std::fs::write(world.path("store"), &whole[..whole.len() / 2]).unwrap();
    world.fails_saying(1, &ask, &["damaged", "build it again"]);
}
