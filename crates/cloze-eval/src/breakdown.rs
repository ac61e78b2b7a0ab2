//! Figures of parts of the users: by popularity and familiarity of the target and by length of the history.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bootstrap::Bootstrap;
use crate::error::EvalError;
use crate::evaluation::{Evaluation, Fit};
use crate::metrics::Metric;
use crate::protocol::Protocol;
use crate::ranks::ProtocolRanks;
use crate::results::{check_all, group, user_means};

/// The metrics of a breakdown.
pub(crate) const METRICS: [Metric; 2] = [Metric::Recall(10), Metric::Ndcg(10)];
/// Targets that training shows so often, but not never, are scarce.
pub(crate) const SCARCE: u64 = 3;
/// Users are cut into this many parts of about equal size.
const PARTS: usize = 4;

/// By what users are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Factor {
    /// Count of the target in training.
    TargetPopularity,
    /// Number of items in the history.
    HistoryLength,
    /// Familiarity of the target's categories, in percent: see [`ProtocolRanks::target_familiarities`].
    TargetFamiliarity,
}

impl Factor {
    /// All, in the order of the report.
    pub const ALL: [Self; 3] = [Self::TargetPopularity, Self::HistoryLength, Self::TargetFamiliarity];

    /// The value of each user that has one; none at all where they are not known.
    fn values(self, ranks: &ProtocolRanks) -> Vec<Option<u64>> {
        match self {
            Self::TargetPopularity => ranks.target_counts.iter().copied().map(Some).collect(),
            Self::HistoryLength => ranks.history_lengths.iter().map(|&length| Some(length.into())).collect(),
            Self::TargetFamiliarity => {
                ranks.target_familiarities.iter().map(|percent| percent.map(u64::from)).collect()
            }
        }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TargetPopularity => "popularity of the target",
            Self::HistoryLength => "length of the history",
            Self::TargetFamiliarity => "familiarity of the target (%)",
        })
    }
}

/// A metric of one model for the users of one bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakdownRow {
    /// Data set.
    pub dataset: String,
    /// Kind of split.
    pub split: String,
    /// What the model was fitted on.
    pub fit: Fit,
    /// Candidate protocol.
    pub protocol: Protocol,
    /// Model.
    pub model: String,
    /// By what users are told apart.
    pub by: Factor,
    /// Smallest value of the bucket. Target popularities of 0, cold items, and of 1 to 3 are buckets of their own.
    pub from: u64,
    /// Largest value of the bucket.
    pub to: u64,
    /// Users in the bucket.
    pub users: usize,
    /// Metric.
    pub metric: Metric,
    /// Mean over the bucket's users of the mean over seeds.
    pub value: f64,
    /// Lower end of the bootstrap interval.
    pub low: f64,
    /// Upper end of the bootstrap interval.
    pub high: f64,
}

/// Recall@10 and NDCG@10 of every model, protocol and bucket that has users.
///
/// Buckets are cut at the quartiles of the evaluated users' values (type 1 of Hyndman & Fan: the edge is a value
/// that occurs), so that each holds about a quarter of them and a figure of each means something; values that
/// occur often may merge two. Targets that training never shows, and those that it shows 1 to 3 times, are apart, and the
/// quartiles are those of the others. Evaluations that were stored without these columns have no rows.
///
/// # Errors
/// As [`results_with`](crate::results_with).
pub fn breakdowns(evaluations: &[Evaluation], bootstrap: &Bootstrap) -> Result<Vec<BreakdownRow>, EvalError> {
    check_all(evaluations)?;
    let mut rows = Vec::new();
    for seeds in group(evaluations) {
        for at in 0..seeds[0].protocols.len() {
            let ranks: Vec<&ProtocolRanks> = seeds.iter().map(|seed| &seed.protocols[at]).collect();
            for by in Factor::ALL {
                rows.extend(of_factor(seeds[0], &ranks, by, bootstrap)?);
            }
        }
    }
    Ok(rows)
}

fn of_factor(
    of: &Evaluation,
    seeds: &[&ProtocolRanks],
    by: Factor,
    bootstrap: &Bootstrap,
) -> Result<Vec<BreakdownRow>, EvalError> {
    let values = by.values(seeds[0]);
    let means = METRICS.map(|metric| user_means(seeds, metric));
    let mut rows = Vec::new();
    let known: Vec<u64> = values.iter().copied().flatten().collect();
    for (from, to) in buckets(&known, by == Factor::TargetPopularity) {
        let within = |user: &usize| values[*user].is_some_and(|value| (from..=to).contains(&value));
        let inside: Vec<usize> = (0..values.len()).filter(within).collect();
        let columns: Vec<Vec<f64>> =
            means.iter().map(|column| inside.iter().map(|&user| column[user]).collect()).collect();
        for (metric, interval) in METRICS.into_iter().zip(bootstrap.intervals(&columns)?) {
            rows.push(BreakdownRow {
                dataset: of.meta.dataset.clone(),
                split: of.meta.split.clone(),
                fit: of.meta.fit,
                protocol: seeds[0].protocol,
                model: of.meta.model.clone(),
                by,
                from,
                to,
                users: inside.len(),
                metric,
                value: interval.value,
                low: interval.low,
                high: interval.high,
            });
        }
    }
    Ok(rows)
}

/// Ranges between quartiles, by the smallest and largest value that occurs in each; all of them have values. With `rare_apart`, 0
/// and 1 to [`SCARCE`] are ranges of their own.
fn buckets(values: &[u64], rare_apart: bool) -> Vec<(u64, u64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let mut found = Vec::new();
    let mut rest = &sorted[..];
    for (from, to) in [(0, 0), (1, SCARCE)].into_iter().filter(|_| rare_apart) {
        let (inside, others) = rest.split_at(rest.partition_point(|&value| value <= to));
        found.extend((!inside.is_empty()).then_some((from, to)));
        rest = others;
    }
    let mut start = 0;
    for part in 1..=PARTS {
        let edge = (rest.len() * part).div_ceil(PARTS);
        if edge > start {
            let to = rest[edge - 1];
            found.push((rest[start], to));
            // All users with the value of the edge belong here.
            start = rest.partition_point(|&value| value <= to);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::buckets;

    #[test]
    fn quartiles_have_equal_parts_and_rare_items_their_own() {
        assert_eq!(buckets(&[8, 1, 2, 3, 4, 5, 6, 7], false), [(1, 2), (3, 4), (5, 6), (7, 8)]);
        assert_eq!(buckets(&[0, 0, 0, 9, 5], true), [(0, 0), (5, 5), (9, 9)]);
        assert_eq!(buckets(&[0, 0, 4], false), [(0, 0), (4, 4)]);
        assert_eq!(buckets(&[0, 2, 3, 4, 8], true), [(0, 0), (1, 3), (4, 4), (8, 8)]);
    }

    #[test]
    fn equal_values_are_never_parted() {
        assert_eq!(buckets(&[7; 9], true), [(7, 7)]);
        assert_eq!(buckets(&[4, 4, 4, 4, 4, 4, 5, 9], true), [(4, 4), (5, 9)]);
        assert_eq!(buckets(&[0, 0], true), [(0, 0)]);
        assert!(buckets(&[], true).is_empty());
    }
}
