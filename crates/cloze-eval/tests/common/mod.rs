//! Models and evaluations that several tests use.
#![allow(dead_code, reason = "each test file compiles this module and uses a part of it")]

use cloze_eval::{Evaluation, Fit, Meta, ModelError, Protocol, ProtocolRanks, Query, Recommender, Target};

/// Scores that do not come from data.
pub(crate) struct Fixed {
    row: Vec<f32>,
    by_user: bool,
    pub(crate) forget_last_row: bool,
    pub(crate) fail: bool,
}

impl Fixed {
    /// The same scores for everybody.
    pub(crate) fn row(row: &[f32]) -> Self {
        Self { row: row.to_vec(), by_user: false, forget_last_row: false, fail: false }
    }

    /// Scores of few values (so that ties occur) that depend on user and item.
    pub(crate) fn pseudo_random(items: usize) -> Self {
        Self { by_user: true, ..Self::row(&vec![0.0; items]) }
    }
}

impl Recommender for Fixed {
    fn name(&self) -> String {
        "fixed".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.row.len()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        if self.fail {
            return Err("out of order".into());
        }
        let rows = queries.len() - usize::from(self.forget_last_row);
        for (query, row) in queries.iter().zip(scores.chunks_exact_mut(self.row.len())).take(rows) {
            row.copy_from_slice(&self.row);
            if self.by_user {
                let user = query.user.unwrap_or(0);
                for (item, score) in (0_u32..).zip(row) {
                    *score = ((user * 31 + item * 17) % 41) as f32;
                }
            }
        }
        Ok(())
    }
}

/// An evaluation of `ranks.len()` users with 101 candidates each, under `popularity-100`.
pub(crate) fn evaluation(model: &str, seed: u64, ranks: &[u32]) -> Evaluation {
    Evaluation {
        meta: Meta {
            dataset: "ml-1m".to_owned(),
            synthetic: false,
            split: "leave-one-out".to_owned(),
            target: Target::Test,
            split_hash: "0123abcd".to_owned(),
            fit: Fit::Train,
            model: model.to_owned(),
            seed,
            seconds: 2.0 + seed as f64,
            users: ranks.len(),
            repeats: 0,
            options: None,
            coverage: None,
            rating_error: None,
            success: None,
            curve: Vec::new(),
        },
        protocols: vec![ProtocolRanks {
            protocol: Protocol::Popularity(100),
            candidate_seed: 0,
            exclude_seen: true,
            users: (0..ranks.len() as u32).collect(),
            targets: vec![3; ranks.len()],
            candidates: vec![101; ranks.len()],
            ranks: ranks.to_vec(),
            target_counts: (0..ranks.len() as u64).map(|user| user % 7 * 10).collect(),
            history_lengths: (0..ranks.len() as u32).map(|user| 3 + user % 50).collect(),
            target_familiarities: (0..ranks.len() as u32)
                .map(|user| (user % 10 > 0).then_some(user % 10 * 10))
                .collect(),
            difficulties: Vec::new(),
            lists: None,
        }],
    }
}
