//! SASRec learns order, repeats to the bit, and survives its folder.
#![allow(clippy::unwrap_used)]

mod common;

use cloze_eval::{Query, Recommender};
use cloze_sequential::{LossKind, SasRec, SasRecOptions};
use cloze_train::{FolderError, Model, TrainError};
use common::{ITEMS, followed, reload, scores, walks, write};

fn options() -> SasRecOptions {
    SasRecOptions {
        hidden: 16,
        layers: 1,
        max_length: 8,
        dropout: 0.1,
        steps: 300,
        batch: 30,
        warmup: 20,
        learning_rate: 1e-2,
        validate_every: 0,
        ..SasRecOptions::default()
    }
}

fn fit(lists: &[Vec<u32>], options: &SasRecOptions, seed: u64) -> Result<SasRec, TrainError> {
    common::fit(lists, options, seed)
}

#[test]
fn the_next_item_is_learned_from_the_order() {
    let softmax = SasRecOptions { recency: 0.5, ..options() };
    let sampled = [
        SasRecOptions { loss: LossKind::SampledSoftmax, negatives: 5, ..options() },
        SasRecOptions { loss: LossKind::Gbce, negatives: 5, ..options() },
    ];
    for options in [options(), softmax].into_iter().chain(sampled) {
        let mut model = fit(&walks(), &options, 1).unwrap();
        let in_order = followed(&mut model, |history| history);
        let reversed = followed(&mut model, |[a, b, c]| [c, b, a]);
        assert!(in_order >= 18, "{:?}, recency {}: {in_order} of {ITEMS}", options.loss, options.recency);
        assert!(
            reversed <= in_order / 2,
            "{reversed} followed from reversed histories: the order is not used"
        );
    }
}

/// Its negatives are never from the sequence, so that it learns nothing against items that were seen: those aside, the next
/// one is ahead.
#[test]
fn bce_puts_the_next_item_first_of_the_unseen() {
    let options = SasRecOptions { loss: LossKind::Bce, ..options() };
    let mut model = fit(&walks(), &options, 1).unwrap();
    let items = ITEMS as u32;
    let right = (0..items).filter(|&start| {
        let [history @ .., next] = [0, 1, 2, 3].map(|step| (start + step) % items);
        let scores = scores(&mut model, &history);
        let unseen = (0..items).filter(|item| !history.contains(item));
        unseen.max_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize])) == Some(next)
    });
    assert!(right.count() >= 18);
}

#[test]
fn histories_of_any_length_are_scored() {
    let mut model = fit(&walks(), &SasRecOptions { steps: 2, warmup: 1, ..options() }, 1).unwrap();
    assert!(scores(&mut model, &[]).iter().all(|score| score.is_finite()));
    assert!(scores(&mut model, &[3]).iter().all(|score| score.is_finite()));
    let long: Vec<u32> = (0..500).map(|i| i % ITEMS as u32).collect();
    assert_eq!(scores(&mut model, &long), scores(&mut model, &long[long.len() - 8..]));
    let error = model.score(&[Query { user: None, history: &[20] }], &mut [0.0; ITEMS]).unwrap_err();
    assert!(error.to_string().contains("20"), "{error}");
}

#[test]
fn a_seed_gives_the_same_model_again() {
    let short = SasRecOptions { steps: 5, warmup: 1, recency: 0.7, ..options() };
    let weights = |seed| {
        let model = fit(&walks(), &short, seed).unwrap();
        format!("{:?}", model.tensors().unwrap())
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn impossible_options_and_data_without_a_next_item_are_errors() {
    for (broken, word) in [
        (SasRecOptions { heads: 3, ..options() }, "heads"),
        (SasRecOptions { recency: 1.5, ..options() }, "recency"),
        (SasRecOptions { recency: f64::NAN, ..options() }, "recency"),
        (SasRecOptions { calibration: 1.5, ..options() }, "calibration"),
        (SasRecOptions { expansion: 0, ..options() }, "expansion"),
        (SasRecOptions { max_length: 1, ..options() }, "max-length"),
        (SasRecOptions { warmup: 300, ..options() }, "warmup"),
    ] {
        let error = fit(&walks(), &broken, 1).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    let error = fit(&[vec![], vec![4]], &options(), 1).err().unwrap().to_string();
    assert!(error.contains("next item"), "{error}");
}

#[test]
fn a_folder_brings_the_same_scores_back_and_foreign_weights_are_refused() {
    let options = SasRecOptions { steps: 3, warmup: 1, ..options() };
    let mut model = fit(&walks(), &options, 1).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    write(&path, &model, &options);
    let mut again: SasRec = reload(&path).unwrap();
    assert_eq!(scores(&mut model, &[1, 2, 3]), scores(&mut again, &[1, 2, 3]));

    write(&path, &model, &SasRecOptions { expansion: 2, ..options.clone() });
    let error = reload::<SasRec>(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::Shape { .. })), "{error}");
    write(&path, &model, &SasRecOptions { layers: 2, ..options });
    let error = reload::<SasRec>(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::MissingTensor { .. })), "{error}");
}
