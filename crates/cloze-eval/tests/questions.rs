//! Questions that pairs of models answer, worked out by hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_eval::{
    Analysis, Bootstrap, Comparison, CurvePoint, Evaluation, Finding, Heading, Metric, Question, analyse,
    answers, html, report_with, results,
};
use common::evaluation;

/// A model that finds what training shows often, and one that finds what it hardly shows: 40 users and 20.
fn two() -> [Evaluation; 2] {
    let with = |name: &str, often: u32, scarce: u32, near_best: u64| {
        let ranks: Vec<u32> = (0..60).map(|user| if user < 40 { often } else { scarce }).collect();
        let mut run = evaluation(name, 0, &ranks);
        run.protocols[0].target_counts = (0..60).map(|user| if user < 40 { 9 } else { user % 4 }).collect();
        let point = |step, ndcg| CurvePoint {
            phase: name.to_owned(),
            step,
            seconds: step as f64 / 10.0,
            loss: 1.0,
            ndcg: Some(ndcg),
        };
        run.meta.curve = vec![point(near_best, 0.96), point(900, 1.0)];
        run
    };
    [with("often", 1, 101, 100), with("scarce", 3, 1, 500)]
}

fn question(pairs: &[(&str, &str)]) -> Question {
    let named = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    Question { question: "Which <one>?".to_owned(), pairs: pairs.iter().map(named).collect() }
}

#[test]
fn a_pair_is_compared_on_all_users_and_on_scarce_targets() {
    let found = answers(&two(), &[question(&[("scarce", "often")])], &Bootstrap::default()).unwrap();
    let [answer] = &found[..] else { panic!("{found:?}") };
    // NDCG of rank 3 is 1/2: 40 users lose 1/2, 20 gain 1.
    assert!(answer.comparison.difference.abs() < 1e-12);
    let scarce = answer.scarce.as_ref().unwrap();
    assert_eq!((scarce.users, scarce.difference.value), (20, 1.0));
    let near = [&answer.model, &answer.baseline].map(|side| (side.near_best_step, side.near_best_seconds));
    assert_eq!(near, [(Some(500), Some(50.0)), (Some(100), Some(10.0))]);
    assert_eq!((answer.model.coverage, answer.model.popularity), (None, None), "no lists were kept");
}

#[test]
fn holm_is_over_the_pairs_of_a_question_and_missing_models_are_an_error() {
    let mut runs = two().to_vec();
    runs.push(evaluation("bad", 0, &[101; 60]));
    let pairs = [("scarce", "bad"), ("often", "bad")];
    let found = answers(&runs, &[question(&pairs), question(&pairs[..1])], &Bootstrap::default()).unwrap();
    assert_eq!(found.len(), 3);
    let factor = |of: &Comparison| of.holm / of.t;
    assert!((factor(&found[0].comparison) - 2.0).abs() < 1e-12);
    assert!((factor(&found[2].comparison) - 1.0).abs() < 1e-12);
    assert_eq!(found[0].comparison.finding, Finding::Better);
    assert_eq!(found[0].comparison.metric, Metric::Ndcg(10));
    let error = answers(&runs, &[question(&[("bad", "ugly")])], &Bootstrap::default()).unwrap_err();
    assert!(error.to_string().contains("\"ugly\"; models: bad, often, scarce"), "{error}");
}

#[test]
fn reports_answer_in_words_and_tables() {
    let runs = two();
    let rows = results(&runs, &[]).unwrap();
    let bootstrap = Bootstrap::default();
    let asked = [question(&[("scarce", "often"), ("often", "scarce")])];
    let analysis = Analysis {
        questions: answers(&runs, &asked, &bootstrap).unwrap(),
        ..analyse(&runs, None, &[], &bootstrap).unwrap()
    };
    let report = report_with(&rows, &runs, &[], &bootstrap, &analysis);
    for part in [
        "### Which <one>?",
        "- popularity-100: of 2 pairs",
        "scarce - often",
        "+1.0000 [+1.0000, +1.0000]",
        "500 / 100",
        "50 / 10",
        "Questions: the first of a pair less the second",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let page = html(&Heading::default(), &rows, &runs, &[], &bootstrap, &analysis);
    for part in ["<h3>Which &lt;one&gt;?</h3>", "<li>popularity-100: of 2 pairs", "500 / 100"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let silent = analyse(&runs, None, &[], &bootstrap).unwrap();
    assert!(!report_with(&rows, &runs, &[], &bootstrap, &silent).contains("Questions:"));
}
