//! BERT4Rec learns order, repeats to the bit, and survives its folder.
#![allow(clippy::unwrap_used)]

mod common;

use cloze_eval::{Query, Recommender};
use cloze_sequential::{Bert4Rec, Bert4RecOptions};
use cloze_train::{FolderError, Model, TrainError};
use common::{ITEMS, followed, reload, scores, walks, write};

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
    common::fit(lists, options, seed)
}

#[test]
fn the_next_item_is_learned_from_the_order() {
    // What a history in a reversed order is answered with is of no training's making, so it differs by seed.
    let (mut in_order, mut reversed) = (0, 0);
    for seed in 0..3 {
        let mut model = fit(&walks(), &Bert4RecOptions { steps: 1000, ..options() }, seed).unwrap();
        in_order += followed(&mut model, |history| history);
        reversed += followed(&mut model, |[a, b, c]| [c, b, a]);
    }
    assert!(in_order >= 3 * 18, "{in_order} of {} followed", 3 * ITEMS);
    assert!(reversed <= in_order / 2, "{reversed} followed from reversed histories: the order is not used");
}

/// What an untrained model can know of a masked place is what stands around it, and with a slope what stands nearest.
#[test]
fn a_masked_place_begins_as_what_is_around_it() {
    // Of all pairs of an item at `places` of a history and one that is not in it, those that score in this order.
    let above = |initial_identity, distance_slope, places: std::ops::Range<usize>| {
        let untrained = Bert4RecOptions {
            steps: 1,
            warmup: 0,
            learning_rate: 1e-12,
            initial_identity,
            distance_slope,
            ..options()
        };
        let mut model = fit(&walks(), &untrained, 1).unwrap();
        let (mut above, mut pairs) = (0, 0);
        for first in 0..ITEMS - 3 {
            let scores = scores(&mut model, &[first as u32, first as u32 + 1, first as u32 + 2]);
            for other in (0..ITEMS).filter(|other| !(first..first + 3).contains(other)) {
                above += places.clone().filter(|&place| scores[first + place] > scores[other]).count();
                pairs += places.len();
            }
        }
        above as f64 / pairs as f64
    };
    let identity = Bert4RecOptions::default().initial_identity;
    let (with, without) = (above(identity, 0.0, 0..3), above(0.0, 0.0, 0..3));
    assert!(with > 0.7 && (0.4..0.6).contains(&without), "{with} of pairs, without the identity {without}");
    let (last, first) = (above(identity, 1.0, 2..3), above(identity, 1.0, 0..1));
    assert!(last > 0.6 && last > first + 0.05, "{last} of pairs with the last item, {first} with the first");
}

#[test]
fn without_order_there_is_little_to_learn() {
    let follow = |shuffle| {
        let mut model = fit(&walks(), &Bert4RecOptions { shuffle, ..options() }, 1).unwrap();
        followed(&mut model, |history| history)
    };
    let (in_order, shuffled) = (follow(false), follow(true));
    assert!(shuffled <= in_order / 2, "{shuffled} of {in_order} followed without the order");
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
        (Bert4RecOptions { mask_probability: -0.1, ..options() }, "mask-probability"),
        (Bert4RecOptions { max_length: 1, ..options() }, "max-length"),
        (Bert4RecOptions { dropout: 1.0, ..options() }, "dropout"),
        (Bert4RecOptions { learning_rate: f64::NAN, ..options() }, "learning-rate"),
        (Bert4RecOptions { initial_identity: 1e300, ..options() }, "initial-identity"),
        (Bert4RecOptions { initial_bias: f64::NAN, ..options() }, "initial-bias"),
        (Bert4RecOptions { distance_slope: -1.0, ..options() }, "distance-slope"),
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

#[test]
fn a_folder_brings_the_same_scores_back_and_foreign_weights_are_refused() {
    let options = Bert4RecOptions { steps: 3, warmup: 1, ..options() };
    let mut model = fit(&walks(), &options, 1).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    write(&path, &model, &options);
    let mut again: Bert4Rec = reload(&path).unwrap();
    assert_eq!(scores(&mut model, &[1, 2, 3]), scores(&mut again, &[1, 2, 3]));

    write(&path, &model, &Bert4RecOptions { hidden: 32, ..options.clone() });
    let error = reload::<Bert4Rec>(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::Shape { .. })), "{error}");
    write(&path, &model, &Bert4RecOptions { layers: 2, ..options });
    let error = reload::<Bert4Rec>(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::MissingTensor { .. })), "{error}");
}
