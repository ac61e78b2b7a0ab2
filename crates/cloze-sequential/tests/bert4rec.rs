//! BERT4Rec learns order, repeats to the bit, and survives its folder.
#![allow(clippy::unwrap_used)]

use cloze_data::{Sequences, Vocabulary};
use cloze_eval::{Query, Recommender};
use cloze_sequential::{Bert4Rec, Bert4RecOptions};
use cloze_train::{
    Card, FolderError, Model, ModelFolder, Reporter, Run, TrainError, TrainedOn, TrainingData, Vocabularies,
    folder,
};
use std::path::Path;

const ITEMS: usize = 20;

fn origin() -> TrainedOn {
    TrainedOn {
        dataset: "cycle".to_owned(),
        synthetic: true,
        split: "leave-one-out".to_owned(),
        split_hash: "0".to_owned(),
        fit: "train".to_owned(),
    }
}

/// Users walk around a circle of items: every start with every length from 3 to 8, so that neither says more than the
/// last item does.
fn walks() -> Vec<Vec<u32>> {
    let walk = |start: u32, length: u32| (0..length).map(|step| (start + step) % ITEMS as u32).collect();
    (0..ITEMS as u32).flat_map(|start| (3..=8).map(move |length| walk(start, length))).collect()
}

fn options() -> Bert4RecOptions {
    Bert4RecOptions {
        hidden: 16,
        layers: 1,
        max_length: 8,
        dropout: 0.1,
        last_mask_share: 0.3,
        steps: 500,
        batch: 30,
        warmup: 20,
        learning_rate: 1e-2,
        validate_every: 0,
        ..Bert4RecOptions::default()
    }
}

fn fit(lists: &[Vec<u32>], options: &Bert4RecOptions, seed: u64) -> Result<Bert4Rec, TrainError> {
    let sequences = Sequences::from_lists(lists, None).unwrap();
    let origin = origin();
    let data = TrainingData { sequences: &sequences, items: ITEMS, origin: &origin, validation: None };
    let mut reporter = Reporter::quiet();
    Model::fit(&data, options, &mut Run { seed, reporter: &mut reporter, reuse: None })
}

fn scores(model: &mut Bert4Rec, history: &[u32]) -> Vec<f32> {
    let mut scores = vec![f32::NAN; ITEMS];
    model.score(&[Query { user: None, history }], &mut scores).unwrap();
    scores
}

fn best(model: &mut Bert4Rec, history: &[u32]) -> u32 {
    let scores = scores(model, history);
    (0..ITEMS as u32).max_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize])).unwrap()
}

/// How many of the circle's items are followed right, after three steps that lead to them.
fn followed(model: &mut Bert4Rec, reorder: impl Fn([u32; 3]) -> [u32; 3]) -> usize {
    let at = |place: u32| place % ITEMS as u32;
    (0..ITEMS as u32)
        .filter(|&start| best(model, &reorder([start, at(start + 1), at(start + 2)])) == at(start + 3))
        .count()
}

#[test]
fn the_next_item_is_learned_from_the_order() {
    let mut model = fit(&walks(), &options(), 1).unwrap();
    let in_order = followed(&mut model, |history| history);
    let reversed = followed(&mut model, |[a, b, c]| [c, b, a]);
    assert!(in_order >= 18, "{in_order} of {ITEMS} followed");
    assert!(reversed <= in_order / 2, "{reversed} followed from reversed histories: the order is not used");
}

#[test]
fn histories_of_any_length_are_scored() {
    let mut model = fit(&walks(), &Bert4RecOptions { steps: 2, warmup: 1, ..options() }, 1).unwrap();
    assert!(scores(&mut model, &[]).iter().all(|score| score.is_finite()));
    let long: Vec<u32> = (0..500).map(|i| i % ITEMS as u32).collect();
    // [MASK] takes one of the eight places.
    assert_eq!(scores(&mut model, &long), scores(&mut model, &long[long.len() - 7..]));
    let error = model.score(&[Query { user: None, history: &[99] }], &mut [0.0; ITEMS]).unwrap_err();
    assert!(error.to_string().contains("99"), "{error}");
}

#[test]
fn a_seed_gives_the_same_model_again() {
    let short = Bert4RecOptions { steps: 5, warmup: 1, ..options() };
    let weights = |seed| {
        let model = fit(&walks(), &short, seed).unwrap();
        format!("{:?}", model.tensors().unwrap())
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn impossible_options_and_empty_data_are_errors() {
    for (broken, word) in [
        (Bert4RecOptions { heads: 3, ..options() }, "heads"),
        (Bert4RecOptions { mask_probability: 0.0, ..options() }, "mask-probability"),
        (Bert4RecOptions { max_length: 1, ..options() }, "max-length"),
        (Bert4RecOptions { dropout: 1.0, ..options() }, "dropout"),
        (Bert4RecOptions { learning_rate: f64::NAN, ..options() }, "learning-rate"),
    ] {
        let error = fit(&walks(), &broken, 1).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    let error = fit(&[vec![], vec![]], &options(), 1).err().unwrap().to_string();
    assert!(error.contains("no interaction"), "{error}");
}

#[test]
fn divergence_names_the_step_and_the_way_out() {
    let wild = Bert4RecOptions { learning_rate: 1e30, clip: 1e30, warmup: 0, ..options() };
    let error = fit(&walks(), &wild, 1).err().unwrap().to_string();
    assert!(error.contains("step") && error.contains("lower the learning rate"), "{error}");
}

fn write(path: &Path, model: &Bert4Rec, options: &Bert4RecOptions) {
    let card = Card {
        format: folder::FORMAT,
        model: Bert4Rec::NAME.to_owned(),
        version: "0".to_owned(),
        options: serde_json::to_value(options).unwrap(),
        trained_on: origin(),
        seed: 1,
        seconds: 0.0,
    };
    let ids = |n: usize| Vocabulary::new((0..n).map(|i| i.to_string()).collect(), None).unwrap();
    let vocabularies = Vocabularies { items: ids(ITEMS), users: ids(6 * ITEMS) };
    ModelFolder::write(path, &card, &vocabularies, &model.tensors().unwrap(), &[]).unwrap();
}

fn reload(path: &Path) -> Result<Bert4Rec, TrainError> {
    Model::load(&ModelFolder::open(path)?)
}

#[test]
fn a_folder_brings_the_same_scores_back_and_foreign_weights_are_refused() {
    let options = Bert4RecOptions { steps: 3, warmup: 1, ..options() };
    let mut model = fit(&walks(), &options, 1).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    write(&path, &model, &options);
    let mut again = reload(&path).unwrap();
    assert_eq!(scores(&mut model, &[1, 2, 3]), scores(&mut again, &[1, 2, 3]));

    write(&path, &model, &Bert4RecOptions { hidden: 32, ..options.clone() });
    let error = reload(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::Shape { .. })), "{error}");
    write(&path, &model, &Bert4RecOptions { layers: 2, ..options });
    let error = reload(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::MissingTensor { .. })), "{error}");
}
