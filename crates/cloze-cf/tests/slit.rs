//! SLIT against the condition that its solution meets, and at its limits.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_cf::{CfError, Popularity, Slit, SlitOptions};
use cloze_data::Sequences;
use cloze_eval::{Query, Recommender};
use cloze_train::Model;
use common::{assert_close, assert_helped, four_by_four, scores, sequences, written};
use proptest::prelude::*;

const ITEMS: usize = 6;

fn options(lambda: f64, decay: f64) -> SlitOptions {
    SlitOptions { lambda, decay, ..SlitOptions::default() }
}

/// How far B is from `sum x_t (y_t - x_t B) = lambda B`, which holds where the squared error has no slope; every past is made here.
fn slope(lists: &[Vec<u32>], lambda: f64, decay: f64, weights: &[f32]) -> f64 {
    let weight = |from: usize, to: usize| f64::from(weights[from * ITEMS + to]);
    // The terms of `Σ x_t (y_t - x_t B)`, `[from, to]`.
    let mut slope = [0.0; ITEMS * ITEMS];
    for list in lists {
        let mut past = [0.0; ITEMS];
        for pair in list.windows(2) {
            past = past.map(|value| value * decay);
            past[pair[0] as usize] += 1.0;
            for (place, slope) in slope.iter_mut().enumerate() {
                let to = place % ITEMS;
                let predicted: f64 = (0..ITEMS).map(|from| past[from] * weight(from, to)).sum();
                *slope += past[place / ITEMS] * (f64::from(u8::from(pair[1] as usize == to)) - predicted);
            }
        }
    }
    let left = slope.iter().zip(weights).map(|(slope, weight)| (slope - lambda * f64::from(*weight)).abs());
    left.fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn the_squared_error_has_no_slope(
        lists in prop::collection::vec(prop::collection::vec(0..ITEMS as u32, 0..25), 1..15),
        lambda in 0.5..50.0,
        decay in 0.1..=1.0,
    ) {
        let train = Sequences::from_lists(&lists, None).unwrap();
        let model = Slit::fit(&train, ITEMS, &options(lambda, decay)).unwrap();
        // Rounding of the weights to f32 is multiplied by a Gram matrix of up to 15 * 25 * 25^2 in all.
        prop_assert!(slope(&lists, lambda, decay, model.weights()) < 1e-2);
    }
}

#[test]
fn two_items_have_the_weights_worked_out_by_hand() {
    // One past, {0}, followed by 1: B_01 = 1 / (1 + lambda).
    let mut model = Slit::fit(&sequences(&[&[0, 1]]), 2, &options(3.0, 0.5)).unwrap();
    assert_close(model.weights(), &[0.0, 0.25, 0.0, 0.0]);
    // The age of item 0 is 1.
    assert_close(&scores(&mut model, &[0, 1]), &[0.0, 0.125]);
    assert_close(&scores(&mut model, &[0, 0]), &[0.0, 0.375]);
}

/// What EASE cannot know: which of two items comes first.
#[test]
fn it_knows_the_direction() {
    let lists: Vec<Vec<u32>> = (0..50).map(|user| (0..8).map(|step| (user + step) % 6).collect()).collect();
    let train = Sequences::from_lists(&lists, None).unwrap();
    let mut model = Slit::fit(&train, ITEMS, &options(1.0, 0.8)).unwrap();
    for last in 0..6_u32 {
        let scores = scores(&mut model, &[last]);
        let best = (0..ITEMS).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        assert_eq!(best as u32, (last + 1) % 6);
    }
}

#[test]
fn rows_for_several_decays_are_those_of_each() {
    let lists: Vec<Vec<u32>> =
        (0..20).map(|user| (0..6).map(|step| (user * step + user) % 6).collect()).collect();
    let train = Sequences::from_lists(&lists, None).unwrap();
    let model = Slit::fit(&train, ITEMS, &options(2.0, 0.7)).unwrap();
    let history = [0, 3, 1, 3];
    let (mut both, mut one) = (vec![f32::NAN; 2 * ITEMS], vec![f32::NAN; ITEMS]);
    model.raw_scores(&history, &[0.7, 0.2], &mut both).unwrap();
    for (place, decay) in [0.7, 0.2].into_iter().enumerate() {
        model.raw_scores(&history, &[decay], &mut one).unwrap();
        assert_eq!(both[place * ITEMS..][..ITEMS], one[..]);
    }
    assert_ne!(both[..ITEMS], both[ITEMS..]);
}

#[test]
fn of_a_large_catalogue_the_popular_items_are_modelled() {
    let lists: [&[u32]; 4] = [&[1, 0, 3], &[1, 3], &[3, 1], &[1, 2, 3]];
    let few = SlitOptions { max_items: 2, ..options(1.0, 0.5) };
    let mut model = Slit::fit(&sequences(&lists), 4, &few).unwrap();
    assert_eq!(model.items(), [1, 3]);
    let alone = sequences(&[&[0, 1], &[0, 1], &[1, 0], &[0, 1]]);
    assert_eq!(model.weights(), Slit::fit(&alone, 2, &options(1.0, 0.5)).unwrap().weights());
    let row = scores(&mut model, &[1]);
    assert!(row[0] == 0.0 && row[2] == 0.0 && row[3] > 0.0, "{row:?}");
    assert_eq!(
        scores(&mut model, &[3, 0, 1, 2]),
        scores(&mut model, &[3, 1]),
        "as in the fit, others are no places"
    );
    // Of an item that is not modelled nothing follows: the order of popularity.
    assert_close(&scores(&mut model, &[2]), &[1.0, 4.0, 1.0, 4.0]);
}

#[test]
fn what_cannot_be_is_refused() {
    let train = four_by_four();
    for (broken, word) in [
        (options(0.0, 0.5), "lambda"),
        (options(f64::NAN, 0.5), "lambda"),
        (options(1.0, 0.0), "decay"),
        (options(1.0, 1.1), "decay"),
        (SlitOptions { memory_limit: -1.0, ..options(1.0, 0.5) }, "memory-limit"),
        (SlitOptions { memory_limit: 1e-9, ..options(1.0, 0.5) }, "max-items"),
    ] {
        let error = Slit::fit(&train, 4, &broken).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let error = Slit::fit(&train, 3, &options(1.0, 0.5)).unwrap_err();
    assert!(matches!(error, CfError::ItemOutOfRange { item: 3, catalogue: 3 }));
    let mut model = Slit::fit(&train, 4, &options(1.0, 0.5)).unwrap();
    let mut row = [0.0; 4];
    assert!(model.score(&[Query { user: None, history: &[4] }], &mut row).is_err());
    assert!(serde_json::from_str::<SlitOptions>(r#"{"lamda": 7}"#).is_err());
}

#[test]
fn nothing_to_train_on_is_no_failure() {
    let mut model = Slit::fit(&sequences(&[&[], &[2]]), 3, &options(1.0, 0.5)).unwrap();
    assert_close(&scores(&mut model, &[1]), &[0.0, 0.0, 1.0]);
    assert_eq!(Slit::fit(&sequences(&[]), 0, &options(1.0, 0.5)).unwrap().catalogue(), 0);
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let slit = Slit::fit(&four_by_four(), 4, &options(3.0, 0.7)).unwrap();
    let opened = written(&slit, 4, &folder.path().join("slit"));
    assert_eq!(Slit::load(&opened).unwrap(), slit);
    assert!(Popularity::load(&opened).is_err(), "another model");
}

#[test]
fn every_option_has_its_line_of_help() {
    assert_helped::<Slit>();
}
