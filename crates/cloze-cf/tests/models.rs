//! Popularity and ItemKNN against cases by hand and against the formulas written out densely.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_cf::{CfError, ItemKnn, ItemKnnOptions, Popularity, PopularityOptions};
use cloze_data::Sequences;
use cloze_eval::{Query, Recommender, recommend};
use cloze_train::Model;
use common::{assert_close, assert_helped, four_by_four, scores, sequences, written};
use proptest::prelude::*;

fn options(neighbours: usize, shrinkage: f64) -> ItemKnnOptions {
    ItemKnnOptions { neighbours, shrinkage, ..ItemKnnOptions::default() }
}

#[test]
fn popularity_counts_interactions() {
    let mut model = Popularity::fit(&four_by_four(), 4, &PopularityOptions {}).unwrap();
    assert_eq!(model.counts(), [4, 2, 2, 1]);
    assert_close(&scores(&mut model, &[3]), &[4.0, 2.0, 2.0, 1.0]);
    let best = recommend(&mut model, &Query { user: None, history: &[0] }, 2, true).unwrap();
    assert_eq!(best, [(1, 2.0), (2, 2.0)]);
}

#[test]
fn item_knn_has_the_similarities_worked_out_by_hand() {
    let mut model = ItemKnn::fit(&four_by_four(), 4, &options(3, 0.0)).unwrap();
    let six = 6.0_f64.sqrt();
    // 0-1: 2/sqrt(3*2); 0-2: 1/sqrt(3*2); 1-2: 1/sqrt(2*2); 2-3: 1/sqrt(2*1).
    assert_close(&scores(&mut model, &[0]), &[0.0, 2.0 / six, 1.0 / six, 0.0]);
    assert_close(&scores(&mut model, &[2]), &[1.0 / six, 0.5, 0.0, 0.5_f64.sqrt()]);
    assert_close(&scores(&mut model, &[0, 2]), &[1.0 / six, 2.0 / six + 0.5, 1.0 / six, 0.5_f64.sqrt()]);
    let mut model = ItemKnn::fit(&four_by_four(), 4, &options(3, 1.0)).unwrap();
    assert_close(&scores(&mut model, &[0]), &[0.0, 2.0 / (six + 1.0), 1.0 / (six + 1.0), 0.0]);
}

#[test]
fn an_item_listens_to_its_own_neighbours_only() {
    let model = ItemKnn::fit(&four_by_four(), 4, &options(1, 0.0)).unwrap();
    let best: Vec<u32> = (0..4).map(|item| model.neighbours(item)[0].0).collect();
    assert_eq!(best, [1, 0, 3, 2]);
    // Item 2 is similar to item 0, but 0 is not its nearest.
    assert_close(&scores(&mut model.clone(), &[0])[2..], &[0.0, 0.0]);
    assert!(model.neighbours(4).is_empty());
}

#[test]
fn a_history_that_says_nothing_gets_the_popular_items() {
    let train = sequences(&[&[0, 1], &[1, 0, 1], &[2]]);
    let mut model = ItemKnn::fit(&train, 4, &ItemKnnOptions::default()).unwrap();
    for history in [&[][..], &[2], &[3, 2]] {
        assert_close(&scores(&mut model, history), &[2.0, 3.0, 1.0, 0.0]);
    }
    assert!(scores(&mut model, &[0, 2])[1] < 1.0, "one known item is enough");
}

#[test]
fn bad_options_and_items_are_errors() {
    let fit = |neighbours, shrinkage| {
        ItemKnn::fit(&four_by_four(), 4, &options(neighbours, shrinkage)).unwrap_err().to_string()
    };
    assert_eq!(fit(0, 1.0), "option neighbours is 0, must be at least 1");
    assert_eq!(fit(1, -1.0), "option shrinkage is -1, must be a number not below 0");
    assert!(fit(1, f64::NAN).contains("NaN"));
    let small = ItemKnn::fit(&four_by_four(), 3, &ItemKnnOptions::default()).unwrap_err();
    assert!(matches!(small, CfError::ItemOutOfRange { item: 3, catalogue: 3 }));
    assert!(Popularity::fit(&four_by_four(), 3, &PopularityOptions {}).is_err());

    let mut model = ItemKnn::fit(&four_by_four(), 4, &ItemKnnOptions::default()).unwrap();
    let mut row = [0.0; 4];
    assert!(model.score(&[Query { user: None, history: &[4] }], &mut row).is_err());
    assert!(model.score(&[], &mut row).is_err(), "places for a query that is not there");
}

#[test]
fn unknown_options_are_errors_and_missing_ones_have_defaults() {
    let parsed: ItemKnnOptions = serde_json::from_str(r#"{"neighbours": 7}"#).unwrap();
    assert_eq!(parsed, ItemKnnOptions { neighbours: 7, ..ItemKnnOptions::default() });
    assert!(serde_json::from_str::<ItemKnnOptions>(r#"{"neighbors": 7}"#).is_err());
    assert!(serde_json::from_str::<PopularityOptions>(r#"{"neighbours": 7}"#).is_err());
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let knn = ItemKnn::fit(&four_by_four(), 4, &options(2, 0.5)).unwrap();
    let opened = written(&knn, 4, &folder.path().join("knn"));
    assert_eq!(ItemKnn::load(&opened).unwrap(), knn);
    assert!(Popularity::load(&opened).unwrap_err().to_string().contains("item-knn"), "another model");

    let popularity = Popularity::fit(&four_by_four(), 4, &PopularityOptions {}).unwrap();
    let opened = written(&popularity, 4, &folder.path().join("popularity"));
    assert_eq!(Popularity::load(&opened).unwrap(), popularity);
}

#[test]
fn a_model_of_another_catalogue_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let knn = ItemKnn::fit(&four_by_four(), 4, &ItemKnnOptions::default()).unwrap();
    let opened = written(&knn, 5, &folder.path().join("knn"));
    assert!(ItemKnn::load(&opened).unwrap_err().to_string().contains("similarity.offsets"));
}

#[test]
fn every_option_has_its_line_of_help() {
    assert_helped::<ItemKnn>();
    assert_helped::<Popularity>();
}

/// The formulas over a dense matrix.
fn dense_similarity(lists: &[Vec<u32>], items: usize, shrinkage: f64) -> Vec<Vec<f64>> {
    let has = |user: &Vec<u32>, item: usize| user.contains(&(item as u32));
    let size = |item: usize| lists.iter().filter(|user| has(user, item)).count() as f64;
    let similarity = |i: usize, j: usize| {
        let overlap = lists.iter().filter(|user| has(user, i) && has(user, j)).count() as f64;
        if i == j || overlap == 0.0 { 0.0 } else { overlap / ((size(i) * size(j)).sqrt() + shrinkage) }
    };
    (0..items).map(|i| (0..items).map(|j| similarity(i, j)).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_neighbours_give_the_dense_formula_and_symmetry(
        lists in prop::collection::vec(prop::collection::vec(0_u32..12, 0..9), 1..12),
        history in prop::collection::vec(0_u32..12, 1..6),
        shrinkage in 0.0_f64..5.0,
    ) {
        let train = Sequences::from_lists(&lists, None).unwrap();
        let mut model = ItemKnn::fit(&train, 12, &options(12, shrinkage)).unwrap();
        let dense = dense_similarity(&lists, 12, shrinkage);
        for i in 0..12_u32 {
            for (j, similarity) in model.neighbours(i) {
                prop_assert!((f64::from(similarity) - dense[i as usize][j as usize]).abs() < 1e-6);
                prop_assert!(model.neighbours(j).contains(&(i, similarity)), "symmetric to the bit");
            }
        }
        let mut seen = history.clone();
        seen.sort_unstable();
        seen.dedup();
        let expected: Vec<f64> =
            dense.iter().map(|row| seen.iter().map(|&j| row[j as usize]).sum()).collect();
        if expected.iter().any(|&score| score > 0.0) {
            assert_close(&scores(&mut model, &history), &expected);
            let mut reversed = history.clone();
            reversed.reverse();
            prop_assert_eq!(scores(&mut model, &history), scores(&mut model, &reversed));
        }
    }

    #[test]
    fn the_neighbours_kept_are_the_nearest(
        lists in prop::collection::vec(prop::collection::vec(0_u32..12, 0..9), 1..12),
        kept in 1_usize..6,
    ) {
        let train = Sequences::from_lists(&lists, None).unwrap();
        let fit = |neighbours| ItemKnn::fit(&train, 12, &options(neighbours, 1.0)).unwrap();
        let (all, few) = (fit(12), fit(kept));
        for item in 0..12 {
            let nearest: Vec<_> = all.neighbours(item).into_iter().take(kept).collect();
            prop_assert_eq!(few.neighbours(item), nearest);
        }
    }
}
