use super::*;
use crate::testing::{origin, stored_and_loaded};
use cloze_data::{ItemDetails, Sequences};
use cloze_train::Reporter;

const LEARNERS: u32 = 60;
const EXERCISES: u32 = 20;

/// Exercises 0..10 are of `easy`, 10..20 of `hard` and the last also of `easy`; odd learners are able; an exercise is answered right
/// by a fixed draw with a probability that grows with every exercise of its objective.
fn data() -> (Sequences, ItemDetails) {
    let mut drawn = cloze_encoder::Philox::new(5, 1);
    let (mut lists, mut ratings) = (Vec::new(), Vec::new());
    for learner in 0..LEARNERS {
        let mut list = Vec::new();
        for step in 0..30 {
            let exercise = (learner * 7 + step * 3) % EXERCISES;
            let ability = if learner % 2 == 1 { 1.5 } else { -1.5 };
            let difficulty = if exercise < 10 { 1.0 } else { -1.0 };
            let logit = ability + difficulty + 0.03 * f64::from(step);
            ratings.push(f32::from(u8::from(drawn.normal_pair()[0] * 0.6 < logit)));
            list.push(exercise);
        }
        lists.push(list);
    }
    let mut genres: Vec<Vec<String>> =
        (0..EXERCISES).map(|exercise| vec![if exercise < 10 { "easy" } else { "hard" }.to_owned()]).collect();
    genres[19].push("easy".to_owned());
    let sequences = Sequences::from_lists(&lists, None).unwrap().with_ratings(Some(ratings)).unwrap();
    (sequences, ItemDetails { genres: Some(genres), text: None })
}

fn fitted(
    sequences: &Sequences,
    details: Option<&ItemDetails>,
    options: &PfaOptions,
) -> Result<Pfa, TrainError> {
    let origin = origin();
    let data = TrainingData { details, ..TrainingData::new(sequences, EXERCISES as usize, &origin) };
    Pfa::fit(&data, options, &mut Run::new(1, &mut Reporter::quiet()))
}

fn probabilities(model: &mut Pfa, user: Option<u32>) -> Vec<f32> {
    let mut scores = vec![f32::NAN; EXERCISES as usize];
    model.score(&[Query { user, history: &[] }], &mut scores).unwrap();
    scores
}

#[test]
fn able_learners_and_easy_exercises_are_found() {
    let (sequences, details) = data();
    let mut model = fitted(&sequences, Some(&details), &PfaOptions::default()).unwrap();
    let [weak, able, stranger] = [Some(0), Some(1), None].map(|user| probabilities(&mut model, user));
    let mean = |scores: &[f32]| scores.iter().sum::<f32>() / scores.len() as f32;
    for scores in [&weak, &able, &stranger] {
        assert!(scores.iter().all(|p| (0.0..=1.0).contains(p)));
        assert!(mean(&scores[..10]) > mean(&scores[10..]) + 0.01, "{scores:?}");
    }
    assert!(mean(&able) > mean(&stranger) && mean(&stranger) > mean(&weak));
    // Predictions are of what comes next, when everybody knows a little more than on average before.
    let all: Vec<f32> = (0..LEARNERS).flat_map(|user| probabilities(&mut model, Some(user))).collect();
    let share = sequences.all_ratings().unwrap().iter().sum::<f32>() / 1800.0;
    assert!((0.0..0.1).contains(&(mean(&all) - share)), "{} and {share}", mean(&all));
    assert!(model.predicts_ratings());
}

#[test]
fn a_model_comes_back_from_its_folder() {
    let (sequences, details) = data();
    let mut model = fitted(&sequences, Some(&details), &PfaOptions::default()).unwrap();
    let mut again: Pfa = stored_and_loaded(&model, LEARNERS, EXERCISES);
    assert_eq!(again, model);
    assert_eq!(probabilities(&mut again, Some(3)), probabilities(&mut model, Some(3)));
}

#[test]
fn exercises_without_an_objective_share_one_and_useless_answers_are_refused() {
    let (sequences, _) = data();
    let mut alone = fitted(&sequences, None, &PfaOptions::default()).unwrap();
    assert!(probabilities(&mut alone, None).iter().all(|p| p.is_finite()));
    let fails = |sequences: &Sequences, options: PfaOptions| {
        fitted(sequences, None, &options).unwrap_err().to_string()
    };
    let error = fails(&sequences, PfaOptions { right_from: 2.0, ..PfaOptions::default() });
    assert!(error.contains("all answers are wrong"), "{error}");
    let error = fails(&sequences, PfaOptions { l2: -1.0, ..PfaOptions::default() });
    assert!(error.contains("l2 = -1"), "{error}");
    let blind = Sequences::from_lists(&[vec![0, 1]], None).unwrap();
    let error = fails(&blind, PfaOptions::default());
    assert!(error.contains("cloze prepare --value"), "{error}");
}
