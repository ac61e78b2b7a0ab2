//! Candidates and intervals against an independent computation: `golden/draws.py`.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

use cloze_eval::{Bootstrap, NegativeSampler, Protocol};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/draws.json")).unwrap()
}

#[test]
fn negatives_are_those_of_the_independent_computation() {
    let counts: Vec<u64> = (0..60).map(|item| (item * 7) % 11).collect();
    let golden = golden();
    for (name, protocol) in [("uniform", Protocol::Uniform(8)), ("popularity", Protocol::Popularity(8))] {
        let sampler = NegativeSampler::new(protocol, 42, &counts).unwrap();
        for (user, expected) in golden[name].as_object().unwrap() {
            let drawn = sampler.sample(user.parse().unwrap(), &[3, 14, 15, 9, 26], 5).unwrap();
            assert_eq!(serde_json::json!(drawn), *expected, "{name}, user {user}");
        }
    }
}

#[test]
fn the_interval_is_that_of_the_independent_computation() {
    let values = [1.0, 0.0, 0.5, 0.0, 0.25, 1.0, 0.125, 0.0, 0.0, 0.75, 0.5, 0.0, 1.0];
    let bootstrap = Bootstrap { resamples: 300, confidence: 0.9, seed: 7 };
    let interval = bootstrap.interval(&values).unwrap();
    let expected: Vec<f64> = serde_json::from_value(golden()["interval"].clone()).unwrap();
    for (ours, theirs) in [interval.value, interval.low, interval.high].into_iter().zip(expected) {
        assert!((ours - theirs).abs() < 1e-12, "{ours} against {theirs}");
    }
}
