//! Similarity between the user sets of items.

use cloze_data::Sequences;
use rayon::prelude::*;

use crate::sparse::Sparse;

/// The most similar items of each item, best first; equal similarities in the order of ids.
///
/// Row i has at most `neighbours` items j with sim(i, j) = `similarity(c, |U_i|, |U_j|)`, where `U_i` are the users of item i and
/// c is the sum over `U_i` ∩ `U_j` of `weight(|I_u|)`, with `I_u` the items of user u; never i itself, never an item without a
/// common user. Every item of `train` is below `catalogue`. Work grows with the sum over users of the squared length of
/// their sequences; memory with one sum per item and thread.
pub(crate) fn nearest(
    train: &Sequences,
    catalogue: usize,
    neighbours: usize,
    weight: impl Fn(f64) -> f64,
    similarity: impl Fn(f64, f64, f64) -> f64 + Sync,
) -> Sparse {
    let items_of: Vec<Vec<u32>> = train.iter().map(distinct).collect();
    let mut users_of: Vec<Vec<u32>> = vec![Vec::new(); catalogue];
    for (user, items) in (0_u32..).zip(&items_of) {
        for &item in items {
            users_of[item as usize].push(user);
        }
    }
    let weights: Vec<f64> = items_of.iter().map(|items| weight(items.len() as f64)).collect();
    let rows: Vec<Vec<(u32, f32)>> = (0..catalogue)
        .into_par_iter()
        .map_init(
            || Overlaps { sums: vec![None; catalogue], met: Vec::new() },
            |overlaps, item| {
                overlaps.add(item, &users_of, &items_of, &weights);
                let mut row = overlaps.take(|other, sum| {
                    similarity(sum, users_of[item].len() as f64, users_of[other as usize].len() as f64)
                });
                keep_best(&mut row, neighbours);
                row
            },
        )
        .collect();
    Sparse::from_rows(&rows)
}

/// A sequence as a set, ascending.
pub(crate) fn distinct(sequence: &[u32]) -> Vec<u32> {
    let mut items = sequence.to_vec();
    items.sort_unstable();
    items.dedup();
    items
}

/// Weight of the users in common between one item and all others; one per thread, emptied after each item.
struct Overlaps {
    /// None of an item that was not met: the sum of one that was may be 0, where its weights are too small for a number.
    sums: Vec<Option<f64>>,
    met: Vec<u32>,
}

impl Overlaps {
    fn add(&mut self, item: usize, users_of: &[Vec<u32>], items_of: &[Vec<u32>], weights: &[f64]) {
        for &user in &users_of[item] {
            let weight = weights[user as usize];
            for &other in items_of[user as usize].iter().filter(|&&other| other as usize != item) {
                let sum = &mut self.sums[other as usize];
                if sum.is_none() {
                    self.met.push(other);
                }
                *sum.get_or_insert(0.0) += weight;
            }
        }
    }

    fn take(&mut self, similarity: impl Fn(u32, f64) -> f64) -> Vec<(u32, f32)> {
        let sums = &mut self.sums;
        let one = |other: u32| Some((other, similarity(other, sums[other as usize].take()?) as f32));
        self.met.drain(..).filter_map(one).collect()
    }
}

fn keep_best(row: &mut Vec<(u32, f32)>, neighbours: usize) {
    let best_first = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if row.len() > neighbours {
        row.select_nth_unstable_by(neighbours, best_first);
        row.truncate(neighbours);
    }
    row.sort_unstable_by(best_first);
}
