//! Weights packed for products, once an optimizer step.

use super::integer::Integers;
use super::level::Level;
use super::matrix::{Matrix, Packed};
use crate::engine::{InferencePrecision, Mode};
use crate::plan::{Linear, Plan};
use rayon::prelude::*;
use std::ops::Range;

/// A weight `[out, in]`, for both directions.
#[derive(Default)]
pub(super) struct Weight {
    /// `Wᵀ`: the right side of `x Wᵀ`.
    pub(super) forward: Packed,
    /// `W`: the right side of `g W`.
    pub(super) backward: Packed,
}

/// All weights of an encoder.
pub(super) struct Weights {
    linear: Vec<Weight>,
    /// The output layer's matrix.
    pub(super) outputs: Weight,
}

impl Weights {
    pub(super) fn new(plan: &Plan, parameters: &[f32], level: Level) -> Self {
        let linear = plan.linears().map(|_| Weight::default()).collect();
        let mut weights = Self { linear, outputs: Weight::default() };
        weights.update(plan, parameters, level);
        weights
    }

    /// Follows a change of the parameters.
    pub(super) fn update(&mut self, plan: &Plan, parameters: &[f32], level: Level) {
        let output_layer = std::iter::once((&mut self.outputs, plan.output.clone(), plan.output_bias.len()));
        let linear = self.linear.iter_mut().zip(plan.linears());
        let linear = linear.map(|(weight, linear)| (weight, linear.weight.clone(), linear.bias.len()));
        let jobs: Vec<(&mut Packed, Range<usize>, usize, bool)> = output_layer
            .chain(linear)
            .flat_map(|(weight, range, out)| {
                [(&mut weight.forward, range.clone(), out, true), (&mut weight.backward, range, out, false)]
            })
            .collect();
        jobs.into_par_iter().for_each(|(packed, range, out, transposed)| {
            let matrix = Matrix::new(&parameters[range.clone()], out, range.len() / out);
            packed.fill(if transposed { matrix.t() } else { matrix }, level);
        });
    }

    pub(super) fn of(&self, linear: &Linear) -> &Weight {
        &self.linear[linear.number]
    }
}

/// The parameters' matrices as each mode computes with them: to be updated whenever the parameters change.
pub(super) struct Matrices {
    training: Weights,
    /// For inference, where the level has another one for that.
    exact: Option<Weights>,
    /// The linear layers in integers, for inference where that is asked for, in the order of [`Plan::linears`].
    integers: Option<Vec<Integers>>,
}

impl Matrices {
    pub(super) fn new(plan: &Plan, parameters: &[f32], level: Level) -> Self {
        Self { training: Weights::new(plan, parameters, level), exact: None, integers: None }
    }

    /// Follows a change of the parameters.
    pub(super) fn update(&mut self, plan: &Plan, parameters: &[f32], level: Level) {
        self.training.update(plan, parameters, level);
        self.exact = None;
        self.integers = None;
    }

    /// Makes what inference needs beside, unless it is there.
    pub(super) fn prepare(
        &mut self,
        plan: &Plan,
        parameters: &[f32],
        level: Level,
        precision: InferencePrecision,
    ) {
        if level.rounds() && self.exact.is_none() {
            self.exact = Some(Weights::new(plan, parameters, level.exact()));
        }
        match precision {
            InferencePrecision::Float32 => self.integers = None,
            InferencePrecision::Int8 if self.integers.is_some() => {}
            InferencePrecision::Int8 => {
                let linears: Vec<&Linear> = plan.linears().collect();
                let round = |linear: &&Linear| {
                    Integers::new(&parameters[linear.weight.clone()], linear.bias.len(), level)
                };
                self.integers = Some(linears.par_iter().map(round).collect());
            }
        }
    }

    /// The mode's weights, packed for the level that comes with them, and integers.
    pub(super) fn of(&self, mode: Mode, level: Level) -> (&Weights, Level, Option<&[Integers]>) {
        let integers = self.integers.as_deref().filter(|_| mode == Mode::Inference);
        match &self.exact {
            Some(exact) if mode == Mode::Inference => (exact, level.exact(), integers),
            _ => (&self.training, level, integers),
        }
    }
}
