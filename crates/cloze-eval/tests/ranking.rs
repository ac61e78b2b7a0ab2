//! Ranks worked out by hand, ties, scores that are no numbers, and what ranks must not depend on.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_eval::{
    Cases, Categories, EvalError, EvaluationOptions, Metric, ModelError, Protocol, ProtocolRanks, Query,
    Recommender, chance, evaluate, recommend,
};
use common::Fixed;
use proptest::prelude::*;

fn full() -> EvaluationOptions {
    EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() }
}

fn run(
    model: &mut Fixed,
    cases: &Cases<'_>,
    options: &EvaluationOptions,
) -> Result<Vec<ProtocolRanks>, EvalError> {
    evaluate(model, cases, options, &mut |_, _| {})
}

fn one_case(history: &[u32], target: u32, items: usize) -> Cases<'_> {
    Cases::new(vec![0], vec![history], vec![target], vec![1; items]).unwrap()
}

#[test]
fn the_rank_counts_better_candidates_outside_the_history() {
    // Scores: items 1 and 4 beat the target 2; 1 is in the history (twice).
    let mut model = Fixed::row(&[0.1, 0.9, 0.5, 0.2, 0.8]);
    let cases = one_case(&[1, 0, 1], 2, 5);
    let ranks = run(&mut model, &cases, &full()).unwrap();
    assert_eq!((ranks[0].candidates[0], ranks[0].ranks[0]), (3, 2));
    assert!((ranks[0].mean(Metric::Mrr) - 0.5).abs() < 1e-15);

    let with_seen = EvaluationOptions { exclude_seen: false, ..full() };
    let ranks = run(&mut model, &cases, &with_seen).unwrap();
    assert_eq!((ranks[0].candidates[0], ranks[0].ranks[0]), (5, 3));
}

#[test]
fn within_its_genre_a_target_is_ranked_against_items_that_share_one_with_it() {
    let mut model = Fixed::row(&[0.1, 0.9, 0.5, 0.7, 0.8, 0.6]);
    let categories =
        Categories::new(&[vec!["a"], vec!["a", "b"], vec!["a", "b"], vec!["b"], vec!["c"], Vec::new()]);
    let options = EvaluationOptions { protocols: vec![Protocol::WithinGenre, Protocol::Full], ..full() };
    // Of items 0, 1 and 3, which share a or b with item 2, the user has had 1.
    let cases = one_case(&[1, 5], 2, 6).with_categories(&categories).unwrap();
    let ranks = run(&mut model, &cases, &options).unwrap();
    assert_eq!((ranks[0].candidates[0], ranks[0].ranks[0]), (3, 2));
    assert_eq!((ranks[1].candidates[0], ranks[1].ranks[0]), (4, 3), "the other protocol sees no difference");
    let alone = one_case(&[], 5, 6).with_categories(&categories).unwrap();
    assert_eq!(run(&mut model, &alone, &options).unwrap()[0].candidates, [1]);
    let error = run(&mut model, &one_case(&[1], 2, 6), &options).unwrap_err().to_string();
    assert!(error.contains("within-genre needs data whose items have genres"), "{error}");
}

#[test]
fn a_target_that_the_user_has_had_before_is_found_among_seen_items_or_not_at_all() {
    // Whoever scores by the history alone must not find it.
    let mut model = Fixed::row(&[0.0, 1.0, 1.0, 0.0]);
    let cases = one_case(&[1, 2], 2, 4);
    let protocols = vec![Protocol::Full, Protocol::Uniform(10), Protocol::Popularity(10)];
    let with_seen = EvaluationOptions { exclude_seen: false, protocols, ..full() };
    for ranks in run(&mut model, &cases, &with_seen).unwrap() {
        assert_eq!((ranks.candidates[0], ranks.ranks[0]), (4, 2), "{}", ranks.protocol);
    }
    let error = run(&mut model, &cases, &full()).unwrap_err();
    assert!(matches!(error, EvalError::RepeatedTarget { user: 0, item: 2 }), "{error}");
}

#[test]
fn ties_count_against_the_model() {
    let mut model = Fixed::row(&[0.5, 0.5, 0.5, 0.7, 0.1]);
    let ranks = run(&mut model, &one_case(&[], 0, 5), &full()).unwrap();
    assert_eq!(ranks[0].ranks, [4]);
}

#[test]
fn a_constant_scorer_comes_last_and_never_beats_chance() {
    let mut model = Fixed::row(&[0.0; 300]);
    let cases = one_case(&[5, 6], 9, 300);
    for ranks in run(&mut model, &cases, &EvaluationOptions::default()).unwrap() {
        assert_eq!(ranks.ranks, ranks.candidates, "{}", ranks.protocol);
        for metric in Metric::ALL {
            assert!(ranks.mean(metric) <= chance(metric, &ranks.candidates));
        }
    }
}

#[test]
fn never_is_a_score_and_ranks_last() {
    let never = f32::NEG_INFINITY;
    let mut model = Fixed::row(&[never, 1.0, never]);
    assert_eq!(run(&mut model, &one_case(&[], 0, 3), &full()).unwrap()[0].ranks, [3]);
    assert_eq!(run(&mut model, &one_case(&[], 1, 3), &full()).unwrap()[0].ranks, [1]);
}

#[test]
fn a_score_that_is_no_number_names_model_user_and_item() {
    for (bad, text) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut model = Fixed::row(&[0.0, 0.0, bad, 0.0]);
        let error = run(&mut model, &one_case(&[0], 1, 4), &full()).unwrap_err();
        assert_eq!(error.to_string(), format!("model fixed gave item 2 the score {text} for user 0"));
        // An item that cannot be recommended may have any score.
        assert!(run(&mut model, &one_case(&[2], 1, 4), &full()).is_ok());
        let query = Query { user: None, history: &[] };
        let error = recommend(&mut model, &query, 2, true).unwrap_err();
        assert!(error.to_string().ends_with("for an unknown user"), "{error}");
    }
}

#[test]
fn a_row_left_unwritten_is_found() {
    let mut model = Fixed::row(&[0.0; 4]);
    model.forget_last_row = true;
    let cases = Cases::new(vec![8, 9], vec![&[], &[]], vec![0, 0], vec![1; 4]).unwrap();
    let error = run(&mut model, &cases, &full()).unwrap_err();
    assert!(matches!(error, EvalError::BadScore { user: Some(9), item: 0, .. }), "{error}");
}

#[test]
fn a_failing_model_and_a_foreign_catalogue_are_errors() {
    let mut model = Fixed::row(&[0.0; 4]);
    let error = run(&mut model, &one_case(&[], 0, 5), &full()).unwrap_err();
    assert_eq!(error.to_string(), "model fixed scores 4 items, the data has 5");
    model.fail = true;
    let error = run(&mut model, &one_case(&[], 0, 4), &full()).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "out of order");
}

#[test]
fn options_out_of_range_are_errors() {
    let mut model = Fixed::row(&[0.0; 4]);
    let cases = one_case(&[], 0, 4);
    let mut refused = |options: EvaluationOptions| run(&mut model, &cases, &options).unwrap_err().to_string();
    assert_eq!(refused(EvaluationOptions { batch: 0, ..full() }), "option batch: must be at least 1");
    assert!(refused(EvaluationOptions { protocols: vec![], ..full() }).contains("at least one"));
    let twice = vec![Protocol::Full, Protocol::Full];
    assert!(refused(EvaluationOptions { protocols: twice, ..full() }).contains("named twice"));
}

#[test]
fn recommendations_are_the_best_unseen_with_ties_by_id() {
    let mut model = Fixed::row(&[0.3, 0.9, 0.3, f32::NEG_INFINITY, 0.5, 0.3]);
    let query = Query { user: None, history: &[1] };
    assert_eq!(recommend(&mut model, &query, 3, true).unwrap(), [(4, 0.5), (0, 0.3), (2, 0.3)]);
    assert_eq!(recommend(&mut model, &query, 1, false).unwrap(), [(1, 0.9)]);
    assert_eq!(recommend(&mut model, &query, 10, true).unwrap().len(), 4);
    assert_eq!(recommend(&mut model, &query, 0, true).unwrap(), []);
    let outside = Query { user: None, history: &[6] };
    assert!(matches!(
        recommend(&mut model, &outside, 1, true),
        Err(EvalError::ItemOutOfRange { item: 6, .. })
    ));
}

#[test]
fn progress_counts_to_the_number_of_users() {
    let mut model = Fixed::row(&[0.0, 1.0]);
    let cases = Cases::new((0..5).collect(), vec![&[]; 5], vec![0; 5], vec![1; 2]).unwrap();
    let mut seen = Vec::new();
    let options = EvaluationOptions { batch: 2, ..full() };
    evaluate(&mut model, &cases, &options, &mut |done, of| seen.push((done, of))).unwrap();
    assert_eq!(seen, [(2, 5), (4, 5), (5, 5)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ranks_and_metrics_depend_on_neither_the_order_of_users_nor_the_batch(
        histories in prop::collection::vec(prop::collection::vec(0_u32..150, 0..12), 2..30),
        seed: u64,
        batch in 1_usize..9,
        rotation in 0_usize..30,
    ) {
        let users: Vec<u32> = (0..histories.len() as u32).map(|user| user * 3).collect();
        let targets: Vec<u32> = users.iter().map(|user| (user * 7 + 1) % 150).collect();
        let mut histories = histories;
        for (history, target) in histories.iter_mut().zip(&targets) {
            history.retain(|item| item != target);
        }
        let popularity: Vec<u64> = (0..150).map(|item| item % 13).collect();
        let options = EvaluationOptions {
            protocols: vec![Protocol::Full, Protocol::Uniform(20), Protocol::Popularity(20)],
            seed,
            batch,
            exclude_seen: true,
            partial_histories: false,
        };
        let mut order: Vec<usize> = (0..users.len()).collect();
        let evaluated = |order: &[usize], batch: usize| {
            let cases = Cases::new(
                order.iter().map(|&at| users[at]).collect(),
                order.iter().map(|&at| &histories[at][..]).collect(),
                order.iter().map(|&at| targets[at]).collect(),
                popularity.clone(),
            ).unwrap();
            let options = EvaluationOptions { batch, ..options.clone() };
            run(&mut Fixed::pseudo_random(150), &cases, &options).unwrap()
        };
        let one_batch = evaluated(&order, 1000);
        order.rotate_left(rotation % users.len());
        let rotated = evaluated(&order, batch);
        for (a, b) in one_batch.iter().zip(&rotated) {
            for (place, &at) in order.iter().enumerate() {
                prop_assert_eq!(a.ranks[at], b.ranks[place]);
                prop_assert_eq!(a.candidates[at], b.candidates[place]);
            }
            for metric in Metric::ALL {
                prop_assert!((a.mean(metric) - b.mean(metric)).abs() < 1e-12, "{}", metric);
            }
            let lists = |ranks: &ProtocolRanks| {
                let of = ranks.lists.clone()?;
                Some([of.coverage, of.popularity, of.novelty, of.gini])
            };
            prop_assert_eq!(lists(a).is_some(), a.protocol == Protocol::Full);
            for (x, y) in lists(a).into_iter().flatten().zip(lists(&rotated[0]).into_iter().flatten()) {
                prop_assert!((x - y).abs() < 1e-9 * x.abs().max(1.0), "{} {}", x, y);
            }
        }
    }

    #[test]
    fn the_full_rank_is_that_of_a_sorted_list(
        scores in prop::collection::vec(0_u8..12, 2..60),
        history in prop::collection::vec(0_usize..60, 0..20),
        target in 0_usize..60,
    ) {
        let items = scores.len();
        let target = (target % items) as u32;
        let history: Vec<u32> =
            history.iter().map(|item| (item % items) as u32).filter(|item| *item != target).collect();
        let mut model = Fixed::row(&scores.iter().map(|&score| f32::from(score)).collect::<Vec<_>>());
        let ranks = run(&mut model, &one_case(&history, target, items), &full()).unwrap();
        let mut sorted: Vec<u8> = (0..items as u32)
            .filter(|item| !history.contains(item))
            .map(|item| scores[item as usize])
            .collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let last = sorted.iter().rposition(|&score| score == scores[target as usize]).unwrap();
        prop_assert_eq!(ranks[0].ranks[0] as usize, last + 1);
        prop_assert_eq!(ranks[0].candidates[0] as usize, sorted.len());
    }
}

/// Notes who asks.
struct Asked {
    users: Vec<Option<u32>>,
    joins: bool,
}

impl Recommender for Asked {
    fn name(&self) -> String {
        "asked".to_owned()
    }

    fn catalogue(&self) -> usize {
        4
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        self.users.extend(queries.iter().map(|query| query.user));
        scores.fill(0.0);
        Ok(())
    }

    fn joins_user_and_history(&self) -> bool {
        self.joins
    }
}

#[test]
fn with_parts_of_histories_a_model_that_knows_its_users_is_not_told_who_asks() {
    let histories: [&[u32]; 2] = [&[0], &[1]];
    let cases = Cases::new(vec![5, 6], histories.to_vec(), vec![2, 3], vec![1; 4]).unwrap();
    for (partial_histories, joins, told) in [(false, false, true), (true, false, false), (true, true, true)] {
        let mut model = Asked { users: Vec::new(), joins };
        let options = EvaluationOptions { partial_histories, ..full() };
        evaluate(&mut model, &cases, &options, &mut |_, _| {}).unwrap();
        assert_eq!(model.users, if told { vec![Some(5), Some(6)] } else { vec![None, None] });
    }
}
