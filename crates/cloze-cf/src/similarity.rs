//! Shrunk cosine similarity between the user sets of items.

use cloze_data::Sequences;
use rayon::prelude::*;

use crate::sparse::Sparse;

/// The most similar items of each item, best first; equal similarities in the order of ids.
///
/// Row i has at most `neighbours` items j with sim(i, j) = |`U_i` ∩ `U_j`| / (sqrt(|`U_i`| |`U_j`|) + shrinkage), where
/// `U_i` are the users of item i; never i itself, never an item without a common user. Every item of `train`
/// is below `catalogue`. Work grows with the sum over users of the squared length of their sequences; memory
/// with one counter per item and thread.
pub(crate) fn nearest(train: &Sequences, catalogue: usize, neighbours: usize, shrinkage: f64) -> Sparse {
    let items_of: Vec<Vec<u32>> = train.iter().map(distinct).collect();
    let mut users_of: Vec<Vec<u32>> = vec![Vec::new(); catalogue];
    for (user, items) in (0_u32..).zip(&items_of) {
        for &item in items {
            users_of[item as usize].push(user);
        }
    }
    let rows: Vec<Vec<(u32, f32)>> = (0..catalogue)
        .into_par_iter()
        .map_init(
            || Overlaps { counts: vec![0; catalogue], met: Vec::new() },
            |overlaps, item| {
                overlaps.count(item, &users_of, &items_of);
                let mut row = overlaps.take_similarities(users_of[item].len(), &users_of, shrinkage);
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

/// Users in common between one item and all others; one per thread, emptied after each item.
struct Overlaps {
    counts: Vec<u32>,
    met: Vec<u32>,
}

impl Overlaps {
    fn count(&mut self, item: usize, users_of: &[Vec<u32>], items_of: &[Vec<u32>]) {
        for &user in &users_of[item] {
            for &other in items_of[user as usize].iter().filter(|&&other| other as usize != item) {
                let count = &mut self.counts[other as usize];
                if *count == 0 {
                    self.met.push(other);
                }
                *count += 1;
            }
        }
    }

    fn take_similarities(&mut self, users: usize, users_of: &[Vec<u32>], shrinkage: f64) -> Vec<(u32, f32)> {
        let counts = &mut self.counts;
        let similarity = |other: u32| {
            let overlap = f64::from(std::mem::take(&mut counts[other as usize]));
            let norm = (users as f64 * users_of[other as usize].len() as f64).sqrt();
            (other, (overlap / (norm + shrinkage)) as f32)
        };
        self.met.drain(..).map(similarity).collect()
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
