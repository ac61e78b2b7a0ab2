//! The closed form.

use cloze_data::Sequences;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::reborrow::{Reborrow as _, ReborrowMut as _};
use faer::{MatMut, Par, Spec};

use super::SlitOptions;
use super::moments::moments;
use crate::error::CfError;
use crate::item_item::memory;

/// B, row-major.
pub(super) fn weights(
    train: &Sequences,
    catalogue: usize,
    options: &SlitOptions,
) -> Result<Vec<f32>, CfError> {
    if catalogue == 0 {
        return Ok(Vec::new());
    }
    let singular = || CfError::Singular { lambda: options.lambda };
    let mut past = memory::zeros::<f64>(catalogue)?;
    let mut next = memory::zeros::<f64>(catalogue)?;
    moments(train, catalogue, options.decay, options.lambda, &mut past, &mut next);

    let par = Par::rayon(0);
    let mut factor = MatMut::from_column_major_slice_mut(&mut past, catalogue, catalogue);
    let right = MatMut::from_row_major_slice_mut(&mut next, catalogue, catalogue);
    let params = Spec::default();
    let need = cholesky_in_place_scratch::<f64>(catalogue, par, params)
        .or(solve_in_place_scratch::<f64>(catalogue, catalogue, par));
    let mut scratch = MemBuffer::new(need);
    let stack = MemStack::new(&mut scratch);
    cholesky_in_place(factor.rb_mut(), LltRegularization::default(), par, stack, params)
        .map_err(|_| singular())?;
    solve_in_place(factor.rb(), right, par, stack);

    // Never more memory than two matrices of f64, which is what the limit is about.
    drop(past);
    let mut weights = memory::zeros::<f32>(catalogue)?;
    weights.iter_mut().zip(&next).for_each(|(weight, exact)| *weight = *exact as f32);
    if weights.iter().all(|weight| weight.is_finite()) { Ok(weights) } else { Err(singular()) }
}
