//! What a user can get wrong, and what the message then says.

mod common;

use common::{World, overwrite_first};

const TRAIN: [&str; 6] = ["train", "item-knn", "--data", "synthetic", "--output", "knn"];

#[test]
fn an_unknown_model_is_named_with_the_nearest() {
    let world = World::new();
    world.fails_saying(
        2,
        &["train", "item-kn"],
        &["item-kn", "similar", "item-knn", "Known models: popularity"],
    );
    world.fails_saying(2, &["train", "qqq"], &["qqq", "Known models: popularity, item-knn"]);
    world.fails_saying(2, &["trian"], &["trian", "train"]);
}

#[test]
fn an_unknown_data_set_is_named_with_the_nearest() {
    let world = World::new();
    let arguments = ["train", "popularity", "--data", "ml-100", "--output", "pop"];
    world.fails_saying(
        1,
        &arguments,
        &["error: ", "ml-100\"", "did you mean ml-100k or ml-1m", "?); known: ", "ml-1m", "manifest (.toml)"],
    );
    world.fails_saying(1, &["data", "fetch", "sinthetic"], &["sinthetic", "synthetic"]);
    assert!(!world.path("pop").exists());
}

#[test]
fn an_unknown_option_is_named_with_the_nearest() {
    let world = World::new();
    let flag = [&TRAIN[..], &["--neighbors", "5"]].concat();
    world.fails_saying(2, &flag, &["--neighbors", "--neighbours"]);
    std::fs::write(world.path("knn.toml"), "neighbors = 5\n").unwrap();
    let file = [&TRAIN[..], &["--config", "knn.toml"]].concat();
    let parts = ["knn.toml", "`neighbors`", "did you mean neighbours?", "known: neighbours, shrinkage"];
    world.fails_saying(1, &file, &parts);
    // A model without options says so.
    std::fs::write(world.path("pop.toml"), "neighbours = 5\n").unwrap();
    let pop = ["train", "popularity", "--data", "synthetic", "--output", "pop", "--config", "pop.toml"];
    world.fails_saying(1, &pop, &["popularity", "it has none"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_key_and_type() {
    let world = World::new();
    for (value, expected) in [("many", "a whole number"), ("2.5", "a whole number"), ("-1", "a whole number")]
    {
        let flag = [&TRAIN[..], &["--neighbours", value]].concat();
        world.fails_saying(2, &flag, &["--neighbours", value, expected]);
    }
    for (line, parts) in [
        ("neighbours = \"many\"", ["`neighbours`", "many", "a whole number"]),
        ("neighbours = 2.5", ["`neighbours`", "2.5", "a whole number"]),
        ("neighbours = -1", ["`neighbours`", "-1", "a whole number"]),
        ("shrinkage = true", ["`shrinkage`", "true", "a number"]),
        ("shrinkage = nan", ["`shrinkage`", "nan", "a number"]),
    ] {
        std::fs::write(world.path("knn.toml"), line).unwrap();
        world.fails_saying(1, &[&TRAIN[..], &["--config", "knn.toml"]].concat(), &parts);
    }
    std::fs::write(world.path("knn.toml"), "neighbours 5").unwrap();
    world.fails_saying(1, &[&TRAIN[..], &["--config", "knn.toml"]].concat(), &["knn.toml", "TOML"]);
    world.fails_saying(1, &[&TRAIN[..], &["--config", "absent.toml"]].concat(), &["absent.toml"]);
    assert!(!world.path("knn").exists());
}

#[test]
fn a_value_out_of_range_is_refused_by_the_model() {
    let world = World::new();
    world.fails_saying(1, &[&TRAIN[..], &["--neighbours", "0"]].concat(), &["neighbours", "0", "at least 1"]);
    let bert = ["train", "bert4rec", "--data", "synthetic", "--output", "bert"];
    let short = [&bert[..], &["--steps", "100"]].concat();
    world.fails_saying(1, &short, &["warmup = 200", "below steps = 100", "lower warmup"]);
    for (model, option, value, told) in [
        ("bert4rec", "--hidden", "100000000000", "hidden = 100000000000"),
        ("bert4rec", "--hidden", "9223372036854775808", "hidden = 9223372036854775808"),
        ("bert4rec", "--max-length", "1000000000000000", "max_length = 1000000000000000"),
        ("bert4rec", "--layers", "1000000000", "layers = 1000000000"),
        ("sasrec", "--hidden", "9223372036854775808", "hidden = 9223372036854775808"),
        ("bert4rec", "--batch", "1000000000000", "batch = 1000000000000"),
        ("sasrec", "--expansion", "9223372036854775808", "18446744073709551615"),
        ("hybridbert4rec", "--hidden", "100000000000", "hidden = 100000000000"),
        ("sasrec", "--negatives", "1000000000000000", "negatives = 1000000000000000: must be at most"),
        ("gru4rec", "--negatives", "65537", "negatives = 65537: must be at most 65536"),
        ("caser", "--targets", "100000000000000000", "targets = 100000000000000000: must be at most"),
        ("neumf", "--hidden", "18446744073709551552", "hidden = 18446744073709551552"),
    ] {
        let arguments = ["train", model, "--data", "synthetic", "--output", "large", option, value];
        world.fails_saying(1, &arguments, &[told]);
    }
}

#[test]
fn words_of_text_options_are_checked() {
    let world = World::new();
    let bert = ["train", "bert4rec", "--data", "synthetic", "--output", "bert"];
    world.fails_saying(2, &[&bert[..], &["--windows", "lost"]].concat(), &["--windows", "lost", "last"]);
    world.fails_saying(2, &[&bert[..], &["--shuffle", "yes"]].concat(), &["true or false"]);
    let hybrid = ["train", "hybridbert4rec", "--data", "synthetic", "--output", "hybrid"];
    let parts = ["--variant", "`end-to-end` (did you mean paper?)"];
    world.fails_saying(2, &[&hybrid[..], &["--variant", "papr"]].concat(), &parts);
}

#[test]
fn missing_data_are_told_with_sources_and_places() {
    let world = World::new();
    let parts = [
        "ml-100k could not be obtained",
        "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        "recbole",
        "ml-100k/u.data",
        "ml-100k/ml-100k.inter",
        "CLOZE_DATA_DIR",
        "--data-dir",
    ];
    world.fails_saying(1, &["data", "fetch", "ml-100k", "--offline"], &parts);
    let train = ["train", "popularity", "--data", "ml-100k", "--offline", "--output", "pop"];
    world.fails_saying(1, &train, &parts);
    let folder = ["data", "prepare", "ml-100k", "--offline", "--data-dir", "nowhere"];
    world.fails_saying(1, &folder, &["nowhere", "no such folder"]);
}

#[test]
fn other_files_than_the_published_ones_are_refused() {
    let world = World::new();
    std::fs::create_dir_all(world.path("raw/ml-100k")).unwrap();
    std::fs::write(world.path("raw/ml-100k/u.data"), "1\t2\t3\t4\n").unwrap();
    let arguments = ["data", "prepare", "ml-100k", "--data-dir", "raw"];
    world.fails_saying(1, &arguments, &["u.data", "sha256"]);
}

#[test]
fn an_occupied_output_folder_is_refused_before_any_work() {
    let world = World::new();
    std::fs::create_dir(world.path("knn")).unwrap();
    std::fs::write(world.path("knn/thesis.txt"), "years of work").unwrap();
    let message = world.fails(1, &TRAIN);
    assert!(message.contains("knn exists and is not a model folder"), "{message}");
    assert!(!message.contains("Training"), "{message}");
    assert!(world.path("knn/thesis.txt").exists());
}

/// Folders that other programs call a model, and models beside which somebody has put something.
#[test]
fn nobody_elses_files_are_removed_with_a_model() {
    let world = World::new();
    std::fs::create_dir(world.path("knn")).unwrap();
    let theirs = world.path("knn/config.json");
    std::fs::write(&theirs, r#"{"model_type": "bert"}"#).unwrap();
    world.fails_saying(1, &TRAIN, &["knn exists and is not a model folder"]);
    assert!(theirs.exists());
    std::fs::remove_file(theirs).unwrap();

    world.ok(&TRAIN);
    world.ok(&["evaluate", "knn", "--protocols", "full"]);
    std::fs::write(world.path("knn/thesis.txt"), "years of work").unwrap();
    world.fails_saying(1, &TRAIN, &["knn holds thesis.txt", "did not write", "Move it elsewhere"]);
    std::fs::rename(world.path("knn/thesis.txt"), world.path("thesis.txt")).unwrap();
    world.ok(&[&TRAIN[..], &["--replace"]].concat());
    assert!(!world.path("knn/evaluation").exists(), "it was of the old model");
}

#[test]
fn an_output_folder_that_cannot_be_renamed_is_refused_before_any_work() {
    let world = World::new();
    for output in [".", "..", "absent/.."] {
        let train = ["train", "popularity", "--data", "synthetic", "--output", output];
        let message = world.fails(1, &train);
        assert!(message.contains("cannot be renamed") && message.contains("/model"), "{message}");
        assert!(!message.contains("Training"), "{message}");
    }
}

#[test]
fn a_folder_that_is_no_model_is_refused() {
    let world = World::new();
    world.fails_saying(1, &["evaluate", "absent"], &["absent is not a model folder", "no config.json"]);
    world.train("item-knn", "knn");
    std::fs::remove_file(world.path("knn/config.json")).unwrap();
    world.fails_saying(1, &["evaluate", "knn"], &["no config.json"]);
    world.fails_saying(1, &["compare", "knn"], &["knn has no complete evaluation", "cloze evaluate"]);
}

#[test]
fn damaged_weights_are_refused() {
    let world = World::new();
    world.train("item-knn", "knn");
    let path = world.path("knn/model.safetensors");
    let whole = std::fs::read(&path).unwrap();

    overwrite_first(&path, "similarity.values", f32::NAN);
    world.fails_saying(1, &["evaluate", "knn"], &["similarity.values", "NaN"]);
    world.fails_saying(1, &["recommend", "knn", "--history", "i1"], &["similarity.values", "NaN"]);

    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    world.fails_saying(1, &["evaluate", "knn"], &["model.safetensors", "damaged"]);
    std::fs::remove_file(&path).unwrap();
    world.fails_saying(1, &["evaluate", "knn"], &["model.safetensors"]);
}

#[test]
fn another_split_is_never_evaluated() {
    let world = World::new();
    world.train("popularity", "pop");
    let hash = world.json("pop/config.json")["trained_on"]["split_hash"].as_str().unwrap().to_owned();
    world.edit("pop/config.json", |card| card["trained_on"]["split_hash"] = "0123abcd".into());
    world.fails_saying(1, &["evaluate", "pop"], &["another split", "0123abcd", &hash]);
    world.fails_saying(1, &["recommend", "pop", "--user", "u1"], &["another split"]);
}

#[test]
fn unknown_users_and_items_are_named_with_the_nearest() {
    let world = World::new();
    world.train("item-knn", "knn");
    let user = ["recommend", "knn", "--user", "u3000"];
    world.fails_saying(1, &user, &["unknown user \"u3000\"", "did you mean u30", "300 users"]);
    let item = ["recommend", "knn", "--history", "i1", "--history", "Synthetic itm 12"];
    world.fails_saying(1, &item, &["Synthetic itm 12", "did you mean", "Synthetic item 12"]);
}

#[test]
fn misuse_is_told_with_code_2() {
    let world = World::new();
    let forms = ["best", "full, uniform-N, popularity-N"];
    world.fails_saying(2, &["evaluate", "knn", "--protocols", "full,best"], &forms);
    world.fails_saying(2, &["evaluate", "knn", "--target", "tset"], &["tset", "test"]);
    world.fails_saying(2, &["recommend", "knn"], &["--user"]);
    world.fails_saying(2, &["recommend", "knn", "--user", "u1", "--history", "i1"], &["cannot be used with"]);
    world.fails_saying(2, &["recommend", "knn", "--user", "u1", "--top", "0"], &["0"]);
    world.fails_saying(2, &["compare"], &["DIR"]);
    world.fails_saying(2, &["train", "popularity", "--data", "synthetic"], &["--output"]);
    let fit = ["train", "popularity", "--data", "synthetic", "--output", "pop", "--fit", "all"];
    world.fails_saying(2, &fit, &["train+validation"]);
}

#[test]
fn options_of_the_evaluation_are_checked() {
    let world = World::new();
    world.train("popularity", "pop");
    world.fails_saying(1, &["evaluate", "pop", "--batch", "0"], &["batch", "at least 1"]);
    world.fails_saying(1, &["evaluate", "pop", "--protocols", "full,full"], &["named twice"]);
}

#[test]
fn a_table_of_one_run_given_twice_is_refused() {
    let world = World::new();
    world.train("popularity", "pop");
    world.ok(&["evaluate", "pop", "--protocols", "full"]);
    world.fails_saying(1, &["compare", "pop", "pop/evaluation"], &["popularity", "twice"]);
    std::fs::write(world.path("figures.json"), r#"[{"dataset": "x"}]"#).unwrap();
    let published = ["compare", "pop", "--published", "figures.json"];
    world.fails_saying(1, &published, &["figures.json", "missing field"]);
}

#[test]
fn a_text_model_is_not_asked_of_the_network_where_that_is_not_to_be_used() {
    let world = World::new();
    let train =
        ["train", "mf-bert4rec", "--data", "synthetic", "--initializer", "titles", "--output", "none"];
    for (flag, variable) in [(Some("--offline"), "0"), (None, "1")] {
        let mut command = world.command();
        command.env("HF_HOME", world.path("hub")).env("HF_HUB_OFFLINE", variable);
        let output = command.args(train).args(flag).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("the network is not to be used (--offline, HF_HUB_OFFLINE)"), "{told}");
    }
}
