//! Tests of the experiment files and their format.

use super::*;
use crate::workspace;

const SMALL: &str = r#"
title = "Small"
paper = "Nobody 2020"
datasets = ["a", "b"]
fits = ["train"]
seeds = 1

[[row]]
model = "bert4rec"
weight = 10
quick_weight = 2
options = { hidden = 64, steps = 1000, learning-rate = 1e-3 }
quick_options = { steps = 100 }
dataset_options.b = { steps = 5000, hidden = 128 }
quick_dataset_options.b = { batch = 8 }
"#;

#[test]
fn every_experiment_of_the_repository_parses() {
    let folder = workspace::root().join("xtask/experiments");
    let papers = papers(&folder).unwrap();
    assert!(papers.contains(&"hybridbert4rec".to_owned()), "{papers:?}");
    for paper in papers {
        load(&folder, &paper).unwrap();
    }
}

#[test]
fn hybridbert4rec_reuses_its_towers_and_leaves_ablations_out_of_a_quick_run() {
    let experiment = load(&workspace::root().join("xtask/experiments"), "hybridbert4rec").unwrap();
    for row in &experiment.rows {
        let uses = match row.name() {
            // Without a second tower, or with item profiles of their own.
            "hybridbert4rec"
            | "hybridbert4rec-ease"
            | "hybridbert4rec-slit"
            | "hybridbert4rec-gated"
            | "hybridbert4rec-paper"
            | "hybridbert4rec-as-printed"
            | "hybridbert4rec-tied"
            | "hybridbert4rec-softmax-users"
            | "hybridbert4rec-softmax-svd"
            | "hybridbert4rec-softmax-ials"
            | "hybridbert4rec-softmax-content" => Some("bert4rec"),
            "hybridbert4rec-softmax-tied" => Some("hybridbert4rec-tied"),
            name if name.starts_with("hybridbert4rec") => Some("hybridbert4rec-paper"),
            _ => None,
        };
        assert_eq!(row.uses.as_deref(), uses, "{}", row.name());
    }
    let quick: Vec<&str> = experiment
        .rows
        .iter()
        .filter(|row| row.includes("ml-100k", "train", 0, true) && row.model == "hybridbert4rec")
        .map(Row::name)
        .collect();
    assert_eq!(quick, ["hybridbert4rec", "hybridbert4rec-paper", "hybridbert4rec-trained-projections"]);
    assert_eq!(experiment.quick.datasets.as_deref(), Some(["ml-100k".to_owned()].as_slice()));
    assert!(experiment.published.iter().all(|figure| figure.dataset == "ml-1m"));
}

#[test]
fn an_unknown_paper_names_the_nearest_and_the_list() {
    let error = load(&workspace::root().join("xtask/experiments"), "hybridbert4rek").unwrap_err().to_string();
    assert!(error.contains("did you mean \"hybridbert4rec\"?") && error.contains("there is:"), "{error}");
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    let misspelt = SMALL.replace("quick_options", "quick_optoins");
    let error = parse(&misspelt).unwrap_err().to_string();
    assert!(error.contains("quick_optoins") && error.contains("did you mean \"quick_options\"?"), "{error}");
    let error = parse(&SMALL.replace("paper =", "papre =")).unwrap_err().to_string();
    assert!(error.contains("did you mean \"paper\"?"), "{error}");
}

#[test]
fn tests_name_rows() {
    for (key, good) in [("baseline", "\"bert4rec\""), ("order", "[\"bert4rec\"]")] {
        let bad = good.replace("bert4rec", "bert4rek");
        let text = |value: &str| SMALL.replacen("seeds =", &format!("{key} = {value}\nseeds ="), 1);
        let error = parse(&text(&bad)).unwrap_err().to_string();
        assert!(error.contains("names \"bert4rek\"") && error.contains("did you mean"), "{error}");
        parse(&text(good)).unwrap();
    }
    let question =
        |name| format!("{SMALL}[[question]]\nquestion = \"?\"\npairs = [[\"bert4rec\", \"{name}\"]]\n");
    let error = parse(&question("bert4rek")).unwrap_err().to_string();
    assert!(error.contains("names \"bert4rek\"") && error.contains("did you mean"), "{error}");
    assert_eq!(parse(&question("bert4rec")).unwrap().questions[0].pairs.len(), 1);
}

#[test]
fn the_more_special_option_wins() {
    let experiment = parse(SMALL).unwrap();
    let row = &experiment.rows[0];
    let shown = |dataset, quick| -> Vec<String> {
        row.resolve(dataset, quick).iter().map(|(key, value)| format!("{key}={value}")).collect()
    };
    assert_eq!(shown("a", false), ["hidden=64", "learning-rate=0.001", "steps=1000"]);
    assert_eq!(shown("a", true), ["hidden=64", "learning-rate=0.001", "steps=100"]);
    assert_eq!(shown("b", false), ["hidden=128", "learning-rate=0.001", "steps=5000"]);
    assert_eq!(shown("b", true), ["batch=8", "hidden=128", "learning-rate=0.001", "steps=100"]);
    assert!(row.weight(false) > row.weight(true));
}

#[test]
fn a_row_takes_the_options_of_the_one_that_it_is_like() {
    let second = "[[row]]\nmodel = \"bert4rec\"\nname = \"wide\"\nlike = \"bert4rec\"\nweight = 1\n\
                  options = { hidden = 96 }\ndataset_options.b = { steps = 7 }\n";
    let experiment = parse(&format!("{SMALL}{second}")).unwrap();
    let shown = |dataset, quick| -> Vec<String> {
        experiment.rows[1]
            .resolve(dataset, quick)
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    };
    assert_eq!(shown("a", false), ["hidden=96", "learning-rate=0.001", "steps=1000"]);
    // What is said of a data set is more special, in whichever row.
    assert_eq!(shown("b", false), ["hidden=128", "learning-rate=0.001", "steps=7"]);
    assert_eq!(shown("b", true), ["batch=8", "hidden=128", "learning-rate=0.001", "steps=100"]);
    let other = second.replace("like = \"bert4rec\"", "like = \"wide\"");
    let error = parse(&format!("{SMALL}{other}")).unwrap_err().to_string();
    assert!(error.contains("like \"wide\", which is no earlier row"), "{error}");
}

#[test]
fn a_success_model_has_a_target_that_is_a_probability() {
    let text = |success: &str| SMALL.replacen("seeds =", &format!("success = {success}\nseeds ="), 1);
    let good = parse(&text("{ model = \"pfa\", target = 0.7, options = { epochs = 5 } }")).unwrap();
    assert_eq!(good.success.map(|success| (success.model, success.target)), Some(("pfa".to_owned(), 0.7)));
    let error = parse(&text("{ model = \"pfa\", target = 70 }")).unwrap_err().to_string();
    assert!(error.contains("target 70 is outside 0 to 1"), "{error}");
    assert!(parse(&text("{ model = \"pfa\", aim = 0.7 }")).is_err());
}

#[test]
fn a_row_may_only_use_an_earlier_row() {
    let second = "[[row]]\nmodel = \"hybrid\"\nuses = \"bertrec\"\nweight = 1\n";
    let error = parse(&format!("{SMALL}{second}")).unwrap_err().to_string();
    assert!(error.contains("\"hybrid\"") && error.contains("\"bertrec\""), "{error}");
}

#[test]
fn a_published_figure_needs_a_known_protocol_and_a_value_between_0_and_1() {
    let figure = |protocol: &str, value: &str| {
        parse(&format!(
            "{SMALL}[[published]]\ndataset = \"a\"\nmodel = \"m\"\nprotocol = \"{protocol}\"\nmetric = \"mrr\"\nvalue = {value}\nsource = \"s\"\n"
        ))
    };
    assert!(!figure("full", "0.25").unwrap().published[0].from_memory);
    assert!(figure("fulll", "0.25").unwrap_err().to_string().contains("did you mean \"full\"?"));
    assert!(figure("full", "25.0").is_err());
    assert!(figure("full", "0.25\nfit = \"all\"").unwrap_err().to_string().contains("fit \"all\""));
}

#[test]
fn two_rows_of_one_name_are_refused() {
    let second = "[[row]]\nmodel = \"bert4rec\"\nvariant = \"x\"\nweight = 1\n";
    assert!(parse(&format!("{SMALL}{second}")).unwrap_err().to_string().contains("two rows"));
}

#[test]
fn a_row_is_run_where_it_says_and_a_used_row_wherever_its_user_is() {
    let text = format!(
        "{SMALL}[[row]]\nname = \"check\"\nmodel = \"bert4rec\"\nweight = 1\nwithout = [\"b\"]\nfits = [\"train\"]\nseeds = 1\nquick = false\n"
    );
    let experiment = parse(&text).unwrap();
    let mut named = parse(&text).unwrap();
    named.keep_rows(&["check".to_owned()]).unwrap();
    assert!(named.rows[0].includes("b", "train", 0, true), "a named row is run wherever it is asked for");
    assert!(!named.rows[0].includes("b", "train+validation", 0, true));
    let check = &experiment.rows[1];
    assert!(check.includes("a", "train", 0, false));
    assert!(!check.includes("a", "train", 0, true));
    for (dataset, fit, seed) in [("b", "train", 0), ("a", "train+validation", 0), ("a", "train", 1)] {
        assert!(!check.includes(dataset, fit, seed, false), "{dataset} {fit} {seed}");
        assert!(experiment.rows[0].includes(dataset, fit, seed, true));
    }
    let user = "[[row]]\nname = \"user\"\nmodel = \"bert4rec\"\nweight = 1\nuses = \"check\"\n";
    let limits = ["without = [\"b\"]\n", "fits = [\"train\"]\n", "seeds = 1\n", "quick = false\n"];
    for (place, missing) in limits.iter().enumerate() {
        let others: String = limits.iter().filter(|limit| *limit != missing).copied().collect();
        let error = parse(&format!("{text}{user}{others}")).unwrap_err().to_string();
        assert!(error.contains("\"user\" uses \"check\""), "{place}: {error}");
    }
    let mut both = parse(&format!("{text}{user}{}", limits.concat())).unwrap();
    both.keep_rows(&["user".to_owned()]).unwrap();
    assert!(both.rows.iter().all(|row| row.includes("b", "train", 0, true)), "with what it uses");
    assert!(parse(&text.replace("seeds = 1\n", "seeds = 0\n")).is_err());
    assert!(parse(&text.replace("fits = [\"train\"]\nseeds", "fits = [\"all\"]\nseeds")).is_err());
}

#[test]
fn chosen_rows_bring_those_that_they_use() {
    let folder = workspace::root().join("xtask/experiments");
    let names = |wanted: &[&str]| {
        let mut experiment = load(&folder, "hybridbert4rec").unwrap();
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        experiment
            .keep_rows(&wanted)
            .map(|()| experiment.rows.iter().map(|row| row.name().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(names(&[]).unwrap().len(), load(&folder, "hybridbert4rec").unwrap().rows.len());
    assert_eq!(names(&["item-knn"]).unwrap(), ["item-knn"]);
    assert_eq!(names(&["hybridbert4rec"]).unwrap(), ["bert4rec", "hybridbert4rec"]);
    assert_eq!(names(&["hybridbert4rec-trained-projections"]).unwrap().len(), 3);
    let error = names(&["item-kn"]).unwrap_err().to_string();
    assert!(error.contains("did you mean \"item-knn\"?"), "{error}");
}

#[test]
fn rows_that_read_texts_read_them_by_the_model_that_is_given() {
    let text = r#"
        title = "t"
        paper = "p"
        datasets = ["d"]
        fits = ["train"]
        seeds = 1
        [[row]]
        model = "reads"
        weight = 1.0
        options = { text-model = "one" }
        [[row]]
        model = "blind"
        weight = 1.0
    "#;
    let mut experiment = parse(text).unwrap();
    experiment.read_by("two").unwrap();
    let options = |row: usize| experiment.rows[row].resolve("d", false);
    assert_eq!(options(0)["text-model"], OptionValue::Text("two".to_owned()));
    assert!(options(1).is_empty());
    experiment.keep_rows(&["blind".to_owned()]).unwrap();
    let error = experiment.read_by("two").unwrap_err().to_string();
    assert!(error.contains("no row of the experiment reads texts"), "{error}");
}

#[test]
fn values_are_shown_as_the_command_line_takes_them() {
    let table: BTreeMap<String, OptionValue> =
        toml::from_str("a = [64, 32]\nb = [0.8, 0.25]\nc = 1e-3\nd = \"last\"\ne = true").unwrap();
    let shown: Vec<String> = table.values().map(ToString::to_string).collect();
    assert_eq!(shown, ["[64, 32]", "[0.8, 0.25]", "0.001", "last", "true"]);
}
