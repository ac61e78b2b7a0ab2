//! `PureSVD` on matrices that are small enough to see through.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_cf::{CfError, Popularity, PureSvd, PureSvdOptions};
use cloze_eval::{Query, Recommender};
use cloze_train::Model;
use common::{assert_close, assert_helped, four_by_four, scores, sequences, written};

fn options(hidden: usize) -> PureSvdOptions {
    PureSvdOptions { hidden }
}

#[test]
fn with_all_vectors_a_users_row_comes_back() {
    // Rank 3: items 2 and 3 come together only.
    let train = sequences(&[&[0, 1], &[0], &[2, 3], &[2, 3]]);
    let mut model = PureSvd::fit(&train, 4, &options(4)).unwrap();
    assert_eq!(model.values().len(), 3);
    assert_close(&scores(&mut model, &[0]), &[1.0, 0.0, 0.0, 0.0]);
    assert_close(&scores(&mut model, &[2, 3, 2]), &[0.0, 0.0, 1.0, 1.0]);
    // Half of a pair is half of both.
    assert_close(&scores(&mut model, &[3]), &[0.0, 0.0, 0.5, 0.5]);
}

#[test]
fn the_largest_vector_is_that_of_the_largest_group() {
    let train = sequences(&[&[0, 1], &[1, 0], &[0, 1], &[2, 3]]);
    let mut model = PureSvd::fit(&train, 4, &options(1)).unwrap();
    assert!((model.values()[0] - 6.0_f32.sqrt()).abs() < 1e-6, "{:?}", model.values());
    assert_close(&scores(&mut model, &[0]), &[0.5, 0.5, 0.0, 0.0]);
    let vectors = model.item_vectors();
    // X = (U S^1/2) (V S^1/2)^T with V = (1, 1) / sqrt 2.
    let expected = 6.0_f64.powf(0.25) / 2.0_f64.sqrt();
    assert_close(&vectors, &[expected, expected, 0.0, 0.0]);
}

#[test]
fn item_vectors_are_as_wide_as_was_asked_for() {
    let model = PureSvd::fit(&sequences(&[&[0, 1], &[1]]), 3, &options(5)).unwrap();
    assert_eq!(model.item_vectors().len(), 15);
    assert!(model.item_vectors()[10..].iter().all(|value| *value == 0.0), "an item that nobody had");
}

#[test]
fn who_has_no_known_item_gets_the_popular_ones() {
    let mut model = PureSvd::fit(&four_by_four(), 4, &options(2)).unwrap();
    assert_close(&scores(&mut model, &[]), &[4.0, 2.0, 2.0, 1.0]);
    let mut empty = PureSvd::fit(&sequences(&[&[], &[]]), 2, &options(2)).unwrap();
    assert_close(&scores(&mut empty, &[1]), &[0.0, 0.0]);
}

#[test]
fn what_cannot_be_is_refused() {
    let error = PureSvd::fit(&four_by_four(), 4, &options(0)).unwrap_err().to_string();
    assert!(error.contains("hidden"), "{error}");
    let error = PureSvd::fit(&four_by_four(), 3, &options(2)).unwrap_err();
    assert!(matches!(error, CfError::ItemOutOfRange { item: 3, catalogue: 3 }));
    let mut model = PureSvd::fit(&four_by_four(), 4, &options(2)).unwrap();
    assert!(model.score(&[Query { user: None, history: &[4] }], &mut [0.0; 4]).is_err());
    assert!(serde_json::from_str::<PureSvdOptions>(r#"{"hiden": 7}"#).is_err());
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let model = PureSvd::fit(&four_by_four(), 4, &options(2)).unwrap();
    let opened = written(&model, 4, &folder.path().join("svd"));
    assert_eq!(PureSvd::load(&opened).unwrap(), model);
    assert!(Popularity::load(&opened).is_err(), "another model");
}

#[test]
fn every_option_has_its_line_of_help() {
    assert_helped::<PureSvd>();
}
