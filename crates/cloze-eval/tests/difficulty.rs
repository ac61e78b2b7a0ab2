//! The difficulty of what is recommended: worked out by hand, stored, reported, and able to tell good from bad.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_eval::{
    Bootstrap, Cases, Difficulty, DifficultyRow, EvalError, Evaluation, EvaluationOptions, Fit, Heading,
    Protocol, Success, Whose, analyse, difficulties, evaluate_lists, html, report_with, results,
};
use common::{Fixed, evaluation};

const TARGET: f64 = 0.7;
const USERS: u32 = 40;
const ITEMS: u32 = 101;

fn options() -> EvaluationOptions {
    EvaluationOptions {
        protocols: vec![Protocol::Full, Protocol::Uniform(5)],
        ..EvaluationOptions::default()
    }
}

/// Exercise i is answered right with probability i / 100.
fn probabilities() -> Vec<f32> {
    (0..ITEMS as u8).map(|item| f32::from(item) / 100.0).collect()
}

/// An evaluation of a model with these scores; user u has had exercise u and takes 50 next.
fn measured(model: &str, scores: &[f32], target: f64) -> Evaluation {
    let histories: Vec<Vec<u32>> = (0..USERS).map(|user| vec![user]).collect();
    let lists: Vec<&[u32]> = histories.iter().map(Vec::as_slice).collect();
    let (users, targets) = ((0..USERS).collect(), vec![50; USERS as usize]);
    let cases = Cases::new(users, lists, targets, vec![1; ITEMS as usize]).unwrap();
    let mut lists = Vec::new();
    let each = &mut |list: &[u32]| lists.push(list.to_vec());
    let mut protocols =
        evaluate_lists(&mut Fixed::row(scores), &cases, &options(), None, each, &mut |_, _| {}).unwrap();
    let mut judge = Fixed::row(&probabilities());
    protocols[0].difficulties = difficulties(&mut judge, target, &cases, &lists, true, 7).unwrap();
    let mut meta = evaluation(model, 0, &[1; USERS as usize]).meta;
    meta.success = Some(success(target));
    Evaluation { meta, protocols }
}

fn success(target: f64) -> Success {
    Success { model: "pfa".to_owned(), fit: Fit::Train, seed: 0, options: "{}".to_owned(), target }
}

fn rows(evaluations: &[Evaluation]) -> Vec<DifficultyRow> {
    analyse(evaluations, None, &[], &Bootstrap::default()).unwrap().difficulty
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
}

#[test]
fn difficulties_are_worked_out_by_hand() {
    let easiest = measured("ease", &probabilities(), TARGET);
    let Some(Difficulty { list, next, random }) = easiest.protocols[0].difficulties[0] else {
        panic!("a user without figures")
    };
    // Exercises 91 to 100; none is at most .8.
    close(list.success, 0.955);
    close(list.gap, 0.255);
    close(list.inside, 0.0);
    close(next.success, 0.5);
    close(next.gap, 0.2);
    close(next.inside, 0.0);
    // Of 1 to 100, user 0 having had 0: 50.5 on average; gaps 69 + .. + 0 and 1 + .. + 30; 60 to 80 are inside, ends included.
    close(random.success, 0.505);
    close(random.gap, (69.0 * 70.0 / 2.0 + 30.0 * 31.0 / 2.0) / 1e4);
    close(random.inside, 0.21);
    assert!(easiest.protocols[1].difficulties.is_empty(), "sampled candidates make no list");
}

#[test]
fn a_ranking_by_closeness_to_the_target_fits_better_than_one_by_ease() {
    let near: Vec<f32> = probabilities().iter().map(|p| -(p - TARGET as f32).abs()).collect();
    let found = rows(&[measured("near", &near, TARGET), measured("easy", &probabilities(), TARGET)]);
    let of = |model: &str, of: Whose| found.iter().find(|row| row.model == model && row.of == of).unwrap();
    let [near, easy] = ["near", "easy"].map(|model| of(model, Whose::List));
    assert!(near.gap.high < easy.gap.low, "{near:?} {easy:?}");
    assert!(near.gap.high < of("near", Whose::Random).gap.low);
    close(near.inside.value, 1.0);
    assert!(easy.success.low > near.success.high);
    // The order turns when everything is to be easy.
    let high = [measured("near", &near_scores(TARGET), 1.0), measured("easy", &probabilities(), 1.0)];
    let found = rows(&high);
    assert!(found[0].gap.low > found[3].gap.high, "{found:?}");
    assert_eq!(of("near", Whose::Next).gap, of("easy", Whose::Next).gap);
}

fn near_scores(target: f64) -> Vec<f32> {
    probabilities().iter().map(|p| -(f64::from(*p) - target).abs() as f32).collect()
}

#[test]
fn difficulties_are_stored_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let saved = measured("easy", &probabilities(), TARGET);
    saved.save(folder.path()).unwrap();
    assert_eq!(Evaluation::load(folder.path()).unwrap(), saved);

    let archive = folder.path().join("archive");
    saved.archive(&archive).unwrap();
    let archived = Evaluation::load(&archive).unwrap();
    assert!(
        archived.meta.success.is_none()
            && archived.protocols.iter().all(|ranks| ranks.difficulties.is_empty())
    );
    assert_eq!(archived.protocols[0].ranks, saved.protocols[0].ranks);

    // Columns without the model that they are by are figures of nobody.
    let meta = folder.path().join("evaluation.json");
    let mut stored: serde_json::Value = serde_json::from_slice(&std::fs::read(&meta).unwrap()).unwrap();
    stored["meta"].as_object_mut().unwrap().remove("success");
    std::fs::write(&meta, stored.to_string()).unwrap();
    let error = Evaluation::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("list_success") && error.contains("do not belong together"), "{error}");

    let all = [saved, measured("near", &near_scores(TARGET), TARGET)];
    let bootstrap = Bootstrap::default();
    let analysis = analyse(&all, None, &[], &bootstrap).unwrap();
    let again = serde_json::from_str(&serde_json::to_string(&analysis).unwrap());
    assert_eq!(analysis, again.unwrap());
    let figures = results(&all, &[]).unwrap();
    let text = report_with(&figures, &all, &[], &bootstrap, &analysis);
    let page = html(&Heading::default(), &figures, &all, &[], &bootstrap, &analysis);
    for part in ["Difficulty fit: target 0.7, by pfa", "(taken next)", "(random)", ".9550", "over 40 users"] {
        assert!(text.contains(part), "{part} in {text}");
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(text.matches("(random)").count(), 2, "one line for all models, and the note: {text}");
    let wide = text.lines().filter(|line| line.starts_with('|')).find(|line| line.chars().count() > 110);
    assert_eq!(wide, None);
}

#[test]
fn other_targets_stand_in_other_tables_and_seeds_must_agree() {
    let [mut a, b] = [TARGET, 0.5].map(|target| measured("easy", &probabilities(), target));
    a.meta.seed = 1;
    let error = analyse(&[a.clone(), b.clone()], None, &[], &Bootstrap::default()).unwrap_err().to_string();
    assert!(error.contains("success model") && error.contains("target 0.7"), "{error}");
    a.meta.model = "other".to_owned();
    let all = [a, b];
    let analysis = analyse(&all, None, &[], &Bootstrap::default()).unwrap();
    let figures = results(&all, &[]).unwrap();
    let text = report_with(&figures, &all, &[], &Bootstrap::default(), &analysis);
    assert_eq!(text.matches("### Difficulty fit").count(), 2);
}

#[test]
fn what_is_no_probability_is_refused() {
    let history: &[u32] = &[];
    let cases = Cases::new(vec![7], vec![history], vec![0], vec![1; 2]).unwrap();
    let ask = |row: &[f32], target: f64, lists: &[Vec<u32>]| {
        difficulties(&mut Fixed::row(row), target, &cases, lists, true, 1)
    };
    let list = [vec![0]];
    for bad in [1.5, -0.1, f32::NAN] {
        let error = ask(&[0.5, bad], TARGET, &list).unwrap_err();
        assert!(matches!(error, EvalError::NoProbability { user: 7, item: 1, .. }), "{error}");
    }
    assert!(ask(&[0.5, 0.5], 1.2, &list).unwrap_err().to_string().contains("target 1.2"));
    assert!(matches!(ask(&[0.5; 3], TARGET, &list), Err(EvalError::CatalogueMismatch { .. })));
    assert!(matches!(ask(&[0.5; 2], TARGET, &[]), Err(EvalError::LengthMismatch { .. })));
    assert!(ask(&[0.5; 2], TARGET, &[vec![]]).unwrap_err().to_string().contains("nobody has a list"));
}
