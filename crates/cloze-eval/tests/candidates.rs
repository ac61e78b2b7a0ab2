//! What negatives may be, and how often each is drawn.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

use cloze_eval::{EvalError, NegativeSampler, Protocol};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn negatives_are_distinct_and_never_history_or_target(
        counts in prop::collection::vec(0_u64..50, 1..80),
        history in prop::collection::vec(0_usize..80, 0..70),
        target in 0_usize..80,
        negatives in 1_usize..40,
        seed: u64,
        user: u32,
    ) {
        let items = counts.len();
        let target = (target % items) as u32;
        let history: Vec<u32> = history.iter().map(|item| (item % items) as u32).collect();
        for protocol in [Protocol::Uniform(negatives), Protocol::Popularity(negatives)] {
            let sampler = NegativeSampler::new(protocol, seed, &counts).unwrap();
            let drawn = sampler.sample(user, &history, target).unwrap();
            let by_count = matches!(protocol, Protocol::Popularity(_));
            let may = |item: &u32| {
                *item != target && !history.contains(item) && !(by_count && counts[*item as usize] == 0)
            };
            let possible = (0..items as u32).filter(may).count();
            prop_assert_eq!(drawn.len(), negatives.min(possible), "all are taken when there are fewer");
            prop_assert!(drawn.iter().all(may));
            let mut distinct = drawn.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), drawn.len());
            prop_assert_eq!(sampler.sample(user, &history, target).unwrap(), drawn);
        }
    }
}

/// Draws one negative for many users; returns how often each item came.
fn frequencies(protocol: Protocol, counts: &[u64], history: &[u32], users: u32) -> Vec<f64> {
    let sampler = NegativeSampler::new(protocol, 11, counts).unwrap();
    let mut drawn = vec![0.0; counts.len()];
    for user in 0..users {
        for item in sampler.sample(user, history, 0).unwrap() {
            drawn[item as usize] += 1.0;
        }
    }
    drawn
}

/// Pearson's statistic of observed against expected shares of what is allowed.
fn chi_square(observed: &[f64], weights: &[f64]) -> f64 {
    let (draws, total): (f64, f64) = (observed.iter().sum(), weights.iter().sum());
    let term = |(seen, weight): (&f64, &f64)| {
        let expected = draws * weight / total;
        if expected > 0.0 { (seen - expected).powi(2) / expected } else { *seen * f64::INFINITY.min(1e9) }
    };
    observed.iter().zip(weights).map(term).sum()
}

#[test]
fn popularity_negatives_follow_the_counts() {
    let counts: Vec<u64> = (0..20).map(|item| item * item).collect();
    let history = [19, 4];
    let mut weights: Vec<f64> = counts.iter().map(|&count| count as f64).collect();
    (weights[19], weights[4], weights[0]) = (0.0, 0.0, 0.0);
    let observed = frequencies(Protocol::Popularity(1), &counts, &history, 20_000);
    // 17 items can be drawn: 16 degrees of freedom, 99.9 % quantile 39.25.
    let statistic = chi_square(&observed, &weights);
    assert!(statistic < 39.25, "{statistic}");
}

#[test]
fn popularity_negatives_follow_the_counts_when_the_history_has_nearly_all() {
    // The history has 99.99 % of the weight, so that the rejections run out and the rest is listed.
    let counts = [1, 1_000_000, 10, 20, 30, 40];
    let weights = [0.0, 0.0, 10.0, 20.0, 30.0, 40.0];
    let observed = frequencies(Protocol::Popularity(1), &counts, &[1], 10_000);
    // 3 degrees of freedom, 99.9 % quantile 16.27.
    let statistic = chi_square(&observed, &weights);
    assert!(statistic < 16.27, "{statistic}");
}

#[test]
fn uniform_negatives_ignore_the_counts() {
    let counts: Vec<u64> = (0..20).map(|item| item * item).collect();
    let mut weights = vec![1.0; 20];
    (weights[0], weights[7]) = (0.0, 0.0);
    let observed = frequencies(Protocol::Uniform(1), &counts, &[7], 20_000);
    // 17 degrees of freedom, 99.9 % quantile 40.79.
    let statistic = chi_square(&observed, &weights);
    assert!(statistic < 40.79, "{statistic}");
}

#[test]
fn seeds_protocols_and_users_have_different_candidates() {
    let counts = vec![1; 1000];
    let draw = |protocol, seed, user| {
        NegativeSampler::new(protocol, seed, &counts).unwrap().sample(user, &[], 0).unwrap()
    };
    let reference = draw(Protocol::Uniform(100), 0, 0);
    assert_ne!(reference, draw(Protocol::Uniform(100), 1, 0));
    assert_ne!(reference, draw(Protocol::Uniform(100), 0, 1));
    assert_ne!(reference, draw(Protocol::Popularity(100), 0, 0));
}

#[test]
fn an_item_outside_the_catalogue_is_an_error() {
    let sampler = NegativeSampler::new(Protocol::Uniform(1), 0, &[1; 4]).unwrap();
    assert!(matches!(sampler.sample(0, &[4], 0), Err(EvalError::ItemOutOfRange { item: 4, .. })));
    assert!(NegativeSampler::new(Protocol::Full, 0, &[1; 4]).is_none());
}
