//! Models that know what came last: decayed histories and recent popularity.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_cf::{
    CfError, EaseDecay, ItemKnn, ItemKnnDecay, ItemKnnOptions, Popularity, PopularityOptions,
    PopularityRecent, PopularityRecentOptions,
};
use cloze_data::Sequences;
use cloze_eval::Recommender;
use cloze_train::{Model, Reporter, Run, TrainingData};
use common::{assert_close, assert_helped, four_by_four, origin, scores, sequences, written};
use proptest::prelude::*;

fn decayed(decay: f64) -> ItemKnnOptions {
    ItemKnnOptions { neighbours: 3, shrinkage: 0.0, decay }
}

fn with_defaults<M: Model>(train: &Sequences, items: usize) -> M {
    let origin = origin();
    let data = TrainingData::new(train, items, &origin);
    M::fit(&data, &M::Options::default(), &mut Run::new(0, &mut Reporter::quiet())).unwrap()
}

#[test]
fn a_decayed_history_has_the_scores_worked_out_by_hand() {
    let mut model = ItemKnn::fit(&four_by_four(), 4, &decayed(0.5)).unwrap();
    let six = 6.0_f64.sqrt();
    // The last item is 2; item 0 was last had two places before.
    let expected = [1.0 / six, 0.5 + 0.25 * 2.0 / six, 0.25 / six, 0.5_f64.sqrt()];
    assert_close(&scores(&mut model, &[0, 0, 2, 2]), &expected);
    assert!(ItemKnn::fit(&four_by_four(), 4, &decayed(1.1)).is_err());
    assert!(matches!(model.with_decay(f64::NAN).unwrap_err(), CfError::Option { option: "decay", .. }));
}

#[test]
fn a_decay_of_one_is_none() {
    let plain = ItemKnn::fit(&four_by_four(), 4, &decayed(1.0)).unwrap();
    let other = ItemKnn::fit(&four_by_four(), 4, &decayed(0.5)).unwrap().with_decay(1.0).unwrap();
    assert_eq!(plain, other);
}

#[test]
fn a_decayed_form_has_its_own_name_and_default() {
    let parsed = |text: &str| serde_json::from_str::<<ItemKnnDecay as Model>::Options>(text);
    assert_eq!(parsed("{}").unwrap(), <ItemKnnDecay as Model>::Options::default());
    assert!((parsed("{}").unwrap().0.decay - 0.9).abs() < 1e-12);
    assert!((parsed(r#"{"decay": 0.5}"#).unwrap().0.decay - 0.5).abs() < 1e-12);
    assert!(parsed(r#"{"decya": 0.5}"#).unwrap_err().to_string().contains("decya"));

    let mut knn: ItemKnnDecay = with_defaults(&four_by_four(), 4);
    assert_eq!(knn.name(), "item-knn-decay");
    let mut plain = ItemKnn::fit(&four_by_four(), 4, &knn.options().0).unwrap();
    assert_eq!(scores(&mut knn, &[0, 2]), scores(&mut plain, &[0, 2]));
    let ease: EaseDecay = with_defaults(&four_by_four(), 4);
    assert_eq!((ease.name(), ease.catalogue()), ("ease-decay".to_owned(), 4));
    assert!((ease.model().options().decay - 0.8).abs() < 1e-12);
}

fn timed() -> Sequences {
    let times = [vec![1, 2, 9], vec![8, 9]];
    Sequences::from_lists(&[vec![0, 1, 2], vec![1, 3]], Some(&times)).unwrap()
}

#[test]
fn the_window_counts_the_most_recent_interactions() {
    let counts = |window| {
        let options = PopularityRecentOptions { window };
        PopularityRecent::fit(&timed(), 5, &options).unwrap().counts().to_vec()
    };
    assert_eq!(counts(0.5), [0, 1, 1, 1, 0], "three of five");
    assert_eq!(counts(0.1), [0, 0, 1, 1, 0], "equal times stay together");
    assert_eq!(counts(1.0), [1, 2, 1, 1, 0]);
}

#[test]
fn without_times_the_window_is_the_end_of_each_sequence() {
    let train = sequences(&[&[0, 1, 2, 3], &[1, 0], &[]]);
    let fit = |window| PopularityRecent::fit(&train, 4, &PopularityRecentOptions { window });
    assert_eq!(fit(0.5).unwrap().counts(), [1, 0, 1, 1]);
    assert_eq!(fit(0.01).unwrap().counts(), [1, 0, 0, 1]);
    let nothing = PopularityRecent::fit(&sequences(&[]), 2, &PopularityRecentOptions::default());
    assert_eq!(nothing.unwrap().counts(), [0, 0]);
    for window in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(fit(window).unwrap_err().to_string().contains("option window is"));
    }
}

#[test]
fn what_is_saved_is_loaded_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let recent = PopularityRecent::fit(&timed(), 4, &PopularityRecentOptions { window: 0.4 }).unwrap();
    let opened = written(&recent, 4, &folder.path().join("recent"));
    assert_eq!(PopularityRecent::load(&opened).unwrap(), recent);
    assert!(Popularity::load(&opened).is_err(), "another model");

    let knn: ItemKnnDecay = with_defaults(&four_by_four(), 4);
    let opened = written(&knn, 4, &folder.path().join("knn"));
    assert_eq!(ItemKnnDecay::load(&opened).unwrap(), knn);
    assert!(ItemKnn::load(&opened).is_err(), "another model");
}

#[test]
fn every_option_has_its_line_of_help() {
    assert_helped::<ItemKnnDecay>();
    assert_helped::<PopularityRecent>();
}

proptest! {
    #[test]
    fn the_whole_window_is_popularity(
        lists in prop::collection::vec(prop::collection::vec((0_u32..6, 0_i64..4), 0..6), 0..6),
        with_times: bool,
    ) {
        let items: Vec<Vec<u32>> = lists.iter().map(|list| list.iter().map(|pair| pair.0).collect()).collect();
        let times: Vec<Vec<i64>> = lists.iter().map(|list| list.iter().map(|pair| pair.1).collect()).collect();
        let train = Sequences::from_lists(&items, with_times.then_some(&times[..])).unwrap();
        let recent = PopularityRecent::fit(&train, 6, &PopularityRecentOptions { window: 1.0 }).unwrap();
        let whole = Popularity::fit(&train, 6, &PopularityOptions {}).unwrap();
        prop_assert_eq!(recent.counts(), whole.counts());
    }
}
