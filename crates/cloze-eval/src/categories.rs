//! How familiar a user is with an item's categories: what a list offers beyond what its user always takes.

use std::collections::HashMap;

/// The categories of each item, as genres of films: any number of them, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Categories {
    count: usize,
    of: Vec<Vec<u32>>,
    /// Items of each category; at the end those without any.
    items: Vec<Vec<u32>>,
}

impl Categories {
    /// Numbers the names; `items` has those of each item by dense id. A name that an item has twice counts once.
    pub fn new<S: AsRef<str>>(items: &[Vec<S>]) -> Self {
        let mut numbers = HashMap::new();
        let of: Vec<Vec<u32>> = items
            .iter()
            .map(|names| {
                let mut own: Vec<u32> = names
                    .iter()
                    .map(|name| {
                        let next = numbers.len() as u32;
                        *numbers.entry(name.as_ref()).or_insert(next)
                    })
                    .collect();
                own.sort_unstable();
                own.dedup();
                own
            })
            .collect();
        let count = numbers.len();
        let mut items = vec![Vec::new(); count + 1];
        for (item, own) in (0..).zip(&of) {
            for &category in own {
                items[category as usize].push(item);
            }
            if own.is_empty() {
                items[count].push(item);
            }
        }
        Self { count, of, items }
    }

    /// Number of items.
    pub fn catalogue(&self) -> usize {
        self.of.len()
    }

    /// Number of categories.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The categories of an item, ascending.
    pub(crate) fn of(&self, item: u32) -> &[u32] {
        &self.of[item as usize]
    }

    /// Items that share a category with an item, itself among them, some more than once; of an item without categories those without.
    pub(crate) fn kin(&self, item: u32) -> impl Iterator<Item = u32> {
        let own = &self.of[item as usize];
        let without = own.is_empty().then_some(self.count);
        let lists = own.iter().map(|&category| category as usize).chain(without);
        lists.flat_map(|list| self.items[list].iter().copied())
    }

    /// Writes the share of the history that has each category; nothing is allocated once `shares` has grown.
    pub(crate) fn shares(&self, history: &[u32], shares: &mut Vec<f64>) {
        shares.clear();
        shares.resize(self.count, 0.0);
        for &item in history {
            for &category in &self.of[item as usize] {
                shares[category as usize] += 1.0;
            }
        }
        for share in shares.iter_mut() {
            *share /= history.len().max(1) as f64;
        }
    }

    /// Mean of the shares over the item's categories, in [0, 1]; `None` for an item without any.
    pub(crate) fn familiarity(&self, shares: &[f64], item: u32) -> Option<f64> {
        let own = &self.of[item as usize];
        let sum: f64 = own.iter().map(|&category| shares[category as usize]).sum();
        (!own.is_empty()).then(|| sum / own.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn familiarity_is_the_mean_share_of_an_items_categories() {
        let categories =
            Categories::new(&[vec!["drama", "war", "drama"], vec!["drama"], vec!["comedy"], vec![]]);
        let mut shares = Vec::new();
        categories.shares(&[0, 1, 1, 3], &mut shares);
        // Drama is three of four, war one of four.
        let of = |item| categories.familiarity(&shares, item);
        assert_eq!([of(0), of(1), of(2), of(3)], [Some(0.5), Some(0.75), Some(0.0), None]);
        let kin = |item| categories.kin(item).collect::<Vec<_>>();
        assert_eq!([kin(0), kin(1), kin(2), kin(3)], [vec![0, 1, 0], vec![0, 1], vec![2], vec![3]]);
        categories.shares(&[], &mut shares);
        assert_eq!(categories.familiarity(&shares, 0), Some(0.0), "nothing is familiar to a newcomer");
    }
}
