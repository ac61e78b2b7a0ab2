//! What one thread does with its share of a batch.

use super::forward::{Context, Sequence};
use super::state::{HeadState, State};
use crate::loss::Loss;

/// A thread's share, and buffers that keep their memory from batch to batch.
#[derive(Default)]
pub(super) struct Worker {
    /// Numbers of its sequences.
    pub(super) share: Vec<usize>,
    /// Of the sequences of a group.
    pub(super) states: Vec<State>,
    pub(super) head: HeadState,
    pub(super) upstream: Vec<f32>,
    pub(super) gradients: Vec<f32>,
    pub(super) loss: f64,
    /// Hidden states of output rows, one sequence after the other.
    pub(super) hidden: Vec<f32>,
    targets: Vec<u32>,
    /// A sequence's part of `upstream`.
    part: Vec<f32>,
}

impl Worker {
    /// The state of a sequence that stands alone.
    pub(super) fn state(&mut self) -> &mut State {
        self.resize(1);
        &mut self.states[0]
    }

    fn resize(&mut self, sequences: usize) {
        if self.states.len() < sequences {
            self.states.resize_with(sequences, State::default);
        }
    }

    /// Runs the encoder over a group of sequences and gathers their output rows.
    fn forward(&mut self, context: &Context<'_>, group: &[Sequence<'_>]) {
        self.resize(group.len());
        self.hidden.clear();
        self.targets.clear();
        for (sequence, state) in group.iter().zip(&mut self.states) {
            context.forward(sequence, state);
            self.hidden.extend_from_slice(&state.hidden);
            self.targets.extend_from_slice(sequence.targets);
        }
    }

    /// Adds the loss of a group.
    pub(super) fn loss(&mut self, context: &Context<'_>, group: &[Sequence<'_>], loss: &Loss<'_>) {
        self.forward(context, group);
        let Self { hidden, targets, head, .. } = self;
        self.loss += context.head_loss(hidden, group, targets, loss, head);
    }

    /// Adds the loss of a group, and the gradients of the rows' losses times `scale`.
    pub(super) fn loss_step(
        &mut self,
        context: &Context<'_>,
        group: &[Sequence<'_>],
        loss: &Loss<'_>,
        scale: f32,
    ) {
        self.forward(context, group);
        let Self { hidden, targets, head, upstream, gradients, .. } = self;
        self.loss += context.head_step(hidden, group, targets, loss, scale, head, upstream, gradients);
        let mut rest = &self.upstream[..];
        for (sequence, state) in group.iter().zip(&mut self.states) {
            let (own, others) = rest.split_at(sequence.outputs.len() * context.config.hidden);
            own.clone_into(&mut self.part);
            context.backward(sequence, state, &mut self.part, &mut self.gradients);
            rest = others;
        }
    }
}
