//! The learners' store against one that is made anew.

use super::tests::{EXERCISES, LEARNERS, fitted, options, school};
use super::*;
use crate::store::StoreError;
use cloze_data::Sequences;
use cloze_train::Reporter;
use std::path::Path;

fn stored() -> LearnerHybridOptions {
    options(LearnerVariant::TrainedProjections)
}

/// What a learner's answers are: exercises, times and values.
type Answers = (Vec<Vec<u32>>, Vec<Vec<i64>>, Vec<Vec<f32>>);

/// The school's answers, one a moment.
fn answers() -> Answers {
    let (sequences, ..) = school();
    let lists: Vec<Vec<u32>> = sequences.iter().map(<[u32]>::to_vec).collect();
    let times = lists.iter().map(|list| (0..list.len() as i64).collect()).collect();
    let values = (0..lists.len()).map(|learner| sequences.ratings(learner).unwrap().to_vec()).collect();
    (lists, times, values)
}

fn sequences((lists, times, values): &Answers) -> Sequences {
    let sequences = Sequences::from_lists(lists, Some(times)).unwrap();
    sequences.with_ratings(Some(values.concat())).unwrap()
}

fn build<'m>(path: &Path, model: &'m mut LearnerHybrid, answers: &Answers) -> LearnerStore<'m> {
    LearnerStore::build(path, model, &sequences(answers), &mut Reporter::quiet()).unwrap()
}

/// What the store recommends to everybody, to the bit.
fn everything(store: &LearnerStore<'_>) -> Vec<Vec<(u32, f32)>> {
    (0..LEARNERS).map(|learner| store.recommend(learner, None, EXERCISES, true).unwrap()).collect()
}

#[test]
fn a_store_ranks_like_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = fitted(&stored());
    let answers = answers();
    let found = everything(&build(&folder.path().join("p"), &mut model, &answers));
    for (learner, found) in found.iter().enumerate() {
        let history = &answers.0[learner][..];
        let mut scores = vec![f32::NAN; EXERCISES];
        model.score(&[Query { user: Some(learner as u32), history }], &mut scores).unwrap();
        assert_eq!(found.len(), EXERCISES);
        assert!(found.iter().all(|&(exercise, score)| scores[exercise as usize] == score));
        assert!(found.is_sorted_by(|a, b| a.1 >= b.1));
    }
}

#[test]
fn answers_leave_what_a_new_store_of_all_answers_has_and_touch_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (mut model, mut again) = (fitted(&stored()), fitted(&stored()));
    let mut all = answers();
    let path = folder.path().join("p");
    let mut store = build(&path, &mut model, &all);
    let mut moves = 0;
    for step in 0..30_u32 {
        let (learner, exercise) = (step * 7 % 4, step * 11 % EXERCISES as u32);
        let (time, value) = (100 + i64::from(step), if step % 5 == 0 { 1.0 } else { 0.0 });
        let before: Vec<Vec<f32>> = (0..store.targets.len() as u32).map(|one| profile(&store, one)).collect();
        let done = store.answer(learner, exercise, Some(time), Some(value)).unwrap();
        let changed = (0..).zip(&before).filter(|(one, before)| profile(&store, *one) != **before).count();
        assert!(changed <= done.targets, "{changed} profiles changed, {} were renewed", done.targets);
        assert!(done.moved > 0 || done.targets <= 2, "{done:?}");
        moves += done.moved;
        let learner = learner as usize;
        all.0[learner].push(exercise);
        all.1[learner].push(time);
        all.2[learner].push(value);
    }
    assert!(moves > 0, "the answers make some objective easier or harder");
    let expected = everything(&build(&folder.path().join("q"), &mut again, &all));
    assert_eq!(everything(&store), expected);
    drop(store);
    assert_eq!(everything(&LearnerStore::open(&path, &mut model).unwrap()), expected, "opened again");
}

#[test]
fn an_answer_that_cannot_be_written_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (mut model, mut again) = (fitted(&stored()), fitted(&stored()));
    let mut store = build(&folder.path().join("p"), &mut model, &answers());
    let mut spared = build(&folder.path().join("q"), &mut again, &answers());
    let mut moves = 0;
    for step in 0..30_u32 {
        let (learner, exercise) = (step * 7 % 4, step * 11 % EXERCISES as u32);
        let (time, value) = (Some(100 + i64::from(step)), Some(if step % 5 == 0 { 1.0 } else { 0.0 }));
        let before = everything(&store);
        let taken = exchange(&mut store, exercise, None);
        let error = store.answer(learner, exercise, time, value).unwrap_err();
        assert!(error.to_string().contains("sequence"), "{error}");
        exchange(&mut store, exercise, Some(&taken));
        assert_eq!(everything(&store), before);
        // Credit that the failed answer left behind would move the learner at another moment.
        let done = store.answer(learner, exercise, time, value).unwrap();
        assert_eq!(done, spared.answer(learner, exercise, time, value).unwrap());
        moves += done.moved;
    }
    assert!(moves > 0, "the answers make some objective easier or harder");
    assert_eq!(everything(&store), everything(&spared));
}

/// Takes the learners' sequences of an exercise out of the file, or puts them back.
fn exchange(store: &mut LearnerStore<'_>, exercise: u32, back: Option<&[Vec<u8>]>) -> Vec<Vec<u8>> {
    let targets = &store.targets;
    let of = |&objective: &u32| (0..3).filter_map(move |level| targets.at(exercise, objective, level));
    let rows: Vec<u32> = targets.objectives(exercise).iter().flat_map(of).collect();
    let exchanged = store.store.transaction(|_, writing| {
        let mut table = writing.open_table(crate::store::Side::Item.sequences()).unwrap();
        if let Some(back) = back {
            for (row, bytes) in rows.iter().zip(back) {
                table.insert(row, bytes.as_slice()).unwrap();
            }
            return Ok(Vec::new());
        }
        Ok(rows.iter().map(|row| table.remove(row).unwrap().unwrap().value().to_vec()).collect())
    });
    exchanged.unwrap()
}

fn profile(store: &LearnerStore<'_>, target: u32) -> Vec<f32> {
    store.store.profile(crate::store::Side::Item, target).unwrap()
}

#[test]
fn exercises_of_an_objective_only_and_seen_ones_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = fitted(&stored());
    let store = build(&folder.path().join("p"), &mut model, &answers());
    // Objectives are by name: areas, then sums.
    let found = store.recommend(0, Some(1), 3, false).unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|(exercise, _)| *exercise < 10 && !answers().0[0].contains(exercise)));
    assert_eq!(store.recommend(0, Some(1), EXERCISES, true).unwrap().len(), 10);
    assert_eq!(store.recommend(0, Some(7), 3, false).unwrap(), []);
}

#[test]
fn bad_answers_and_models_without_profiles_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = fitted(&stored());
    let path = folder.path().join("p");
    let mut store = build(&path, &mut model, &answers());
    let before = everything(&store);
    let mut fails =
        |learner, exercise, time, value| store.answer(learner, exercise, time, value).unwrap_err();
    assert!(matches!(fails(LEARNERS, 0, Some(9), Some(1.0)), StoreError::Unknown { .. }));
    assert!(fails(0, EXERCISES as u32, Some(9), Some(1.0)).to_string().contains("exercise 20 of 20"));
    assert!(matches!(fails(0, 0, Some(9), None), StoreError::NeedsScore));
    assert!(fails(0, 0, Some(9), Some(1.5)).to_string().contains("full-score"));
    assert!(fails(0, 0, Some(9), Some(f32::NAN)).to_string().contains("full-score"));
    assert!(matches!(fails(0, 0, None, Some(1.0)), StoreError::NeedsTime));
    assert_eq!(everything(&store), before);
    drop(store);
    let again = LearnerStore::build(&path, &mut model, &sequences(&answers()), &mut Reporter::quiet());
    assert!(matches!(again.err(), Some(StoreError::Exists { .. })));
    let mut fused = fitted(&options(LearnerVariant::Fused));
    let none = LearnerStore::open(&path, &mut fused).err();
    assert!(matches!(none, Some(StoreError::NoProfiles)));
}

#[test]
fn a_score_is_taken_only_where_it_says_how_hard_an_objective_is() {
    let folder = tempfile::tempdir().unwrap();
    for neighbours in [Neighbours::All, Neighbours::Random] {
        let mut model = fitted(&LearnerHybridOptions { neighbours, ..stored() });
        let mut store = build(&folder.path().join(format!("{neighbours:?}")), &mut model, &answers());
        let refused = store.answer(0, 0, Some(9), Some(1.0)).unwrap_err();
        assert!(matches!(refused, StoreError::TakesNoScore), "{refused}");
        assert_eq!(store.answer(0, 0, Some(9), None).unwrap(), Renewed { targets: 1, moved: 0 });
    }
}

#[test]
fn an_objective_is_known_by_its_exercises() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = fitted(&stored());
    let store = build(&folder.path().join("p"), &mut model, &answers());
    let of = |exercises: &dyn Fn(usize) -> bool| {
        store.objective_of(&(0..EXERCISES).map(exercises).collect::<Vec<_>>())
    };
    // Exercise 9 is of both.
    assert_eq!([of(&|one| one >= 9), of(&|one| one <= 9)], [Some(0), Some(1)]);
    assert_eq!([of(&|one| one > 9), of(&|one| one < 9), of(&|_| false), of(&|_| true)], [None; 4]);
    assert_eq!(store.objective_of(&[true; 3]), None);
}
