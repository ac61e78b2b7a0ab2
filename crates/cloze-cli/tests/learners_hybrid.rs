//! HybridBERT4Rec for learners from the command line: training, reasons, and the profile store that answers keep up to date.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use std::fmt::Write as _;

use common::{World, check_width};
use serde_json::Value;

/// 24 learners, of whom every second answers right, at ten exercises of the objectives Angles and Fractions.
fn world() -> World {
    let world = World::new();
    prepare(&world, |exercise| if exercise < 5 { "Angles" } else { "Fractions" });
    world
}

/// Prepares their answers, with these objectives of the exercises.
fn prepare(world: &World, objective_of: impl Fn(usize) -> &'static str) {
    let mut lines = "learner,exercise,objective,right,order\n".to_owned();
    for learner in 0..24 {
        for step in 0..6 {
            let exercise = (learner * 3 + step) % 10;
            let objective = objective_of(exercise);
            let right = (learner + step / 5) % 2;
            writeln!(lines, "l{learner},x{exercise},{objective},{right},{step}").unwrap();
        }
    }
    std::fs::write(world.path("log.csv"), lines).unwrap();
    let columns = ["--user", "learner", "--item", "exercise", "--time", "order", "--value", "right"];
    let items = ["--items", "log.csv", "--item-id", "exercise", "--genres", "objective", "--items-repeated"];
    world.ok(&[&["prepare", "--input", "log.csv", "--output", "school"][..], &columns, &items].concat());
}

/// Trains in a second.
fn train(world: &World, output: &str, more: &[&str]) {
    let sizes = ["--hidden", "16", "--layers", "1", "--heads", "1", "--max-length", "8", "--batch", "8"];
    let steps = ["--steps", "20", "--warmup", "2", "--cf-steps", "10", "--head-steps", "20"];
    let base = ["train", "hybridbert4rec-learners", "--data", "school", "--output", output];
    world.ok(&[&base[..], &sizes, &steps, more].concat());
}

#[test]
fn exercises_of_an_objective_come_with_what_speaks_for_them() {
    let world = world();
    train(&world, "learners", &[]);
    world.ok(&["train", "pfa", "--data", "school", "--output", "pfa"]);
    let ask = ["recommend", "learners", "--learner", "l3", "--objective", "Fractions", "--top", "3"];
    let answer = world.ok(&[&ask[..], &["--success", "pfa", "--explain"]].concat());
    check_width(&answer);
    // Words of a cell stand on several lines.
    let answer: String = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in ["success", "Fractions", "content", "neighbours", "learners who"] {
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
    let table = world.ok(&["evaluate", "learners", "--protocols", "full,within-genre"]);
    assert!(table.contains("hybridbert4rec-learners"), "{table}");
}

#[test]
fn a_store_takes_answers_and_refuses_what_is_none() {
    let world = world();
    train(&world, "learners", &["--variant", "trained-projections"]);
    let store = ["--store", "p.redb"];
    let built = world.ok(&[&["profiles", "build", "learners"][..], &store].concat());
    assert!(built.contains("24 users") && built.contains("10 items"), "{built}");
    let ask = || -> Value {
        let ask = ["recommend", "learners", "--learner", "l3", "--keep-seen", "--json", "--store", "p.redb"];
        serde_json::from_str(&world.ok(&ask)).unwrap()
    };
    let before = ask();
    let best = before["recommendations"].as_array().unwrap();
    assert!(best.len() == 10 && best.iter().all(|one| one["score"].is_number()), "{before}");
    let within =
        ["--learner", "l3", "--keep-seen", "--json", "--store", "p.redb", "--objective", "fractions"];
    let within: Value =
        serde_json::from_str(&world.ok(&[&["recommend", "learners"][..], &within].concat())).unwrap();
    let fractions = |one: &&Value| ["x5", "x6", "x7", "x8", "x9"].contains(&one["id"].as_str().unwrap());
    let score = |one: &Value| (one["id"].to_string(), one["score"].to_string());
    let expected: Vec<_> = best.iter().filter(fractions).map(score).collect();
    let found: Vec<_> = within["recommendations"].as_array().unwrap().iter().map(score).collect();
    assert_eq!(found, expected, "an exercise of one objective has the same score within it");
    let unknown = ["--learner", "l3", "--store", "p.redb", "--objective", "Fraction"];
    let refusal = ["no such genre", "did you mean"];
    world.fails_saying(1, &[&["recommend", "learners"][..], &unknown].concat(), &refusal);
    let update = ["profiles", "update", "learners", "--store", "p.redb", "--user", "l3", "--time", "9"];
    let item = ["--item", "x7"];
    world.fails_saying(1, &[&update[..], &item].concat(), &["--score", "the score of the answer is needed"]);
    world.fails_saying(1, &[&update[..], &item, &["--score", "7"]].concat(), &["full-score"]);
    world.fails_saying(1, &[&update[..], &["--item", "x70", "--score", "1"]].concat(), &["x70"]);
    assert_eq!(ask(), before, "what failed has changed nothing");
    let said = world.ok(&[&update[..], &item, &["--score", "0"]].concat());
    assert!(said.contains("renewed"), "{said}");
    assert_ne!(ask(), before);

    train(&world, "fused", &[]);
    let none = ["profiles", "build", "fused", "--store", "q.redb"];
    world.fails_saying(1, &none, &["has no profiles that an interaction renews"]);
    let error = ["train", "hybridbert4rec-learners", "--data", "synthetic", "--output", "none"];
    world.fails_saying(1, &error, &["--neighbours all"]);
}

#[test]
fn an_objective_of_a_store_is_known_by_its_exercises_and_not_by_its_place_among_the_names() {
    let world = world();
    train(&world, "learners", &["--variant", "trained-projections"]);
    world.ok(&["profiles", "build", "learners", "--store", "p.redb"]);
    let ask = |objective: &'static str| {
        [
            "recommend",
            "learners",
            "--learner",
            "l3",
            "--keep-seen",
            "--json",
            "--store",
            "p.redb",
            "--objective",
            objective,
        ]
    };
    let ids = |objective: &'static str| -> Vec<String> {
        let answer: Value = serde_json::from_str(&world.ok(&ask(objective))).unwrap();
        answer["recommendations"].as_array().unwrap().iter().map(|one| one["id"].to_string()).collect()
    };
    let before = ids("Angles");
    assert_eq!(before.len(), 5);
    // What was the first of the names is the last one now.
    prepare(&world, |exercise| if exercise < 5 { "Triangles" } else { "Fractions" });
    assert_eq!(ids("Triangles"), before);
    assert!(ids("Fractions").iter().all(|id| !before.contains(id)));
    prepare(&world, |exercise| if exercise < 4 { "Angles" } else { "Fractions" });
    world.fails_saying(1, &ask("Angles"), &["no objective had these exercises", "build its store anew"]);
}

#[test]
fn a_score_is_asked_for_only_where_something_depends_on_it() {
    let world = world();
    train(&world, "all", &["--variant", "trained-projections", "--neighbours", "all"]);
    world.ok(&["profiles", "build", "all", "--store", "p.redb"]);
    let update =
        ["profiles", "update", "all", "--store", "p.redb", "--user", "l3", "--time", "9", "--item", "x7"];
    world.fails_saying(1, &[&update[..], &["--score", "7"]].concat(), &["does not read scores", "--score"]);
    assert!(world.ok(&update).contains("renewed"));
    let unread = ["--neighbours", "all", "--difficulties", "nowhere.csv"];
    let base = ["train", "hybridbert4rec-learners", "--data", "school", "--output", "none"];
    let parts = ["difficulties", "nowhere.csv", "--neighbours same-difficulty"];
    world.fails_saying(1, &[&base[..], &unread].concat(), &parts);
}

#[test]
fn a_run_is_not_gone_on_with_over_a_tower_that_was_replaced_meanwhile() {
    let world = world();
    let tower = |seed: &str, more: &[&str]| {
        let sizes = ["--hidden", "8", "--layers", "1", "--heads", "1", "--max-length", "8", "--batch", "8"];
        let run = ["--steps", "3", "--warmup", "1", "--seed", seed, "--output", "bert"];
        world.ok(&[&["train", "bert4rec", "--data", "school"][..], &sizes, &run, more].concat());
    };
    tower("1", &[]);
    let run = ["train", "hybridbert4rec-learners", "--data", "school", "--output", "run", "--reuse", "bert"];
    let run = [&run[..], &["--cf-steps", "2", "--head-steps", "2", "--resume"]].concat();
    world.ok(&run);
    assert!(world.run(&run).stderr.contains("finished: nothing was trained"));
    tower("2", &["--replace"]);
    world.fails_saying(1, &run, &["another run", "the model in bert was replaced since"]);
}

#[test]
fn what_is_hard_can_be_given() {
    let world = world();
    let table = "learner,objective,difficulty\nl3,Fractions,3\nl5,Fractions,3\nl7,Angles,1\n";
    std::fs::write(world.path("hard.csv"), table).unwrap();
    train(&world, "given", &["--difficulties", "hard.csv"]);
    let ask = ["recommend", "given", "--learner", "l3", "--objective", "Fractions", "--explain"];
    let answer = world.ok(&ask);
    assert!(answer.contains("hard"), "{answer}");
    let card = world.json("given/config.json");
    assert!(card["notes"].to_string().contains("3 pairs of a learner and an objective"), "{card}");
    std::fs::write(world.path("hard.csv"), "learner,objective,difficulty\nl3,Fraction,3\n").unwrap();
    let error = [
        "train",
        "hybridbert4rec-learners",
        "--data",
        "school",
        "--output",
        "none",
        "--difficulties",
        "hard.csv",
    ];
    world.fails_saying(
        1,
        &error,
        &["hard.csv, line 2", "unknown objective \"Fraction\"", "Angles, Fractions"],
    );
}
