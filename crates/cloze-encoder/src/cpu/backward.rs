//! The backward pass of one sequence: [`super::forward`] from its last line to its first.

use super::forward::{Context, Rows, Sequence, TILE};
use super::kernels::{add, add_column_sums, layer_norm_backward, scale_by, softmax_backward, unmarked};
use super::matrix::Matrix;
use super::product::{Onto, multiply, multiply_packed};
use super::state::{EmbeddingState, LayerState, NormState, Scratch, State};
use crate::config::Norm;
use crate::plan::Linear;
use std::ops::Range;

impl Context<'_> {
    /// Adds the parameters' gradients to `gradients`, from `upstream`, the gradient of `state.hidden`, `[m, hidden]`.
    pub(super) fn backward(
        &self,
        sequence: &Sequence<'_>,
        state: &mut State,
        upstream: &mut Vec<f32>,
        gradients: &mut [f32],
    ) {
        if let Some(norm) = &self.plan.final_norm {
            self.norm_backward(upstream, norm, &state.final_norm, gradients);
        }
        for number in (0..self.config.layers).rev() {
            let State { layers, scratch, .. } = state;
            self.layer_backward(number, sequence, &layers[number], scratch, upstream, gradients);
        }
        self.embed_backward(sequence.embeddings(self.plan), &state.embedding, upstream, gradients);
    }

    /// `gradient` of the layer's result becomes that of its input: m rows become n.
    fn layer_backward(
        &self,
        number: usize,
        sequence: &Sequence<'_>,
        s: &LayerState,
        scratch: &mut Scratch,
        gradient: &mut Vec<f32>,
        gradients: &mut [f32],
    ) {
        let (width, pre) = (self.config.hidden, self.config.norm == Norm::Pre);
        let layer = &self.plan.layers[number];
        let rows = self.rows(number, sequence);
        if !pre {
            self.norm_backward(gradient, &layer.output_norm, &s.output_norm, gradients);
        }
        // The feed-forward half. `gradient` stays the residual's share.
        let mut branch = std::mem::take(&mut scratch.rows);
        branch.clone_from(gradient);
        scale_by(self.level, &mut branch, &s.output_factors);
        let mut inner = std::mem::take(&mut scratch.wide);
        self.linear_backward(&s.activated, &branch, &layer.output, gradients, Some((&mut inner, Onto::Zero)));
        scale_by(self.level, &mut inner, &s.slope);
        if pre {
            let into = Some((&mut branch, Onto::Zero));
            self.linear_backward(s.feed_input(), &inner, &layer.intermediate, gradients, into);
            self.norm_backward(&mut branch, &layer.output_norm, &s.output_norm, gradients);
            add(gradient, &branch);
        } else {
            let into = Some((&mut *gradient, Onto::Old));
            self.linear_backward(s.feed_input(), &inner, &layer.intermediate, gradients, into);
            self.norm_backward(gradient, &layer.attention_norm, &s.attention_norm, gradients);
        }
        scratch.wide = inner;
        // The attention half.
        branch.clone_from(gradient);
        scale_by(self.level, &mut branch, &s.attention_output_factors);
        let mut mixed = std::mem::take(&mut scratch.query);
        let into = Some((&mut mixed, Onto::Zero));
        self.linear_backward(&s.mixed, &branch, &layer.attention_output, gradients, into);
        branch.clear();
        branch.resize(sequence.tokens.len() * width, 0.0);
        self.attend_backward(number, &rows, sequence, s, scratch, &mixed, &mut branch, gradients);
        scratch.query = mixed;
        if pre {
            self.norm_backward(&mut branch, &layer.attention_norm, &s.attention_norm, gradients);
        }
        add_residual(&mut branch, gradient, width, &rows, sequence);
        std::mem::swap(gradient, &mut branch);
        scratch.rows = branch;
    }

    /// From the gradient of the mixed values, `[m, hidden]`, adds that of the attention's input to `input`,
    /// `[n, hidden]`.
    #[expect(clippy::too_many_arguments, reason = "one call, and every argument is a thing of its own")]
    fn attend_backward(
        &self,
        number: usize,
        rows: &Rows,
        sequence: &Sequence<'_>,
        s: &LayerState,
        scratch: &mut Scratch,
        mixed: &[f32],
        input: &mut Vec<f32>,
        gradients: &mut [f32],
    ) {
        let (width, d, n, m) =
            (self.config.hidden, self.config.head_width(), sequence.tokens.len(), rows.count);
        let layer = &self.plan.layers[number];
        let Scratch { plane, dropped, asking, key_value, keys, values, .. } = scratch;
        let mut query = vec![0.0; m * width];
        key_value.clear();
        key_value.resize(n * 2 * width, 0.0);
        let scale = 1.0 / (d as f32).sqrt();
        let drop_scale = if self.dropout.is_off() { 1.0 } else { self.dropout.attention_scale() };
        for head in 0..self.config.heads {
            let column = head * d;
            keys.fill(Matrix::strided(&s.key_value[column..], n, d, 2 * width), self.level);
            values.fill(Matrix::strided(&s.key_value[width + column..], n, d, 2 * width).t(), self.level);
            for first in (0..m).step_by(TILE) {
                let tile = first..(first + TILE).min(m);
                let p = &s.probabilities[(head * m + tile.start) * n..(head * m + tile.end) * n];
                let (rows, at) = (tile.len(), first * width + column);
                let upstream = Matrix::strided(&mixed[at..], rows, d, width);
                let q = Matrix::strided(&s.query[at..], rows, d, width);
                dropped.resize(p.len(), 0.0);
                plane.resize(p.len(), 0.0);
                unmarked(self.level, p, dropped);
                let weights = Matrix::new(dropped, rows, n);
                self.add_product(
                    &mut key_value[width + column..],
                    2 * width,
                    weights.t(),
                    upstream,
                    drop_scale,
                );
                self.multiply(plane, n, upstream, values, 1.0);
                softmax_backward(self.level, plane, p, n, drop_scale);
                let scores = Matrix::new(plane, rows, n);
                self.multiply(&mut query[at..], width, scores, keys, scale);
                self.add_product(&mut key_value[column..], 2 * width, scores.t(), q, scale);
            }
        }
        let into = Some((&mut *input, Onto::Old));
        self.linear_backward(s.attention_input(), key_value, &layer.key_value, gradients, into);
        if rows.last {
            let into = Some((&mut *asking, Onto::Zero));
            self.linear_backward(&s.asking, &query, &layer.query, gradients, into);
            for (row, gradient) in sequence.local_outputs().zip(asking.chunks_exact(width)) {
                add(&mut input[row * width..(row + 1) * width], gradient);
            }
        } else {
            let into = Some((&mut *input, Onto::Old));
            self.linear_backward(&s.asking, &query, &layer.query, gradients, into);
        }
    }

    /// From the gradient of what the layers get, adds those of the tables' rows.
    pub(super) fn embed_backward<'t>(
        &self,
        tables: impl Iterator<Item = (&'t Range<usize>, &'t [u32])>,
        state: &EmbeddingState,
        gradient: &mut [f32],
        gradients: &mut [f32],
    ) {
        let width = self.config.hidden;
        scale_by(self.level, gradient, &state.factors);
        if let Some(norm) = &self.plan.embedding_norm {
            self.norm_backward(gradient, norm, &state.norm, gradients);
        }
        for (range, ids) in tables {
            let table = &mut gradients[range.clone()];
            for (row, &id) in gradient.chunks_exact(width).zip(ids) {
                add(&mut table[id as usize * width..(id as usize + 1) * width], row);
            }
        }
    }

    /// Weight and bias gradients of a linear layer with input x, and where asked the gradient of x.
    pub(super) fn linear_backward(
        &self,
        x: &[f32],
        upstream: &[f32],
        linear: &Linear,
        gradients: &mut [f32],
        into: Option<(&mut Vec<f32>, Onto<'_>)>,
    ) {
        let out = linear.bias.len();
        let (rows, input) = (upstream.len() / out, linear.weight.len() / out);
        let (g, x) = (Matrix::new(upstream, rows, out), Matrix::new(x, rows, input));
        add_column_sums(self.level, upstream, &mut gradients[linear.bias.clone()]);
        self.add_product(&mut gradients[linear.weight.clone()], input, g.t(), x, 1.0);
        if let Some((into, onto)) = into {
            into.resize(rows * input, 0.0);
            multiply_packed(self.level, into, input, g, &self.weights.of(linear).backward, 1.0, onto);
        }
    }

    /// `c += alpha · A B`.
    fn add_product(&self, c: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, alpha: f32) {
        multiply(self.level, c, stride, a, b, alpha, Onto::Old);
    }

    pub(super) fn norm_backward(
        &self,
        gradient: &mut [f32],
        range: &Range<usize>,
        state: &NormState,
        gradients: &mut [f32],
    ) {
        let (scale_bias, NormState { normalized, inverse }) = (self.slice(range), state);
        let sums = &mut gradients[range.clone()];
        layer_norm_backward(self.level, gradient, scale_bias, normalized, inverse, sums);
    }
}

/// `input += gradient`, the residual's share, at the rows that the layer computed.
fn add_residual(input: &mut [f32], gradient: &[f32], width: usize, rows: &Rows, sequence: &Sequence<'_>) {
    if rows.last {
        for (row, gradient) in sequence.local_outputs().zip(gradient.chunks_exact(width)) {
            add(&mut input[row * width..(row + 1) * width], gradient);
        }
    } else {
        add(input, gradient);
    }
}
