//! A ranking measured by graded items.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Interval};
use crate::error::EvalError;

/// The figures of one user's ranking. An item without a grade counts as not relevant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// P@k: relevant items among the first k, divided by k.
    pub precision: f64,
    /// R@k: relevant items among the first k, divided by all that were graded relevant; `None` if none was.
    pub recall: Option<f64>,
    /// Average precision over the whole ranking: the sum of P@r over the ranks r of relevant items, divided by all that were
    /// graded relevant (one that is not ranked adds 0); `None` if none was.
    pub average_precision: Option<f64>,
    /// NDCG@k with gains `2^grade - 1` and discounts `1 / log2(rank + 1)`, divided by that of the best order of all graded items;
    /// `None` if none is relevant (Järvelin & Kekäläinen 2002, gains of Burges et al. 2005).
    pub ndcg: Option<f64>,
    /// Share of the first k, or of as many as there are, that have a grade; `None` for an empty ranking.
    pub judged: Option<f64>,
}

/// A figure of [`Judged`], as means are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// P@k.
    Precision,
    /// R@k.
    Recall,
    /// MAP, the mean of average precision.
    AveragePrecision,
    /// NDCG@k.
    Ndcg,
    /// Share of the first k that have a grade.
    Judged,
}

impl Measure {
    /// All, in the order of tables.
    pub const ALL: [Self; 5] =
        [Self::Precision, Self::Recall, Self::AveragePrecision, Self::Ndcg, Self::Judged];

    /// The user's figure; `None` where it is not defined.
    pub fn of(self, user: &Judged) -> Option<f64> {
        match self {
            Self::Precision => Some(user.precision),
            Self::Recall => user.recall,
            Self::AveragePrecision => user.average_precision,
            Self::Ndcg => user.ndcg,
            Self::Judged => user.judged,
        }
    }

    /// The column of a table: `P@10`.
    pub fn title(self, k: usize) -> String {
        match self {
            Self::Precision | Self::Recall | Self::Ndcg => format!("{self}@{k}"),
            Self::AveragePrecision | Self::Judged => self.to_string(),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Precision => "P",
            Self::Recall => "R",
            Self::AveragePrecision => "MAP",
            Self::Ndcg => "N",
            Self::Judged => "judged",
        })
    }
}

/// The mean of a figure over the users who have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedMean {
    /// Which figure.
    pub measure: Measure,
    /// Users who have it.
    pub users: usize,
    /// Mean and bootstrap interval over them; `None` without any.
    pub mean: Option<Interval>,
}

/// Measures a user's ranking, best first, by `grades`: 0 is not relevant, more is relevant. `k` must be at least 1.
pub fn judge(ranking: &[u32], grades: &BTreeMap<u32, u8>, k: usize) -> Judged {
    let k = k.max(1);
    let top = &ranking[..k.min(ranking.len())];
    let grade = |item: &u32| grades.get(item).copied().unwrap_or(0);
    let found = top.iter().filter(|item| grade(item) > 0).count() as f64;
    let relevant = grades.values().filter(|&&grade| grade > 0).count() as f64;

    let (mut hits, mut precisions) = (0.0, 0.0);
    for (rank, _) in (1_u32..).zip(ranking).filter(|(_, item)| grade(item) > 0) {
        hits += 1.0;
        precisions += hits / f64::from(rank);
    }
    let mut ideal: Vec<u8> = grades.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let ideal = gain(ideal.into_iter().take(k));
    let defined = |value: f64| (relevant > 0.0).then_some(value);
    let graded = top.iter().filter(|item| grades.contains_key(item)).count() as f64;
    Judged {
        precision: found / k as f64,
        recall: defined(found / relevant),
        average_precision: defined(precisions / relevant),
        ndcg: defined(gain(top.iter().map(grade)) / ideal),
        judged: (!top.is_empty()).then(|| graded / top.len() as f64),
    }
}

/// Discounted cumulative gain of grades in their order.
fn gain(grades: impl Iterator<Item = u8>) -> f64 {
    let of = |(rank, grade): (u32, u8)| (f64::from(grade).exp2() - 1.0) / (f64::from(rank) + 1.0).log2();
    (1_u32..).zip(grades).map(of).sum()
}

/// The means of all figures, in the order of [`Measure::ALL`]; a user without a figure is left out of its mean.
///
/// # Errors
/// [`EvalError::Option`] for options of the bootstrap.
pub fn judged_means(users: &[Judged], bootstrap: &Bootstrap) -> Result<Vec<JudgedMean>, EvalError> {
    let of = |measure: Measure| {
        let values: Vec<f64> = users.iter().filter_map(|user| measure.of(user)).collect();
        let mean = if values.is_empty() { None } else { Some(bootstrap.interval(&values)?) };
        Ok(JudgedMean { measure, users: values.len(), mean })
    };
    Measure::ALL.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(pairs: &[(u32, u8)]) -> BTreeMap<u32, u8> {
        pairs.iter().copied().collect()
    }

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} for {expected}");
    }

    #[test]
    fn a_ranking_is_measured_by_hand() {
        // Of the first four: 5 (grade 2), 6 (0), 7 (no grade), 8 (1). 9 is graded 3 and stands sixth.
        let found = judge(&[5, 6, 7, 8, 1, 9], &grades(&[(5, 2), (6, 0), (8, 1), (9, 3)]), 4);
        close(Some(found.precision), 0.5);
        close(found.recall, 2.0 / 3.0);
        // Relevant at the ranks 1, 4 and 6.
        close(found.average_precision, (1.0 + 2.0 / 4.0 + 3.0 / 6.0) / 3.0);
        // Gains 3, 0, 0, 1 against the order 7, 3, 1, 0.
        let ideal = 7.0 + 3.0 / 3.0_f64.log2() + 1.0 / 2.0;
        close(found.ndcg, (3.0 + 1.0 / 5.0_f64.log2()) / ideal);
        close(found.judged, 0.75);
    }

    #[test]
    fn the_best_order_has_the_whole_gain_and_a_relevant_item_that_is_not_ranked_costs() {
        let all = grades(&[(1, 3), (2, 1), (3, 0)]);
        let best = judge(&[1, 2, 3], &all, 3);
        for value in [best.recall, best.average_precision, best.ndcg, best.judged] {
            close(value, 1.0);
        }
        let half = judge(&[1, 3], &all, 3);
        close(half.average_precision, 0.5);
        close(half.recall, 0.5);
        // P@3 of a list of two: a place that is not filled is not relevant.
        close(Some(half.precision), 1.0 / 3.0);
        close(half.judged, 1.0);
    }

    #[test]
    fn nothing_relevant_defines_no_recall_and_an_empty_ranking_no_share() {
        let found = judge(&[1, 2], &grades(&[(1, 0)]), 2);
        assert_eq!((found.recall, found.average_precision, found.ndcg), (None, None, None));
        assert_eq!((found.precision, found.judged), (0.0, Some(0.5)));
        let empty = judge(&[], &grades(&[(1, 1)]), 2);
        assert_eq!((empty.precision, empty.recall, empty.judged), (0.0, Some(0.0), None));
    }

    #[test]
    fn means_are_over_the_users_who_have_the_figure() {
        let users = [judge(&[1, 2], &grades(&[(1, 1), (2, 1)]), 2), judge(&[1, 2], &grades(&[(1, 0)]), 2)];
        let means = judged_means(&users, &Bootstrap::default()).unwrap();
        let of = |measure: Measure| means.iter().find(|mean| mean.measure == measure).unwrap();
        assert_eq!(of(Measure::Precision).users, 2);
        close(of(Measure::Precision).mean.map(|mean| mean.value), 0.5);
        assert_eq!(of(Measure::Recall).users, 1);
        close(of(Measure::Recall).mean.map(|mean| mean.low), 1.0);
        assert_eq!(judged_means(&[], &Bootstrap::default()).unwrap()[0].mean, None);
    }
}
