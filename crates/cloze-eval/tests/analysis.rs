//! Comparisons with a baseline, lists and breakdowns, worked out by hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_eval::{
    Analysis, Bootstrap, Cases, Categories, Evaluation, EvaluationOptions, Factor, Finding, Heading,
    ItemDistances, Metric, Protocol, analyse, evaluate, evaluate_with, html, report_with, results,
    write_analysis,
};
use common::{Fixed, evaluation};

fn analysed(evaluations: &[Evaluation], baseline: Option<&str>) -> Analysis {
    analyse(evaluations, baseline, &[], &Bootstrap::default()).unwrap()
}

/// A clearly good, a slightly different and a clearly bad model for 60 users.
fn three() -> [Evaluation; 3] {
    let good: Vec<u32> = (0..60).map(|user| 1 + user % 3).collect();
    let alike: Vec<u32> =
        good.iter().enumerate().map(|(at, &rank)| if at == 7 { rank + 1 } else { rank }).collect();
    [evaluation("good", 0, &good), evaluation("alike", 0, &alike), evaluation("bad", 0, &[101; 60])]
}

#[test]
fn models_are_tested_against_the_best_or_the_named() {
    let found = analysed(&three(), None).comparisons;
    let names: Vec<_> = found.iter().map(|row| (row.model.as_str(), row.baseline.as_str())).collect();
    assert_eq!(names, [("alike", "good"), ("bad", "good")]);
    assert_eq!(found[0].finding, Finding::NoDifferenceShown);
    assert_eq!(found[1].finding, Finding::Worse);
    // Holm: the smaller of two p-values is doubled.
    assert!((found[1].holm / found[1].t - 2.0).abs() < 1e-12);
    // (1 + 1/log2(3) + 1/2) / 3 is what the bad model lacks.
    let lacks = (1.0 + 1.0 / 3.0_f64.log2() + 0.5) / 3.0;
    assert!((found[1].difference + lacks).abs() < 1e-9);
    assert!(found[1].low < found[1].difference && found[1].difference < found[1].high);

    let named = analysed(&three(), Some("bad")).comparisons;
    assert!(named.iter().all(|row| row.baseline == "bad" && row.finding == Finding::Better));
    let error = analyse(&three(), Some("ugly"), &[], &Bootstrap::default()).unwrap_err();
    assert_eq!(error.to_string(), "no evaluation of the model \"ugly\"; models: alike, bad, good");
    assert!(analysed(&three()[..1], None).comparisons.is_empty(), "one model has nothing to compare with");
}

#[test]
fn equal_models_show_no_difference() {
    let ranks = [1, 5, 101, 2];
    let found = analysed(&[evaluation("a", 0, &ranks), evaluation("b", 0, &ranks)], None).comparisons;
    assert_eq!((found[0].model.as_str(), found[0].finding), ("b", Finding::NoDifferenceShown));
    assert!((found[0].wilcoxon.unwrap() - 1.0).abs() < 1e-15 && (found[0].t - 1.0).abs() < 1e-15);
}

#[test]
fn a_verdict_is_about_the_mean_that_is_shown() {
    // "often" is a little better for 903 of 943 users and far worse for 40: its signed ranks win, its mean loses.
    let often: Vec<u32> = (0..943).map(|user| if user < 40 { 101 } else { 9 }).collect();
    let seldom: Vec<u32> = (0..943).map(|user| if user < 40 { 1 } else { 10 }).collect();
    let runs = [evaluation("often", 0, &often), evaluation("seldom", 0, &seldom)];
    for (baseline, finding) in [("seldom", Finding::Worse), ("often", Finding::Better)] {
        let found = analysed(&runs, Some(baseline)).comparisons.remove(0);
        assert!(found.wilcoxon.unwrap() < 1e-4, "which points the other way");
        assert_eq!(found.finding, finding, "against {baseline}");
    }
}

#[test]
fn a_mean_over_seeds_is_not_better_for_its_many_small_differences() {
    // Every run finds 30 of 300 users, others in each: one against the mean of two loses 30 users by 1 and wins 60 by 1/2.
    let found =
        |first: u32| (0..300).map(move |user| if (first..first + 30).contains(&user) { 1 } else { 101 });
    let runs = [("one", 0, 0), ("two", 0, 30), ("two", 1, 60)]
        .map(|(model, seed, first)| evaluation(model, seed, &found(first).collect::<Vec<_>>()));
    let found = analysed(&runs, Some("one")).comparisons.remove(0);
    assert!(found.difference.abs() < 1e-12 && (found.t - 1.0).abs() < 1e-6, "{found:?}");
    assert_eq!((found.wilcoxon, found.finding), (None, Finding::NoDifferenceShown));
}

#[test]
fn breakdowns_hold_every_user_once_and_cold_targets_apart() {
    // Targets have counts 0, 10, ..., 60 in turn; only users with a cold target find it.
    let ranks: Vec<u32> = (0..70).map(|user| if user % 7 == 0 { 1 } else { 90 }).collect();
    let rows = analysed(&[evaluation("a", 0, &ranks)], None).breakdowns;
    let of = |by: Factor| rows.iter().filter(move |row| row.by == by && row.metric == Metric::Ndcg(10));
    for by in Factor::ALL {
        // One user in ten has a target without categories.
        let users = if by == Factor::TargetFamiliarity { 63 } else { 70 };
        assert_eq!(of(by).map(|row| row.users).sum::<usize>(), users, "{by}");
    }
    let popularity: Vec<_> = of(Factor::TargetPopularity).map(|row| (row.from, row.to, row.users)).collect();
    assert_eq!(popularity, [(0, 0, 10), (10, 20, 20), (30, 30, 10), (40, 50, 20), (60, 60, 10)]);
    let values: Vec<f64> = of(Factor::TargetPopularity).map(|row| row.value).collect();
    assert!((values[0] - 1.0).abs() < 1e-15 && values[1..].iter().all(|value| *value < 1e-15));
}

#[test]
fn lists_of_a_full_ranking_are_counted_without_the_history() {
    // Everybody is shown the 10 best of 12 items; user 0 has had the best, item 11.
    let scores: Vec<f32> = (0..12_u8).map(f32::from).collect();
    let popularity: Vec<u64> = (0..12).map(|item| 1 << (item % 2)).collect();
    let histories: [&[u32]; 2] = [&[11], &[]];
    let cases = Cases::new(vec![0, 1], histories.to_vec(), vec![3, 3], popularity).unwrap();
    let options = EvaluationOptions {
        protocols: vec![Protocol::Uniform(2), Protocol::Full],
        ..EvaluationOptions::default()
    };
    let found = evaluate(&mut Fixed::row(&scores), &cases, &options, &mut |_, _| {}).unwrap();
    assert_eq!(found[0].lists, None, "sampled candidates make no list");
    let lists = found[1].lists.clone().unwrap();
    // Items 1..=10 and 2..=11: items 2 to 10 twice, 1 and 11 once, 0 never.
    assert_eq!((lists.k, lists.users, lists.short), (10, 2, 0));
    assert!((lists.coverage - 11.0 / 12.0).abs() < 1e-15);
    // Five items of count 1 and five of count 2 each; the counts sum to 18.
    assert!((lists.popularity - 1.5).abs() < 1e-15);
    assert!((lists.novelty - (18.0_f64.log2() - 0.5)).abs() < 1e-12);
    // sum (2j - 13) x_j: j = 1 is 0; 2, 3 are 1 each; 4..=12 are 2 each.
    assert!((lists.gini - (-9.0 - 7.0 + 2.0 * 27.0) / 240.0).abs() < 1e-15);
    assert_eq!((found[1].target_counts[0], found[1].history_lengths[0]), (2, 1));

    assert!(lists.unfamiliarity.is_none() && found[1].target_familiarities.is_empty());
    let genres: Vec<Vec<&str>> =
        (0..12).map(|item| vec![if item % 2 == 1 { "odd" } else { "even" }]).collect();
    let categories = Categories::new(&genres);
    let known = cases.clone().with_categories(&categories).unwrap();
    let found = evaluate(&mut Fixed::row(&scores), &known, &options, &mut |_, _| {}).unwrap();
    // Half of either list is odd, as is all that user 0 had; to user 1 nothing is familiar.
    assert_eq!(found[1].lists.clone().unwrap().unfamiliarity, Some(0.75));
    assert_eq!(found[0].target_familiarities, [Some(100), Some(0)]);
    let short = Categories::new(&genres[1..]);
    let error = cases.clone().with_categories(&short).unwrap_err().to_string();
    assert_eq!(error, "model of categories scores 11 items, the data has 12");

    let other = ItemDistances::vectors(1, &[1.0; 5]).unwrap();
    let error = evaluate_with(&mut Fixed::row(&scores), &cases, &options, Some(&other), &mut |_, _| {});
    assert_eq!(error.unwrap_err().to_string(), "model distance by vectors scores 5 items, the data has 12");
}

#[test]
fn the_report_and_the_json_have_the_analysis() {
    let runs = three();
    let (bootstrap, rows) = (Bootstrap::default(), results(&runs, &[]).unwrap());
    let analysis = analysed(&runs, Some("bad"));
    let text = report_with(&rows, &runs, &[], &bootstrap, &analysis);
    for part in
        ["### NDCG@10 against bad, popularity-100", "better", "by length of the history", "(users)", "Pratt"]
    {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let wide = text.lines().find(|line| line.starts_with('|') && line.chars().count() > 110);
    assert_eq!(wide, None);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("analysis.json");
    write_analysis(&path, &analysis).unwrap();
    let read: Analysis = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(read.comparisons.len(), analysis.comparisons.len());
    assert_eq!(read.breakdowns, analysis.breakdowns);
}

#[test]
fn the_page_stands_alone_and_says_its_plots_in_words() {
    let runs = three();
    let (bootstrap, rows) = (Bootstrap::default(), results(&runs, &[]).unwrap());
    let heading = Heading { title: "A <b> & C", note: "One.\n\nTwo." };
    let page = html(&heading, &rows, &runs, &[], &bootstrap, &analysed(&runs, None));
    for part in [
        "<h1>A &lt;b&gt; &amp; C</h1>",
        "<p>Two.</p>",
        "role=\"img\"",
        "<desc>good ",
        "class=\"text worse\"",
        "By length of the history",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    for foreign in ["<script", "http", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for tag in ["table", "svg", "figure", "section", "div", "tr", "td"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    if let Some(path) = std::env::var_os("CLOZE_PAGE") {
        std::fs::write(path, page).unwrap();
    }
}

#[test]
fn a_claimed_order_is_tested_step_by_step() {
    let order = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        analyse(&three(), None, &names, &Bootstrap::default()).unwrap().order
    };
    let steps = order(&["good", "bad", "alike"]);
    let found: Vec<_> =
        steps.iter().map(|step| (step.model.as_str(), step.baseline.as_str(), step.finding)).collect();
    assert_eq!(found, [("good", "bad", Finding::Better), ("bad", "alike", Finding::Worse)]);
    // The smaller of the two is doubled, and the other is no smaller than that.
    assert!((steps[0].holm / steps[0].t.min(steps[1].t) - 2.0).abs() < 1e-12, "Holm over two");
    assert!(order(&["good"]).is_empty(), "one model has no order");

    let rows = results(&three(), &[]).unwrap();
    let names = ["good", "bad", "alike"].map(str::to_owned);
    let analysis = analyse(&three(), None, &names, &Bootstrap::default()).unwrap();
    let report = report_with(&rows, &three(), &[], &Bootstrap::default(), &analysis);
    assert!(report.contains("The claimed order good > bad > alike"), "{report}");
    assert!(report.contains("does not hold: 1 of 2 steps found"), "{report}");
    let page = html(&Heading::default(), &rows, &three(), &[], &Bootstrap::default(), &analysis);
    assert!(page.contains("does not hold: 1 of 2 steps found"), "{page}");
    let names = ["good", "bad"].map(str::to_owned);
    let analysis = analyse(&three(), None, &names, &Bootstrap::default()).unwrap();
    assert!(report_with(&rows, &three(), &[], &Bootstrap::default(), &analysis).contains(": holds"));
    let error = analyse(&three(), None, &["ugly".to_owned()], &Bootstrap::default()).unwrap_err();
    assert!(error.to_string().contains("\"ugly\"; models: alike, bad, good"), "{error}");
}

#[test]
fn an_order_of_fewer_models_under_one_protocol_is_named_there() {
    let mut runs = three();
    for at in [0, 2] {
        let mut full = runs[at].protocols[0].clone();
        full.protocol = Protocol::Full;
        runs[at].protocols.insert(0, full);
    }
    let order = ["good", "alike", "bad"].map(str::to_owned);
    let analysis = analyse(&runs, None, &order, &Bootstrap::default()).unwrap();
    let rows = results(&runs, &[]).unwrap();
    let report = report_with(&rows, &runs, &[], &Bootstrap::default(), &analysis);
    assert!(report.contains("The claimed order good > alike > bad"), "{report}");
    assert!(report.contains("- full: holds (of good > bad: there are no others)"), "{report}");
    assert!(report.contains("- popularity-100: does not hold: 1 of 2 steps found\n"), "{report}");
}
