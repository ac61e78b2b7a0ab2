//! Metrics of one rank: every user has exactly one held-out item.

mod mrr;
mod ndcg;
mod recall;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// A metric of the rank of one held-out item. Written as `recall@10`, `ndcg@10`, `mrr@10`, `mrr`.
///
/// With a single relevant item Recall@K and the hit rate HR@K are the same figure, so `hr@10` parses as
/// `recall@10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Metric {
    /// Recall@K = HR@K: 1 if rank <= K, else 0.
    Recall(u32),
    /// NDCG@K: 1 / log2(rank + 1) if rank <= K, else 0. The ideal DCG of one relevant item is 1.
    Ndcg(u32),
    /// MRR@K: 1 / rank if rank <= K, else 0.
    MrrAt(u32),
    /// Reciprocal rank without a cut: 1 / rank.
    Mrr,
}

impl Metric {
    /// What is computed, stored and reported: K = 1, 3, 5, 10 of each metric, and `mrr`.
    pub const ALL: [Self; 13] = [
        Self::Recall(1),
        Self::Recall(3),
        Self::Recall(5),
        Self::Recall(10),
        Self::Ndcg(1),
        Self::Ndcg(3),
        Self::Ndcg(5),
        Self::Ndcg(10),
        Self::MrrAt(1),
        Self::MrrAt(3),
        Self::MrrAt(5),
        Self::MrrAt(10),
        Self::Mrr,
    ];

    /// The metric of a rank, in 0..=1. Ranks start at 1.
    pub fn of(self, rank: u32) -> f64 {
        debug_assert!(rank > 0, "ranks start at 1");
        match self {
            Self::Recall(k) => recall::at(k, rank),
            Self::Ndcg(k) => ndcg::at(k, rank),
            Self::MrrAt(k) => mrr::at(k, rank),
            Self::Mrr => mrr::of(rank),
        }
    }

    /// The last rank that scores above zero; none for `mrr`.
    pub(crate) fn cut(self) -> Option<u32> {
        match self {
            Self::Recall(k) | Self::Ndcg(k) | Self::MrrAt(k) => Some(k),
            Self::Mrr => None,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recall(k) => f.pad(&format!("recall@{k}")),
            Self::Ndcg(k) => f.pad(&format!("ndcg@{k}")),
            Self::MrrAt(k) => f.pad(&format!("mrr@{k}")),
            Self::Mrr => f.pad("mrr"),
        }
    }
}

impl FromStr for Metric {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let unknown = || EvalError::UnknownMetric { given: text.to_owned() };
        // Tables have them in capitals.
        let text = text.to_ascii_lowercase();
        if text == "mrr" {
            return Ok(Self::Mrr);
        }
        let (kind, k) = text.split_once('@').ok_or_else(unknown)?;
        let k: u32 = k.parse().map_err(|_| unknown())?;
        match kind {
            "recall" | "hr" if k > 0 => Ok(Self::Recall(k)),
            "ndcg" if k > 0 => Ok(Self::Ndcg(k)),
            "mrr" if k > 0 => Ok(Self::MrrAt(k)),
            _ => Err(unknown()),
        }
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for Metric {
    type Error = EvalError;

    fn try_from(text: String) -> Result<Self, EvalError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for metric in Metric::ALL {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
        }
        for name in ["hr@10", "HR@10", "Recall@10"] {
            assert_eq!(name.parse::<Metric>().unwrap(), Metric::Recall(10));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_forms() {
        for text in ["", "recall", "recall@0", "ndcg@x", "map@10", "Mean"] {
            let message = text.parse::<Metric>().unwrap_err().to_string();
            assert!(message.contains("ndcg@K"), "{message}");
        }
    }

    #[test]
    fn at_one_all_metrics_agree() {
        for rank in 1..5 {
            let hit = Metric::Recall(1).of(rank).to_bits();
            assert_eq!(Metric::Ndcg(1).of(rank).to_bits(), hit);
            assert_eq!(Metric::MrrAt(1).of(rank).to_bits(), hit);
        }
    }
}
