//! From evaluations to results, and what is refused.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_eval::{
    Analysis, Bootstrap, Coverage, EvalError, Evaluation, Fit, Heading, Metric, Protocol, Published,
    ResultRow, analyse, html, report, report_with, results, write_results,
};
use common::evaluation;

fn figure(value: f64, metric: Metric) -> Published {
    Published {
        dataset: "ml-1m".to_owned(),
        model: "bert4rec".to_owned(),
        protocol: Protocol::Popularity(100),
        metric,
        value,
        source: "Sun et al. 2019".to_owned(),
        from_memory: false,
        comparable: true,
        fit: Some(Fit::Train),
        note: None,
    }
}

fn row(rows: &[ResultRow], model: &str, metric: Metric) -> ResultRow {
    rows.iter().find(|row| row.model == model && row.metric == metric).unwrap().clone()
}

#[test]
fn a_row_is_the_mean_over_users_and_seeds() {
    // Hits at 10: seed 0 two of four, seed 1 three of four.
    let evaluations = [evaluation("bert4rec", 0, &[1, 20, 4, 50]), evaluation("bert4rec", 1, &[1, 2, 4, 50])];
    let rows = results(&evaluations, &[figure(0.7, Metric::Recall(10))]).unwrap();
    assert_eq!(rows.len(), Metric::ALL.len());
    let recall = row(&rows, "bert4rec", Metric::Recall(10));
    assert!((recall.value - 0.625).abs() < 1e-12);
    assert!(recall.low <= recall.value && recall.value <= recall.high);
    assert_eq!((recall.seeds, recall.users, recall.published), (2, 4, Some(0.7)));
    let other = Published { fit: Some(Fit::TrainAndValidation), ..figure(0.7, Metric::Recall(10)) };
    let rows = results(&evaluations, &[other]).unwrap();
    assert_eq!(row(&rows, "bert4rec", Metric::Recall(10)).published, None);
    assert!((recall.seconds - 2.5).abs() < 1e-12);
    let mrr = row(&rows, "bert4rec", Metric::Mrr);
    let by_hand = (1.0 + f64::midpoint(0.05, 0.5) + 0.25 + 0.02) / 4.0;
    assert!((mrr.value - by_hand).abs() < 1e-12);
    assert_eq!(mrr.published, None);
}

#[test]
fn the_json_has_exactly_these_fields_in_this_order() {
    let rows = results(&[evaluation("bert4rec", 0, &[1, 20])], &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    write_results(&path, &rows).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.split('}').next().unwrap();
    let names: Vec<&str> = first.lines().filter_map(|line| line.trim().split('"').nth(1)).collect();
    let expected = [
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
    assert_eq!(names, expected);
    assert!(first.contains("\"published\": null") && first.contains("\"fit\": \"train\""));
    assert!(first.contains("\"protocol\": \"popularity-100\"") && first.contains("\"metric\": \"recall@1\""));
    assert_eq!(serde_json::from_str::<Vec<ResultRow>>(&text).unwrap(), rows);
}

/// Results of one evaluation and a changed copy under another model's name.
fn beside(change: impl Fn(&mut Evaluation)) -> Result<Vec<ResultRow>, EvalError> {
    let left = evaluation("bert4rec", 0, &[1, 20]);
    let mut right = evaluation("item-knn", 0, &[3, 4]);
    change(&mut right);
    results(&[left, right], &[])
}

#[test]
fn evaluations_that_differ_in_data_or_candidates_are_refused() {
    assert!(beside(|_| ()).is_ok());
    let refused = |change: fn(&mut Evaluation)| beside(change).unwrap_err().to_string();
    assert_eq!(
        refused(|right| right.meta.split_hash = "ffff".to_owned()),
        "evaluations of ml-1m cannot be compared: split hash is 0123abcd for bert4rec (fit on train, seed 0), \
         but ffff for item-knn (fit on train, seed 0)"
    );
    assert!(refused(|right| right.meta.target = cloze_eval::Target::Validation).contains("target is test"));
    assert!(refused(|right| right.protocols[0].candidate_seed = 9).contains("candidate seed is 0"));
    assert!(refused(|right| right.protocols[0].users[1] = 7).contains("list of users is 1 at row 1"));
    assert!(refused(|right| right.protocols[0].targets[0] = 7).contains("list of targets"));
    assert!(refused(|right| right.protocols[0].candidates[0] = 7).contains("number of candidates"));
    assert!(beside(|right| right.meta.dataset = "beauty".to_owned()).is_ok(), "another data set");
    assert!(beside(|right| right.meta.fit = Fit::TrainAndValidation).is_ok(), "another table");
}

#[test]
fn an_evaluation_is_compared_with_all_before_it() {
    let mut full = evaluation("theirs", 0, &[1, 20]);
    full.protocols[0].protocol = Protocol::Full;
    let a = evaluation("bert4rec", 0, &[1, 20]);
    let drawn = |change: fn(&mut Evaluation)| {
        let mut b = evaluation("item-knn", 0, &[3, 4]);
        change(&mut b);
        results(&[full.clone(), a.clone(), b], &[])
    };
    assert!(drawn(|_| ()).is_ok());
    let error = drawn(|b| b.protocols[0].candidate_seed = 9).unwrap_err().to_string();
    assert!(error.contains("candidate seed is 0 for bert4rec"), "{error}");
    let error = drawn(|b| b.protocols[0].exclude_seen = false).unwrap_err().to_string();
    assert!(error.contains("exclude_seen is true for bert4rec"), "{error}");

    let within = |model: &str, seed| {
        let mut run = evaluation(model, 0, &[1, 20]);
        (run.protocols[0].protocol, run.protocols[0].candidate_seed) = (Protocol::WithinGenre, seed);
        run
    };
    assert!(results(&[within("a", 0), within("b", 1)], &[]).is_ok(), "nothing is drawn there");
}

#[test]
fn splits_of_one_data_set_have_tables_of_their_own() {
    let evaluations = [
        evaluation("bert4rec", 0, &[1, 20]),
        evaluation("item-knn", 0, &[3, 4]),
        under("global-time:0.8,0.9", evaluation("bert4rec", 0, &[1, 2, 3])),
        under("global-time:0.8,0.9", evaluation("item-knn", 0, &[9, 9, 9])),
    ];
    let published = [figure(0.11, Metric::Recall(10))];
    let bootstrap = Bootstrap::default();
    let rows = results(&evaluations, &published).unwrap();
    assert_eq!(rows.iter().filter(|row| row.metric == Metric::Mrr).count(), 4);
    let with_figure: Vec<&str> =
        rows.iter().filter(|row| row.published.is_some()).map(|row| row.split.as_str()).collect();
    assert_eq!(with_figure, ["leave-one-out"], "published figures are of leave-one-out");
    let analysis = analyse(&evaluations, None, &[], &bootstrap).unwrap();
    assert_eq!(analysis.comparisons.len(), 2);
    assert_eq!((analysis.comparisons[0].users, analysis.comparisons[1].users), (2, 3));
    let text = report_with(&rows, &evaluations, &published, &bootstrap, &analysis);
    let page = html(&Heading::default(), &rows, &evaluations, &published, &bootstrap, &analysis);
    for title in ["ml-1m, leave-one-out, fit on train", "ml-1m, global-time:0.8,0.9, fit on train"] {
        assert_eq!(text.matches(&format!("## {title}\n")).count(), 1, "{text}");
        assert_eq!(page.matches(&format!("<h2>{title}</h2>")).count(), 1);
    }
    assert_eq!(text.matches("Sun et al. 2019").count(), 1, "{text}");
    let other_cut = under("global-time:0.8,0.9", evaluation("popularity", 0, &[1, 2]));
    let error = results(&[evaluations[2].clone(), other_cut], &[]).unwrap_err().to_string();
    assert!(error.contains("number of users"), "{error}");
}

fn under(split: &str, mut evaluation: Evaluation) -> Evaluation {
    split.clone_into(&mut evaluation.meta.split);
    evaluation
}

#[test]
fn a_seed_given_twice_or_with_other_protocols_is_refused() {
    let run = evaluation("bert4rec", 4, &[1, 20]);
    let error = results(&[run.clone(), run.clone()], &[]).unwrap_err();
    assert_eq!(error.to_string(), "bert4rec on ml-1m (fit on train) was given twice with seed 4");
    let mut other = evaluation("bert4rec", 5, &[1, 20]);
    other.protocols[0].protocol = Protocol::Full;
    let error = results(&[run, other], &[]).unwrap_err();
    assert!(error.to_string().contains("list of protocols is popularity-100"), "{error}");
}

fn sample_report(synthetic: bool) -> String {
    let ranks: Vec<u32> = (0..400).map(|user| 1 + user * 7 % 90).collect();
    let mut evaluations =
        [evaluation("bert4rec", 0, &ranks), evaluation("a-model-with-a-longer-name", 0, &vec![101; 400])];
    for evaluation in &mut evaluations {
        evaluation.meta.synthetic = synthetic;
    }
    let published = [
        figure(0.11, Metric::Recall(10)),
        figure(0.99, Metric::Ndcg(10)),
        Published { from_memory: true, ..figure(0.2, Metric::Mrr) },
        Published {
            comparable: false,
            note: Some("99 negatives".to_owned()),
            ..figure(0.3, Metric::Recall(5))
        },
        Published { fit: Some(Fit::TrainAndValidation), ..figure(0.99, Metric::Ndcg(5)) },
    ];
    let bootstrap = Bootstrap::default();
    let rows = results(&evaluations, &published).unwrap();
    report(&rows, &evaluations, &published, &bootstrap)
}

#[test]
fn the_report_shows_figures_verdicts_and_chance_within_110_columns() {
    let text = sample_report(false);
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert!(line.chars().count() <= 110, "{line}");
    }
    let line = |start: &str, part: &str| {
        let found = text.lines().find(|line| line.starts_with(start) && line.contains(part));
        found.unwrap_or_else(|| panic!("no {start} {part} in\n{text}")).to_owned()
    };
    assert!(line("| bert4rec", "| R@10").contains("agrees"));
    assert!(line("| bert4rec", "| N@10").contains("ours below"));
    assert!(line("| bert4rec", "| MRR").contains(".2000†"));
    assert!(line("| bert4rec", "| R@5").contains("not comparable"));
    assert!(line("| bert4rec", "| N@5").contains("other fit"));
    assert!(
        text.contains("[2] Sun et al. 2019 (99 negatives)")
            || text.contains("[1] Sun et al. 2019 (99 negatives)")
    );
    assert!(line("| (chance)", ".0990").contains(".0099"), "10/101 and 1/101");
    assert!(text.contains("Split leave-one-out, hash 0123abcd; test items of 400 users."));
    assert!(!text.contains("SYNTHETIC"));
}

#[test]
fn a_report_on_generated_data_says_so_in_its_titles() {
    let text = sample_report(true);
    assert!(text.starts_with("# Results (SYNTHETIC"));
    assert!(text.contains("## SYNTHETIC data: ml-1m, leave-one-out, fit on train"));
    assert!(text.contains("### SYNTHETIC data: ml-1m, popularity-100: 100 negatives by popularity"));
}

#[test]
fn several_seeds_show_how_far_they_lie_apart() {
    let seeds = [evaluation("bert4rec", 0, &[1, 1]), evaluation("bert4rec", 1, &[1, 11])];
    let rows = results(&seeds, &[]).unwrap();
    // Recall@10 is 1 and 1/2: the deviation of a sample is 1/2 / sqrt(2).
    let recall = row(&rows, "bert4rec", Metric::Recall(10));
    assert!((recall.seed_deviation.unwrap() - 0.5 / 2.0_f64.sqrt()).abs() < 1e-12);
    let bootstrap = Bootstrap::default();
    let text = report(&rows, &seeds, &[], &bootstrap);
    let line = text.lines().find(|line| line.starts_with("| (its 2 seeds)")).unwrap();
    assert!(line.contains("±.3536"), "{line}");
    let page = html(&Heading::default(), &rows, &seeds, &[], &bootstrap, &Analysis::default());
    assert!(page.contains("(its 2 seeds)") && page.contains("±.3536"));
    assert!(page.contains("seconds a seed") && page.contains("<td>2</td><td>2.5</td>"), "{page}");

    let one = results(&seeds[..1], &[]).unwrap();
    assert_eq!(one[0].seed_deviation, None);
    assert!(!serde_json::to_string(&one).unwrap().contains("seed_deviation"), "one seed, no field");
    assert!(!report(&one, &seeds[..1], &[], &bootstrap).contains("(its"));
}

#[test]
fn coverage_is_told_once_for_all_seeds_unless_it_differs() {
    let mut seeds = [evaluation("theirs", 0, &[1, 1]), evaluation("theirs", 1, &[1, 11])];
    for seed in &mut seeds {
        seed.meta.coverage = Some(Coverage { scores: 9, users: 2, targets: 1, unknown: 0 });
    }
    let told = |seeds: &[Evaluation]| {
        let rows = results(seeds, &[]).unwrap();
        let text = report(&rows, seeds, &[], &Bootstrap::default());
        let page = html(&Heading::default(), &rows, seeds, &[], &Bootstrap::default(), &Analysis::default());
        let sentence = "comes from a file of";
        assert_eq!(text.matches(sentence).count(), page.matches(sentence).count());
        (text.matches(sentence).count(), text.contains("theirs (seed 1) comes from"))
    };
    assert_eq!(told(&seeds), (1, false));
    seeds[1].meta.coverage = Some(Coverage { scores: 8, users: 2, targets: 1, unknown: 0 });
    assert_eq!(told(&seeds), (2, true));
}

#[test]
fn runs_with_different_options_are_no_seeds_of_one_model() {
    let with = |seed, options: &str| {
        let mut run = evaluation("knn", seed, &[1, 20]);
        run.meta.options = Some(serde_json::from_str(options).unwrap());
        run
    };
    let both =
        [with(0, r#"{"neighbours": 5, "shrinkage": 0}"#), with(1, r#"{"neighbours": 100, "shrinkage": 0}"#)];
    let error = results(&both, &[]).unwrap_err().to_string();
    assert!(error.contains("neighbours 5 for knn") && error.contains("neighbours 100 for knn"), "{error}");
    let chosen = [with(0, r#"{"alpha": [1.0]}"#), with(1, r#"{"alpha": [2.0]}"#)];
    assert_eq!(results(&chosen, &[]).unwrap()[0].seeds, 2, "training chose it");
    // What an earlier version did is the same, though it has no name for it there.
    for option in [
        r#""user-tokens": "learned""#,
        r#""initial-identity": 0.0"#,
        r#""initial-bias": 0.0"#,
        r#""distance-slope": 0.0"#,
    ] {
        let earlier = [with(0, r#"{"hidden": 8}"#), with(1, &format!(r#"{{"hidden": 8, {option}}}"#))];
        assert_eq!(results(&earlier, &[]).unwrap()[0].seeds, 2, "{option}");
    }
    for option in [r#""user-tokens": "profiles""#, r#""initial-identity": 2.0"#, r#""strange": 1"#] {
        let other = [with(0, r#"{"hidden": 8}"#), with(1, &format!(r#"{{"hidden": 8, {option}}}"#))];
        assert!(results(&other, &[]).is_err(), "{option}");
    }
    let unknown = [with(0, r#"{"neighbours": 5}"#), evaluation("knn", 1, &[1, 20])];
    assert_eq!(results(&unknown, &[]).unwrap()[0].seeds, 2);
}
