//! Negatives that all rows of a batch share: their vectors are gathered and packed once a step, so that their logits are a product
//! as those of a small output layer are, and their gradients are scattered once.

use super::forward::Context;
use super::head::block_of;
use super::kernels::{add, add_column_sums};
use super::level::Level;
use super::matrix::Matrix;
use super::product::{Onto, multiply, multiply_packed};
use super::state::HeadState;
use super::weights::Weight;
use crate::loss::{Loss, Negatives};
use crate::plan::Plan;

/// The output layer at the shared negatives.
#[derive(Default)]
pub(super) struct Gathered {
    /// `[K, hidden]`.
    vectors: Vec<f32>,
    weight: Weight,
    bias: Vec<f32>,
}

impl Gathered {
    /// Becomes the part of the output layer that belongs to `ids`.
    pub(super) fn fill(&mut self, ids: &[u32], plan: &Plan, parameters: &[f32], level: Level) {
        let (table, bias) = (&parameters[plan.output.clone()], &parameters[plan.output_bias.clone()]);
        let width = table.len() / bias.len();
        self.vectors.clear();
        self.bias.clear();
        for &id in ids {
            self.vectors.extend_from_slice(&table[id as usize * width..(id as usize + 1) * width]);
            self.bias.push(bias[id as usize]);
        }
        let matrix = Matrix::new(&self.vectors, ids.len(), width);
        let Weight { forward, backward } = &mut self.weight;
        rayon::join(|| forward.fill(matrix.t(), level), || backward.fill(matrix, level));
    }
}

/// Gradients of the output layer at the shared negatives, of one worker's rows.
#[derive(Default)]
pub(super) struct GatheredGradients {
    /// `[K, hidden]`.
    vectors: Vec<f32>,
    bias: Vec<f32>,
}

impl GatheredGradients {
    /// Becomes those of no row, for `count` negatives.
    pub(super) fn clear(&mut self, count: usize, width: usize) {
        self.vectors.clear();
        self.vectors.resize(count * width, 0.0);
        self.bias.clear();
        self.bias.resize(count, 0.0);
    }

    /// Adds them where they belong.
    pub(super) fn scatter(&self, ids: &[u32], plan: &Plan, gradients: &mut [f32]) {
        let width = self.vectors.len() / ids.len();
        for ((&id, vector), error) in ids.iter().zip(self.vectors.chunks_exact(width)).zip(&self.bias) {
            let place = plan.output.start + id as usize * width;
            add(&mut gradients[place..place + width], vector);
            gradients[plan.output_bias.start + id as usize] += error;
        }
    }
}

impl Context<'_> {
    /// Sum of the rows' losses, a block of rows after the other. With `back`, the gradients of the losses times `scale` are added
    /// to the flat buffer by way of the targets and to `head.gathered` by way of the negatives, and `upstream` becomes that of the
    /// output layer's input.
    pub(super) fn shared_loss(
        &self,
        targets: &[u32],
        loss: &Loss<'_>,
        negatives: &Negatives,
        scale: f32,
        head: &mut HeadState,
        mut back: Option<(&mut Vec<f32>, &mut [f32])>,
    ) -> f64 {
        let (width, count) = (self.config.hidden, negatives.count());
        self.wanted_logits(targets, head);
        if let Some((upstream, _)) = &mut back {
            upstream.resize(head.transformed.len(), 0.0);
        }
        let block = block_of(count);
        let mut sum = 0.0;
        for (number, targets) in targets.chunks(block).enumerate() {
            let rows = number * block..number * block + targets.len();
            let place = rows.start * width..rows.end * width;
            let HeadState { transformed, logits, wanted, gathered, .. } = &mut *head;
            let t = Matrix::new(&transformed[place.clone()], targets.len(), width);
            logits.resize(targets.len() * count, 0.0);
            let bias = Onto::Bias(&self.gathered.bias);
            multiply_packed(self.level, logits, count, t, &self.gathered.weight.forward, 1.0, bias);
            let each = logits.chunks_exact_mut(count).zip(&mut wanted[rows]);
            for ((logits, wanted), &target) in each.zip(targets) {
                sum += self.row_loss(loss, negatives, 0, target, wanted, logits, scale);
            }
            if let Some((upstream, _)) = &mut back {
                add_column_sums(self.level, logits, &mut gathered.bias);
                let errors = Matrix::new(logits, targets.len(), count);
                multiply(self.level, &mut gathered.vectors, width, errors.t(), t, 1.0, Onto::Old);
                self.multiply(&mut upstream[place], width, errors, &self.gathered.weight.backward, 1.0);
            }
        }
        if let Some((upstream, gradients)) = back {
            self.wanted_backward(targets, head, upstream, gradients);
        }
        sum
    }
}
