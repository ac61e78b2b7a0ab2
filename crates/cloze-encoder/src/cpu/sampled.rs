//! The output layer at the targets and sampled negatives of one sequence's rows, and the losses over them.

use super::forward::{Context, Sequence};
use super::kernels::{add_column_sums, add_multiples, binary_cross_entropy, dots, sampled_cross_entropy};
use super::matrix::Matrix;
use super::product::{Onto, multiply, multiply_packed};
use super::state::HeadState;
use crate::loss::{Loss, Negatives, Sharing};

impl Context<'_> {
    /// Sum of the rows' losses; `head.wanted`, the targets' logits, and `head.logits`, `[rows, K]`, become their gradients
    /// times `scale`.
    pub(super) fn sampled_loss(
        &self,
        sequence: &Sequence<'_>,
        loss: &Loss<'_>,
        negatives: &Negatives,
        scale: f32,
        head: &mut HeadState,
    ) -> f64 {
        self.sampled_logits(sequence, negatives, head);
        let rows = head.logits.chunks_exact_mut(negatives.count()).zip(&mut head.wanted);
        let mut sum = 0.0;
        for (row, ((logits, wanted), &target)) in rows.zip(sequence.targets).enumerate() {
            let list = list(negatives, sequence, row);
            let ids = negatives.list(list);
            sum += match *loss {
                Loss::Binary { power, .. } => {
                    binary_cross_entropy(self.level, wanted, logits, ids, target, power, scale)
                }
                Loss::Softmax | Loss::SampledSoftmax(_) => {
                    let log_expected = negatives.log_expected(list);
                    sampled_cross_entropy(self.level, wanted, logits, ids, log_expected, target, scale)
                }
            };
        }
        sum
    }

    fn sampled_logits(&self, sequence: &Sequence<'_>, negatives: &Negatives, head: &mut HeadState) {
        let (table, bias) = (self.slice(&self.plan.output), self.slice(&self.plan.output_bias));
        let (width, count) = (self.config.hidden, negatives.count());
        let HeadState { transformed, logits, wanted, gathered, packed, .. } = head;
        wanted.resize(sequence.targets.len(), 0.0);
        for ((wanted, t), target) in
            wanted.iter_mut().zip(transformed.chunks_exact(width)).zip(sequence.targets)
        {
            dots(self.level, t, table, bias, std::slice::from_ref(target), std::slice::from_mut(wanted));
        }
        logits.resize(sequence.targets.len() * count, 0.0);
        if negatives.sharing() == Sharing::Row {
            let rows = logits.chunks_exact_mut(count).zip(transformed.chunks_exact(width));
            for (row, (logits, t)) in rows.enumerate() {
                let ids = negatives.list(list(negatives, sequence, row));
                dots(self.level, t, table, bias, ids, logits);
            }
            return;
        }
        let ids = negatives.list(sequence.number);
        gathered.clear();
        for &id in ids {
            gathered.extend_from_slice(&table[id as usize * width..(id as usize + 1) * width]);
        }
        let bias: Vec<f32> = ids.iter().map(|&id| bias[id as usize]).collect();
        packed.fill(Matrix::new(gathered, count, width).t(), self.level);
        let t = Matrix::new(transformed, sequence.targets.len(), width);
        multiply_packed(self.level, logits, count, t, packed, 1.0, Onto::Bias(&bias));
    }

    /// After [`Self::sampled_loss`]: adds the output layer's gradients; `upstream` becomes that of its input.
    pub(super) fn sampled_backward(
        &self,
        sequence: &Sequence<'_>,
        negatives: &Negatives,
        head: &mut HeadState,
        upstream: &mut Vec<f32>,
        gradients: &mut [f32],
    ) {
        let (table, width, count) = (self.slice(&self.plan.output), self.config.hidden, negatives.count());
        let HeadState { transformed, logits, wanted, gathered, packed, .. } = head;
        upstream.clear();
        upstream.resize(transformed.len(), 0.0);
        let own = negatives.sharing() == Sharing::Row;
        let bias = &mut gradients[self.plan.output_bias.clone()];
        for (&target, error) in sequence.targets.iter().zip(&*wanted) {
            bias[target as usize] += error;
        }
        // Errors of the negatives, summed over the rows that share them.
        let mut sums = vec![0.0; count];
        for (row, errors) in logits.chunks_exact(if own { count } else { logits.len() }).enumerate() {
            sums.fill(0.0);
            add_column_sums(self.level, errors, &mut sums);
            for (&id, sum) in negatives.list(list(negatives, sequence, row)).iter().zip(&sums) {
                bias[id as usize] += sum;
            }
        }
        if !own {
            let errors = Matrix::new(logits, sequence.targets.len(), count);
            multiply(
                self.level,
                upstream,
                width,
                errors,
                Matrix::new(gathered, count, width),
                1.0,
                Onto::Zero,
            );
            // The gathered vectors make room for their gradients.
            packed.fill(Matrix::new(transformed, sequence.targets.len(), width), self.level);
            multiply_packed(self.level, gathered, width, errors.t(), packed, 1.0, Onto::Zero);
        }
        let table_gradient = &mut gradients[self.plan.output.clone()];
        if !own {
            let ids = negatives.list(sequence.number);
            for (&id, sum) in ids.iter().zip(gathered.chunks_exact(width)) {
                super::kernels::add(&mut table_gradient[id as usize * width..(id as usize + 1) * width], sum);
            }
        }
        let rows = transformed.chunks_exact(width).zip(upstream.chunks_exact_mut(width));
        for (row, ((t, upstream), target)) in rows.zip(sequence.targets).enumerate() {
            let (target, error) = (std::slice::from_ref(target), &wanted[row..=row]);
            add_multiples(self.level, target, error, table, t, upstream, table_gradient);
            if own {
                let ids = negatives.list(list(negatives, sequence, row));
                let errors = &logits[row * count..(row + 1) * count];
                add_multiples(self.level, ids, errors, table, t, upstream, table_gradient);
            }
        }
    }
}

/// Number of the list that a row of the sequence is compared with.
fn list(negatives: &Negatives, sequence: &Sequence<'_>, row: usize) -> usize {
    match negatives.sharing() {
        Sharing::Row => sequence.first_output + row,
        Sharing::Sequence => sequence.number,
    }
}
