//! A few steps of conjugate gradients for all rows of a side, whose matrices are never written out.
#![expect(clippy::inline_always, reason = "must be inlined into what is compiled for the instructions")]

use cloze_data::Sequences;
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Spec};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::error::CfError;

/// Rows that are multiplied at a time, so that vectors are read from memory less often.
const TOGETHER: usize = 4;
/// Vectors that a thread turns at a time.
const TURNED: usize = 256;

/// Brings the vectors of all rows nearer to what solves `(R^T R + S + λ I) w = R^T 1`, R the vectors of a row's interactions among
/// `others` and λ the `penalty` of so many; S is given by its lower triangle, column-major. A row without any gets zeros.
///
/// Everything is turned to where S is diagonal: a step then reads R and nothing else, and the diagonal is what it is preconditioned
/// with.
///
/// # Errors
/// [`CfError::Decomposition`] where S has no eigenvalues.
pub(super) fn improve_all(
    others: &[f32],
    shared: &[f32],
    penalty: &(impl Fn(usize) -> f32 + Sync),
    steps: u64,
    lists: &Sequences,
    vectors: &mut [f32],
) -> Result<(), CfError> {
    let hidden = shared.len().isqrt();
    let shared = MatRef::from_column_major_slice(shared, hidden, hidden);
    let (values, directions) = eigen(shared)?;
    let others = turned(others, directions.as_ref());
    let mut rows = turned(vectors, directions.as_ref());
    rows.par_chunks_exact_mut(hidden).enumerate().for_each_init(
        || Conjugate::new(hidden),
        |memory, (row, vector)| {
            let list = lists.get(row);
            if list.is_empty() {
                vector.fill(0.0);
                return;
            }
            memory.gather(&others, list);
            let penalty = penalty(list.len());
            memory.diagonal.iter_mut().zip(&values).for_each(|(sum, value)| *sum = value.max(0.0) + penalty);
            let arch = memory.arch;
            arch.dispatch(Improve { memory, steps, vector });
        },
    );
    vectors.copy_from_slice(&turned(&rows, directions.transpose()));
    Ok(())
}

/// Eigenvalues and eigenvectors of a symmetric matrix that its lower triangle gives. By one thread: with several, sums of wide matrices
/// would depend on how many.
fn eigen(matrix: MatRef<'_, f32>) -> Result<(Vec<f32>, Mat<f32>), CfError> {
    let hidden = matrix.nrows();
    let mut values = Diag::zeros(hidden);
    let mut directions = Mat::zeros(hidden, hidden);
    let need = self_adjoint_evd_scratch::<f32>(hidden, ComputeEigenvectors::Yes, Par::Seq, Spec::default());
    let mut memory = MemBuffer::new(need);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), Some(directions.as_mut()), Par::Seq, stack, Spec::default())
        .map_err(|_| CfError::Decomposition)?;
    Ok((values.column_vector().iter().copied().collect(), directions))
}

/// Row vectors times a matrix.
fn turned(vectors: &[f32], matrix: MatRef<'_, f32>) -> Vec<f32> {
    let hidden = matrix.nrows();
    let mut out = vec![0.0; vectors.len()];
    let parts = out.par_chunks_mut(TURNED * hidden).zip(vectors.par_chunks(TURNED * hidden));
    parts.for_each(|(out, vectors)| {
        let rows = vectors.len() / hidden;
        let vectors = MatRef::from_row_major_slice(vectors, rows, hidden);
        let out = MatMut::from_row_major_slice_mut(out, rows, hidden);
        matmul(out, Accum::Replace, vectors, matrix, 1.0, Par::Seq);
    });
    out
}

/// A row's system, and what the steps for one row after the other need.
struct Conjugate {
    arch: Arch,
    /// R, `[interactions, hidden]`.
    rows: Vec<f32>,
    /// S + λ.
    diagonal: Vec<f32>,
    residual: Vec<f32>,
    direction: Vec<f32>,
    /// The matrix times the direction.
    image: Vec<f32>,
}

impl Conjugate {
    fn new(hidden: usize) -> Self {
        let zeros = || vec![0.0; hidden];
        Self {
            arch: Arch::new(),
            rows: Vec::new(),
            diagonal: zeros(),
            residual: zeros(),
            direction: zeros(),
            image: zeros(),
        }
    }

    fn gather(&mut self, others: &[f32], list: &[u32]) {
        let hidden = self.diagonal.len();
        self.rows.clear();
        for &place in list {
            self.rows.extend_from_slice(&others[place as usize * hidden..][..hidden]);
        }
    }
}

struct Improve<'a> {
    memory: &'a mut Conjugate,
    steps: u64,
    vector: &'a mut [f32],
}

impl WithSimd for Improve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { memory: Conjugate { rows, diagonal, residual, direction, image, .. }, steps, vector } =
            self;
        // R^T (1 - R w) - (S + λ) w.
        residual.iter_mut().zip(&*diagonal).zip(&*vector).for_each(|((r, d), w)| *r = -d * w);
        multiply(simd, rows, vector, |product| 1.0 - product, residual);
        direction.iter_mut().zip(&*residual).zip(&*diagonal).for_each(|((p, r), d)| *p = r / d);
        let mut norm = dots(simd, [residual], direction)[0];
        for _ in 0..steps {
            if norm <= f32::MIN_POSITIVE {
                return;
            }
            image.iter_mut().zip(&*diagonal).zip(&*direction).for_each(|((i, d), p)| *i = d * p);
            multiply(simd, rows, direction, |product| product, image);
            let length = norm / dots(simd, [direction], image)[0];
            add(simd, [length], [direction], vector);
            add(simd, [-length], [image], residual);
            // The image is used up: the preconditioned residual takes its place.
            image.iter_mut().zip(&*residual).zip(&*diagonal).for_each(|((z, r), d)| *z = r / d);
            let next = dots(simd, [residual], image)[0];
            let kept = next / norm;
            direction.iter_mut().zip(&*image).for_each(|(p, z)| *p = kept * *p + z);
            norm = next;
        }
    }
}

/// `out += Σ_j f(r_j·w) r_j`.
#[inline(always)]
fn multiply<S: Simd>(simd: S, rows: &[f32], w: &[f32], of_product: impl Fn(f32) -> f32, out: &mut [f32]) {
    let hidden = w.len();
    let mut blocks = rows.chunks_exact(TOGETHER * hidden);
    for block in &mut blocks {
        let rows: [&[f32]; TOGETHER] = std::array::from_fn(|row| &block[row * hidden..(row + 1) * hidden]);
        add(simd, dots(simd, rows, w).map(&of_product), rows, out);
    }
    for row in blocks.remainder().chunks_exact(hidden) {
        add(simd, dots(simd, [row], w).map(&of_product), [row], out);
    }
}

/// Inner products of rows with one vector, which is read once.
#[inline(always)]
fn dots<S: Simd, const N: usize>(simd: S, rows: [&[f32]; N], w: &[f32]) -> [f32; N] {
    let (w, w_rest) = S::as_simd_f32s(w);
    let split = rows.map(|row| S::as_simd_f32s(row));
    let mut sums = [simd.splat_f32s(0.0); N];
    for (at, &w) in w.iter().enumerate() {
        for (sum, (row, _)) in sums.iter_mut().zip(&split) {
            *sum = simd.mul_add_f32s(row[at], w, *sum);
        }
    }
    std::array::from_fn(|row| {
        let rest: f32 = split[row].1.iter().zip(w_rest).map(|(a, b)| a * b).sum();
        simd.reduce_sum_f32s(sums[row]) + rest
    })
}

/// `out += Σ_j factor_j · row_j`, `out` written once.
#[inline(always)]
fn add<S: Simd, const N: usize>(simd: S, factors: [f32; N], rows: [&[f32]; N], out: &mut [f32]) {
    let (out, out_rest) = S::as_mut_simd_f32s(out);
    let split = rows.map(|row| S::as_simd_f32s(row));
    let splat = factors.map(|factor| simd.splat_f32s(factor));
    for (at, out) in out.iter_mut().enumerate() {
        for ((row, _), factor) in split.iter().zip(splat) {
            *out = simd.mul_add_f32s(factor, row[at], *out);
        }
    }
    for ((_, row), factor) in split.iter().zip(factors) {
        out_rest.iter_mut().zip(*row).for_each(|(out, x)| *out += factor * x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// As many steps as unknowns solve a system exactly, but for rounding.
    #[test]
    fn enough_steps_solve_every_rows_system() {
        for hidden in [1, 3, 16, 37] {
            let mut generator = ChaCha8Rng::seed_from_u64(hidden as u64);
            let mut draw = |count: usize| -> Vec<f32> {
                (0..count).map(|_| generator.random_range(-1.0..1.0)).collect()
            };
            let (others, mut vectors) = (draw(20 * hidden), draw(3 * hidden));
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let column = |k: usize| others.iter().skip(k).step_by(hidden).copied().collect::<Vec<_>>();
            let mut shared = vec![0.0; hidden * hidden];
            for (place, value) in shared.iter_mut().enumerate() {
                // Its upper triangle is not to be read.
                let (k, l) = (place % hidden, place / hidden);
                *value = if k >= l { 0.1 * product(&column(k), &column(l)) } else { f32::NAN };
            }
            let lists = [vec![0, 3, 4, 7, 11, 12, 15], vec![], vec![19]];
            let sequences = Sequences::from_lists(&lists, None).unwrap();
            let steps = 2 * hidden as u64;
            improve_all(&others, &shared, &|count| 1.0 + count as f32, steps, &sequences, &mut vectors)
                .unwrap();
            assert!(vectors[hidden..2 * hidden].iter().all(|value| *value == 0.0));
            for (list, w) in lists.iter().zip(vectors.chunks_exact(hidden)).step_by(2) {
                let row = |place: u32| &others[place as usize * hidden..][..hidden];
                for k in 0..hidden {
                    let left: f32 =
                        list.iter().map(|&place| (1.0 - product(row(place), w)) * row(place)[k]).sum();
                    let shared =
                        |l: usize| if k >= l { shared[l * hidden + k] } else { shared[k * hidden + l] };
                    let right: f32 = (0..hidden).map(|l| shared(l) * w[l]).sum();
                    let off = left - right - (1.0 + list.len() as f32) * w[k];
                    assert!(off.abs() < 2e-5, "hidden {hidden}, {k}: {off}");
                }
            }
        }
    }
}
