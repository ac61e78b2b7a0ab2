//! The best items of a row of scores.

use std::ops::Deref;

use crate::lists::K;

/// Scores looked at together: a block without any item for the list is passed over without a branch an item.
const BLOCK: usize = 32;

/// At most [`K`] items, best first, without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct List {
    items: [u32; K],
    length: usize,
}

impl Deref for List {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.items[..self.length]
    }
}

impl FromIterator<u32> for List {
    /// The first [`K`] items.
    fn from_iter<I: IntoIterator<Item = u32>>(items: I) -> Self {
        let mut list = Self::default();
        for (place, item) in list.items.iter_mut().zip(items) {
            *place = item;
            list.length += 1;
        }
        list
    }
}

/// The at most `k` (and at most [`K`]) best items that are neither hidden nor scored negative infinity, best first,
/// ties by id.
pub(crate) fn best(scores: &[f32], k: usize, hidden: impl Fn(u32) -> bool) -> List {
    let k = k.min(K);
    let (mut list, mut values) = (List::default(), [0.0_f32; K]);
    let mut bar = f32::NEG_INFINITY;
    for (block, chunk) in scores.chunks(BLOCK).enumerate() {
        // Counted, not searched: without an early exit the pass is vectorized.
        if chunk.iter().filter(|&&score| score > bar).count() == 0 {
            continue;
        }
        for (within, &score) in chunk.iter().enumerate() {
            let item = (block * BLOCK + within) as u32;
            if score > bar && !hidden(item) {
                let place = values[..list.length].partition_point(|&other| other >= score);
                if place == k {
                    continue;
                }
                // What falls out of a full list is the last place.
                let moved = place..list.length.min(k - 1);
                values.copy_within(moved.clone(), place + 1);
                list.items.copy_within(moved, place + 1);
                (values[place], list.items[place]) = (score, item);
                list.length = (list.length + 1).min(k);
                if list.length == k {
                    bar = values[k - 1];
                }
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn the_best_come_first_and_ties_by_id() {
        let scores = [0.5, 0.9, f32::NEG_INFINITY, 0.5, 0.1, 0.9];
        assert_eq!(*best(&scores, 3, |_| false), [1, 5, 0]);
        assert_eq!(*best(&scores, 3, |item| item == 1), [5, 0, 3]);
        assert_eq!(*best(&scores, 9, |_| false), [1, 5, 0, 3, 4]);
        assert!(best(&scores, 0, |_| false).is_empty());
    }

    #[test]
    fn long_rows_give_what_sorting_gives() {
        let scores: Vec<f32> = (0..1000_u32).map(|item| (item * 7919 % 263) as f32).collect();
        let mut sorted: Vec<u32> = (0..1000).filter(|item| item % 3 != 0).collect();
        sorted.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        assert_eq!(*best(&scores, 10, |item| item % 3 == 0), sorted[..10]);
    }
}
