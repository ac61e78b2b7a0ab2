//! What the tests of all models need.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part")]

use std::path::Path;

use cloze_data::{Sequences, Vocabulary};
use cloze_eval::{Query, Recommender};
use cloze_train::folder::FORMAT;
use cloze_train::{Card, Model, ModelFolder, NamedTensor, TrainedOn, Vocabularies};

pub fn sequences(lists: &[&[u32]]) -> Sequences {
    Sequences::from_lists(&lists.iter().map(|list| list.to_vec()).collect::<Vec<_>>(), None).unwrap()
}

/// 4 users, 4 items. Users of the items: 0: {a, b, c}, 1: {a, b}, 2: {b, d}, 3: {d}.
pub fn four_by_four() -> Sequences {
    sequences(&[&[0, 1], &[1, 0, 2, 0], &[0], &[2, 3]])
}

pub fn scores(model: &mut dyn Recommender, history: &[u32]) -> Vec<f32> {
    let mut row = vec![f32::NAN; model.catalogue()];
    model.score(&[Query { user: None, history }], &mut row).unwrap();
    row
}

pub fn assert_close(ours: &[f32], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len());
    for (a, b) in ours.iter().zip(expected) {
        assert!((f64::from(*a) - b).abs() < 1e-6, "{ours:?} against {expected:?}");
    }
}

/// |ours - expected| / |expected|, in the Euclidean norm.
pub fn relative_norm(ours: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let difference: f64 = ours.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let norm: f64 = expected.iter().map(|b| b.powi(2)).sum();
    (difference / norm).sqrt()
}

pub fn origin() -> TrainedOn {
    TrainedOn {
        dataset: "by-hand".to_owned(),
        synthetic: true,
        split: "leave-one-out".to_owned(),
        split_hash: "00".to_owned(),
        fit: "train".to_owned(),
        user_share: 1.0,
    }
}

/// Writes a model under a vocabulary of `items` items and opens the folder again.
pub fn written<M: Model>(model: &M, items: usize, folder: &Path) -> ModelFolder {
    written_with(model, &model.tensors().unwrap(), items, folder)
}

/// The same with other tensors than the model's.
pub fn written_with<M: Model>(
    model: &M,
    tensors: &[NamedTensor<'_>],
    items: usize,
    folder: &Path,
) -> ModelFolder {
    let ids = |prefix: &str, count| {
        Vocabulary::new((0..count).map(|id| format!("{prefix}{id}")).collect(), None).unwrap()
    };
    let card = Card {
        format: FORMAT,
        model: M::NAME.to_owned(),
        version: "0.1.0".to_owned(),
        options: serde_json::to_value(model.options()).unwrap(),
        trained_on: origin(),
        seed: 0,
        seconds: 0.1,
        notes: Vec::new(),
    };
    let vocabularies = Vocabularies { items: ids("i", items), users: ids("u", 4) };
    ModelFolder::write(folder, &card, &vocabularies, tensors, &[], None).unwrap();
    ModelFolder::open(folder).unwrap()
}

/// Every option has its line of help, and every line its option.
pub fn assert_helped<M: Model>() {
    let options = serde_json::to_value(M::Options::default()).unwrap();
    let mut names: Vec<&str> = options.as_object().unwrap().keys().map(String::as_str).collect();
    let mut helped: Vec<&str> = M::HELP.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    helped.sort_unstable();
    assert_eq!(names, helped);
}
