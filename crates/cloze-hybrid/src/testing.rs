//! What tests of models share.

use cloze_data::Vocabulary;
use cloze_train::{Card, Model, ModelFolder, NamedTensor, TrainedOn, Vocabularies};
use std::path::{Path, PathBuf};

pub(crate) fn origin() -> TrainedOn {
    let [dataset, split, split_hash, fit] = ["school", "leave-one-out", "0", "train"].map(str::to_owned);
    TrainedOn { dataset, synthetic: true, split, split_hash, fit, user_share: 1.0 }
}

/// The model as it comes back from a folder.
pub(crate) fn stored_and_loaded<M: Model>(model: &M, learners: u32, exercises: u32) -> M {
    let folder = tempfile::tempdir().unwrap();
    M::load(&ModelFolder::open(&stored_at(folder.path(), model, learners, exercises)).unwrap()).unwrap()
}

/// The model's folder in another one.
pub(crate) fn stored_at<M: Model>(folder: &Path, model: &M, users: u32, items: u32) -> PathBuf {
    let options = serde_json::to_value(model.options()).unwrap();
    stored(folder, (M::NAME, options), &model.tensors().unwrap(), users, items)
}

/// A model folder of these options and tensors.
pub(crate) fn stored(
    folder: &Path,
    (model, options): (&str, serde_json::Value),
    tensors: &[NamedTensor<'_>],
    users: u32,
    items: u32,
) -> PathBuf {
    let path = folder.join("model");
    let ids = |letter: &str, count: u32| {
        Vocabulary::new((0..count).map(|n| format!("{letter}{n}")).collect(), None).unwrap()
    };
    let card = Card {
        format: cloze_train::folder::FORMAT,
        model: model.to_owned(),
        version: "0".to_owned(),
        options,
        trained_on: origin(),
        seed: 1,
        seconds: 0.0,
        notes: Vec::new(),
    };
    let vocabularies = Vocabularies { items: ids("x", items), users: ids("l", users) };
    ModelFolder::write(&path, &card, &vocabularies, tensors, &[], None).unwrap();
    path
}
