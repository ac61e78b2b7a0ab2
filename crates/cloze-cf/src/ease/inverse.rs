//! The inverse of a symmetric positive definite matrix.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut, Par, Spec};

/// The matrix is not positive definite in `f64`.
#[derive(Debug)]
pub(super) struct Singular;

/// Replaces the lower triangle of a matrix of `size` rows (column-major) by that of its inverse.
///
/// With A = L L^T, the inverse is L^-T L^-1. `spare` is as large as `matrix`, and its content is lost: two square
/// matrices are all the memory that is needed.
pub(super) fn invert(matrix: &mut [f64], spare: &mut [f64], size: usize) -> Result<(), Singular> {
    let par = Par::rayon(0);
    let mut lower = MatMut::from_column_major_slice_mut(matrix, size, size);
    let mut inverse = MatMut::from_column_major_slice_mut(spare, size, size);

    let params = Spec::default();
    let mut scratch = MemBuffer::new(cholesky_in_place_scratch::<f64>(size, par, params));
    let stack = MemStack::new(&mut scratch);
    let regularization = LltRegularization::default();
    cholesky_in_place(lower.rb_mut(), regularization, par, stack, params).map_err(|_| Singular)?;
    invert_lower_triangular(inverse.rb_mut(), lower.rb(), par);
    matmul(
        lower,
        BlockStructure::TriangularLower,
        Accum::Replace,
        inverse.rb().transpose(),
        BlockStructure::TriangularUpper,
        inverse.rb(),
        BlockStructure::TriangularLower,
        1.0,
        par,
    );
    Ok(())
}
