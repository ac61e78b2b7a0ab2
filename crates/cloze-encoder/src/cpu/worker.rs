//! What one thread does with its share of a batch.

use super::forward::{Context, Sequence};
use super::head::parts;
use super::recurrent::RecurrentState;
use super::state::{HeadState, State};
use crate::config::Body;
use crate::loss::Loss;

/// A thread's share, and buffers that keep their memory from batch to batch.
#[derive(Default)]
pub(super) struct Worker {
    /// Numbers of its sequences.
    pub(super) share: Vec<usize>,
    /// A transformer's, of the sequences of a group.
    states: Vec<State>,
    /// A recurrent body's, of a group.
    recurrent: RecurrentState,
    head: HeadState,
    /// Gradients of a group's hidden states.
    pub(super) upstream: Vec<f32>,
    pub(super) gradients: Vec<f32>,
    pub(super) loss: f64,
    /// Hidden states of output rows, one sequence after the other.
    pub(super) hidden: Vec<f32>,
    targets: Vec<u32>,
    /// A part of `upstream`.
    part: Vec<f32>,
}

impl Worker {
    /// Runs the encoder over a group of sequences and appends their output rows to `hidden`.
    pub(super) fn forward(&mut self, context: &Context<'_>, group: &[Sequence<'_>]) {
        if context.config.body == Body::Gru {
            context.recurrent(group, &mut self.recurrent, &mut self.hidden);
            return;
        }
        if self.states.len() < group.len() {
            self.states.resize_with(group.len(), State::default);
        }
        for (sequence, state) in group.iter().zip(&mut self.states) {
            context.forward(sequence, state);
            self.hidden.extend_from_slice(&state.hidden);
        }
    }

    /// After [`Self::forward`] of the same group: adds the parameters' gradients that follow from `upstream`.
    pub(super) fn backward(&mut self, context: &Context<'_>, group: &[Sequence<'_>]) {
        if context.config.body == Body::Gru {
            let Self { recurrent, upstream, gradients, .. } = self;
            context.recurrent_backward(group, recurrent, upstream, gradients);
            return;
        }
        let mut rest = &self.upstream[..];
        for (sequence, state) in group.iter().zip(&mut self.states) {
            let (own, others) = rest.split_at(sequence.outputs.len() * context.config.hidden);
            own.clone_into(&mut self.part);
            context.backward(sequence, state, &mut self.part, &mut self.gradients);
            rest = others;
        }
    }

    /// Adds the loss of a group.
    pub(super) fn loss(&mut self, context: &Context<'_>, group: &[Sequence<'_>], loss: &Loss<'_>) {
        self.hidden.clear();
        self.forward(context, group);
        let Self { hidden, targets, head, .. } = self;
        let mut rest = &hidden[..];
        for part in parts(group, loss) {
            let (own, others) = rest.split_at(gather(part, targets) * context.config.hidden);
            self.loss += context.head_loss(own, part, targets, loss, head);
            rest = others;
        }
    }

    /// Adds the loss of a group, and the gradients of the rows' losses times `scale`.
    pub(super) fn loss_step(
        &mut self,
        context: &Context<'_>,
        group: &[Sequence<'_>],
        loss: &Loss<'_>,
        scale: f32,
    ) {
        self.hidden.clear();
        self.forward(context, group);
        self.upstream.clear();
        let Self { hidden, targets, head, part: back, gradients, .. } = self;
        let mut rest = &hidden[..];
        for part in parts(group, loss) {
            let (own, others) = rest.split_at(gather(part, targets) * context.config.hidden);
            self.loss += context.head_step(own, part, targets, loss, scale, head, back, gradients);
            self.upstream.extend_from_slice(back);
            rest = others;
        }
        self.backward(context, group);
    }
}

/// `targets` become those of all output rows of the sequences; returns their number.
fn gather(sequences: &[Sequence<'_>], targets: &mut Vec<u32>) -> usize {
    targets.clear();
    for sequence in sequences {
        targets.extend_from_slice(sequence.targets);
    }
    targets.len()
}
