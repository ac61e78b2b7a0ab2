//! The output layer at the targets and sampled negatives of some rows, and the losses over them. The rows are those of one
//! sequence, or of the sequences that share a list of negatives: these are gathered once, so that their logits are a product.

use super::forward::{Context, Sequence};
use super::kernels::{add_column_sums, add_multiples, binary_cross_entropy, dots, sampled_cross_entropy};
use super::matrix::Matrix;
use super::product::{Onto, multiply, multiply_packed};
use super::state::HeadState;
use crate::loss::{Loss, Negatives, Sharing};

impl Context<'_> {
    /// Sum of the losses of rows, of which those of sequence `first` are the first; `head.wanted`, the targets' logits, and
    /// `head.logits`, `[rows, K]`, become their gradients times `scale`.
    pub(super) fn sampled_loss(
        &self,
        first: &Sequence<'_>,
        targets: &[u32],
        loss: &Loss<'_>,
        negatives: &Negatives,
        scale: f32,
        head: &mut HeadState,
    ) -> f64 {
        self.sampled_logits(first, targets, negatives, head);
        let rows = head.logits.chunks_exact_mut(negatives.count()).zip(&mut head.wanted);
        let mut sum = 0.0;
        for (row, ((logits, wanted), &target)) in rows.zip(targets).enumerate() {
            let list = negatives.list_of(first.number, first.first_output + row);
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

    fn sampled_logits(
        &self,
        first: &Sequence<'_>,
        targets: &[u32],
        negatives: &Negatives,
        head: &mut HeadState,
    ) {
        let (table, bias) = (self.slice(&self.plan.output), self.slice(&self.plan.output_bias));
        let (width, count) = (self.config.hidden, negatives.count());
        let HeadState { transformed, logits, wanted, gathered, of_listed, packed, .. } = head;
        wanted.resize(targets.len(), 0.0);
        for ((wanted, t), target) in wanted.iter_mut().zip(transformed.chunks_exact(width)).zip(targets) {
            dots(self.level, t, table, bias, std::slice::from_ref(target), std::slice::from_mut(wanted));
        }
        logits.resize(targets.len() * count, 0.0);
        if negatives.sharing() == Sharing::Row {
            let rows = logits.chunks_exact_mut(count).zip(transformed.chunks_exact(width));
            for (row, (logits, t)) in rows.enumerate() {
                let ids = negatives.list(first.first_output + row);
                dots(self.level, t, table, bias, ids, logits);
            }
            return;
        }
        let ids = negatives.list(negatives.list_of(first.number, first.first_output));
        gathered.clear();
        of_listed.clear();
        for &id in ids {
            gathered.extend_from_slice(&table[id as usize * width..(id as usize + 1) * width]);
            of_listed.push(bias[id as usize]);
        }
        packed.fill(Matrix::new(gathered, count, width).t(), self.level);
        let t = Matrix::new(transformed, targets.len(), width);
        multiply_packed(self.level, logits, count, t, packed, 1.0, Onto::Bias(of_listed));
    }

    /// After [`Self::sampled_loss`]: adds the output layer's gradients; `upstream` becomes that of its input.
    pub(super) fn sampled_backward(
        &self,
        first: &Sequence<'_>,
        targets: &[u32],
        negatives: &Negatives,
        head: &mut HeadState,
        upstream: &mut Vec<f32>,
        gradients: &mut [f32],
    ) {
        let (table, width, count) = (self.slice(&self.plan.output), self.config.hidden, negatives.count());
        let HeadState { transformed, logits, wanted, gathered, of_listed, packed, .. } = head;
        upstream.clear();
        upstream.resize(transformed.len(), 0.0);
        let own = negatives.sharing() == Sharing::Row;
        let bias = &mut gradients[self.plan.output_bias.clone()];
        for (&target, error) in targets.iter().zip(&*wanted) {
            bias[target as usize] += error;
        }
        // Errors of the negatives, summed over the rows that share them.
        of_listed.resize(count, 0.0);
        for (row, errors) in logits.chunks_exact(if own { count } else { logits.len() }).enumerate() {
            of_listed.fill(0.0);
            add_column_sums(self.level, errors, of_listed);
            let ids = negatives.list(negatives.list_of(first.number, first.first_output + row));
            ids.iter().zip(&*of_listed).for_each(|(&id, sum)| bias[id as usize] += sum);
        }
        if !own {
            let errors = Matrix::new(logits, targets.len(), count);
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
            packed.fill(Matrix::new(transformed, targets.len(), width), self.level);
            multiply_packed(self.level, gathered, width, errors.t(), packed, 1.0, Onto::Zero);
        }
        let table_gradient = &mut gradients[self.plan.output.clone()];
        if !own {
            let ids = negatives.list(negatives.list_of(first.number, first.first_output));
            for (&id, sum) in ids.iter().zip(gathered.chunks_exact(width)) {
                super::kernels::add(&mut table_gradient[id as usize * width..(id as usize + 1) * width], sum);
            }
        }
        let rows = transformed.chunks_exact(width).zip(upstream.chunks_exact_mut(width));
        for (row, ((t, upstream), target)) in rows.zip(targets).enumerate() {
            let (target, error) = (std::slice::from_ref(target), &wanted[row..=row]);
            add_multiples(self.level, target, error, table, t, upstream, table_gradient);
            if own {
                let ids = negatives.list(first.first_output + row);
                let errors = &logits[row * count..(row + 1) * count];
                add_multiples(self.level, ids, errors, table, t, upstream, table_gradient);
            }
        }
    }
}
