//! The largest singular vectors of the matrix of users and items, without making its square.

use cloze_data::{DataError, Sequences};
use faer::{Mat, Side};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::error::CfError;
use crate::sets::sets;

/// Vectors beyond those that are asked for: the last ones of a block converge slowly.
const SPARE: usize = 16;
/// The iteration ends when the sum of the squared singular values grows by less than this share ...
const GROWTH: f64 = 1e-7;
/// ... or after so many rounds.
const ROUNDS: usize = 200;

/// Right singular vectors with their singular values, largest first.
#[derive(Debug)]
pub(super) struct Singular {
    /// V, row-major `[items, vectors]`.
    pub(super) vectors: Vec<f64>,
    pub(super) values: Vec<f64>,
}

/// Users' distinct items and items' users: X, by rows and by columns.
struct Binary {
    users: Sequences,
    items: Sequences,
}

impl Binary {
    fn new(train: &Sequences, catalogue: usize) -> Result<Self, DataError> {
        let users = sets(train)?;
        Ok(Self { items: users.transpose(catalogue)?, users })
    }

    /// `X^T X B` for B row-major `[items, width]`. Each sum has one order, whatever the threads do.
    fn squared(&self, block: &[f64], width: usize) -> Vec<f64> {
        sums(&self.items, &sums(&self.users, block, width), width)
    }
}

/// For each list the sum of the rows that it names.
fn sums(lists: &Sequences, rows: &[f64], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; lists.len() * width];
    sums.par_chunks_exact_mut(width).enumerate().for_each(|(list, sum)| {
        for &row in lists.get(list) {
            let row = &rows[row as usize * width..][..width];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    });
    sums
}

/// The `most` largest singular values that are not 0, and their vectors: block power iteration from a fixed random block with a
/// Rayleigh-Ritz step in each round (Halko et al. 2011, "Finding Structure with Randomness").
///
/// # Errors
/// [`CfError::Decomposition`] where the eigenvalues of a small matrix do not converge.
pub(super) fn singular(train: &Sequences, catalogue: usize, most: usize) -> Result<Singular, CfError> {
    let matrix = Binary::new(train, catalogue)?;
    let rank = catalogue.min(train.len());
    let width = (most + SPARE).min(rank);
    if width == 0 {
        return Ok(Singular { vectors: Vec::new(), values: Vec::new() });
    }
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let start: Vec<f64> = (0..catalogue * width).map(|_| generator.random_range(-1.0..1.0)).collect();
    let mut basis = orthonormal(&start, catalogue, width);
    let mut before = 0.0;
    for _ in 0..ROUNDS {
        let image = matrix.squared(&row_major(&basis), width);
        let image_columns = Mat::from_fn(catalogue, width, |row, column| image[row * width + column]);
        let small = basis.transpose() * &image_columns;
        let energy: f64 = (0..width).map(|k| small[(k, k)]).sum();
        basis = orthonormal(&image, catalogue, width);
        if energy - before <= GROWTH * energy {
            break;
        }
        before = energy;
    }
    ritz(&matrix, &basis, catalogue, most)
}

/// The best vectors within the span of an orthonormal basis.
fn ritz(matrix: &Binary, basis: &Mat<f64>, catalogue: usize, most: usize) -> Result<Singular, CfError> {
    let width = basis.ncols();
    let image = matrix.squared(&row_major(basis), width);
    let image = Mat::from_fn(catalogue, width, |row, column| image[row * width + column]);
    let small = basis.transpose() * image;
    let pairs = small.self_adjoint_eigen(Side::Lower).map_err(|_| CfError::Decomposition)?;
    let squares: Vec<f64> = pairs.S().column_vector().iter().copied().collect();
    let largest = squares.last().copied().unwrap_or(0.0);
    // Ascending; what is 0 but for rounding has no vector of its own.
    let kept: Vec<usize> = (0..width)
        .rev()
        .take(most)
        .filter(|&k| squares[k] > 1e-10 * largest.max(f64::MIN_POSITIVE))
        .collect();
    let rotation = Mat::from_fn(width, kept.len(), |row, column| pairs.U()[(row, kept[column])]);
    let mut vectors = basis * rotation;
    for column in 0..kept.len() {
        // A vector and its opposite are as good: the largest component is positive.
        let largest = (0..catalogue)
            .map(|row| vectors[(row, column)])
            .fold(0.0, |largest: f64, value| if value.abs() > largest.abs() { value } else { largest });
        for row in 0..catalogue {
            vectors[(row, column)] *= largest.signum();
        }
    }
    let values = kept.iter().map(|&k| squares[k].sqrt()).collect();
    Ok(Singular { vectors: row_major(&vectors), values })
}

fn orthonormal(block: &[f64], rows: usize, width: usize) -> Mat<f64> {
    Mat::from_fn(rows, width, |row, column| block[row * width + column]).qr().compute_thin_Q()
}

fn row_major(matrix: &Mat<f64>) -> Vec<f64> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    (0..rows).flat_map(|row| (0..columns).map(move |column| matrix[(row, column)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three groups of users with their own items, of different sizes, and some who have items of two.
    fn groups() -> (Sequences, usize) {
        let mut lists: Vec<Vec<u32>> = Vec::new();
        for user in 0..60_u32 {
            let group = if user < 30 { 0 } else { 1 + user % 2 };
            let mut list: Vec<u32> = (0..5).map(|step| group * 8 + (user + step * 3) % 8).collect();
            if user % 7 == 0 {
                list.push((group * 8 + 11) % 24);
            }
            // Twice had is had.
            list.push(list[0]);
            lists.push(list);
        }
        (Sequences::from_lists(&lists, None).unwrap(), 24)
    }

    #[test]
    fn they_are_those_of_the_dense_decomposition() {
        let (train, items) = groups();
        let dense = Mat::from_fn(train.len(), items, |user, item| {
            f64::from(u8::from(train.get(user).contains(&(item as u32))))
        });
        let gram = dense.transpose() * &dense;
        let pairs = gram.self_adjoint_eigen(Side::Lower).unwrap();
        let found = singular(&train, items, 6).unwrap();
        for k in 0..6 {
            let expected = pairs.S()[items - 1 - k].sqrt();
            assert!((found.values[k] / expected - 1.0).abs() < 1e-6, "{k}: {}, {expected}", found.values[k]);
            // X^T X v = s^2 v.
            for row in 0..items {
                let image: f64 = (0..items).map(|at| gram[(row, at)] * found.vectors[at * 6 + k]).sum();
                let error = image - expected * expected * found.vectors[row * 6 + k];
                assert!(error.abs() < 1e-2, "{k} {row}: {error}");
            }
        }
        let product = |a: usize, b: usize| -> f64 {
            (0..items).map(|row| found.vectors[row * 6 + a] * found.vectors[row * 6 + b]).sum()
        };
        for a in 0..6 {
            for b in 0..6 {
                let expected = f64::from(u8::from(a == b));
                assert!((product(a, b) - expected).abs() < 1e-9, "{a} {b}");
            }
        }
    }

    #[test]
    fn there_are_no_more_than_the_rank() {
        let train = Sequences::from_lists(&[vec![0, 1], vec![0, 1], vec![2]], None).unwrap();
        let found = singular(&train, 5, 4).unwrap();
        assert_eq!(found.values.len(), 2, "{:?}", found.values);
        assert!((found.values[0] - 2.0).abs() < 1e-9 && (found.values[1] - 1.0).abs() < 1e-9);
        assert_eq!(singular(&Sequences::from_lists(&[], None).unwrap(), 3, 2).unwrap().values.len(), 0);
    }
}
