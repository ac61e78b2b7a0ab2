//! Loss and gradient of a batch, on all cores.

use super::head::Targets;
use super::network::{Network, Pass};
use super::windows::Batch;
use cloze_encoder::Loss;
use cloze_encoder::dropout::Dropout;
use rayon::prelude::*;
use std::ops::Range;

/// Windows that go through the network together: their scores of a few thousand items stay in a core's cache.
const BLOCK: usize = 64;

/// Values of the flat buffer that are summed together.
const SUMMED: usize = 1 << 14;

/// What one core works with.
#[derive(Default)]
struct Worker {
    pass: Pass,
    scores: Vec<f32>,
    djoint: Vec<f32>,
    gradient: Vec<f32>,
    loss: f64,
}

/// One worker a core; each takes its share of a batch and adds to a gradient of its own. These are summed in a fixed order,
/// so that the same number of threads gives the same bits.
pub(super) struct Workers(Vec<Worker>);

impl Workers {
    pub(super) fn new() -> Self {
        Self((0..rayon::current_num_threads().max(1)).map(|_| Worker::default()).collect())
    }

    /// The mean loss of a batch's targets. The gradient, with `l2` times the parameters, is what [`Self::gradient`] gives
    /// then.
    pub(super) fn learn(
        &mut self,
        network: &Network,
        batch: &Batch,
        loss: &Loss<'_>,
        dropout: Option<&Dropout>,
        l2: f32,
    ) -> f64 {
        let share = batch.users.len().div_ceil(self.0.len());
        self.0.par_iter_mut().enumerate().for_each(|(number, worker)| {
            worker.gradient.clear();
            worker.gradient.resize(network.layout().len(), 0.0);
            worker.loss = 0.0;
            let last = ((number + 1) * share).min(batch.users.len());
            let mut first = number * share;
            while first < last {
                let block = first..(first + BLOCK).min(last);
                first = block.end;
                worker.block(network, batch, block, loss, dropout);
            }
        });
        let Some((sum, others)) = self.0.split_first_mut() else { return 0.0 };
        let parts = sum.gradient.par_chunks_mut(SUMMED).zip(network.values().par_chunks(SUMMED));
        parts.enumerate().for_each(|(number, (sum, values))| {
            let first = number * SUMMED;
            for other in &*others {
                let other = &other.gradient[first..first + sum.len()];
                sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
            }
            if l2 > 0.0 {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += l2 * value);
            }
        });
        sum.loss + others.iter().map(|other| other.loss).sum::<f64>()
    }

    /// The gradient of the last batch, in the layout of the parameters.
    pub(super) fn gradient(&self) -> &[f32] {
        &self.0[0].gradient
    }
}

impl Worker {
    fn block(
        &mut self,
        network: &Network,
        batch: &Batch,
        block: Range<usize>,
        loss: &Loss<'_>,
        dropout: Option<&Dropout>,
    ) {
        let length = network.shape().length;
        let windows = &batch.inputs[block.start * length..block.end * length];
        let users = &batch.users[block.clone()];
        let people: Vec<&[f32]> = users.iter().map(|&user| network.user(user)).collect();
        let dropout = dropout.map(|dropout| (dropout, block.start));
        network.forward(windows, &people, dropout, &mut self.pass);
        let targets = Targets {
            items: &batch.targets,
            ends: &batch.ends[block.start..=block.end],
            first: block.start,
            all: batch.targets.len(),
        };
        let Self { pass, scores, djoint, gradient, .. } = self;
        self.loss += network.loss(pass.joint(), targets, loss, scores, djoint, gradient);
        network.backward(windows, users, djoint, pass, gradient);
    }
}
