//! What works: from data to recommendations, on generated data.

#![allow(clippy::unwrap_used, reason = "a helper of tests, outside a test function")]

mod common;

use common::{World, check_width};
use serde_json::Value;

#[test]
fn a_model_is_trained_evaluated_compared_and_asked() {
    let world = World::new();
    let said = world.train("item-knn", "runs/knn");
    assert!(said.contains("cloze evaluate runs/knn"), "{said}");
    assert!(said.contains("cloze recommend runs/knn --user u0"), "{said}");
    let card = world.json("runs/knn/config.json");
    assert_eq!(card["model"], "item-knn");
    assert_eq!(card["options"]["neighbours"], 100);
    assert_eq!(card["trained_on"]["dataset"], "synthetic");
    assert_eq!(card["trained_on"]["synthetic"], true);
    assert_eq!(card["trained_on"]["fit"], "train");

    let report = world.ok(&["evaluate", "runs/knn"]);
    assert!(report.contains("SYNTHETIC"), "{report}");
    for line in report.lines().filter(|line| line.starts_with('|')) {
        check_width(line);
    }
    assert!(world.path("runs/knn/evaluation/evaluation.json").is_file());

    world.train("popularity", "runs/pop");
    world.ok(&["evaluate", "runs/pop", "--output", "runs/pop-evaluation"]);
    let table = world.ok(&[
        "compare",
        "runs/knn",
        "runs/pop-evaluation",
        "--title",
        "Baselines",
        "--note",
        "Quick.",
        "--output",
        "table",
    ]);
    assert!(table.starts_with("# Baselines (SYNTHETIC"), "{table}");
    assert!(table.contains("\n\nQuick.\n"), "{table}");
    assert!(table.contains("| item-knn"), "{table}");
    assert!(table.contains("| popularity"), "{table}");
    assert_eq!(std::fs::read_to_string(world.path("table/report.md")).unwrap(), table);
    check_rows(&world.json("table/results.json"), 2);
    check_analysis(&table, &world.json("table/analysis.json"));

    let named = world.ok(&["compare", "runs/knn", "runs/pop-evaluation", "--baseline", "popularity"]);
    world.ok(&["archive", "runs/knn", "--output", "kept/knn"]);
    world.ok(&["archive", "runs/pop-evaluation", "--output", "kept/pop"]);
    assert_eq!(world.ok(&["compare", "kept/knn", "kept/pop", "--baseline", "popularity"]), named);
    world.fails_saying(1, &["archive", "kept", "--output", "again"], &["no complete evaluation"]);
    let itself = ["archive", "runs/pop-evaluation", "--output", "runs/pop-evaluation"];
    world.fails_saying(1, &itself, &["has an evaluation already", "another folder"]);
    assert!(named.contains("### NDCG@10 against popularity, full"), "{named}");
    let unknown = ["compare", "runs/knn", "runs/pop-evaluation", "--baseline", "popular"];
    world.fails_saying(1, &unknown, &["\"popular\"", "item-knn, popularity"]);
}

/// Paired tests, lists and breakdowns of two models under three protocols.
fn check_analysis(report: &str, analysis: &Value) {
    for part in
        ["NDCG@10 against", "Beyond accuracy", "by popularity of the target", "by length of the history"]
    {
        assert!(report.contains(part), "no {part} in\n{report}");
    }
    assert_eq!(analysis["comparisons"].as_array().unwrap().len(), 3);
    let lists = analysis["lists"].as_array().unwrap();
    assert_eq!(lists.len(), 2);
    assert_eq!(lists[0]["statistics"]["distance_by"], "co-occurrence");
    assert!(analysis["breakdowns"].as_array().unwrap().len() >= 2 * 3 * 2 * 2);
}

/// The rows that other programs read.
fn check_rows(results: &Value, models: usize) {
    let rows = results.as_array().unwrap();
    let mut fields: Vec<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
        "dataset",
        "split",
        "fit",
        "model",
        "protocol",
        "metric",
        "value",
        "low",
        "high",
        "seeds",
        "users",
        "seconds",
        "published",
    ];
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected);
    for protocol in ["full", "uniform-100", "popularity-100"] {
        for metric in ["recall@10", "ndcg@10", "mrr"] {
            let found = rows.iter().filter(|row| row["protocol"] == protocol && row["metric"] == metric);
            assert_eq!(found.count(), models, "{protocol} {metric}");
        }
    }
}

#[test]
fn evaluation_prints_rows_as_json() {
    let world = World::new();
    world.train("popularity", "pop");
    let rows: Value = serde_json::from_str(&world.ok(&["evaluate", "pop", "--json"])).unwrap();
    check_rows(&rows, 1);
    assert_eq!(rows[0]["users"], 300);
}

#[test]
fn validation_items_are_looked_for_in_a_folder_of_their_own() {
    let world = World::new();
    world.train("popularity", "pop");
    world.ok(&["evaluate", "pop", "--target", "validation", "--protocols", "full"]);
    let stored = world.json("pop/evaluation-validation/evaluation.json");
    assert_eq!(stored["meta"]["target"], "validation");
}

#[test]
fn published_figures_stand_beside_ours() {
    let world = World::new();
    world.train("popularity", "pop");
    world.ok(&["evaluate", "pop", "--protocols", "full"]);
    let figure = r#"[{"dataset": "synthetic", "model": "popularity", "protocol": "full", "metric": "ndcg@10",
        "value": 0.5, "source": "Nobody 2020", "fit": "train"}]"#;
    std::fs::write(world.path("published.json"), figure).unwrap();
    let rows = world.ok(&["compare", "pop", "--published", "published.json", "--json"]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["metric"] == "ndcg@10").unwrap();
    assert_eq!(row["published"], 0.5);
    let table = world.ok(&["compare", "pop", "--published", "published.json"]);
    assert!(table.contains("Nobody 2020") && table.contains("ours below"), "{table}");
    std::fs::write(world.path("published.json"), figure.replace(r#", "fit": "train""#, "")).unwrap();
    let table = world.ok(&["compare", "pop", "--published", "published.json"]);
    assert!(table.contains("fit unknown"), "{table}");
    std::fs::write(world.path("published.json"), figure.replace("0.5", "40.5")).unwrap();
    let told = ["entry 1 (synthetic, popularity, ndcg@10): value 40.5", "not percent"];
    world.fails_saying(1, &["compare", "pop", "--published", "published.json"], &told);
}

#[test]
fn a_share_of_the_users_teaches_and_all_are_evaluated() {
    let world = World::new();
    let train =
        ["train", "bert4rec", "--data", "synthetic", "--user-share", "0.1", "--steps", "3", "--warmup", "1"];
    world.ok(&[&train[..], &["--hidden", "8", "--batch", "8", "--output", "few"]].concat());
    let card: Value = serde_json::from_slice(&std::fs::read(world.path("few/config.json")).unwrap()).unwrap();
    assert_eq!(card["trained_on"]["user_share"], 0.1);
    world.train("popularity", "all");
    world.ok(&["evaluate", "few"]);
    world.ok(&["evaluate", "all"]);
    let rows: Value = serde_json::from_str(&world.ok(&["compare", "few", "all", "--json"])).unwrap();
    let users = |model: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["model"] == model).unwrap();
        row["users"].as_u64().unwrap()
    };
    assert_eq!(users("bert4rec (0.1 of users)"), users("popularity"));
    let refused = ["train", "popularity", "--data", "synthetic", "--output", "none", "--user-share", "1.5"];
    world.fails_saying(2, &refused, &["above 0 and at most 1"]);
}

#[test]
fn titles_are_read_by_a_text_model_once() {
    let world = World::new();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../cloze-review/tests/golden/tiny");
    let train = |output: &str, hidden: &str, model: &str| {
        let size = ["--hidden", hidden, "--steps", "3", "--warmup", "1", "--batch", "8", "--output", output];
        let start =
            ["train", "mf-bert4rec", "--data", "synthetic", "--initializer", "titles", "--text-model", model];
        world.run(&[&start[..], &size].concat())
    };
    assert_eq!(train("one", "8", model).code, Some(0));
    let kept = || std::fs::read_dir(world.path("cache/embeddings")).unwrap().count();
    assert_eq!(kept(), 1);
    assert_eq!(train("two", "8", model).code, Some(0));
    assert_eq!(kept(), 1);
    let weights = |output: &str| std::fs::read(world.path(output).join("model.safetensors")).unwrap();
    assert_eq!(weights("one"), weights("two"), "kept vectors are those that were made");
    let wide = train("wide", "32", model);
    assert!(wide.code == Some(1) && wide.stderr.contains("at most 16"), "{}", wide.stderr);
    let none = train("none", "8", "./no-such-model");
    assert!(none.code == Some(1) && none.stderr.contains("no such folder"), "{}", none.stderr);
}

#[test]
fn flags_go_before_the_configuration_file() {
    let world = World::new();
    std::fs::write(world.path("knn.toml"), "neighbours = 7\nshrinkage = 2\n").unwrap();
    let arguments = ["train", "item-knn", "--data", "synthetic", "--output", "knn", "--config", "knn.toml"];
    world.ok(&[&arguments[..], &["--neighbours", "9"]].concat());
    let options = &world.json("knn/config.json")["options"];
    assert_eq!(options["neighbours"], 9);
    assert_eq!(options["shrinkage"], 2.0);
}

#[test]
fn a_fit_on_validation_items_is_tested_with_the_same_histories() {
    let world = World::new();
    let fit = ["--fit", "train+validation"];
    world.ok(&[&["train", "popularity", "--data", "synthetic", "--output", "pop"][..], &fit].concat());
    assert_eq!(world.json("pop/config.json")["trained_on"]["fit"], "train+validation");
    let rows: Value = serde_json::from_str(&world.ok(&["evaluate", "pop", "--json"])).unwrap();
    assert_eq!(rows[0]["fit"], "train+validation");
    world.fails_saying(
        1,
        &["evaluate", "pop", "--target", "validation"],
        &["train+validation", "--target test"],
    );
}

#[test]
fn a_finished_model_is_replaced_by_those_who_say_so() {
    let world = World::new();
    world.train("popularity", "model");
    world.ok(&["evaluate", "model", "--protocols", "full"]);
    let knn = ["train", "item-knn", "--data", "synthetic", "--output", "model"];
    let kept = ["model holds a finished model (popularity on synthetic, seed 0", "--replace"];
    world.fails_saying(1, &knn, &kept);
    world.fails_saying(1, &[&knn[..], &["--resume"]].concat(), &["another run", "popularity", "--replace"]);
    assert_eq!(world.json("model/config.json")["model"], "popularity");
    assert!(world.path("model/evaluation/users.parquet").is_file());
    let again = ["train", "popularity", "--data", "synthetic", "--output", "model", "--resume"];
    assert!(world.run(&again).stderr.contains("finished: nothing was trained"));
    world.ok(&[&knn[..], &["--replace"]].concat());
    assert_eq!(world.json("model/config.json")["model"], "item-knn");
    assert!(!world.path("model/evaluation").exists());
}

#[test]
fn results_are_not_put_among_the_files_of_a_model() {
    let world = World::new();
    for model in ["popularity", "item-knn"] {
        world.train(model, model);
        world.ok(&["evaluate", model, "--protocols", "full"]);
    }
    for command in [&["evaluate", "popularity"][..], &["archive", "popularity"], &["compare", "popularity"]] {
        world.fails_saying(
            1,
            &[command, &["--output", "item-knn"]].concat(),
            &["item-knn is a model folder"],
        );
    }
    assert!(world.ok(&["compare", "item-knn"]).contains("item-knn"));
}

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
fn bert4rec_and_a_hybrid_on_its_tower() {
    let world = World::new();
    let data = ["--data", "synthetic", "--seed", "1", "--output"];
    world.ok(&[&["train", "bert4rec"][..], &data, &["bert"], &TINY].concat());
    world.ok(&["evaluate", "bert", "--protocols", "full"]);
    let text = world.ok(&["recommend", "bert", "--history", "i1", "i2"]);
    assert!(text.starts_with("bert4rec (synthetic"), "{text}");
    let metrics = std::fs::read_to_string(world.path("bert/metrics.jsonl")).unwrap();
    assert!(!metrics.is_empty());

    let hybrid = ["--reuse", "bert", "--cf-steps", "2", "--head-steps", "2", "--user-max-length", "20"];
    let variant = ["--variant", "trained-projections"];
    world.ok(&[&["train", "hybridbert4rec"][..], &data, &["hybrid"], &hybrid, &variant].concat());
    let rows = world.ok(&["evaluate", "hybrid", "--protocols", "full", "--json"]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows[0]["model"], "hybridbert4rec-trained-projections");
    world.ok(&["recommend", "hybrid", "--user", "u1"]);

    let own =
        [&["train", "hybridbert4rec"][..], &data, &["bert"], &hybrid, &variant, &["--replace"]].concat();
    world.fails_saying(1, &own, &["bert is the model that is reused"]);

    // An option that the reused part overrules is not passed over in silence.
    let call = world.run(
        &[&["train", "hybridbert4rec"][..], &data, &["other", "--reuse", "bert", "--hidden", "16"]].concat(),
    );
    assert!(call.stderr.contains("hidden = 16") && call.stderr.contains('8'), "{}", call.stderr);

    // Weights of another width than the configuration says.
    world.edit("bert/config.json", |card| card["options"]["hidden"] = 16.into());
    world.fails_saying(
        1,
        &["evaluate", "bert"],
        &["config.json", "`hidden` was 8 in training and is 16 now"],
    );
}

#[test]
fn sasrec_is_trained_evaluated_and_asked() {
    let world = World::new();
    let recency = ["--recency", "0.8", "--windows", "random"];
    world.ok(&[&["train", "sasrec", "--data", "synthetic", "--output", "sas"][..], &TINY, &recency].concat());
    let rows: Value =
        serde_json::from_str(&world.ok(&["evaluate", "sas", "--protocols", "full", "--json"])).unwrap();
    assert_eq!(rows[0]["model"], "sasrec");
    let text = world.ok(&["recommend", "sas", "--history", "i1", "i2"]);
    assert!(text.starts_with("sasrec (synthetic"), "{text}");
}

#[test]
fn data_commands() {
    let world = World::new();
    let list = world.ok(&["data", "list"]);
    check_width(&list);
    for part in ["ml-100k", "ml-1m", "synthetic", "100,000", "redistribution"] {
        assert!(list.contains(part), "{list}");
    }
    let prepared = world.ok(&["data", "prepare", "synthetic"]);
    check_width(&prepared);
    assert!(prepared.contains("8,882") && prepared.contains("split hash"), "{prepared}");
    assert_eq!(world.ok(&["data", "fetch", "synthetic"]), "", "generated data have no files");
}

#[test]
fn the_doctor_reports_what_is_there() {
    let report = World::new().ok(&["doctor"]);
    check_width(&report);
    for part in
        ["reference", "cache folder", "item-knn", "CLOZE_DATA_DIR", "generated", "data fetch ml-100k", "GPU"]
    {
        assert!(report.contains(part), "no {part} in\n{report}");
    }
}

#[test]
fn the_device_is_chosen_and_a_missing_gpu_is_said_with_the_reason() {
    let world = World::new();
    let train = |output: &str, device: &[&str]| {
        let arguments =
            ["train", "bert4rec", "--data", "synthetic", "--output", output, "--steps", "2", "--warmup", "1"];
        world.run(&[&arguments, device].concat())
    };
    let has_gpu = world.ok(&["doctor"]).contains("--device cuda");
    let automatic = train("auto", &["--device", "auto"]);
    assert_eq!(automatic.code, Some(0), "{}", automatic.stderr);
    let said = automatic.stderr.contains("the processor computes: no CUDA device: ");
    assert_eq!(said, !has_gpu, "{}", automatic.stderr);
    let gpu = train("cuda", &["--device", "cuda"]);
    assert_eq!(gpu.code, Some(i32::from(!has_gpu)), "{}", gpu.stderr);
    if !has_gpu {
        assert!(
            gpu.stderr.contains("no CUDA device: ") && !gpu.stderr.contains("panicked"),
            "{}",
            gpu.stderr
        );
        assert!(!world.path("cuda").join("model.safetensors").exists());
    }
}

#[test]
fn help_shows_options_with_defaults_and_examples() {
    let world = World::new();
    let help = world.ok(&["train", "item-knn", "--help"]);
    for part in ["--neighbours", "[default: 100]", "--config", "Examples:"] {
        assert!(help.contains(part), "{help}");
    }
    assert!(!help.contains("--reuse"), "{help}");
    let help = world.ok(&["train", "hybridbert4rec", "--help"]);
    for part in ["--reuse", "[default: 0.004]", "[default: fused]"] {
        assert!(help.contains(part), "{help}");
    }
    let models = world.ok(&["train", "--help"]);
    assert!(models.contains("item-knn") && models.contains("The most popular items"), "{models}");
    assert!(world.ok(&["--version"]).starts_with("cloze "));
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let world = World::new();
    let output = world.command().args(["data", "list"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}
