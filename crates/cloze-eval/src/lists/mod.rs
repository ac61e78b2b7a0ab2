//! Beyond accuracy: what the lists of all users are like together.

mod counter;
mod distance;
mod top;

use serde::{Deserialize, Serialize};

pub(crate) use counter::{Counter, ListValues};
pub use distance::ItemDistances;
pub(crate) use top::{List, best};

/// Length of the lists.
pub(crate) const K: usize = 10;

/// Statistics of the users' top-10 lists under the full ranking.
///
/// A user's list holds the best items with ties in the order of ids; items of the history are left out where
/// [`EvaluationOptions::exclude_seen`](crate::EvaluationOptions::exclude_seen) says so, items scored negative
/// infinity always. In the formulas `L(u)` is the list of user u, `c(i)` the count of item i in training, `I` the
/// catalogue, and means are over users with a list.
///
/// Where other libraries define a figure differently: `RecTools`' `MeanInvUserFreq` divides `c` by users instead
/// of interactions, a constant of `log2(interactions / users)` bits; `RecBole`'s average popularity, coverage
/// and Gini index are these. `RecTools`' `NDCG` divides by an ideal list of K hits unless
/// `divide_by_achievable` is set; with one held-out item only the latter is 1 for a perfect ranking, as here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListStatistics {
    /// Length of a list: 10.
    pub k: usize,
    /// Users with a list of at least one item.
    pub users: usize,
    /// Of these, users with fewer than `k` items.
    pub short: usize,
    /// Share of the catalogue that is in any list.
    pub coverage: f64,
    /// Mean over users of the mean of `c(i)` over `L(u)` (Yin et al. 2012).
    pub popularity: f64,
    /// Mean over users of the mean self-information `-log2(max(c(i), 1) / sum of c)` over `L(u)`, in bits
    /// (Castells, Hurley & Vargas 2015). An item that training never shows counts as shown once.
    pub novelty: f64,
    /// Gini coefficient of the number of lists that each item of the catalogue is in:
    /// `sum over j (2j - |I| - 1) x_j / (|I| sum x)` for ascending x; 0 when all are in equally many.
    pub gini: f64,
    /// Mean over users of the mean distance of the pairs in `L(u)`, by [`ItemDistances`] (Ziegler et al. 2005).
    /// `None` when no distances were given, or no list has a pair.
    #[serde(default)]
    pub distance: Option<f64>,
    /// Mean over users of the mean over `L(u)` of one minus the user's familiarity with an item, which is the mean over the
    /// item's categories of the share of the history that has the category: how much of a list is beyond what the user
    /// always takes. `None` when no categories were given.
    #[serde(default)]
    pub unfamiliarity: Option<f64>,
    /// Share of the categories that some list has an item of. `None` when no categories were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_coverage: Option<f64>,
    /// Mean over users of the number of different categories in `L(u)`. `None` when no categories were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<f64>,
    /// Mean over users of the share of the items of `L(u)`, of those with categories, that have a category that no item of
    /// the history has. `None` when no categories were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_categories: Option<f64>,
    /// What the distance is between: `co-occurrence` or `vectors`.
    #[serde(default)]
    pub distance_by: Option<String>,
}
