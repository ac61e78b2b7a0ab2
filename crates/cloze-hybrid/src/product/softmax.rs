//! The head's softmax over all items, as matrix products.

use super::head::{Example, Head};
use cloze_encoder::cpu::exponentials;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows that ask for an item each, among `items`.
pub(super) struct Asked<'a> {
    /// Raw profiles of the rows, `[rows, width]`.
    pub(super) users: &'a [f32],
    /// Place of each row's item among `items`.
    pub(super) targets: &'a [u32],
    /// Raw profiles of the items, `[items, width]`.
    pub(super) items: &'a [f32],
}

/// The loss with the gradients of the profiles as the head sees them, p̂ and q̂.
pub(super) struct Answered {
    pub(super) loss: f64,
    pub(super) users: Vec<f32>,
    pub(super) items: Vec<f32>,
}

impl Head {
    /// Mean of `−ln softmax(s)` at each example's positive, over all items, and its gradient added to `gradient`.
    /// The biases b and, of the items' map, c get none beyond rounding: what they add is the same for all items.
    pub(super) fn softmax_loss(&self, examples: &[Example<'_>], items: &[f32], gradient: &mut [f32]) -> f64 {
        let users: Vec<f32> = examples.iter().flat_map(|example| example.profile).copied().collect();
        let targets: Vec<u32> = examples.iter().map(|example| example.items[0]).collect();
        let asked = Asked { users: &users, targets: &targets, items };
        self.softmax(&asked, |_, _| 0.0, gradient).loss
    }

    /// The same for any rows and items, with `offset(row, item)` added to a score: `−ln q` of an item that is drawn with
    /// probability q corrects for the draw, −∞ leaves it out.
    ///
    /// With z = w ∗ p̂ for the rows and E = (softmax − target) / rows: `∂z = E Q̂`, `∂Q̂ = Eᵀ z`.
    pub(super) fn softmax(
        &self,
        asked: &Asked<'_>,
        offset: impl Fn(usize, usize) -> f32 + Sync,
        gradient: &mut [f32],
    ) -> Answered {
        let (n, rows) = (self.width(), asked.targets.len());
        let w = &self.values()[..n];
        let mapped = self.map_items(asked.items);
        let users: Vec<f32> =
            asked.users.par_chunks(n).flat_map_iter(|profile| self.map_user(profile)).collect();
        let asking: Vec<f32> = users.iter().zip(w.iter().cycle()).map(|(p, w)| p * w).collect();
        let catalogue = mapped.len() / n;
        let mut errors = vec![0.0; rows * catalogue];
        product(&mut errors, catalogue, matrix(&asking, n), matrix(&mapped, n).transpose());
        let losses: Vec<f64> = errors
            .par_chunks_exact_mut(catalogue)
            .zip(asked.targets)
            .enumerate()
            .map(|(at, (row, &target))| {
                row.iter_mut().enumerate().for_each(|(item, score)| *score += offset(at, item));
                cross_entropy(row, target as usize, 1.0 / rows as f32)
            })
            .collect();
        let (mut d_users, mut d_items) = (vec![0.0; rows * n], vec![0.0; mapped.len()]);
        product(&mut d_users, n, matrix(&errors, catalogue), matrix(&mapped, n));
        product(&mut d_items, n, matrix(&errors, catalogue).transpose(), matrix(&asking, n));
        for ((d, p), raw) in
            d_users.chunks_exact_mut(n).zip(users.chunks_exact(n)).zip(asked.users.chunks_exact(n))
        {
            for k in 0..n {
                gradient[k] += d[k] * p[k];
                d[k] *= w[k];
            }
            self.user_map_gradient(d, raw, gradient);
        }
        for (d, raw) in d_items.chunks_exact(n).zip(asked.items.chunks_exact(n)) {
            self.item_map_gradient(d, raw, gradient);
        }
        Answered { loss: losses.iter().sum::<f64>() / rows as f64, users: d_users, items: d_items }
    }
}

fn matrix(values: &[f32], columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, values.len() / columns, columns)
}

/// `c = A B`, `columns` wide.
fn product(c: &mut [f32], columns: usize, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    let rows = c.len() / columns;
    matmul(MatMut::from_row_major_slice_mut(c, rows, columns), Accum::Replace, a, b, 1.0, Par::rayon(0));
}

/// The loss of a row of scores, which become their gradients times `scale`.
fn cross_entropy(row: &mut [f32], target: usize, scale: f32) -> f64 {
    let asked = row[target];
    let (largest, sum) = exponentials(row);
    let factor = scale / sum;
    for value in row.iter_mut() {
        *value *= factor;
    }
    row[target] -= scale;
    f64::from(sum).ln() - f64::from(asked - largest)
}

#[cfg(test)]
mod tests {
    use super::super::head::tests::wave;
    use super::*;

    #[test]
    fn gradient_agrees_with_finite_differences() {
        for projects in [false, true] {
            let mut head = Head::new(5, projects);
            let drawn = wave(head.values().len(), 0.3);
            head.values_mut().iter_mut().zip(drawn).for_each(|(value, x)| *value += 0.5 * x);
            let (users, profiles) = (wave(15, 1.0), wave(35, 2.0));
            let targets = [[3], [0], [6]];
            let examples: Vec<Example<'_>> =
                users.chunks(5).zip(&targets).map(|(profile, items)| Example { profile, items }).collect();
            let mut gradient = vec![0.0; head.values().len()];
            head.softmax_loss(&examples, &profiles, &mut gradient);
            let mut unused = gradient.clone();
            let (mut error, mut size) = (0.0, 0.0);
            for (i, &found) in gradient.iter().enumerate() {
                let step = 1.0 / 128.0;
                let start = head.values()[i];
                let mut at = |x| {
                    head.values_mut()[i] = x;
                    head.softmax_loss(&examples, &profiles, &mut unused)
                };
                let difference = (at(start + step) - at(start - step)) / (2.0 * f64::from(step));
                head.values_mut()[i] = start;
                error += (difference - f64::from(found)).powi(2);
                size += difference.powi(2);
                // b and c add the same to all items.
                let constant = i == 5 || i >= 61;
                assert!(constant == (found.abs() < 1e-6), "parameter {i}: {found}");
            }
            // Second-order differences of a single-precision forward pass.
            assert!((error / size).sqrt() < 1e-4, "{}", (error / size).sqrt());
        }
    }

    /// With offsets, one of them leaving an item out: what the towers learn from.
    #[test]
    fn gradients_of_profiles_agree_with_finite_differences() {
        for projects in [false, true] {
            let mut head = Head::new(5, projects);
            let drawn = wave(head.values().len(), 0.3);
            head.values_mut().iter_mut().zip(drawn).for_each(|(value, x)| *value += 0.5 * x);
            let offset = |row: usize, item: usize| {
                if (row, item) == (1, 2) { f32::NEG_INFINITY } else { 0.1 * item as f32 }
            };
            let answer = |users: &[f32], items: &[f32]| {
                let asked = Asked { users, targets: &[3, 0, 6], items };
                head.softmax(&asked, offset, &mut vec![0.0; head.values().len()])
            };
            let (users, items) = (wave(15, 1.0), wave(35, 2.0));
            let found = answer(&users, &items);
            let gradients =
                [head.user_profile_gradient(&found.users), head.item_profile_gradient(&found.items)];
            let (mut error, mut size) = (0.0, 0.0);
            for (side, gradient) in gradients.iter().enumerate() {
                for (i, &found) in gradient.iter().enumerate() {
                    let step = 1.0 / 128.0;
                    let at = |x: f32| {
                        let mut values = [users.clone(), items.clone()];
                        values[side][i] += x;
                        answer(&values[0], &values[1]).loss
                    };
                    let difference = (at(step) - at(-step)) / (2.0 * f64::from(step));
                    error += (difference - f64::from(found)).powi(2);
                    size += difference.powi(2);
                }
            }
            assert!((error / size).sqrt() < 1e-4, "{}", (error / size).sqrt());
        }
    }
}
