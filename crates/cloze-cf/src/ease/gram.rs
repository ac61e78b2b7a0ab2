//! The regularized Gram matrix of the training data.

use cloze_data::Sequences;
use rayon::prelude::*;

use crate::decay::weighted;

/// Writes the lower triangle of `X^T X + lambda I`, column-major, into `matrix`, which is all zeros.
///
/// `X_uj` is decay^age of item j in the sequence of user u (1 without decay), 0 where it does not occur. Every item
/// is below `catalogue`, and `matrix` has its square as length. Columns are filled in parallel, and the terms of an
/// entry are added in the order of users: the same sums on any number of threads. Work grows with the sum over
/// users of the squared length of their sequences.
pub(super) fn gram(train: &Sequences, catalogue: usize, decay: f64, lambda: f64, matrix: &mut [f64]) {
    let rows: Vec<Vec<(u32, f64)>> = train.iter().map(|sequence| weighted(sequence, decay)).collect();
    // For each item its users, with the place of the item in their rows: from there on the items are not smaller.
    let mut places: Vec<Vec<(u32, u32)>> = vec![Vec::new(); catalogue];
    for (user, row) in (0_u32..).zip(&rows) {
        for (place, (item, _)) in (0_u32..).zip(row) {
            places[*item as usize].push((user, place));
        }
    }
    let columns = matrix.par_chunks_exact_mut(catalogue.max(1));
    columns.zip(&places).enumerate().for_each(|(item, (column, places))| {
        for &(user, place) in places {
            let row = &rows[user as usize][place as usize..];
            let weight = row[0].1;
            for &(other, value) in row {
                column[other as usize] += weight * value;
            }
        }
        column[item] += lambda;
    });
}
