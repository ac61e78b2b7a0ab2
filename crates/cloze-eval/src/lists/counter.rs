//! Counters that grow with the catalogue, not with the users.

use crate::categories::Categories;
use crate::lists::{ItemDistances, K, List, ListStatistics};

/// Collects lists.
pub(crate) struct Counter<'a> {
    popularity: &'a [u64],
    /// Self-information of each item, in bits.
    information: Vec<f64>,
    distances: Option<&'a ItemDistances>,
    categories: Option<&'a Categories>,
    /// Number of lists that each item is in.
    exposure: Vec<u64>,
    users: usize,
    short: usize,
    paired: usize,
    popularity_sum: f64,
    information_sum: f64,
    distance_sum: f64,
    categorised: usize,
    unfamiliarity_sum: f64,
    /// Whether each category is in some list.
    shown_categories: Vec<bool>,
    distinct_sum: usize,
    new_sum: f64,
}

/// What the counter needs of one user.
pub(crate) struct ListValues {
    list: List,
    popularity: f64,
    information: f64,
    distance: Option<f64>,
    unfamiliarity: Option<f64>,
    /// Share of the list's items that bring a category that the history lacks.
    new: Option<f64>,
}

impl ListValues {
    /// The list, best first.
    pub(crate) fn items(&self) -> &[u32] {
        &self.list
    }
}

impl<'a> Counter<'a> {
    pub(crate) fn new(
        popularity: &'a [u64],
        distances: Option<&'a ItemDistances>,
        categories: Option<&'a Categories>,
    ) -> Self {
        let total = popularity.iter().sum::<u64>().max(1) as f64;
        Self {
            popularity,
            information: popularity.iter().map(|&count| (total / count.max(1) as f64).log2()).collect(),
            distances,
            categories,
            exposure: vec![0; popularity.len()],
            users: 0,
            short: 0,
            paired: 0,
            popularity_sum: 0.0,
            information_sum: 0.0,
            distance_sum: 0.0,
            categorised: 0,
            unfamiliarity_sum: 0.0,
            shown_categories: vec![false; categories.map_or(0, Categories::count)],
            distinct_sum: 0,
            new_sum: 0.0,
        }
    }

    /// The part of the work that many threads can do; `shares` are those of the user's history.
    pub(crate) fn values(&self, list: List, shares: &[f64]) -> ListValues {
        let mean = |of: &dyn Fn(usize) -> f64| {
            list.iter().map(|&item| of(item as usize)).sum::<f64>() / list.len().max(1) as f64
        };
        ListValues {
            popularity: mean(&|item| self.popularity[item] as f64),
            information: mean(&|item| self.information[item]),
            distance: self.distances.and_then(|distances| distances.within(&list)),
            unfamiliarity: self.categories.and_then(|categories| unfamiliarity(categories, shares, &list)),
            new: self.categories.and_then(|categories| new_share(categories, shares, &list)),
            list,
        }
    }

    /// Adds a user, in the order of users, so that sums are the same on any number of threads.
    pub(crate) fn add(&mut self, values: &ListValues) {
        if values.list.is_empty() {
            return;
        }
        self.users += 1;
        self.short += usize::from(values.list.len() < K);
        self.popularity_sum += values.popularity;
        self.information_sum += values.information;
        if let Some(distance) = values.distance {
            self.paired += 1;
            self.distance_sum += distance;
        }
        if let Some(unfamiliarity) = values.unfamiliarity {
            self.categorised += 1;
            self.unfamiliarity_sum += unfamiliarity;
            self.new_sum += values.new.unwrap_or(0.0);
        }
        if let Some(categories) = self.categories {
            self.add_categories(categories, &values.list);
        }
        for &item in &*values.list {
            self.exposure[item as usize] += 1;
        }
    }

    fn add_categories(&mut self, categories: &Categories, list: &List) {
        for (at, &item) in list.iter().enumerate() {
            for category in categories.of(item) {
                self.shown_categories[*category as usize] = true;
                let before = list[..at].iter().any(|&other| categories.of(other).contains(category));
                self.distinct_sum += usize::from(!before);
            }
        }
    }

    /// `None` if nobody has a list.
    pub(crate) fn finish(mut self) -> Option<ListStatistics> {
        let users = self.users as f64;
        let shown = self.exposure.iter().filter(|&&count| count > 0).count();
        let known = self.shown_categories.len();
        let covered = self.shown_categories.iter().filter(|&&shown| shown).count();
        (self.users > 0).then(|| ListStatistics {
            k: K,
            users: self.users,
            short: self.short,
            coverage: shown as f64 / self.exposure.len() as f64,
            popularity: self.popularity_sum / users,
            novelty: self.information_sum / users,
            gini: gini(&mut self.exposure),
            distance: (self.paired > 0).then(|| self.distance_sum / self.paired as f64),
            unfamiliarity: (self.categorised > 0).then(|| self.unfamiliarity_sum / self.categorised as f64),
            category_coverage: (known > 0).then(|| covered as f64 / known as f64),
            categories: (known > 0).then(|| self.distinct_sum as f64 / users),
            new_categories: (self.categorised > 0).then(|| self.new_sum / self.categorised as f64),
            distance_by: self.distances.map(|distances| distances.name().to_owned()),
        })
    }
}

/// Mean over the items that have categories.
fn unfamiliarity(categories: &Categories, shares: &[f64], list: &List) -> Option<f64> {
    let known = || list.iter().filter_map(|&item| categories.familiarity(shares, item));
    let count = known().count();
    (count > 0).then(|| 1.0 - known().sum::<f64>() / count as f64)
}

/// Of the items that have categories, the share with one that has no share of the history.
fn new_share(categories: &Categories, shares: &[f64], list: &List) -> Option<f64> {
    let known = || list.iter().map(|&item| categories.of(item)).filter(|own| !own.is_empty());
    let is_new = |own: &&[u32]| own.iter().any(|&category| shares[category as usize] <= 0.0);
    let (count, new) = (known().count(), known().filter(is_new).count());
    (count > 0).then(|| new as f64 / count as f64)
}

/// The Gini coefficient; orders the values.
fn gini(values: &mut [u64]) -> f64 {
    values.sort_unstable();
    let n = values.len() as f64;
    let total = values.iter().sum::<u64>() as f64;
    let weighted = |(at, &value): (usize, &u64)| (2.0 * (at as f64 + 1.0) - n - 1.0) * value as f64;
    values.iter().enumerate().map(weighted).sum::<f64>() / (n * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gini_of_known_distributions() {
        assert!(gini(&mut [5, 5, 5, 5]).abs() < 1e-15);
        // All in one of n: 1 - 1/n.
        assert!((gini(&mut [0, 7, 0, 0]) - 0.75).abs() < 1e-15);
        // (1*(-2) + 2*0 + 3*2) / (3*6)
        assert!((gini(&mut [3, 1, 2]) - 4.0 / 18.0).abs() < 1e-15);
    }

    #[test]
    fn statistics_of_two_lists_by_hand() {
        let popularity = [4, 2, 2, 0];
        let categories = Categories::new(&[vec!["a", "b"], vec!["a"], vec!["b"], vec![]]);
        let mut counter = Counter::new(&popularity, None, Some(&categories));
        for list in [vec![0, 1], vec![3], vec![]] {
            let values = counter.values(list.into_iter().collect(), &[0.75, 0.25]);
            counter.add(&values);
        }
        let found = counter.finish().unwrap();
        assert_eq!((found.users, found.short), (2, 2), "the empty list is none");
        assert!((found.coverage - 0.75).abs() < 1e-15);
        // Means 3 and 0; -log2 of 1/2 and 1/4 is 1.5 on average, of the unseen item 3 bits.
        assert!((found.popularity - 1.5).abs() < 1e-15);
        assert!((found.novelty - 2.25).abs() < 1e-15);
        // Exposure 0, 1, 1, 1: (-3*0 - 1 + 1 + 3) / (4*3).
        assert!((found.gini - 0.25).abs() < 1e-15);
        assert_eq!(found.distance, None);
        // Familiarity (0.75 + 0.25) / 2 and 0.75; the list of an item without category says nothing.
        assert_eq!(found.unfamiliarity, Some(1.0 - 0.625));
        // Items 0 and 1 have both categories between them, item 3 has none, and the history had both.
        assert_eq!((found.category_coverage, found.categories), (Some(1.0), Some(1.0)));
        assert_eq!(found.new_categories, Some(0.0));
    }

    #[test]
    fn categories_of_lists_are_counted_by_hand() {
        let categories = Categories::new(&[vec!["a", "b"], vec!["b"], vec!["c"], vec!["d"], vec![]]);
        let mut counter = Counter::new(&[1; 5], None, Some(&categories));
        // The first user's history is all of a, the second's of b and c.
        for (list, shares) in [(vec![0, 1, 2, 4], [1.0, 0.0, 0.0, 0.0]), (vec![1, 2], [0.0, 0.5, 0.5, 0.0])] {
            let values = counter.values(list.into_iter().collect(), &shares);
            counter.add(&values);
        }
        let found = counter.finish().unwrap();
        // a, b and c of four.
        assert_eq!(found.category_coverage, Some(0.75));
        // Three and two.
        assert_eq!(found.categories, Some(2.5));
        // To the first user b and c are new, so all three items with categories bring something new; to the second nothing is.
        assert_eq!(found.new_categories, Some(0.5));
    }
}
