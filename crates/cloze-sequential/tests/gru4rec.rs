//! GRU4Rec learns order, repeats to the bit, and survives its folder.
#![allow(clippy::unwrap_used)]

mod common;

use cloze_eval::{Query, Recommender};
use cloze_sequential::{Gru4Rec, Gru4RecOptions, LossKind};
use cloze_train::{FolderError, Model, TrainError};
use common::{ITEMS, best, reload, scores, walks, write};

fn options() -> Gru4RecOptions {
    Gru4RecOptions {
        hidden: 16,
        max_length: 8,
        dropout: 0.1,
        steps: 300,
        batch: 30,
        warmup: 20,
        learning_rate: 1e-2,
        initial_scale: 0.15,
        validate_every: 0,
        ..Gru4RecOptions::default()
    }
}

fn fit(options: &Gru4RecOptions) -> Result<Gru4Rec, TrainError> {
    common::fit(&walks(), options, 1)
}

/// Walks in both directions around the circle: the same three items are followed by another one in another order.
#[test]
fn the_next_item_is_learned_from_the_order() {
    let back = walks().into_iter().map(|mut walk| {
        walk.reverse();
        walk
    });
    let both_ways: Vec<Vec<u32>> = walks().into_iter().chain(back).collect();
    for options in [
        options(),
        Gru4RecOptions { layers: 2, recency: 0.7, steps: 600, ..options() },
        Gru4RecOptions { loss: LossKind::SampledSoftmax, negatives: 5, ..options() },
    ] {
        let mut model: Gru4Rec = common::fit(&both_ways, &options, 1).unwrap();
        let at = |place: u32| place % ITEMS as u32;
        let right = (0..ITEMS as u32).filter(|&start| {
            let [before, a, b, c, after] = [0, 1, 2, 3, 4].map(|step| at(start + step));
            best(&mut model, &[a, b, c]) == after && best(&mut model, &[c, b, a]) == before
        });
        let right = right.count();
        assert!(right >= 18, "{right} of {ITEMS}: {options:?}");
    }
}

#[test]
fn histories_of_any_length_are_scored() {
    let mut model = fit(&Gru4RecOptions { steps: 2, warmup: 1, ..options() }).unwrap();
    for history in [&[][..], &[3]] {
        assert!(scores(&mut model, history).iter().all(|score| score.is_finite()));
    }
    let long: Vec<u32> = (0..500).map(|i| i % ITEMS as u32).collect();
    assert_eq!(scores(&mut model, &long), scores(&mut model, &long[long.len() - 8..]));
    let error = model.score(&[Query { user: None, history: &[20] }], &mut [0.0; ITEMS]).unwrap_err();
    assert!(error.to_string().contains("20"), "{error}");
}

#[test]
fn a_folder_brings_the_same_scores_back_and_a_seed_the_same_model() {
    let options = Gru4RecOptions { steps: 3, warmup: 1, ..options() };
    let mut model = fit(&options).unwrap();
    let weights = |model: &Gru4Rec| format!("{:?}", model.tensors().unwrap());
    assert_eq!(weights(&model), weights(&fit(&options).unwrap()));
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    write(&path, &model, &options);
    let mut again: Gru4Rec = reload(&path).unwrap();
    assert_eq!(scores(&mut model, &[1, 2, 3]), scores(&mut again, &[1, 2, 3]));
    write(&path, &model, &Gru4RecOptions { layers: 2, ..options });
    let error = reload::<Gru4Rec>(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::MissingTensor { .. })), "{error}");
}

#[test]
fn impossible_options_and_data_without_a_next_item_are_errors() {
    for (broken, word) in [
        (Gru4RecOptions { hidden: 0, ..options() }, "hidden"),
        (Gru4RecOptions { layers: 0, ..options() }, "layers"),
        (Gru4RecOptions { recency: -0.5, ..options() }, "recency"),
        (Gru4RecOptions { max_length: 1, ..options() }, "max-length"),
    ] {
        let error = fit(&broken).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    let error = common::fit::<Gru4Rec>(&[vec![], vec![4]], &options(), 1).err().unwrap().to_string();
    assert!(error.contains("next item"), "{error}");
}
