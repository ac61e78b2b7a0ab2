//! The metrics of `RecBole` and `RecTools` on the same predictions; `golden/agreement.py` makes the file.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

use cloze_eval::{
    Cases, EvaluationOptions, ItemDistances, Metric, ModelError, Protocol, ProtocolRanks, Query, Recommender,
    evaluate_with,
};
use serde::Deserialize;
use serde_json::Value;

const BOUND: f64 = 1e-6;

#[derive(Deserialize)]
struct Golden {
    items: usize,
    histories: Vec<Vec<u32>>,
    targets: Vec<u32>,
    scores: Vec<Vec<f32>>,
    recbole: Value,
    rectools: Value,
    numpy: Value,
}

/// A row of given scores for each user.
struct Given<'a>(&'a Golden);

impl Recommender for Given<'_> {
    fn name(&self) -> String {
        "given".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.0.items
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        for (query, row) in queries.iter().zip(scores.chunks_exact_mut(self.0.items)) {
            row.copy_from_slice(&self.0.scores[query.user.unwrap() as usize]);
        }
        Ok(())
    }
}

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what} is not in the file"));
    assert!((found - expected).abs() < BOUND, "{what}: {found}, expected {expected}");
}

/// The full ranking, and the interactions for each user in training.
fn ranked(golden: &Golden) -> (ProtocolRanks, f64) {
    let mut popularity = vec![0_u64; golden.items];
    for &item in golden.histories.iter().flatten() {
        popularity[item as usize] += 1;
    }
    let interactions = popularity.iter().sum::<u64>() as f64;
    let users = golden.histories.len();
    let histories: Vec<&[u32]> = golden.histories.iter().map(Vec::as_slice).collect();
    let distances = ItemDistances::co_occurrence(golden.items, histories.iter().copied()).unwrap();
    let cases =
        Cases::new((0..users as u32).collect(), histories, golden.targets.clone(), popularity).unwrap();
    let options =
        EvaluationOptions { protocols: vec![Protocol::Full], batch: 7, ..EvaluationOptions::default() };
    let found = evaluate_with(&mut Given(golden), &cases, &options, Some(&distances), &mut |_, _| {});
    (found.unwrap().remove(0), interactions / users as f64)
}

#[test]
fn metrics_agree_with_recbole_and_rectools() {
    let golden: Golden = serde_json::from_str(include_str!("golden/agreement.json")).unwrap();
    let (full, a_user) = ranked(&golden);
    for (library, name) in [(&golden.recbole, "RecBole"), (&golden.rectools, "RecTools")] {
        for k in [1, 5, 10] {
            for (metric, theirs) in [
                (Metric::Recall(k), "recall"),
                (Metric::Recall(k), "hit"),
                (Metric::Ndcg(k), "ndcg"),
                (Metric::MrrAt(k), "mrr"),
            ] {
                close(full.mean(metric), &library[format!("{theirs}@{k}")], &format!("{name} {theirs}@{k}"));
            }
        }
        let lists = full.lists.as_ref().unwrap();
        close(lists.coverage, &library["coverage@10"], &format!("{name} coverage"));
        close(lists.popularity, &library["popularity@10"], &format!("{name} popularity"));
    }
    let lists = full.lists.unwrap();
    close(lists.gini, &golden.recbole["gini@10"], "RecBole Gini");
    // RecTools divides by users instead of interactions.
    close(lists.novelty - a_user.log2(), &golden.rectools["novelty@10"], "RecTools novelty");
    close(lists.novelty, &golden.numpy["novelty@10"], "novelty by its formula");
    close(lists.distance.unwrap(), &golden.numpy["distance@10"], "distance by its formula");
}

#[test]
fn the_ndcg_that_divides_by_k_hits_is_another_metric() {
    let golden: Golden = serde_json::from_str(include_str!("golden/agreement.json")).unwrap();
    let (full, _) = ranked(&golden);
    let ideal: f64 = (1..=10).map(|rank| 1.0 / (f64::from(rank) + 1.0).log2()).sum();
    close(full.mean(Metric::Ndcg(10)) / ideal, &golden.rectools["ndcg_default@10"], "RecTools' default");
}
