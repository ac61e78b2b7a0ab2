//! The head over the output rows of one sequence: transform, output layer, loss.

use super::forward::{Context, Sequence};
use super::kernels::{activate, add_column_sums, cross_entropy, scale_by};
use super::matrix::Matrix;
use super::product::{Onto, multiply, multiply_packed};
use super::state::HeadState;
use crate::loss::Loss;

impl Context<'_> {
    /// `head.transformed ← LN(act(h W_p + b_p))`, or as much of it as the configuration has.
    pub(super) fn transform(&self, hidden: &[f32], head: &mut HeadState) {
        let Some(linear) = &self.plan.transform else {
            hidden.clone_into(&mut head.transformed);
            return;
        };
        self.linear(hidden, linear, self.config.hidden, &mut head.slope);
        head.transformed.resize(hidden.len(), 0.0);
        activate(self.level, &mut head.slope, self.config.activation, &mut head.transformed);
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

    /// Sum of the rows' losses; `head.logits` becomes their gradient times `scale`.
    pub(super) fn head_loss(
        &self,
        hidden: &[f32],
        sequence: &Sequence<'_>,
        loss: &Loss<'_>,
        scale: f32,
        head: &mut HeadState,
    ) -> f64 {
        self.transform(hidden, head);
        if let Some(negatives) = loss.negatives() {
            return self.sampled_loss(sequence, loss, negatives, scale, head);
        }
        let targets = sequence.targets;
        head.logits.resize(targets.len() * self.config.outputs, 0.0);
        self.output_layer(&head.transformed, &mut head.logits);
        cross_entropy(self.level, &mut head.logits, self.config.outputs, targets, scale)
    }

    /// After [`Self::head_loss`]: adds the head's gradients; `upstream` becomes that of the hidden states.
    pub(super) fn head_backward(
        &self,
        hidden: &[f32],
        sequence: &Sequence<'_>,
        loss: &Loss<'_>,
        head: &mut HeadState,
        upstream: &mut Vec<f32>,
        gradients: &mut [f32],
    ) {
        match loss.negatives() {
            Some(negatives) => self.sampled_backward(sequence, negatives, head, upstream, gradients),
            None => self.output_backward(head, upstream, gradients),
        }
        let Some(linear) = &self.plan.transform else { return };
        if let Some(norm) = &self.plan.transform_norm {
            self.norm_backward(upstream, norm, &head.norm, gradients);
        }
        scale_by(self.level, upstream, &head.slope);
        let dense = upstream.clone();
        self.linear_backward(hidden, &dense, linear, gradients, Some((upstream, Onto::Zero)));
    }

    /// From the logits' gradients: adds the output layer's; `upstream` becomes that of its input.
    fn output_backward(&self, head: &HeadState, upstream: &mut Vec<f32>, gradients: &mut [f32]) {
        let (width, outputs) = (self.config.hidden, self.config.outputs);
        let rows = head.transformed.len() / width;
        let errors = Matrix::new(&head.logits, rows, outputs);
        add_column_sums(self.level, &head.logits, &mut gradients[self.plan.output_bias.clone()]);
        let t = Matrix::new(&head.transformed, rows, width);
        let table = &mut gradients[self.plan.output.clone()];
        multiply(self.level, table, width, errors.t(), t, 1.0, Onto::Old);
        upstream.resize(rows * width, 0.0);
        self.multiply(upstream, width, errors, &self.weights.outputs.backward, 1.0);
    }
}
