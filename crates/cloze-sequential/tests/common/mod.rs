//! A planted order to learn, and what the tests of all models do with it.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

use cloze_data::{Sequences, Vocabulary};
use cloze_eval::Query;
use cloze_train::{
    Card, Model, ModelFolder, Reporter, Run, TrainError, TrainedOn, TrainingData, Vocabularies, folder,
};
use std::path::Path;

pub(crate) const ITEMS: usize = 20;

pub(crate) fn origin() -> TrainedOn {
    TrainedOn {
        dataset: "cycle".to_owned(),
        synthetic: true,
        split: "leave-one-out".to_owned(),
        split_hash: "0".to_owned(),
        fit: "train".to_owned(),
        user_share: 1.0,
    }
}

/// Users walk around a circle of items: every start with every length from 3 to 8, so that neither says more than the
/// last item does.
pub(crate) fn walks() -> Vec<Vec<u32>> {
    let walk = |start: u32, length: u32| (0..length).map(|step| (start + step) % ITEMS as u32).collect();
    (0..ITEMS as u32).flat_map(|start| (3..=8).map(move |length| walk(start, length))).collect()
}

pub(crate) fn fit<M: Model>(lists: &[Vec<u32>], options: &M::Options, seed: u64) -> Result<M, TrainError> {
    let sequences = Sequences::from_lists(lists, None).unwrap();
    let origin = origin();
    let data = TrainingData::new(&sequences, ITEMS, &origin);
    let mut reporter = Reporter::quiet();
    Model::fit(&data, options, &mut Run::new(seed, &mut reporter))
}

pub(crate) fn scores<M: Model>(model: &mut M, history: &[u32]) -> Vec<f32> {
    let mut scores = vec![f32::NAN; ITEMS];
    model.score(&[Query { user: None, history }], &mut scores).unwrap();
    scores
}

pub(crate) fn best<M: Model>(model: &mut M, history: &[u32]) -> u32 {
    let scores = scores(model, history);
    (0..ITEMS as u32).max_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize])).unwrap()
}

/// How many of the circle's items are followed right, after three steps that lead to them.
pub(crate) fn followed<M: Model>(model: &mut M, reorder: impl Fn([u32; 3]) -> [u32; 3]) -> usize {
    let at = |place: u32| place % ITEMS as u32;
    (0..ITEMS as u32)
        .filter(|&start| best(model, &reorder([start, at(start + 1), at(start + 2)])) == at(start + 3))
        .count()
}

/// Writes the model with other options beside its weights.
pub(crate) fn write<M: Model>(path: &Path, model: &M, options: &M::Options) {
    let card = Card {
        format: folder::FORMAT,
        model: M::NAME.to_owned(),
        version: "0".to_owned(),
        options: serde_json::to_value(options).unwrap(),
        trained_on: origin(),
        seed: 1,
        seconds: 0.0,
        notes: Vec::new(),
    };
    let ids = |n: usize| Vocabulary::new((0..n).map(|i| i.to_string()).collect(), None).unwrap();
    let vocabularies = Vocabularies { items: ids(ITEMS), users: ids(6 * ITEMS) };
    ModelFolder::write(path, &card, &vocabularies, &model.tensors().unwrap(), &[], None).unwrap();
}

pub(crate) fn reload<M: Model>(path: &Path) -> Result<M, TrainError> {
    Model::load(&ModelFolder::open(path)?)
}
