//! Half a step: the best vectors of one side for given vectors of the other.

use cloze_data::Sequences;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::reborrow::{Reborrow as _, ReborrowMut as _};
use faer::{Accum, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

use super::conjugate::improve_all;
use super::{IalsOptions, IalsSolver};
use crate::error::CfError;

/// The vectors of the other side, with what all rows of this one share.
pub(super) struct Side<'a> {
    options: &'a IalsOptions,
    /// `[others, hidden]`.
    others: &'a [f32],
    /// How many of them have interactions; the vectors of the rest are zero.
    present: usize,
    /// `α₀ H^T H`, lower triangle, `[hidden, hidden]` column-major.
    shared: Vec<f32>,
}

/// What a thread needs for a row.
struct Scratch {
    /// The vectors of a row's interactions.
    rows: Vec<f32>,
    matrix: Vec<f32>,
    memory: MemBuffer,
}

impl Scratch {
    fn new(hidden: usize) -> Self {
        let need = cholesky_in_place_scratch::<f32>(hidden, Par::Seq, Spec::default())
            .or(solve_in_place_scratch::<f32>(hidden, 1, Par::Seq));
        Self { rows: Vec::new(), matrix: vec![0.0; hidden * hidden], memory: MemBuffer::new(need) }
    }
}

impl<'a> Side<'a> {
    /// `present` of the other side's rows have interactions.
    pub(super) fn new(others: &'a [f32], present: usize, options: &'a IalsOptions) -> Self {
        let mut shared = vec![0.0; options.hidden * options.hidden];
        add_gram(&mut shared, others, options.hidden, options.unobserved_weight as f32);
        Self { options, others, present, shared }
    }

    /// Writes the vectors of all rows, `[rows, hidden]`, each from its list of the other side's places, and from the vector that is
    /// there if the solver takes steps. Every row is solved by one thread: the same bits on any number of them.
    ///
    /// # Errors
    /// [`CfError::Singular`] where a row's matrix is not positive definite in 32 bits, [`CfError::Decomposition`] where what all rows
    /// share has no eigenvalues.
    pub(super) fn solve_all(&self, lists: &Sequences, vectors: &mut [f32]) -> Result<(), CfError> {
        let hidden = self.options.hidden;
        if self.options.solver == IalsSolver::ConjugateGradient {
            let penalty = |interactions| self.penalty(interactions) as f32;
            let steps = self.options.solver_steps;
            improve_all(self.others, &self.shared, &penalty, steps, lists, vectors)?;
            return self.check(vectors);
        }
        vectors.par_chunks_exact_mut(hidden).enumerate().try_for_each_init(
            || Scratch::new(hidden),
            |scratch, (row, vector)| self.solve_with(lists.get(row), scratch, vector),
        )
    }

    /// The vector of one row.
    pub(super) fn solve(&self, list: &[u32]) -> Result<Vec<f32>, CfError> {
        let mut vector = vec![0.0; self.options.hidden];
        self.solve_with(list, &mut Scratch::new(self.options.hidden), &mut vector)?;
        Ok(vector)
    }

    /// `w = (Σ_j h_j h_j^T + α₀ H^T H + λ (n + α₀ N)^ν I)^-1 Σ_j h_j`, j over the n places of the list, N the rows of the other side
    /// that have interactions.
    fn solve_with(&self, list: &[u32], scratch: &mut Scratch, vector: &mut [f32]) -> Result<(), CfError> {
        let hidden = self.options.hidden;
        vector.fill(0.0);
        if list.is_empty() {
            return Ok(());
        }
        scratch.rows.clear();
        for &place in list {
            let other = &self.others[place as usize * hidden..][..hidden];
            scratch.rows.extend_from_slice(other);
            vector.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
        scratch.matrix.copy_from_slice(&self.shared);
        add_gram(&mut scratch.matrix, &scratch.rows, hidden, 1.0);
        let penalty = self.penalty(list.len()) as f32;
        scratch.matrix.iter_mut().step_by(hidden + 1).for_each(|entry| *entry += penalty);
        let mut matrix = MatMut::from_column_major_slice_mut(&mut scratch.matrix, hidden, hidden);
        let stack = MemStack::new(&mut scratch.memory);
        let regularization = LltRegularization::default();
        cholesky_in_place(matrix.rb_mut(), regularization, Par::Seq, stack, Spec::default())
            .map_err(|_| CfError::Singular { lambda: self.options.lambda })?;
        let right = MatMut::from_column_major_slice_mut(vector, hidden, 1);
        solve_in_place(matrix.rb(), right, Par::Seq, stack);
        self.check(vector)
    }

    fn check(&self, vectors: &[f32]) -> Result<(), CfError> {
        if vectors.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(CfError::Singular { lambda: self.options.lambda })
        }
    }

    /// Weight of the squared norm of a row with so many interactions.
    fn penalty(&self, interactions: usize) -> f64 {
        let frequency = interactions as f64 + self.options.unobserved_weight * self.present as f64;
        self.options.lambda * frequency.powf(self.options.frequency_exponent)
    }
}

/// Adds `factor · R^T R` to the lower triangle of a column-major matrix, R row-major `[rows, hidden]`.
fn add_gram(matrix: &mut [f32], rows: &[f32], hidden: usize, factor: f32) {
    let rows = MatRef::from_row_major_slice(rows, rows.len() / hidden, hidden);
    matmul(
        MatMut::from_column_major_slice_mut(matrix, hidden, hidden),
        BlockStructure::TriangularLower,
        Accum::Add,
        rows.transpose(),
        BlockStructure::Rectangular,
        rows,
        BlockStructure::Rectangular,
        factor,
        Par::Seq,
    );
}
