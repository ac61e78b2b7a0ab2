//! The head over the output rows of a group of sequences: transform, output layer, loss.

use super::forward::{Context, Sequence};
use super::kernels::{add_column_sums, cross_entropy, scale_by};
use super::matrix::Matrix;
use super::product::{Onto, multiply, multiply_packed};
use super::state::HeadState;
use crate::loss::{Loss, Negatives, Sharing};

/// Logits of a block of rows: half of a common second-level cache.
const BLOCK: usize = 1 << 17;
/// Rows of a block at least, however many outputs there are: each block passes over the whole output matrix.
const LEAST_ROWS: usize = 24;

/// Output rows that the head takes at once, at least: with the softmax over all outputs those of several short
/// sequences, because each pass goes over the whole output matrix.
pub(super) fn rows_at_least(loss: &Loss<'_>) -> usize {
    if loss.negatives().is_none() { LEAST_ROWS } else { 1 }
}

/// Sequences, one after the other in the batch, that the head takes at once because they share their negatives.
pub(super) fn together(loss: Option<&Loss<'_>>) -> usize {
    match loss.and_then(Loss::negatives).map(Negatives::sharing) {
        Some(Sharing::Sequences(together)) => together.get(),
        _ => 1,
    }
}

/// What the head takes of a group at once: all of it, or with negatives the sequences that share them.
pub(super) fn parts<'a, 'b>(
    group: &'a [Sequence<'b>],
    loss: &Loss<'_>,
) -> impl Iterator<Item = &'a [Sequence<'b>]> {
    let (all, together) = (loss.negatives().is_none(), together(Some(loss)));
    group.chunk_by(move |a, b| all || a.number / together == b.number / together)
}

impl Context<'_> {
    /// `head.transformed ← LN(act(h W_p + b_p))`, or as much of it as the configuration has.
    pub(super) fn transform(&self, hidden: &[f32], head: &mut HeadState) {
        let Some(linear) = &self.plan.transform else {
            hidden.clone_into(&mut head.transformed);
            return;
        };
        self.linear(hidden, linear, self.config.hidden, &mut head.slope);
        head.transformed.resize(hidden.len(), 0.0);
        self.activate(&mut head.slope, &mut head.transformed);
        if let Some(norm) = &self.plan.transform_norm {
            let activated = head.transformed.clone();
            self.norm(&activated, norm, &mut head.norm, &mut head.transformed);
        }
    }

    /// `logits ← t Eᵀ + b_O` over the scored tokens, `[rows, outputs]`.
    pub(super) fn output_layer(&self, transformed: &[f32], logits: &mut [f32]) {
        let (width, outputs) = (self.config.hidden, self.config.outputs);
        let bias = Onto::Bias(self.slice(&self.plan.output_bias));
        let t = Matrix::new(transformed, transformed.len() / width, width);
        multiply_packed(self.level, logits, outputs, t, &self.weights.outputs.forward, 1.0, bias);
    }

    /// Sum of the rows' losses, of one of the [`parts`] of a group; `targets` are all of the part's.
    pub(super) fn head_loss(
        &self,
        hidden: &[f32],
        part: &[Sequence<'_>],
        targets: &[u32],
        loss: &Loss<'_>,
        head: &mut HeadState,
    ) -> f64 {
        self.transform(hidden, head);
        match loss.negatives() {
            Some(negatives) => self.sampled_loss(&part[0], targets, loss, negatives, 1.0, head),
            None => self.softmax_loss(targets, 1.0, head, None),
        }
    }

    /// The same; with the rows' losses times `scale`, adds the head's gradients, and `upstream` becomes that of the hidden
    /// states.
    #[expect(clippy::too_many_arguments, reason = "one call, and every argument is a thing of its own")]
    pub(super) fn head_step(
        &self,
        hidden: &[f32],
        part: &[Sequence<'_>],
        targets: &[u32],
        loss: &Loss<'_>,
        scale: f32,
        head: &mut HeadState,
        upstream: &mut Vec<f32>,
        gradients: &mut [f32],
    ) -> f64 {
        self.transform(hidden, head);
        let value = match loss.negatives() {
            Some(negatives) => {
                let value = self.sampled_loss(&part[0], targets, loss, negatives, scale, head);
                self.sampled_backward(&part[0], targets, negatives, head, upstream, gradients);
                value
            }
            None => self.softmax_loss(targets, scale, head, Some((upstream, gradients))),
        };
        let Some(linear) = &self.plan.transform else { return value };
        if let Some(norm) = &self.plan.transform_norm {
            self.norm_backward(upstream, norm, &head.norm, gradients);
        }
        scale_by(self.level, upstream, &head.slope);
        let dense = upstream.clone();
        self.linear_backward(hidden, &dense, linear, gradients, Some((upstream, Onto::Zero)));
        value
    }

    /// Sum of the rows' losses, a block of rows after the other: a block's logits go to their gradients, times `scale`, and
    /// these where `back` says, before they leave the cache.
    fn softmax_loss(
        &self,
        targets: &[u32],
        scale: f32,
        head: &mut HeadState,
        mut back: Option<(&mut Vec<f32>, &mut [f32])>,
    ) -> f64 {
        let (width, outputs) = (self.config.hidden, self.config.outputs);
        let HeadState { transformed, logits, .. } = head;
        if let Some((upstream, _)) = &mut back {
            upstream.resize(transformed.len(), 0.0);
        }
        let block = (BLOCK / outputs).max(LEAST_ROWS);
        let mut sum = 0.0;
        for (number, targets) in targets.chunks(block).enumerate() {
            let place = number * block * width..(number * block + targets.len()) * width;
            let t = &transformed[place.clone()];
            logits.resize(targets.len() * outputs, 0.0);
            self.output_layer(t, logits);
            sum += cross_entropy(self.level, logits, outputs, targets, scale);
            if let Some((upstream, gradients)) = &mut back {
                self.output_backward(t, logits, &mut upstream[place], gradients);
            }
        }
        sum
    }

    /// From the gradients of a block's logits: adds the output layer's; `upstream` becomes that of its input t.
    fn output_backward(&self, t: &[f32], errors: &[f32], upstream: &mut [f32], gradients: &mut [f32]) {
        let (width, outputs) = (self.config.hidden, self.config.outputs);
        let rows = t.len() / width;
        add_column_sums(self.level, errors, &mut gradients[self.plan.output_bias.clone()]);
        let errors = Matrix::new(errors, rows, outputs);
        let table = &mut gradients[self.plan.output.clone()];
        multiply(self.level, table, width, errors.t(), Matrix::new(t, rows, width), 1.0, Onto::Old);
        self.multiply(upstream, width, errors, &self.weights.outputs.backward, 1.0);
    }
}
