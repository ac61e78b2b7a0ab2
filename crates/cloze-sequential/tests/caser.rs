//! Caser learns order and users, repeats to the bit, and survives its folder.
#![allow(clippy::unwrap_used)]

mod common;

use cloze_eval::{Query, Recommender};
use cloze_sequential::{Caser, CaserActivation, CaserOptions, LossKind};
use cloze_train::{FolderError, Model, TrainError};
use common::{ITEMS, followed, reload, scores, walks, write};

fn options() -> CaserOptions {
    CaserOptions {
        hidden: 16,
        max_length: 3,
        targets: 1,
        horizontal: 4,
        vertical: 2,
        dropout: 0.1,
        steps: 400,
        batch: 60,
        warmup: 20,
        learning_rate: 1e-2,
        validate_every: 0,
        ..CaserOptions::default()
    }
}

fn fit(lists: &[Vec<u32>], options: &CaserOptions, seed: u64) -> Result<Caser, TrainError> {
    common::fit(lists, options, seed)
}

#[test]
fn the_next_item_is_learned_from_the_order() {
    let sampled = [
        CaserOptions { loss: LossKind::SampledSoftmax, negatives: 5, ..options() },
        CaserOptions { loss: LossKind::Gbce, negatives: 5, ..options() },
    ];
    let tanh = CaserOptions { activation: CaserActivation::Tanh, ..options() };
    for options in [options(), tanh].into_iter().chain(sampled) {
        let mut model = fit(&walks(), &options, 1).unwrap();
        let in_order = followed(&mut model, |history| history);
        let reversed = followed(&mut model, |[a, b, c]| [c, b, a]);
        assert!(in_order >= 18, "{options:?}: {in_order} of {ITEMS} followed");
        assert!(
            reversed <= in_order / 2,
            "{reversed} followed from reversed histories: the order is not used"
        );
    }
}

/// Its negatives are never what the user has, so that it learns nothing against items that were seen: those aside, the next
/// one is ahead.
#[test]
fn the_papers_loss_puts_the_next_item_first_of_the_unseen() {
    let options = CaserOptions { loss: LossKind::Bce, edges: false, ..options() };
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

/// After item 0 half of the users take an even item and half an odd one: the last item does not say which.
#[test]
fn what_the_last_items_do_not_say_is_learned_of_the_user() {
    let users = 40;
    let taken = |user: u32, place: u32| 2 * ((user + place) % 9) + 1 + user % 2;
    let walk = |user: u32| {
        (0..8).map(move |place: u32| if place.is_multiple_of(2) { 0 } else { taken(user, place) })
    };
    let lists: Vec<Vec<u32>> = (0..users).map(|user| walk(user).collect()).collect();
    let right = |vectors| {
        let options = CaserOptions { max_length: 1, users: vectors, ..options() };
        let mut model = fit(&lists, &options, 1).unwrap();
        let right = (0..users).filter(|&user| {
            let mut scores = vec![f32::NAN; ITEMS];
            model.score(&[Query { user: Some(user), history: &[0] }], &mut scores).unwrap();
            let of = |first: usize| scores[first..].iter().step_by(2).take(9).sum::<f32>();
            if user % 2 == 1 { of(2) > of(1) } else { of(1) > of(2) }
        });
        right.count()
    };
    assert_eq!(right(true), 40);
    assert_eq!(right(false), 20, "without user vectors all get the same");
}

#[test]
fn histories_of_any_length_and_users_without_vectors_are_scored() {
    let mut model = fit(&walks(), &CaserOptions { steps: 2, warmup: 1, ..options() }, 1).unwrap();
    assert!(scores(&mut model, &[]).iter().all(|score| score.is_finite()));
    assert!(scores(&mut model, &[3]).iter().all(|score| score.is_finite()));
    let long: Vec<u32> = (0..500).map(|i| i % ITEMS as u32).collect();
    assert_eq!(scores(&mut model, &long), scores(&mut model, &long[long.len() - 3..]));
    let error = model.score(&[Query { user: None, history: &[20] }], &mut [0.0; ITEMS]).unwrap_err();
    assert!(error.to_string().contains("20"), "{error}");
}

#[test]
fn a_seed_gives_the_same_model_again() {
    for loss in [LossKind::Softmax, LossKind::Bce] {
        let short = CaserOptions { steps: 5, warmup: 1, loss, ..options() };
        let weights = |seed| {
            let model = fit(&walks(), &short, seed).unwrap();
            format!("{:?}", model.tensors().unwrap())
        };
        assert_eq!(weights(1), weights(1));
        assert_ne!(weights(1), weights(2));
    }
}

#[test]
fn impossible_options_and_data_without_a_next_item_are_errors() {
    for (broken, word) in [
        (CaserOptions { max_length: 0, ..options() }, "max-length"),
        (CaserOptions { targets: 0, ..options() }, "targets"),
        (CaserOptions { hidden: 0, ..options() }, "hidden"),
        (CaserOptions { horizontal: 0, vertical: 0, ..options() }, "horizontal"),
        (CaserOptions { dropout: 1.0, ..options() }, "dropout"),
        (CaserOptions { l2: f64::NAN, ..options() }, "l2"),
        (CaserOptions { calibration: 1.5, ..options() }, "calibration"),
        (CaserOptions { warmup: 400, ..options() }, "warmup"),
        (CaserOptions { max_length: usize::MAX, ..options() }, "max-length"),
        (CaserOptions { hidden: usize::MAX, ..options() }, "hidden"),
    ] {
        let error = fit(&walks(), &broken, 1).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    let error = fit(&[vec![], vec![4]], &options(), 1).err().unwrap().to_string();
    assert!(error.contains("next item"), "{error}");
}

#[test]
fn divergence_names_the_step_and_the_way_out() {
    let wild = CaserOptions { learning_rate: 1e30, clip: 1e30, warmup: 0, ..options() };
    let error = fit(&walks(), &wild, 1).err().unwrap().to_string();
    assert!(error.contains("step") && error.contains("lower the learning rate"), "{error}");
}

#[test]
fn a_folder_brings_the_same_scores_back_and_foreign_weights_are_refused() {
    let options = CaserOptions { steps: 3, warmup: 1, ..options() };
    let mut model = fit(&walks(), &options, 1).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    write(&path, &model, &options);
    let mut again: Caser = reload(&path).unwrap();
    assert_eq!(scores(&mut model, &[1, 2, 3]), scores(&mut again, &[1, 2, 3]));

    write(&path, &model, &CaserOptions { horizontal: 5, ..options.clone() });
    let error = reload::<Caser>(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::Shape { .. })), "{error}");
    write(&path, &model, &CaserOptions { max_length: 4, ..options.clone() });
    let error = reload::<Caser>(&path).err().unwrap();
    assert!(matches!(error, TrainError::Folder(FolderError::MissingTensor { .. })), "{error}");
}
