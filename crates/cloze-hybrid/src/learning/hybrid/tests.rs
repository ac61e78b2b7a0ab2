//! The learners' hybrid on a school of two kinds of learners.

use super::*;
use crate::options::UserTokens;
use crate::testing::{origin, stored_and_loaded, stored_at};
use cloze_data::{ItemDetails, Sequences};
use cloze_sequential::Bert4RecOptions;
use cloze_train::Reporter;
use std::path::Path;

pub(super) const EXERCISES: usize = 20;
pub(super) const LEARNERS: u32 = 90;

/// Exercises 0..10 are for `sums`, the others for `areas`, exercise 9 for both. All learners begin with the same four exercises of
/// either; who answers them right goes on with the upper half of them, who does not with the lower half.
pub(super) fn school() -> (Sequences, Vec<Option<u32>>, ItemDetails) {
    let (mut lists, mut values, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for learner in 0..LEARNERS {
        let able = learner % 3 != 0;
        let own = |step: u32| if able { 4 + (learner + step) % 3 } else { 7 + (learner + step) % 3 };
        lists.push(vec![0, 10, 1, 11, 2, 12, own(0), 10 + own(0)]);
        let rights = if able { [1.0; 8] } else { [0.0; 8] };
        values.extend(rights);
        next.push(Some(own(1)));
    }
    let names = |exercise: usize| match exercise {
        9 => vec!["sums".to_owned(), "areas".to_owned()],
        0..9 => vec!["sums".to_owned()],
        _ => vec!["areas".to_owned()],
    };
    let genres = Some((0..EXERCISES).map(names).collect());
    let sequences = Sequences::from_lists(&lists, None).unwrap().with_ratings(Some(values)).unwrap();
    (sequences, next, ItemDetails { genres, text: None })
}

pub(super) fn options(variant: LearnerVariant) -> LearnerHybridOptions {
    let cbf = Bert4RecOptions {
        hidden: 16,
        layers: 1,
        heads: 1,
        max_length: 10,
        steps: 30,
        warmup: 3,
        batch: 30,
        validate_every: 0,
        ..Bert4RecOptions::default()
    };
    LearnerHybridOptions {
        cbf,
        variant,
        cf_steps: 20,
        head_steps: 60,
        head_batch: 64,
        user_max_length: 20,
        ..LearnerHybridOptions::default()
    }
}

pub(super) fn fitted(options: &LearnerHybridOptions) -> LearnerHybrid {
    let (sequences, next, details) = school();
    fit(&sequences, &next, &details, options, None).unwrap()
}

fn fit(
    sequences: &Sequences,
    next: &[Option<u32>],
    details: &ItemDetails,
    options: &LearnerHybridOptions,
    reuse: Option<&Path>,
) -> Result<LearnerHybrid, TrainError> {
    let origin = origin();
    let data = TrainingData {
        details: Some(details),
        validation: Some(next),
        ..TrainingData::new(sequences, EXERCISES, &origin)
    };
    let mut reporter = Reporter::quiet();
    let run = &mut Run { reuse: reuse.map(Path::to_owned), ..Run::new(1, &mut reporter) };
    LearnerHybrid::fit(&data, options, run)
}

/// The same but for the rounding of sums of this size.
fn same(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-5 * b.abs().max(1.0)
}

fn scores(model: &mut LearnerHybrid, user: Option<u32>) -> Vec<f32> {
    let mut scores = vec![f32::NAN; EXERCISES];
    model.score(&[Query { user, history: &[0, 10, 1, 11, 2, 12] }], &mut scores).unwrap();
    scores
}

/// By how much the exercises of the able ones are above those of the others.
fn preference(model: &mut LearnerHybrid, user: u32) -> f32 {
    let scores = scores(model, Some(user));
    scores[4..7].iter().sum::<f32>() - scores[7..10].iter().sum::<f32>()
}

#[test]
fn what_is_next_depends_on_how_hard_it_was_and_not_on_the_history_alone() {
    let mut same = fitted(&options(LearnerVariant::Fused));
    let alpha = same.options().alpha.clone().unwrap();
    assert!(alpha[alpha.len() - 2] > 0.0, "who finds it as hard takes the same: {alpha:?}");
    assert!(preference(&mut same, 1) > preference(&mut same, 0), "the same history, other answers");
    let mut all =
        fitted(&LearnerHybridOptions { neighbours: Neighbours::All, ..options(LearnerVariant::Fused) });
    assert_eq!(preference(&mut all, 1), preference(&mut all, 0), "without difficulty they are alike");
}

#[test]
fn every_form_comes_back_from_its_folder() {
    let forms = [
        (LearnerVariant::Fused, Neighbours::SameDifficulty, TargetProfiles::Tower),
        (LearnerVariant::Paper, Neighbours::Random, TargetProfiles::Tower),
        (LearnerVariant::TrainedProjections, Neighbours::All, TargetProfiles::Users),
        (LearnerVariant::TrainedProjections, Neighbours::SameDifficulty, TargetProfiles::Ials),
    ];
    for (variant, neighbours, profiles) in forms {
        let mut model = fitted(&LearnerHybridOptions { neighbours, profiles, ..options(variant) });
        let mut loaded = stored_and_loaded(&model, LEARNERS, EXERCISES as u32);
        for user in [Some(0), Some(1), None] {
            let before = scores(&mut model, user);
            assert!(before.iter().all(|score| score.is_finite()), "{before:?}");
            assert_eq!(before, scores(&mut loaded, user), "{variant:?} {neighbours:?} {profiles:?}");
        }
    }
}

#[test]
fn learners_profiles_can_be_the_tokens_of_the_second_tower() {
    let tied = LearnerHybridOptions { user_tokens: UserTokens::Profiles, ..options(LearnerVariant::Paper) };
    let mut model = fitted(&tied);
    let (sequences, ..) = school();
    let histories: Vec<&[u32]> = sequences.iter().collect();
    let profiles = model.learner_profiles(&histories).unwrap();
    let tokens = model.cf.as_ref().unwrap().token_vectors().unwrap();
    let scale = tokens[0] / profiles[0];
    let off = tokens.iter().zip(&profiles).map(|(token, profile)| (token - scale * profile).abs());
    assert!(
        off.fold(0.0, f32::max) < 1e-6 * tokens.iter().fold(0.0, |most: f32, token| most.max(token.abs()))
    );
    let learned = fitted(&options(LearnerVariant::Paper)).cf.unwrap().token_vectors().unwrap();
    assert!(learned != tokens);
}

#[test]
fn terms_add_up_and_an_unknown_learner_is_like_one_without_answers() {
    let mut model = fitted(&options(LearnerVariant::Fused));
    let query = Query { user: Some(1), history: &[0, 10, 1, 11, 2, 12] };
    let terms = model.parts(&query).unwrap();
    let names: Vec<&str> = terms.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["content", "collaborative", "neighbours"]);
    for (exercise, score) in scores(&mut model, Some(1)).iter().enumerate() {
        let sum: f32 = terms.iter().map(|(_, scores)| scores[exercise]).sum();
        assert!(same(*score, sum), "{score}, expected {sum}");
    }
    assert_eq!(scores(&mut model, None), scores(&mut model, Some(LEARNERS + 7)));
}

/// What leaving an exercise out costs is a difference of two of the learner's own scores, and the terms are of the same score.
#[test]
fn reasons_and_terms_are_of_the_learner_s_own_score() {
    let mut model = fitted(&options(LearnerVariant::Fused));
    let (history, without) = ([0, 10, 1, 11, 2, 12], [0, 10, 1, 11, 2]);
    let mut lift = |history: &[u32], exercise: usize| {
        let mut scores = vec![f32::NAN; EXERCISES];
        model.score(&[Query { user: Some(1), history }], &mut scores).unwrap();
        scores[exercise] - scores.iter().sum::<f32>() / EXERCISES as f32
    };
    let (whole, lost) = (lift(&history, 4), lift(&history, 4) - lift(&without, 4));
    let query = Query { user: Some(1), history: &history };
    let found = cloze_eval::explain(&mut model, &query, &[4], 1).unwrap();
    let (last, found_lost) = found[0].because[0];
    assert_eq!(last, 12);
    assert!(same(found_lost, lost), "{found_lost}, expected {lost}");
    let sum: f32 = found[0].parts.iter().map(|(_, lift)| lift).sum();
    assert!(same(sum, whole), "{sum}, expected {whole}");
}

#[test]
fn an_exercise_of_two_objectives_counts_by_the_better_one() {
    let mut model = fitted(&options(LearnerVariant::TrainedProjections));
    let history: &[u32] = &[0, 10, 1, 11];
    let found = {
        let mut scores = vec![f32::NAN; EXERCISES];
        model.score(&[Query { user: Some(0), history }], &mut scores).unwrap();
        scores[9]
    };
    let profile = model.cbf.profiles(&[history], cloze_sequential::Profile::Projected).unwrap();
    let Neighbourhood { targets, levels, head, mapped, .. } = &model.neighbourhood;
    let (asking, bias) = head.query(&profile);
    let own: Vec<f32> = targets
        .of(Some(0), 9, levels)
        .map(|target| crate::product::dot(&asking, &mapped[target as usize * 16..][..16]) + bias)
        .collect();
    assert_eq!(own.len(), 2);
    assert_eq!(found, own[0].max(own[1]));
}

#[test]
fn a_remark_says_how_many_find_it_as_hard() {
    let mut model = fitted(&options(LearnerVariant::TrainedProjections));
    let mut remark = |user| {
        let remarks = model.remarks(&Query { user: Some(user), history: &[] }, &[5, 9]).unwrap();
        (remarks[0].clone(), remarks[1].matches(';').count())
    };
    assert_eq!(remark(1), ("easy: taken 30 times by learners who find it easy too".to_owned(), 1));
    assert_eq!(remark(0).0, "hard: taken 0 times by learners who find it hard too");
}

#[test]
fn what_is_reused_is_what_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(LearnerVariant::Fused);
    let first = fitted(&options);
    let path = stored_at(folder.path(), &first, LEARNERS, EXERCISES as u32);
    let (sequences, next, details) = school();
    let again =
        |options: &LearnerHybridOptions| fit(&sequences, &next, &details, options, Some(&path)).unwrap();
    // Everything is drawn by the seed: with the same parts, the same model.
    assert_eq!(scores(&mut again(&options), Some(1)), scores(&mut fitted(&options), Some(1)));
    let other = LearnerHybridOptions { lambda: 7.0, ..options };
    assert_eq!(scores(&mut again(&other), Some(1)), scores(&mut fitted(&other), Some(1)), "another SLIT");
}

#[test]
fn what_was_trained_on_other_users_of_a_share_is_not_reused() {
    let folder = tempfile::tempdir().unwrap();
    let first = fitted(&options(LearnerVariant::Fused));
    let path = stored_at(folder.path(), &first, LEARNERS, EXERCISES as u32);
    let (sequences, _, details) = school();
    let again = |share: f64, seed: u64| {
        let config = path.join("config.json");
        let mut card: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
        card["trained_on"]["user_share"] = share.into();
        std::fs::write(&config, card.to_string()).unwrap();
        let origin = cloze_train::TrainedOn { user_share: share, ..origin() };
        let data =
            TrainingData { details: Some(&details), ..TrainingData::new(&sequences, EXERCISES, &origin) };
        let mut reporter = Reporter::quiet();
        let reuse = Some(path.clone());
        let run = &mut Run { reuse, ..Run::new(seed, &mut reporter) };
        reused::folder(&data, run).map(drop).map_err(|error| error.to_string())
    };
    // The stored model's seed is 1.
    assert_eq!([again(1.0, 1), again(1.0, 2), again(0.5, 1)], [Ok(()), Ok(()), Ok(())]);
    let error = again(0.5, 2).unwrap_err();
    assert!(error.contains("drawn by seed 1") && error.contains("drawn by seed 2"), "{error}");
}

#[test]
fn data_without_answers_are_refused_before_anything_is_read_or_trained() {
    let (sequences, next, details) = school();
    let lists: Vec<Vec<u32>> = sequences.iter().map(<[u32]>::to_vec).collect();
    let blind = Sequences::from_lists(&lists, None).unwrap();
    let options = options(LearnerVariant::Fused);
    let nowhere = Path::new("no such folder");
    let fails =
        |sequences| fit(sequences, &next, &details, &options, Some(nowhere)).err().unwrap().to_string();
    assert!(fails(&blind).contains("--neighbours all"), "{}", fails(&blind));
    assert!(fails(&sequences).contains("no such folder"), "what comes next otherwise");
}
