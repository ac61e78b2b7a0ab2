//! What an evaluation yields: a rank per user and protocol.

use crate::difficulty::Difficulty;
use crate::lists::ListStatistics;
use crate::metrics::Metric;
use crate::protocol::Protocol;

/// The ranks of all users under one protocol. The vectors have the same length, an entry per user.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtocolRanks {
    /// The protocol.
    pub protocol: Protocol,
    /// Seed of the candidates, where they are drawn; not the seed of the model.
    pub candidate_seed: u64,
    /// Whether the user's history was no part of the candidates.
    pub exclude_seen: bool,
    /// Dense ids of the users.
    pub users: Vec<u32>,
    /// The held-out items.
    pub targets: Vec<u32>,
    /// Number of candidates, the target among them.
    pub candidates: Vec<u32>,
    /// Rank of the target, from 1.
    pub ranks: Vec<u32>,
    /// Count of each user's target in training; empty for an evaluation that was stored without.
    pub target_counts: Vec<u64>,
    /// Length of each user's history; empty for an evaluation that was stored without.
    pub history_lengths: Vec<u32>,
    /// How familiar each user is with the target's categories, in percent: the mean over them of the share of the history that
    /// has the category; `None` for a target without categories. Empty where categories are not known.
    pub target_familiarities: Vec<Option<u32>>,
    /// How difficult each user's list is, `None` for a user without one: under [`Protocol::Full`] only, and empty where no model
    /// was there to say so (see [`difficulties`](crate::difficulties)).
    pub difficulties: Vec<Option<Difficulty>>,
    /// What the users' top-10 lists are like: under [`Protocol::Full`] only.
    pub lists: Option<ListStatistics>,
}

impl ProtocolRanks {
    /// The metric of each user.
    pub fn values(&self, metric: Metric) -> Vec<f64> {
        self.ranks.iter().map(|&rank| metric.of(rank)).collect()
    }

    /// The mean of a metric over users; zero without users.
    pub fn mean(&self, metric: Metric) -> f64 {
        let sum: f64 = self.ranks.iter().map(|&rank| metric.of(rank)).sum();
        sum / self.ranks.len().max(1) as f64
    }
}
