//! The forward pass of one sequence.

use super::integer::Integers;
use super::kernels::{
    activate, activate_with_slope, add, draw_factors, layer_norm, mark_dropped, scale_by, softmax, unmarked,
};
use super::level::Level;
use super::matrix::{Matrix, Packed};
use super::product::{Onto, multiply_packed};
use super::state::{EmbeddingState, LayerState, NormState, Scratch, State};
use super::weights::Weights;
use crate::config::{Attention, EncoderConfig, Norm};
use crate::dropout::{Dropout, TILE_QUERIES};
use crate::plan::{Linear, Plan};
use std::ops::Range;

/// What does not change from sequence to sequence.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) config: &'a EncoderConfig,
    pub(super) plan: &'a Plan,
    pub(super) parameters: &'a [f32],
    pub(super) weights: &'a Weights,
    /// The linear layers rounded to integers, in the order of [`Plan::linears`], where they are computed so.
    pub(super) integers: Option<&'a [Integers]>,
    pub(super) dropout: Dropout,
    /// Whether a backward pass may follow.
    pub(super) training: bool,
    pub(super) level: Level,
}

/// One sequence of a batch.
#[derive(Clone, Copy)]
pub(super) struct Sequence<'a> {
    /// Its number in the batch.
    pub(super) number: usize,
    pub(super) tokens: &'a [u32],
    pub(super) positions: &'a [u32],
    pub(super) token_types: &'a [u32],
    /// Row of its first token in the batch.
    pub(super) first_row: usize,
    /// Output rows, as rows of the batch.
    pub(super) outputs: &'a [u32],
    /// Targets of the output rows, or empty.
    pub(super) targets: &'a [u32],
    /// Number of its first output row among the batch's.
    pub(super) first_output: usize,
}

impl Sequence<'_> {
    /// The tables whose vectors are summed at the bottom, with the sequence's rows in them.
    pub(super) fn embeddings<'s>(
        &'s self,
        plan: &'s Plan,
    ) -> impl Iterator<Item = (&'s Range<usize>, &'s [u32])> {
        plan.embeddings(self.tokens, self.positions, self.token_types)
    }

    /// Output rows within the sequence.
    pub(super) fn local_outputs(&self) -> impl ExactSizeIterator<Item = usize> {
        let first = self.first_row;
        self.outputs.iter().map(move |&row| row as usize - first)
    }
}

/// The rows that a layer computes to the end: all, or in the last layer the output rows.
pub(super) struct Rows {
    pub(super) last: bool,
    /// How many.
    pub(super) count: usize,
    /// Number of the first of them in the tensor that dropout sees.
    pub(super) first: usize,
}

impl Rows {
    /// Where a row stands in its sequence.
    fn place(&self, sequence: &Sequence<'_>, row: usize) -> usize {
        if self.last { sequence.outputs[row] as usize - sequence.first_row } else { row }
    }
}

/// `falls ← −slope · |d|` for the distances d from `1 − n` to `n − 1`; nothing where the slope is 0.
fn fill_falls(slope: f32, n: usize, falls: &mut Vec<f32>) {
    falls.clear();
    if slope > 0.0 {
        falls.extend((1..n).rev().chain(0..n).map(|distance| -slope * distance as f32));
    }
}

/// Queries that attention works on at once: what it computes for them stays in the nearest caches. Whole blocks of
/// dropout and whole tiles of the matrix kernel.
pub(super) const TILE: usize = 3 * TILE_QUERIES;

/// Where attention's dropout is drawn.
#[derive(Clone, Copy)]
struct Site {
    site: u32,
    sequence_head: u32,
}

impl Context<'_> {
    pub(super) fn slice(&self, range: &Range<usize>) -> &[f32] {
        &self.parameters[range.clone()]
    }

    pub(super) fn rows(&self, layer: usize, sequence: &Sequence<'_>) -> Rows {
        if layer + 1 == self.config.layers {
            Rows { last: true, count: sequence.outputs.len(), first: sequence.first_output }
        } else {
            Rows { last: false, count: sequence.tokens.len(), first: sequence.first_row }
        }
    }

    /// Columns that a row may attend to.
    pub(super) fn visible(&self, rows: &Rows, sequence: &Sequence<'_>, row: usize) -> usize {
        match self.config.attention {
            Attention::Both => sequence.tokens.len(),
            Attention::Causal => rows.place(sequence, row) + 1,
        }
    }

    /// Runs the encoder over the sequence; `state.hidden` is the result.
    pub(super) fn forward(&self, sequence: &Sequence<'_>, state: &mut State) {
        state.layers.resize_with(self.config.layers, LayerState::default);
        let mut x = std::mem::take(&mut state.hidden);
        let (tables, row) = (sequence.embeddings(self.plan), |row| sequence.first_row + row);
        self.embed(tables, sequence.tokens.len(), row, &mut state.embedding, &mut state.scratch.rows, &mut x);
        for layer in 0..self.config.layers {
            std::mem::swap(&mut state.layers[layer].input, &mut x);
            self.layer(layer, sequence, state, &mut x);
        }
        if let Some(norm) = &self.plan.final_norm {
            state.scratch.rows.clone_from(&x);
            self.norm(&state.scratch.rows, norm, &mut state.final_norm, &mut x);
        }
        state.hidden = x;
    }

    /// `out` becomes the sum of `count` tokens' vectors, normalized and dropped: `tables` are those of [`Plan::embeddings`],
    /// `row` gives the tokens' rows in the batch.
    pub(super) fn embed<'t>(
        &self,
        tables: impl Iterator<Item = (&'t Range<usize>, &'t [u32])>,
        count: usize,
        row: impl Fn(usize) -> usize,
        state: &mut EmbeddingState,
        sum: &mut Vec<f32>,
        out: &mut Vec<f32>,
    ) {
        let width = self.config.hidden;
        sum.clear();
        sum.resize(count * width, 0.0);
        for (range, ids) in tables {
            let table = self.slice(range);
            for (row, &id) in sum.chunks_exact_mut(width).zip(ids) {
                add(row, &table[id as usize * width..(id as usize + 1) * width]);
            }
        }
        out.resize(sum.len(), 0.0);
        match &self.plan.embedding_norm {
            Some(norm) => self.norm(sum, norm, &mut state.norm, out),
            None => out.copy_from_slice(sum),
        }
        self.drop(out, 0, row, &mut state.factors);
    }

    /// `out` becomes the layer's result for its rows, from `input` in its state.
    fn layer(&self, number: usize, sequence: &Sequence<'_>, state: &mut State, out: &mut Vec<f32>) {
        let (width, pre) = (self.config.hidden, self.config.norm == Norm::Pre);
        let layer = &self.plan.layers[number];
        let rows = self.rows(number, sequence);
        let scratch = &mut state.scratch;
        let s = &mut state.layers[number];
        s.attention_input.clear();
        if pre {
            s.attention_input.resize(s.input.len(), 0.0);
            self.norm(&s.input, &layer.attention_norm, &mut s.attention_norm, &mut s.attention_input);
        }
        self.attend(number, &rows, sequence, s, scratch);
        // z = x + dropout(mixed Wᵒ + b)
        let z = &mut scratch.rows;
        self.linear(&s.mixed, &layer.attention_output, width, z);
        let site = Dropout::attention_output_site(number);
        self.drop(z, site, |row| rows.first + row, &mut s.attention_output_factors);
        add_rows(z, &s.input, width, &rows, sequence);
        s.middle.resize(z.len(), 0.0);
        s.feed_input.clear();
        if pre {
            s.middle.copy_from_slice(z);
            s.feed_input.resize(z.len(), 0.0);
            self.norm(&s.middle, &layer.output_norm, &mut s.output_norm, &mut s.feed_input);
        } else {
            self.norm(z, &layer.attention_norm, &mut s.attention_norm, &mut s.middle);
        }
        let mut slope = std::mem::take(&mut s.slope);
        self.linear(s.feed_input(), &layer.intermediate, width, &mut slope);
        s.slope = slope;
        s.activated.resize(s.slope.len(), 0.0);
        self.activate(&mut s.slope, &mut s.activated);
        self.linear(&s.activated, &layer.output, self.config.intermediate, z);
        self.drop(z, Dropout::output_site(number), |row| rows.first + row, &mut s.output_factors);
        add(z, &s.middle);
        out.resize(z.len(), 0.0);
        if pre {
            out.copy_from_slice(z);
        } else {
            self.norm(z, &layer.output_norm, &mut s.output_norm, out);
        }
    }

    /// `mixed ← softmax(Q Kᵀ / √d − slope · distance) V`, head by head.
    fn attend(
        &self,
        number: usize,
        rows: &Rows,
        sequence: &Sequence<'_>,
        s: &mut LayerState,
        scratch: &mut Scratch,
    ) {
        let (width, d, n, m) =
            (self.config.hidden, self.config.head_width(), sequence.tokens.len(), rows.count);
        let layer = &self.plan.layers[number];
        s.asking.clear();
        if rows.last {
            let input = if s.attention_input.is_empty() { &s.input } else { &s.attention_input };
            for row in sequence.local_outputs() {
                s.asking.extend_from_slice(&input[row * width..(row + 1) * width]);
            }
        } else {
            s.asking.extend_from_slice(if s.attention_input.is_empty() {
                &s.input
            } else {
                &s.attention_input
            });
        }
        let (mut query, mut key_value) = (std::mem::take(&mut s.query), std::mem::take(&mut s.key_value));
        self.linear(&s.asking, &layer.query, width, &mut query);
        self.linear(s.attention_input(), &layer.key_value, width, &mut key_value);
        (s.query, s.key_value) = (query, key_value);
        s.probabilities.resize(self.config.heads * m * n, 0.0);
        s.mixed.resize(m * width, 0.0);
        let Scratch { keys, values, dropped, falls, .. } = scratch;
        for head in 0..self.config.heads {
            fill_falls(self.config.slope(head) as f32, n, falls);
            let site = Site {
                site: Dropout::attention_site(number),
                sequence_head: (sequence.number * self.config.heads + head) as u32,
            };
            keys.fill(Matrix::strided(&s.key_value[head * d..], n, d, 2 * width).t(), self.level);
            values.fill(Matrix::strided(&s.key_value[width + head * d..], n, d, 2 * width), self.level);
            for first in (0..m).step_by(TILE) {
                let tile = first..(first + TILE).min(m);
                let p = &mut s.probabilities[(head * m + tile.start) * n..(head * m + tile.end) * n];
                let at = tile.start * width + head * d;
                let q = Matrix::strided(&s.query[at..], tile.len(), d, width);
                self.multiply(p, n, q, keys, 1.0 / (d as f32).sqrt());
                if !falls.is_empty() {
                    for (row, scores) in tile.zip(p.chunks_exact_mut(n)) {
                        let place = rows.place(sequence, row);
                        add(scores, &falls[n - 1 - place..]);
                    }
                }
                softmax(self.level, p, n, |row| self.visible(rows, sequence, first + row));
                let (weights, scale) = self.drop_attention(site, first, n, p, dropped);
                let weights = Matrix::new(weights, weights.len() / n, n);
                self.multiply(&mut s.mixed[at..], width, weights, values, scale);
            }
        }
    }

    /// Marks dropped probabilities by their sign. Returns the rest, and the factor that makes up for them.
    fn drop_attention<'p>(
        &self,
        Site { site, sequence_head }: Site,
        first: usize,
        keys: usize,
        p: &'p mut [f32],
        dropped: &'p mut Vec<f32>,
    ) -> (&'p [f32], f32) {
        if self.dropout.is_off() {
            return (p, 1.0);
        }
        dropped.resize(p.len(), 0.0);
        mark_dropped(self.level, self.dropout, site, sequence_head, first, keys, p);
        unmarked(self.level, p, dropped);
        (dropped, self.dropout.attention_scale())
    }

    /// `c ← alpha · A B`.
    pub(super) fn multiply(&self, c: &mut [f32], stride: usize, a: Matrix<'_>, b: &Packed, alpha: f32) {
        multiply_packed(self.level, c, stride, a, b, alpha, Onto::Zero);
    }

    /// `out ← x Wᵀ + b` for x of `input` columns.
    pub(super) fn linear(&self, x: &[f32], linear: &Linear, input: usize, out: &mut Vec<f32>) {
        let bias = self.slice(&linear.bias);
        if let Some(integers) = self.integers {
            integers[linear.number].multiply(self.level, x, bias, out);
            return;
        }
        let x = Matrix::new(x, x.len() / input, input);
        out.resize(x.rows * bias.len(), 0.0);
        let weight = &self.weights.of(linear).forward;
        multiply_packed(self.level, out, bias.len(), x, weight, 1.0, Onto::Bias(bias));
    }

    /// `out ← act(x)`; in training x becomes the slope there.
    pub(super) fn activate(&self, x: &mut [f32], out: &mut [f32]) {
        if self.training {
            activate_with_slope(self.level, x, self.config.activation, out);
        } else {
            activate(self.level, x, self.config.activation, out);
        }
    }

    pub(super) fn norm(&self, x: &[f32], range: &Range<usize>, state: &mut NormState, out: &mut [f32]) {
        let width = self.config.hidden;
        state.resize(x.len() / width, width);
        let epsilon = self.config.norm_epsilon as f32;
        let (scale_bias, NormState { normalized, inverse }) = (self.slice(range), state);
        layer_norm(self.level, x, scale_bias, epsilon, normalized, inverse, out);
    }

    /// Drops elements of x in place; the factors are kept. `row` numbers x's rows in the tensor that dropout sees.
    pub(super) fn drop(
        &self,
        x: &mut [f32],
        site: u32,
        row: impl Fn(usize) -> usize,
        factors: &mut Vec<f32>,
    ) {
        factors.clear();
        if self.dropout.is_off() {
            return;
        }
        factors.resize(x.len(), 0.0);
        draw_factors(self.level, self.dropout, site, row, self.config.hidden, factors);
        scale_by(self.level, x, factors);
    }
}

/// `z += x`, of x the rows that the layer computes.
fn add_rows(z: &mut [f32], x: &[f32], width: usize, rows: &Rows, sequence: &Sequence<'_>) {
    if rows.last {
        for (z, row) in z.chunks_exact_mut(width).zip(sequence.local_outputs()) {
            add(z, &x[row * width..(row + 1) * width]);
        }
    } else {
        add(z, x);
    }
}
