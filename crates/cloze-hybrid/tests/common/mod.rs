//! Two groups of users, and what the tests of all models do with them.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

use cloze_data::{Sequences, Vocabulary};
use cloze_eval::{Query, Recommender};
use cloze_sequential::Bert4RecOptions;
use cloze_train::{
    Card, Model, ModelFolder, Reporter, Run, TrainError, TrainedOn, TrainingData, Vocabularies, folder,
};
use std::path::{Path, PathBuf};

pub(crate) const ITEMS: usize = 24;
pub(crate) const USERS: usize = 40;

/// An encoder that learns the groups in a moment.
pub(crate) fn small() -> Bert4RecOptions {
    Bert4RecOptions {
        hidden: 16,
        layers: 1,
        max_length: 9,
        steps: 40,
        batch: 20,
        warmup: 5,
        learning_rate: 1e-2,
        validate_every: 0,
        ..Bert4RecOptions::default()
    }
}

pub(crate) fn origin(fit: &str) -> TrainedOn {
    TrainedOn {
        dataset: "groups".to_owned(),
        synthetic: true,
        split: "leave-one-out".to_owned(),
        split_hash: "0".to_owned(),
        fit: fit.to_owned(),
        user_share: 1.0,
    }
}

/// Two groups of users, each with half of the items.
pub(crate) fn sequences() -> Sequences {
    let list =
        |user: usize| (0..8).map(|step| ((user % 2) * 12 + (user / 2 + step * 5) % 12) as u32).collect();
    let lists: Vec<Vec<u32>> = (0..USERS).map(list).collect();
    let times: Vec<Vec<i64>> =
        (0..USERS as i64).map(|user| (0..8).map(|step| 100 * step + user).collect()).collect();
    let ratings: Vec<f32> = lists.concat().iter().map(|item| 1.0 + (item % 5) as f32).collect();
    Sequences::from_lists(&lists, Some(&times)).unwrap().with_ratings(Some(ratings)).unwrap()
}

pub(crate) fn fit<M: Model>(
    options: &M::Options,
    origin: &TrainedOn,
    reuse: Option<PathBuf>,
) -> Result<M, TrainError> {
    let sequences = sequences();
    let leak = Some(&sequences);
    let data = TrainingData { leak, ..TrainingData::new(&sequences, ITEMS, origin) };
    let mut reporter = Reporter::quiet();
    M::fit(&data, options, &mut Run { reuse, ..Run::new(3, &mut reporter) })
}

pub(crate) fn write<M: Model>(path: &Path, model: &M, origin: TrainedOn) {
    let ids = |n: usize| Vocabulary::new((0..n).map(|i| i.to_string()).collect(), None).unwrap();
    let card = Card {
        format: folder::FORMAT,
        model: M::NAME.to_owned(),
        version: "0".to_owned(),
        options: serde_json::to_value(model.options()).unwrap(),
        trained_on: origin,
        seed: 3,
        seconds: 0.0,
        notes: Vec::new(),
    };
    let vocabularies = Vocabularies { items: ids(ITEMS), users: ids(USERS) };
    ModelFolder::write(path, &card, &vocabularies, &model.tensors().unwrap(), &[], None).unwrap();
}

pub(crate) fn scores(model: &mut impl Recommender, history: &[u32]) -> Vec<f32> {
    let mut scores = vec![f32::NAN; ITEMS];
    model.score(&[Query { user: None, history }], &mut scores).unwrap();
    scores
}
