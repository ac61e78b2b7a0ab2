//! The head's softmax over all items, as matrix products.

use super::head::{Example, Head};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

impl Head {
    /// Mean of `−ln softmax(s)` at each example's positive, over all items, and its gradient added to `gradient`. The
    /// bias b gets none: it is the same for all items.
    ///
    /// With z = w ∗ p̂ for the rows and E = (softmax − target) / rows: `∂z = E Q̂`, `∂Q̂ = Eᵀ z`.
    pub(super) fn softmax_loss(&self, examples: &[Example<'_>], items: &[f32], gradient: &mut [f32]) -> f64 {
        let (n, rows) = (self.width(), examples.len());
        let w = &self.values()[..n];
        let mapped = self.map_items(items);
        let users: Vec<f32> =
            examples.par_iter().flat_map_iter(|example| self.map_user(example.profile)).collect();
        let asking: Vec<f32> = users.iter().zip(w.iter().cycle()).map(|(p, w)| p * w).collect();
        let catalogue = mapped.len() / n;
        let mut errors = vec![0.0; rows * catalogue];
        product(&mut errors, catalogue, matrix(&asking, n), matrix(&mapped, n).transpose());
        let losses: Vec<f64> = errors
            .par_chunks_exact_mut(catalogue)
            .zip(examples)
            .map(|(row, example)| cross_entropy(row, example.items[0] as usize, 1.0 / rows as f32))
            .collect();
        let (mut d_asking, mut d_mapped) = (vec![0.0; rows * n], vec![0.0; mapped.len()]);
        product(&mut d_asking, n, matrix(&errors, catalogue), matrix(&mapped, n));
        product(&mut d_mapped, n, matrix(&errors, catalogue).transpose(), matrix(&asking, n));
        for ((d, p), example) in d_asking.chunks_exact_mut(n).zip(users.chunks_exact(n)).zip(examples) {
            for k in 0..n {
                gradient[k] += d[k] * p[k];
                d[k] *= w[k];
            }
            self.user_map_gradient(d, example.profile, gradient);
        }
        for (d, raw) in d_mapped.chunks_exact(n).zip(items.chunks_exact(n)) {
            self.item_map_gradient(d, raw, gradient);
        }
        losses.iter().sum::<f64>() / rows as f64
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
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let asked = row[target];
    let mut sum = 0.0f64;
    for score in row.iter_mut() {
        *score = (*score - largest).exp();
        sum += f64::from(*score);
    }
    let factor = scale / sum as f32;
    for value in row.iter_mut() {
        *value *= factor;
    }
    row[target] -= scale;
    sum.ln() - f64::from(asked - largest)
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
                // The bias is the same for all items.
                assert!(i == 5 || found != 0.0, "parameter {i} gets a gradient");
            }
            // Second-order differences of a single-precision forward pass.
            assert!((error / size).sqrt() < 1e-4, "{}", (error / size).sqrt());
        }
    }
}
