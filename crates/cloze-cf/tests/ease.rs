//! EASE against numpy, against the condition that its solution meets, and at its limits.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_cf::{CfError, Ease, EaseDecay, EaseOptions, Popularity};
use cloze_data::Sequences;
use cloze_eval::{Query, Recommender};
use cloze_train::{Model, NamedTensor};
use common::{
    assert_close, assert_helped, four_by_four, relative_norm, scores, sequences, written, written_with,
};
use proptest::prelude::*;
use serde::Deserialize;

fn options(lambda: f64) -> EaseOptions {
    EaseOptions { lambda, ..EaseOptions::default() }
}

#[derive(Deserialize)]
struct Golden {
    items: usize,
    sequences: Vec<Vec<u32>>,
    history: Vec<u32>,
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    lambda: f64,
    training_decay: f64,
    decay: f64,
    weights: Vec<f64>,
    scores: Vec<f64>,
}

/// The bounds are those of rounding to `f32`, once for the weights and once for each term of a score.
#[test]
fn weights_and_scores_are_those_of_numpy() {
    let golden: Golden = serde_json::from_str(include_str!("golden/ease.json")).unwrap();
    let train = Sequences::from_lists(&golden.sequences, None).unwrap();
    for case in &golden.cases {
        let GoldenCase { lambda, training_decay, decay, .. } = *case;
        let options = EaseOptions { lambda, training_decay, decay, ..EaseOptions::default() };
        let mut model = Ease::fit(&train, golden.items, &options).unwrap();
        let error = relative_norm(model.weights(), &case.weights);
        assert!(error < 5e-8, "lambda {lambda}: weights differ by {error:e}");
        let error = relative_norm(&scores(&mut model, &golden.history), &case.scores);
        assert!(error < 5e-7, "lambda {lambda}: scores differ by {error:e}");
    }
}

#[test]
fn two_items_have_the_weights_worked_out_by_hand() {
    // X^T X = [[2, 1], [1, 1]]: B_ij = (X^T X)_ij / ((X^T X)_ii + lambda).
    let mut model = Ease::fit(&sequences(&[&[0, 1, 1], &[0]]), 2, &options(2.0)).unwrap();
    assert_close(model.weights(), &[0.0, 1.0 / 4.0, 1.0 / 3.0, 0.0]);
    assert_close(&scores(&mut model, &[0]), &[0.0, 0.25]);
}

#[test]
fn older_items_of_a_history_count_less() {
    let plain = Ease::fit(&four_by_four(), 4, &options(1.0)).unwrap();
    let mut decayed = plain.clone().with_decay(0.5).unwrap();
    let weight = |from: usize, to: usize| f64::from(plain.weights()[from * 4 + to]);
    let expected: Vec<f64> = (0..4).map(|to| 0.5 * weight(0, to) + weight(2, to)).collect();
    assert_close(&scores(&mut decayed, &[2, 0, 2]), &expected);
    assert!(plain.with_decay(0.0).is_err());
}

/// B minimizes under its zero diagonal if and only if (X^T X + lambda I) B equals X^T X off the diagonal.
fn assert_optimal(lists: &[Vec<u32>], items: usize, lambda: f64) {
    let train = Sequences::from_lists(lists, None).unwrap();
    let model = Ease::fit(&train, items, &options(lambda)).unwrap();
    let mut gram = vec![vec![0.0; items]; items];
    for list in lists {
        let has = |item: usize| list.contains(&(item as u32));
        for i in (0..items).filter(|&item| has(item)) {
            (0..items).filter(|&item| has(item)).for_each(|j| gram[i][j] += 1.0);
        }
    }
    for j in 0..items {
        let b = |i: usize| f64::from(model.weights()[i * items + j]);
        assert!(b(j).abs() < f64::MIN_POSITIVE, "the diagonal is zero");
        for i in (0..items).filter(|&i| i != j) {
            let product: f64 = (0..items).map(|k| gram[i][k] * b(k)).sum::<f64>() + lambda * b(i);
            let scale = 1.0 + gram[i][i];
            assert!((product - gram[i][j]).abs() < 1e-5 * scale, "{i}, {j}: {product} for {}", gram[i][j]);
        }
    }
}

/// More items than a block of the factorization, from a small generator.
fn many_items() -> Vec<Vec<u32>> {
    let mut state = 1_u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = state >> 33;
        (((high * high) >> 31) * below) >> 31
    };
    (0..400).map(|_| (0..draw(40)).map(|_| draw(300) as u32).collect()).collect()
}

#[test]
fn large_matrices_are_solved_too() {
    assert_optimal(&many_items(), 300, 2.0);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let train = Sequences::from_lists(&many_items(), None).unwrap();
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Ease::fit(&train, 300, &options(2.0)).unwrap())
    };
    assert_eq!(fit(1), fit(4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_solution_meets_the_condition_of_the_minimum(
        lists in prop::collection::vec(prop::collection::vec(0_u32..9, 0..9), 1..12),
        lambda in 0.1_f64..50.0,
    ) {
        assert_optimal(&lists, 9, lambda);
    }

    #[test]
    fn without_decay_the_order_of_a_history_changes_nothing(
        history in prop::collection::vec(0_u32..4, 1..9),
    ) {
        let mut model = Ease::fit(&four_by_four(), 4, &options(1.0)).unwrap();
        let reversed: Vec<u32> = history.iter().rev().copied().collect();
        prop_assert_eq!(scores(&mut model, &history), scores(&mut model, &reversed));
    }
}

#[test]
fn a_history_that_says_nothing_gets_the_popular_items() {
    // Item 2 is had alone, item 3 by nobody.
    let train = sequences(&[&[0, 1], &[1, 0, 1], &[2]]);
    let mut model = Ease::fit(&train, 4, &EaseOptions { decay: 0.5, ..options(1.0) }).unwrap();
    for history in [&[][..], &[2], &[3, 2, 3]] {
        assert_close(&scores(&mut model, history), &[2.0, 3.0, 1.0, 0.0]);
    }
    assert!(scores(&mut model, &[0, 2])[1] < 1.0, "one known item is enough");
}

#[test]
fn a_catalogue_beyond_the_limit_is_refused_before_anything_is_allocated() {
    let error = Ease::fit(&four_by_four(), 1_000_000_000, &EaseOptions::default()).unwrap_err();
    assert!(matches!(error, CfError::Memory { items: 1_000_000_000, .. }));
    let small = EaseOptions { memory_limit: 1e-9, ..EaseOptions::default() };
    let message = Ease::fit(&four_by_four(), 4, &small).unwrap_err().to_string();
    assert!(message.starts_with("4 items need") && message.contains("filter rare items"), "{message}");
    // No limit set: what the system refuses is an error as well.
    let none = EaseOptions { memory_limit: 1e30, ..EaseOptions::default() };
    let error = Ease::fit(&four_by_four(), 5_000_000, &none).unwrap_err();
    assert!(matches!(error, CfError::OutOfMemory { .. }), "{error}");
}

#[test]
fn of_a_large_catalogue_the_popular_items_are_modelled() {
    // Counts 2, 1, 3, 3, 0: items 0, 2 and 3 stay, as if the data had no others.
    let train = sequences(&[&[0, 2, 3], &[2, 1, 3], &[3, 0, 2]]);
    let few = EaseOptions { max_items: 3, decay: 0.5, ..options(1.0) };
    let mut model = Ease::fit(&train, 5, &few).unwrap();
    assert_eq!(model.items(), [0, 2, 3]);
    let without = sequences(&[&[0, 1, 2], &[1, 2], &[2, 0, 1]]);
    let mut small = Ease::fit(&without, 3, &EaseOptions { decay: 0.5, ..options(1.0) }).unwrap();
    assert_eq!(model.weights(), small.weights());
    let expected = scores(&mut small, &[0, 2]);
    let found = scores(&mut model, &[0, 3]);
    assert_eq!(found, [expected[0], 0.0, expected[1], expected[2], 0.0]);
    assert_eq!(scores(&mut model, &[0, 1, 3, 4]), found);
    assert_close(&scores(&mut model, &[1]), &[2.0, 1.0, 3.0, 3.0, 0.0]);

    let folder = tempfile::tempdir().unwrap();
    let opened = written(&model, 5, &folder.path().join("few"));
    assert_eq!(Ease::load(&opened).unwrap(), model);
    let many = EaseOptions { max_items: 2, ..EaseOptions::default() };
    assert!(Ease::fit(&train, 1_000_000, &many).is_ok(), "what is not modelled needs no square");
}

#[test]
fn bad_options_and_items_are_errors() {
    let message = |options: EaseOptions| Ease::fit(&four_by_four(), 4, &options).unwrap_err().to_string();
    assert_eq!(message(options(0.0)), "option lambda is 0, must be a number above 0");
    assert!(message(options(f64::NAN)).contains("NaN"));
    assert!(message(EaseOptions { decay: 1.5, ..options(1.0) }).contains("option decay is 1.5"));
    assert!(message(EaseOptions { training_decay: 0.0, ..options(1.0) }).contains("training-decay"));
    assert!(message(EaseOptions { memory_limit: -1.0, ..options(1.0) }).contains("memory-limit"));
    // Two items that everybody had: without a lambda the Gram matrix has no inverse.
    let twins = Ease::fit(&sequences(&[&[0, 1]]), 2, &options(1e-300)).unwrap_err();
    assert!(matches!(twins, CfError::Singular { .. }), "{twins}");
    assert!(matches!(
        Ease::fit(&four_by_four(), 3, &options(1.0)).unwrap_err(),
        CfError::ItemOutOfRange { item: 3, catalogue: 3 }
    ));
    let mut model = Ease::fit(&four_by_four(), 4, &options(1.0)).unwrap();
    let mut row = [0.0; 4];
    assert!(model.score(&[Query { user: None, history: &[4] }], &mut row).is_err());
    assert!(model.score(&[], &mut row).is_err(), "places for a query that is not there");
    assert!(serde_json::from_str::<EaseOptions>(r#"{"lamda": 7}"#).is_err());
}

#[test]
fn nothing_to_train_on_is_no_failure() {
    let mut model = Ease::fit(&sequences(&[&[], &[]]), 3, &options(1.0)).unwrap();
    assert_close(&scores(&mut model, &[1]), &[0.0; 3]);
    assert_eq!(Ease::fit(&sequences(&[]), 0, &options(1.0)).unwrap().catalogue(), 0);
    let mut single = Ease::fit(&sequences(&[&[0]]), 1, &options(1.0)).unwrap();
    assert_close(&scores(&mut single, &[0]), &[1.0]);
}

#[test]
fn what_is_saved_is_loaded_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let ease = Ease::fit(&four_by_four(), 4, &EaseOptions { decay: 0.7, ..options(3.0) }).unwrap();
    let opened = written(&ease, 4, &folder.path().join("ease"));
    assert_eq!(Ease::load(&opened).unwrap(), ease);
    assert!(EaseDecay::load(&opened).unwrap_err().to_string().contains("ease-decay"), "another model");
    assert!(Popularity::load(&opened).is_err(), "another model");

    let decayed = EaseDecay::new(ease);
    let opened = written(&decayed, 4, &folder.path().join("ease-decay"));
    assert_eq!(EaseDecay::load(&opened).unwrap(), decayed);
}

#[test]
fn damaged_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ease = Ease::fit(&four_by_four(), 4, &options(3.0)).unwrap();
    let other = written(&ease, 5, &folder.path().join("other"));
    assert!(Ease::load(&other).unwrap_err().to_string().contains("counts"), "another catalogue");
    let mut values = ease.weights().to_vec();
    values[3] = f32::NAN;
    let tensors = [
        NamedTensor::u32("items", &[4], vec![0, 1, 2, 3]),
        NamedTensor::f32("weights", &[4, 4], values),
        NamedTensor::u64("counts", &[4], vec![1; 4]),
    ];
    let damaged = written_with(&ease, &tensors, 4, &folder.path().join("damaged"));
    assert!(Ease::load(&damaged).unwrap_err().to_string().contains("NaN"));
}

#[test]
fn every_option_has_its_line_of_help() {
    assert_helped::<Ease>();
    assert_helped::<EaseDecay>();
}
