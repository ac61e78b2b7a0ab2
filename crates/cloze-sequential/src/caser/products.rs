//! Matrix products on one thread, and the sums of a few numbers that need none.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// A row-major matrix without gaps; `columns` is not 0.
pub(super) fn matrix(data: &[f32], columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(data, data.len() / columns, columns)
}

/// The same, to be written.
pub(super) fn matrix_mut(data: &mut [f32], columns: usize) -> MatMut<'_, f32> {
    let rows = data.len() / columns;
    MatMut::from_row_major_slice_mut(data, rows, columns)
}

/// `C ← A B`, where the sum over the inner dimension is always taken in the same order.
pub(super) fn multiply(c: MatMut<'_, f32>, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    matmul(c, Accum::Replace, a, b, 1.0, Par::Seq);
}

/// `C ← C + A B`.
pub(super) fn multiply_add(c: MatMut<'_, f32>, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    matmul(c, Accum::Add, a, b, 1.0, Par::Seq);
}

/// `Σ aᵢ bᵢ`; eight sums side by side, which the compiler turns into vector instructions.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, rest_a) = a.as_chunks::<8>();
    let (b, rest_b) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|i| sums[i] += a[i] * b[i]);
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

/// `y ← y + a x`.
pub(super) fn add_scaled(y: &mut [f32], a: f32, x: &[f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
}
