//! Scores of another system: what they cover, what has none, and what is refused.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use cloze_eval::{
    Cases, Coverage, EvalError, EvaluationOptions, Metric, Predictions, Protocol, ProtocolRanks, evaluate,
};
use common::Fixed;
use proptest::prelude::*;

fn run(predictions: &mut Predictions, cases: &Cases<'_>) -> Vec<ProtocolRanks> {
    let options = EvaluationOptions {
        protocols: vec![Protocol::Full, Protocol::Uniform(2)],
        ..EvaluationOptions::default()
    };
    evaluate(predictions, cases, &options, &mut |_, _| {}).unwrap()
}

#[test]
fn an_item_without_a_score_ranks_below_every_item_with_one() {
    // User 0: the target 1 is beaten by 4, not by the unscored 2 and 3. User 1: the target has no score, and comes
    // last. User 2 has no score at all.
    let triples = [(0, 4, 0.9), (0, 1, -5.0), (1, 0, 0.1)];
    let mut predictions = Predictions::new("theirs", 3, 5, &triples).unwrap();
    let cases = Cases::new(vec![0, 1, 2], vec![&[0], &[], &[]], vec![1, 3, 2], vec![1; 5]).unwrap();
    let ranks = run(&mut predictions, &cases);
    assert_eq!((ranks[0].ranks.as_slice(), ranks[0].candidates.as_slice()), (&[2, 5, 5][..], &[4, 5, 5][..]));
    assert_eq!(ranks[1].ranks[1..], [3, 3], "last of the sampled ones too");
    assert_eq!(predictions.coverage(&cases), Coverage { scores: 3, users: 2, targets: 1, unknown: 0 });
    assert!(!predictions.is_complete(&cases, true));
    let lists = ranks[0].lists.as_ref().unwrap();
    assert_eq!((lists.users, lists.short), (2, 2), "what has no score is not recommended");
}

#[test]
fn scores_for_all_candidates_are_complete_without_the_history() {
    let cases = Cases::new(vec![1], vec![&[0, 2, 0]], vec![3], vec![1; 5]).unwrap();
    let all = [(1, 1, 0.0), (1, 3, 1.0), (1, 4, 2.0)];
    assert!(Predictions::new("theirs", 2, 5, &all).unwrap().is_complete(&cases, true));
    assert!(!Predictions::new("theirs", 2, 5, &all[..2]).unwrap().is_complete(&cases, true));
    // A target that the user has had before needs a score of its own.
    let again = Cases::new(vec![1], vec![&[0, 2, 3]], vec![3], vec![1; 5]).unwrap();
    let without = [(1, 1, 0.0), (1, 4, 2.0)];
    assert!(!Predictions::new("theirs", 2, 5, &without).unwrap().is_complete(&again, true));
}

#[test]
fn one_user_and_one_item_have_a_defined_rank() {
    let mut predictions = Predictions::new("theirs", 1, 1, &[(0, 0, 1.0)]).unwrap();
    let cases = Cases::new(vec![0], vec![&[]], vec![0], vec![1]).unwrap();
    for ranks in run(&mut predictions, &cases) {
        assert_eq!((ranks.candidates[0], ranks.ranks[0]), (1, 1), "{}", ranks.protocol);
        assert!((ranks.mean(Metric::Ndcg(10)) - 1.0).abs() < 1e-15);
    }
    let mut none = Predictions::new("theirs", 1, 1, &[]).unwrap();
    assert_eq!(run(&mut none, &cases)[0].ranks, [1], "the only candidate is the first and the last");
}

#[test]
fn scores_that_differ_by_less_than_a_float_can_tell_are_no_ties() {
    let score = |item: u32| if item == 2 { f64::NEG_INFINITY } else { 1.0 - 1e-12 * f64::from(item) };
    let triples: Vec<(u32, u32, f64)> =
        (0..5).map(|item| (0, item, score(item))).chain([(0, 5, -0.0), (0, 6, 0.0)]).collect();
    let mut predictions = Predictions::new("theirs", 1, 7, &triples).unwrap();
    let mut rank = |target: u32| {
        let cases = Cases::new(vec![0], vec![&[]], vec![target], vec![1; 7]).unwrap();
        run(&mut predictions, &cases)[0].ranks[0]
    };
    assert_eq!([0, 1, 3, 4].map(&mut rank), [1, 2, 3, 4]);
    assert_eq!([5, 6, 2].map(&mut rank), [6, 6, 7], "equal ones are tied, and never is last");
}

#[test]
fn what_orders_nothing_is_refused() {
    let refused = |triples: &[(u32, u32, f64)]| Predictions::new("theirs", 2, 3, triples).unwrap_err();
    let twice = refused(&[(1, 2, 0.5), (0, 2, 0.5), (1, 2, 0.5)]);
    assert!(matches!(twice, EvalError::DuplicateScore { user: 1, item: 2 }), "{twice}");
    for bad in [f64::NAN, f64::INFINITY] {
        let error = refused(&[(0, 1, bad)]).to_string();
        assert!(error.contains("theirs gave item 1") && error.contains("user 0"), "{error}");
    }
    assert!(matches!(refused(&[(2, 0, 0.0)]), EvalError::UserOutOfRange { user: 2, users: 2 }));
    assert!(matches!(refused(&[(0, 3, 0.0)]), EvalError::ItemOutOfRange { item: 3, .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A model's own scores, written out and read back in any order, are the model.
    #[test]
    fn all_scores_of_a_model_in_any_order_have_its_ranks(
        users in 1_usize..12,
        items in 2_usize..60,
        step in 1_usize..97,
    ) {
        let target = |user: u32| (user * 5 + 1) % items as u32;
        let histories: Vec<Vec<u32>> =
            (0..users as u32).map(|user| vec![(target(user) + 1) % items as u32]).collect();
        let cases = Cases::new(
            (0..users as u32).collect(),
            histories.iter().map(Vec::as_slice).collect(),
            (0..users as u32).map(target).collect(),
            vec![2; items],
        ).unwrap();
        let options = EvaluationOptions::default();
        let ours = evaluate(&mut Fixed::pseudo_random(items), &cases, &options, &mut |_, _| {}).unwrap();
        let mut triples: Vec<(u32, u32, f64)> = (0..users as u32)
            .flat_map(|user| (0..items as u32).map(move |item| (user, item, f64::from((user * 31 + item * 17) % 41))))
            .collect();
        let length = triples.len();
        for place in 0..length {
            triples.swap(place, (place * step + 7) % length);
        }
        let mut predictions = Predictions::new("theirs", users, items, &triples).unwrap();
        prop_assert!(predictions.is_complete(&cases, true));
        prop_assert_eq!(evaluate(&mut predictions, &cases, &options, &mut |_, _| {}).unwrap(), ours);
    }
}
