//! Gated recurrent units over a group of sequences, forward and backward. What comes from the input is one product for all
//! tokens; what comes from the states is one for each step, over the sequences that are still there.

use super::forward::{Context, Sequence};
use super::kernels::{add, scale_by};
use super::matrix::Matrix;
use super::product::{Onto, multiply_packed};
use super::state::EmbeddingState;
use super::steps::Steps;
use super::units::{step, step_backward};
use crate::dropout::Dropout;
use crate::plan::Recurrent;

/// What the backward pass needs of a layer, with N tokens in the order of [`Steps`].
#[derive(Default)]
struct LayerState {
    /// Its input, `[N, hidden]`.
    input: Vec<f32>,
    /// The states before each token, `[N, hidden]`.
    before: Vec<f32>,
    /// Gates r, z, n, `[N, 3 · hidden]`; in the backward pass their gradients before the nonlinearity.
    gates: Vec<f32>,
    /// `W_hn h + b_hn`, `[N, hidden]`.
    candidate: Vec<f32>,
    /// Dropout factors of what it hands up, or empty: `[N, hidden]`, of the last layer `[m, hidden]`.
    factors: Vec<f32>,
}

/// What the backward pass needs of the forward pass, for a group of sequences with N tokens and m output rows. Buffers keep
/// their memory between groups.
#[derive(Default)]
pub(super) struct RecurrentState {
    steps: Steps,
    embedding: EmbeddingState,
    layers: Vec<LayerState>,
    /// A layer's states, or their gradients, `[N, hidden]`.
    rows: Vec<f32>,
    /// Products of the states, or their gradients, `[N, 3 · hidden]`.
    from_state: Vec<f32>,
}

impl Context<'_> {
    /// Runs the encoder over a group; appends the hidden states of its output rows to `hidden`.
    pub(super) fn recurrent(
        &self,
        group: &[Sequence<'_>],
        state: &mut RecurrentState,
        hidden: &mut Vec<f32>,
    ) {
        let width = self.config.hidden;
        let RecurrentState { steps, embedding, layers, rows: x, from_state } = state;
        steps.fill(group);
        layers.resize_with(self.config.layers, LayerState::default);
        self.embed(
            steps.embeddings(self.plan),
            steps.len(),
            |token| steps.row(token),
            embedding,
            from_state,
            x,
        );
        for (number, layer) in self.plan.recurrent.iter().enumerate() {
            let s = &mut layers[number];
            std::mem::swap(&mut s.input, x);
            self.units(layer, steps, s, from_state, x);
            let site = Dropout::output_site(number);
            if number + 1 < self.config.layers {
                self.drop(x, site, |token| steps.row(token), &mut s.factors);
            } else {
                let first = hidden.len();
                for &(token, _) in steps.outputs() {
                    hidden.extend_from_slice(&x[token * width..(token + 1) * width]);
                }
                self.drop(&mut hidden[first..], site, |row| steps.outputs()[row].1, &mut s.factors);
            }
        }
    }

    /// `out` becomes the states after each token, from `input` in the layer's state.
    fn units(
        &self,
        layer: &Recurrent,
        steps: &Steps,
        s: &mut LayerState,
        from_state: &mut Vec<f32>,
        out: &mut Vec<f32>,
    ) {
        let width = self.config.hidden;
        self.linear(&s.input, &layer.input, width, &mut s.gates);
        for buffer in [&mut s.before, &mut s.candidate, &mut *out] {
            buffer.resize(s.input.len(), 0.0);
        }
        s.before[..steps.step(0).len() * width].fill(0.0);
        for number in 0..steps.count() {
            let tokens = steps.step(number);
            let (one, three) =
                (tokens.start * width..tokens.end * width, 3 * tokens.start * width..3 * tokens.end * width);
            if number > 0 {
                let before = steps.before(number);
                s.before[one.clone()].copy_from_slice(&out[before.start * width..before.end * width]);
            }
            let before = &s.before[one.clone()];
            self.linear(before, &layer.state, width, from_state);
            let (gates, candidate) = (&mut s.gates[three], &mut s.candidate[one.clone()]);
            step(self.level, gates, from_state, before, candidate, &mut out[one], width);
        }
    }

    /// Adds the parameters' gradients to `gradients`, from `upstream`, those of the group's hidden states, `[m, hidden]`.
    pub(super) fn recurrent_backward(
        &self,
        group: &[Sequence<'_>],
        state: &mut RecurrentState,
        upstream: &mut [f32],
        gradients: &mut [f32],
    ) {
        let width = self.config.hidden;
        let RecurrentState { steps, embedding, layers, rows: gradient, from_state } = state;
        debug_assert_eq!(group.iter().map(|sequence| sequence.tokens.len()).sum::<usize>(), steps.len());
        gradient.clear();
        gradient.resize(steps.len() * width, 0.0);
        for (number, layer) in self.plan.recurrent.iter().enumerate().rev() {
            let s = &mut layers[number];
            if number + 1 < self.config.layers {
                scale_by(self.level, gradient, &s.factors);
            } else {
                scale_by(self.level, upstream, &s.factors);
                for (&(token, _), row) in steps.outputs().iter().zip(upstream.chunks_exact(width)) {
                    gradient[token * width..(token + 1) * width].copy_from_slice(row);
                }
            }
            self.units_backward(layer, steps, s, from_state, gradient, gradients);
        }
        self.embed_backward(steps.embeddings(self.plan), embedding, gradient, gradients);
    }

    /// `gradient` of the states after each token becomes that of the layer's input.
    fn units_backward(
        &self,
        layer: &Recurrent,
        steps: &Steps,
        s: &mut LayerState,
        from_state: &mut Vec<f32>,
        gradient: &mut Vec<f32>,
        gradients: &mut [f32],
    ) {
        let width = self.config.hidden;
        from_state.resize(s.gates.len(), 0.0);
        for number in (0..steps.count()).rev() {
            let tokens = steps.step(number);
            let (one, three) =
                (tokens.start * width..tokens.end * width, 3 * tokens.start * width..3 * tokens.end * width);
            let (earlier, own) = gradient.split_at_mut(one.start);
            let own = &mut own[..one.len()];
            let (gates, from_state) = (&mut s.gates[three.clone()], &mut from_state[three]);
            step_backward(
                self.level,
                gates,
                from_state,
                &s.before[one.clone()],
                &s.candidate[one],
                own,
                width,
            );
            if number > 0 {
                let before = steps.before(number);
                let before = &mut earlier[before.start * width..before.end * width];
                add(before, own);
                let from_state = Matrix::new(from_state, tokens.len(), 3 * width);
                let weight = &self.weights.of(&layer.state).backward;
                multiply_packed(self.level, before, width, from_state, weight, 1.0, Onto::Old);
            }
        }
        self.linear_backward(&s.before, from_state, &layer.state, gradients, None);
        self.linear_backward(&s.input, &s.gates, &layer.input, gradients, Some((gradient, Onto::Zero)));
    }
}
