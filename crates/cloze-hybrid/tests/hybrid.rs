//! HybridBERT4Rec: reuse of towers, cached profiles, the folder, and what its parts can see.
#![allow(clippy::unwrap_used)]

mod common;

use cloze_data::{LeaveOneOut, Sequences};
use cloze_eval::{Query, Recommender};
use cloze_hybrid::{HeadLoss, HybridBert4Rec, HybridOptions, ItemProfiles, UserTokens, Variant};
use cloze_sequential::Bert4Rec;
use cloze_train::{Model, ModelFolder, Reporter, Run, TrainError, TrainingData, Values};
use common::{ITEMS, USERS, fit, origin, scores, sequences, small, write};

fn options(variant: Variant) -> HybridOptions {
    let content = HybridOptions { cbf: small(), variant, ..HybridOptions::default() };
    if variant == Variant::Fused {
        return content;
    }
    HybridOptions {
        user_max_length: 12,
        cf_steps: 40,
        head_steps: 150,
        head_batch: 64,
        head_learning_rate: 1e-2,
        ..content
    }
}

/// Tensors whose name begins with `prefix`, for comparison.
fn weights(model: &impl Model, prefix: &str) -> String {
    let tensors = model.tensors().unwrap();
    format!("{:?}", tensors.iter().filter(|tensor| tensor.name.starts_with(prefix)).collect::<Vec<_>>())
}

#[test]
fn a_folder_brings_the_same_scores_back() {
    let forms = [
        options(Variant::Fused),
        options(Variant::Paper),
        options(Variant::AsPrinted),
        options(Variant::Hidden),
        options(Variant::TrainedProjections),
        HybridOptions { joint_steps: 5, ..options(Variant::EndToEnd) },
        HybridOptions { prefixes: Some(4), ..options(Variant::Paper) },
        HybridOptions { head_loss: HeadLoss::Softmax, ..options(Variant::TrainedProjections) },
        HybridOptions { user_tokens: UserTokens::Profiles, ..options(Variant::Paper) },
        HybridOptions { item_profiles: ItemProfiles::Users, ..options(Variant::TrainedProjections) },
        HybridOptions { item_profiles: ItemProfiles::Svd, ..options(Variant::TrainedProjections) },
        HybridOptions { item_profiles: ItemProfiles::Content, ..options(Variant::TrainedProjections) },
    ];
    for form in forms {
        let variant = form.variant;
        let mut model: HybridBert4Rec = fit(&form, &origin("train"), None).unwrap();
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        write(&path, &model, origin("train"));
        let mut again = HybridBert4Rec::load(&ModelFolder::open(&path).unwrap()).unwrap();
        assert_eq!(scores(&mut model, &[0, 5, 3]), scores(&mut again, &[0, 5, 3]), "{form:?}");
        assert_eq!(model.item_profiles(), again.item_profiles());
        assert_eq!(model.name(), variant.model_name());
    }
}

/// Log loss at the end of the head's training.
fn final_loss(variant: Variant) -> f64 {
    let sequences = sequences();
    let origin = origin("train");
    let data = TrainingData::new(&sequences, ITEMS, &origin);
    let mut reporter = Reporter::quiet();
    let mut options = HybridOptions { head_steps: 600, cf_steps: 300, ..options(variant) };
    options.cbf.steps = 200;
    // As BERT begins: else both towers begin with means of vectors, and of so few items frozen ones know something too.
    (options.cbf.initial_identity, options.cbf.initial_bias) = (0.0, 0.0);
    HybridBert4Rec::fit(&data, &options, &mut Run::new(3, &mut reporter)).unwrap();
    reporter.records().iter().rfind(|record| record.phase == "head").unwrap().loss
}

#[test]
fn trained_projections_learn_what_frozen_profiles_cannot() {
    // One positive in five pairs: a head that knows nothing pays the entropy of that share.
    let ignorant = -(0.2f64 * 0.2f64.ln() + 0.8 * 0.8f64.ln());
    let (paper, projected) = (final_loss(Variant::Paper), final_loss(Variant::TrainedProjections));
    assert!(paper < 1.02 * ignorant, "paper {paper}, knowing nothing {ignorant}");
    assert!(projected < 0.9 * paper, "projected {projected}, paper {paper}, knowing nothing {ignorant}");
}

#[test]
fn reused_towers_are_the_given_ones() {
    let parent = tempfile::tempdir().unwrap();
    let (bert, hybrid) = (parent.path().join("bert"), parent.path().join("hybrid"));
    let tower: Bert4Rec = fit(&options(Variant::Paper).cbf, &origin("train"), None).unwrap();
    write(&bert, &tower, origin("train"));
    let first: HybridBert4Rec = fit(&options(Variant::Paper), &origin("train"), Some(bert)).unwrap();
    assert_eq!(weights(&first, "cbf.").replace("cbf.", ""), weights(&tower, ""));
    write(&hybrid, &first, origin("train"));
    let mut other = options(Variant::TrainedProjections);
    // The given towers' own options hold, whatever is asked for.
    other.cbf.hidden = 64;
    let second: HybridBert4Rec = fit(&other, &origin("train"), Some(hybrid)).unwrap();
    assert_eq!(weights(&second, "cbf."), weights(&first, "cbf."));
    assert_eq!(weights(&second, "cf."), weights(&first, "cf."));
    assert_eq!(second.options().cbf.hidden, 16);
    // The fused hybrid has no second tower: of another hybrid it takes the first.
    let fused: HybridBert4Rec =
        fit(&options(Variant::Fused), &origin("train"), Some(parent.path().join("hybrid"))).unwrap();
    assert_eq!(weights(&fused, "cbf."), weights(&first, "cbf."));
    assert_eq!(weights(&fused, "cf."), "[]");
}

#[test]
fn tied_user_tokens_are_the_users_profiles_at_another_scale() {
    let tied = HybridOptions { user_tokens: UserTokens::Profiles, ..options(Variant::Paper) };
    let parent = tempfile::tempdir().unwrap();
    let learned: HybridBert4Rec = fit(&options(Variant::Paper), &origin("train"), None).unwrap();
    let path = parent.path().join("learned");
    write(&path, &learned, origin("train"));
    // A tower whose tokens were learned is not taken for one with tied ones; its content tower is.
    let mut model: HybridBert4Rec = fit(&tied, &origin("train"), Some(path)).unwrap();
    let data = sequences();
    let histories: Vec<&[u32]> = data.iter().collect();
    let profiles = model.user_profiles(&histories).unwrap();
    let tensors = model.tensors().unwrap();
    let table =
        tensors.iter().find(|tensor| tensor.name == "cf.bert.embeddings.word_embeddings.weight").unwrap();
    let Values::F32(tokens) = &table.values else { panic!("{:?}", table.values) };
    let tokens = &tokens[..profiles.len()];
    let norm = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt();
    let scale = norm(tokens) / norm(&profiles);
    let off: Vec<f32> =
        tokens.iter().zip(&profiles).map(|(token, profile)| token - scale * profile).collect();
    assert!(norm(&off) < 1e-6 * norm(tokens), "{} of {}", norm(&off), norm(tokens));
    assert_eq!(weights(&model, "cbf."), weights(&learned, "cbf."));
}

#[test]
fn the_chosen_weight_stays_with_the_model() {
    let sequences = sequences();
    let split = LeaveOneOut::new(&sequences).unwrap();
    let origin = origin("train");
    let validation = Some(&split.validation[..]);
    let data = TrainingData { validation, ..TrainingData::new(&split.train, ITEMS, &origin) };
    let mut reporter = Reporter::quiet();
    let model =
        HybridBert4Rec::fit(&data, &options(Variant::Fused), &mut Run::new(3, &mut reporter)).unwrap();
    let alpha = model.options().alpha.clone();
    assert!(alpha.is_some());
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    write(&path, &model, origin);
    let again = HybridBert4Rec::load(&ModelFolder::open(&path).unwrap()).unwrap();
    assert_eq!(again.options().alpha, alpha);
}

#[test]
fn a_tower_that_may_know_the_held_out_items_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("bert");
    let tower: Bert4Rec = fit(&options(Variant::Paper).cbf, &origin("train"), None).unwrap();
    write(&path, &tower, origin("train+validation"));
    let error = fit::<HybridBert4Rec>(&options(Variant::Paper), &origin("train"), Some(path)).err().unwrap();
    assert!(matches!(error, TrainError::Reuse { .. }));
    assert!(error.to_string().contains("train+validation"), "{error}");
}

/// Whatever is held out, the model is the same: nothing but the training part is learned from, whatever is handed in beside it for the
/// one variant that leaks.
#[test]
fn held_out_items_change_no_weight_and_no_profile() {
    let sequences = sequences();
    let split = LeaveOneOut::new(&sequences).unwrap();
    let origin = origin("train");
    let fitted = |variant, validation: &[Option<u32>], leak: Option<&Sequences>| {
        let data = TrainingData {
            validation: Some(validation),
            leak,
            ..TrainingData::new(&split.train, ITEMS, &origin)
        };
        let mut reporter = Reporter::quiet();
        // No look at the validation items in between: which parameters are best is the one thing that they decide.
        assert_eq!(options(variant).cbf.validate_every, 0);
        let model = HybridBert4Rec::fit(&data, &options(variant), &mut Run::new(3, &mut reporter)).unwrap();
        (weights(&model, ""), model.item_profiles().map(<[f32]>::to_vec))
    };
    let others: Vec<Option<u32>> =
        split.validation.iter().map(|item| item.map(|item| (item + 7) % ITEMS as u32)).collect();
    for variant in [Variant::Fused, Variant::Paper, Variant::TrainedProjections] {
        let first = fitted(variant, &split.validation, None);
        for held_out in [&split.test, &others, &vec![None; USERS]] {
            assert!(
                fitted(variant, held_out, None) == first,
                "{variant:?}: the held-out items were learned from"
            );
        }
        assert!(
            fitted(variant, &split.validation, Some(&sequences)) == first,
            "{variant:?}: the leak was read"
        );
    }
}

/// The leak: held-out items change the collaborative tower of the variant that leaks, and that is said.
#[test]
fn as_printed_learns_from_what_is_held_out_and_says_so() {
    let sequences = sequences();
    let split = LeaveOneOut::new(&sequences).unwrap();
    let origin = origin("train");
    let fitted = |leak: Option<&Sequences>| {
        let data = TrainingData { leak, ..TrainingData::new(&split.train, ITEMS, &origin) };
        let mut reporter = Reporter::quiet();
        let run = &mut Run::new(3, &mut reporter);
        let model = HybridBert4Rec::fit(&data, &options(Variant::AsPrinted), run)?;
        Ok::<_, TrainError>((weights(&model, "cf."), weights(&model, "cbf."), reporter.notes().to_vec()))
    };
    let (leaking, clean) = (fitted(Some(&sequences)).unwrap(), fitted(Some(&split.train)).unwrap());
    assert!(leaking.0 != clean.0, "the held-out users of an item are in its sequence");
    assert!(leaking.1 == clean.1, "the content tower sees the training part only");
    assert!(leaking.2.iter().any(|note| note.contains("leak")), "{:?}", leaking.2);
    let error = fitted(None).unwrap_err().to_string();
    assert!(error.contains("as-printed needs the held-out interactions"), "{error}");
}

/// Softmax loss among the items of a batch, before and after; both towers take part.
#[test]
fn end_to_end_training_moves_both_towers_and_learns() {
    let sequences = sequences();
    let origin = origin("train");
    let data = TrainingData::new(&sequences, ITEMS, &origin);
    let fitted = |joint_steps| {
        let mut reporter = Reporter::quiet();
        let options = HybridOptions {
            joint_steps,
            joint_batch: 64,
            joint_learning_rate: 5e-3,
            ..options(Variant::EndToEnd)
        };
        let model = HybridBert4Rec::fit(&data, &options, &mut Run::new(3, &mut reporter)).unwrap();
        let losses: Vec<f64> =
            reporter.records().iter().filter(|one| one.phase == "end-to-end").map(|one| one.loss).collect();
        (weights(&model, "cbf."), weights(&model, "cf."), losses)
    };
    let (short, long) = (fitted(1), fitted(300));
    assert!(short.0 != long.0 && short.1 != long.1);
    let (first, last) = (short.2[0], *long.2.last().unwrap());
    assert!(last < 0.6 * first, "{first} became {last}");
    let again = fitted(1);
    assert!(again == short, "the same seed gives the same bits");
}

#[test]
fn towers_trained_end_to_end_are_no_other_variants() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("hybrid");
    let form = HybridOptions { joint_steps: 1, ..options(Variant::EndToEnd) };
    let model: HybridBert4Rec = fit(&form, &origin("train"), None).unwrap();
    write(&path, &model, origin("train"));
    let error = fit::<HybridBert4Rec>(&options(Variant::Paper), &origin("train"), Some(path)).err().unwrap();
    assert!(error.to_string().contains("end to end"), "{error}");
}

/// The collaborative tower of a leaking model has seen what is held out: another variant trains its own.
#[test]
fn a_leaking_tower_is_no_other_variants() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("hybrid");
    let leaking: HybridBert4Rec = fit(&options(Variant::AsPrinted), &origin("train"), None).unwrap();
    write(&path, &leaking, origin("train"));
    let longer = HybridOptions { cf_steps: 41, ..options(Variant::Paper) };
    let clean: HybridBert4Rec = fit(&longer, &origin("train"), Some(path.clone())).unwrap();
    assert_eq!(weights(&clean, "cbf."), weights(&leaking, "cbf."));
    assert!(weights(&clean, "cf.") != weights(&leaking, "cf."));
    let again: HybridBert4Rec = fit(&options(Variant::AsPrinted), &origin("train"), Some(path)).unwrap();
    assert_eq!(weights(&again, "cf."), weights(&leaking, "cf."));
}

#[test]
fn data_without_times_are_noted() {
    let timed = sequences();
    let lists: Vec<Vec<u32>> = timed.iter().map(<[u32]>::to_vec).collect();
    let untimed = Sequences::from_lists(&lists, None).unwrap();
    let origin = origin("train");
    let notes = |sequences: &Sequences| {
        let data = TrainingData::new(sequences, ITEMS, &origin);
        let mut reporter = Reporter::quiet();
        HybridBert4Rec::fit(&data, &options(Variant::Paper), &mut Run::new(3, &mut reporter)).unwrap();
        reporter.notes().to_vec()
    };
    assert_eq!(notes(&timed), [""; 0]);
    let noted = notes(&untimed);
    assert!(noted.len() == 1 && noted[0].contains("no times"), "{noted:?}");
}

#[test]
fn an_item_nobody_had_has_a_profile_and_a_score() {
    let sequences = sequences();
    let origin = origin("train");
    let data = TrainingData::new(&sequences, ITEMS + 1, &origin);
    let mut reporter = Reporter::quiet();
    let mut run = Run::new(3, &mut reporter);
    let mut model = HybridBert4Rec::fit(&data, &options(Variant::Paper), &mut run).unwrap();
    let mut scores = vec![f32::NAN; ITEMS + 1];
    model.score(&[Query { user: None, history: &[] }], &mut scores).unwrap();
    assert!(scores.iter().all(|score| score.is_finite()));
}

#[test]
fn impossible_options_are_errors_that_name_them() {
    for (broken, word) in [
        (HybridOptions { head_negatives: 0, ..options(Variant::Paper) }, "head-negatives"),
        (HybridOptions { head_negatives: usize::MAX, ..options(Variant::Paper) }, "head-negatives"),
        (HybridOptions { head_batch: usize::MAX, ..options(Variant::Paper) }, "head-batch"),
        (HybridOptions { user_max_length: 1, ..options(Variant::Paper) }, "user-max-length"),
        (HybridOptions { head_learning_rate: -1.0, ..options(Variant::Paper) }, "head-learning-rate"),
        (HybridOptions { alpha: Some(vec![1.0]), ..options(Variant::Fused) }, "must have 3 weights"),
        (HybridOptions { alpha: Some(vec![1.0, f64::NAN, 1.0]), ..options(Variant::Fused) }, "alpha"),
        (HybridOptions { lambda: 0.0, ..options(Variant::Fused) }, "lambda"),
        (HybridOptions { ease_decays: vec![1.0, 1.5], ..options(Variant::Fused) }, "ease-decays"),
        (HybridOptions { slit_decays: vec![0.0], ..options(Variant::Fused) }, "slit-decays"),
        (HybridOptions { slit_decays: vec![0.5; 8], ..options(Variant::Fused) }, "slit-decays"),
        (HybridOptions { joint_steps: 0, ..options(Variant::EndToEnd) }, "joint-steps"),
        (HybridOptions { joint_batch: usize::MAX, ..options(Variant::EndToEnd) }, "joint-batch"),
        (
            HybridOptions { joint_learning_rate: f64::NAN, ..options(Variant::EndToEnd) },
            "joint-learning-rate",
        ),
        (HybridOptions { item_profiles: ItemProfiles::Users, ..options(Variant::EndToEnd) }, "item-profiles"),
        (HybridOptions { cf_steps: 7, ..options(Variant::Fused) }, "cf-steps"),
        (HybridOptions { lambda: 7.0, ..options(Variant::Paper) }, "lambda"),
    ] {
        let error = fit::<HybridBert4Rec>(&broken, &origin("train"), None).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
}
