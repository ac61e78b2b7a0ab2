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
    /// The output layer's matrix, where it is asked for.
    pub(super) outputs: Weight,
    /// Whether `outputs` is of the present parameters. With sampled negatives nobody multiplies with the whole of it.
    outputs_current: bool,
    directions: Directions,
}

/// Which products the weights are packed for: those of inference know no gradients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directions {
    Both,
    Forward,
}

impl Weights {
    fn new(plan: &Plan, parameters: &[f32], level: Level, directions: Directions) -> Self {
        let linear = plan.linears().map(|_| Weight::default()).collect();
        let mut weights = Self { linear, outputs: Weight::default(), outputs_current: false, directions };
        weights.update(plan, parameters, level);
        weights
    }

    /// Follows a change of the parameters; the output layer when it is asked for.
    fn update(&mut self, plan: &Plan, parameters: &[f32], level: Level) {
        self.outputs_current = false;
        let linear = self.linear.iter_mut().zip(plan.linears());
        let linear = linear.map(|(weight, linear)| (weight, linear.weight.clone(), linear.bias.len()));
        pack(linear, parameters, level, self.directions);
    }

    /// Packs the output layer, unless that is done.
    fn complete(&mut self, plan: &Plan, parameters: &[f32], level: Level) {
        if !std::mem::replace(&mut self.outputs_current, true) {
            let output = (&mut self.outputs, plan.output.clone(), plan.output_bias.len());
            pack(std::iter::once(output), parameters, level, self.directions);
        }
    }

    pub(super) fn of(&self, linear: &Linear) -> &Weight {
        &self.linear[linear.number]
    }
}

/// Packs each weight, given with its place among the parameters and its number of outputs.
fn pack<'a>(
    weights: impl Iterator<Item = (&'a mut Weight, Range<usize>, usize)>,
    parameters: &[f32],
    level: Level,
    directions: Directions,
) {
    let jobs: Vec<(&mut Packed, Range<usize>, usize, bool)> = weights
        .flat_map(|(weight, range, out)| {
            [(&mut weight.forward, range.clone(), out, true), (&mut weight.backward, range, out, false)]
        })
        .filter(|(.., forward)| *forward || directions == Directions::Both)
        .collect();
    jobs.into_par_iter().for_each(|(packed, range, out, transposed)| {
        let matrix = Matrix::new(&parameters[range.clone()], out, range.len() / out);
        packed.fill(if transposed { matrix.t() } else { matrix }, level);
    });
}

/// The parameters' matrices as each mode computes with them, made when a mode is first asked for: a model that only serves holds
/// none for gradients. To be updated whenever the parameters change.
#[derive(Default)]
pub(super) struct Matrices {
    training: Option<Weights>,
    /// For inference, where those for training are not there or of another level.
    inference: Option<Weights>,
    /// The linear layers in integers, for inference where that is asked for, in the order of [`Plan::linears`].
    integers: Option<Vec<Integers>>,
}

impl Matrices {
    /// Follows a change of the parameters.
    pub(super) fn update(&mut self, plan: &Plan, parameters: &[f32], level: Level) {
        if let Some(training) = &mut self.training {
            training.update(plan, parameters, level);
        }
        self.inference = None;
        self.integers = None;
    }

    /// Makes what training needs, unless it is there; with `outputs` the output layer too.
    pub(super) fn prepare_training(&mut self, plan: &Plan, parameters: &[f32], level: Level, outputs: bool) {
        let new = || Weights::new(plan, parameters, level, Directions::Both);
        let weights = self.training.get_or_insert_with(new);
        if outputs {
            weights.complete(plan, parameters, level);
        }
    }

    /// Makes what inference needs, unless it is there; with `outputs` the output layer too.
    pub(super) fn prepare_inference(
        &mut self,
        plan: &Plan,
        parameters: &[f32],
        level: Level,
        precision: InferencePrecision,
        outputs: bool,
    ) {
        // Those that `of` answers with.
        let weights = match (&mut self.inference, &mut self.training) {
            (None, Some(training)) if !level.rounds() => training,
            (inference, _) => {
                let new = || Weights::new(plan, parameters, level.exact(), Directions::Forward);
                inference.get_or_insert_with(new)
            }
        };
        if outputs {
            weights.complete(plan, parameters, level.exact());
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
    ///
    /// # Panics
    /// If the mode was not prepared since the last change of the parameters.
    pub(super) fn of(&self, mode: Mode, level: Level) -> (&Weights, Level, Option<&[Integers]>) {
        match (mode, &self.training, &self.inference) {
            (Mode::Inference, _, Some(weights)) => (weights, level.exact(), self.integers.as_deref()),
            (Mode::Inference, Some(weights), None) if !level.rounds() => {
                (weights, level, self.integers.as_deref())
            }
            (Mode::Training, Some(weights), _) => (weights, level, None),
            _ => panic!("matrices of a mode that was not prepared"),
        }
    }
}
