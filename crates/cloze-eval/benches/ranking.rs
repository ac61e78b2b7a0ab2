//! Ranking at the size of MovieLens 1M: 6,040 users, 3,416 items, scores given.
//!
//! `cargo bench -p cloze-eval`. The scores are copied from memory, so that what is measured is the evaluation.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]
#![allow(clippy::unwrap_used, reason = "a failure ends the benchmark")]

use std::hint::black_box;

use cloze_eval::{
    Cases, EvaluationOptions, ItemDistances, ModelError, Protocol, Query, Recommender, evaluate,
    evaluate_with,
};
use criterion::{Criterion, criterion_group, criterion_main};

const USERS: u32 = 6040;
const ITEMS: u32 = 3416;
/// The mean of MovieLens 1M.
const HISTORY: u32 = 165;

/// A row of scores for each user.
struct Given(Vec<f32>);

impl Given {
    fn new() -> Self {
        let score = |pair: u64| {
            // SplitMix64: no two rows are alike, and every run is the same.
            let mut bits = pair.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (bits >> 40) as f32
        };
        Self((1..=u64::from(USERS) * u64::from(ITEMS)).map(score).collect())
    }
}

impl Recommender for Given {
    fn name(&self) -> String {
        "given".to_owned()
    }

    fn catalogue(&self) -> usize {
        ITEMS as usize
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let first = queries[0].user.unwrap_or_default() as usize * ITEMS as usize;
        scores.copy_from_slice(&self.0[first..first + scores.len()]);
        Ok(())
    }
}

fn ranking(criterion: &mut Criterion) {
    let mut model = Given::new();
    let item = |user: u32, place: u32| (user * 131 + place * 19) % ITEMS;
    let histories: Vec<Vec<u32>> =
        (0..USERS).map(|user| (0..HISTORY).map(|place| item(user, place)).collect()).collect();
    let mut popularity = vec![0_u64; ITEMS as usize];
    histories.iter().flatten().for_each(|&item| popularity[item as usize] += 1);
    let cases = Cases::new(
        (0..USERS).collect(),
        histories.iter().map(Vec::as_slice).collect(),
        (0..USERS).map(|user| item(user, HISTORY)).collect(),
        popularity,
    )
    .unwrap();
    let distances =
        ItemDistances::co_occurrence(ITEMS as usize, histories.iter().map(Vec::as_slice)).unwrap();
    let full = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };

    let mut group = criterion.benchmark_group("6,040 users, 3,416 items");
    group.sample_size(20);
    group.bench_function("full ranking", |bencher| {
        bencher.iter(|| black_box(evaluate(&mut model, &cases, &full, &mut |_, _| {}).unwrap()));
    });
    group.bench_function("full ranking, intra-list distance", |bencher| {
        bencher.iter(|| {
            black_box(evaluate_with(&mut model, &cases, &full, Some(&distances), &mut |_, _| {}).unwrap())
        });
    });
    let standard = EvaluationOptions::default();
    group.bench_function("three protocols", |bencher| {
        bencher.iter(|| black_box(evaluate(&mut model, &cases, &standard, &mut |_, _| {}).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, ranking);
criterion_main!(benches);
