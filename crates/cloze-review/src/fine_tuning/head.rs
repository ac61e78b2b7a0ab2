//! BERT's head for pairs of texts: the pooler, and two logits over it.

use cloze_encoder::Philox;
use cloze_encoder::hugging_face::{NextSentence, Pooler};
use rayon::prelude::*;

/// Stream of the generator that layers start from.
const STREAM: u32 = 0x2100_0000;
/// Standard deviation that BERT's layers start with.
const SCALE: f64 = 0.02;

/// Parameters in one flat buffer: the pooler's W `[hidden, hidden]` and b, then the logits' W `[2, hidden]` and b.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PairHead {
    hidden: usize,
    pub(super) values: Vec<f32>,
}

/// The parts of the buffer.
struct Parts<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    logit_weight: &'a [f32],
    logit_bias: &'a [f32],
}

/// What a batch of pairs gave.
pub(super) struct Judged {
    /// Mean cross-entropy.
    pub(super) loss: f64,
    /// Pairs that were told right.
    pub(super) right: usize,
    /// Gradient of the loss by the hidden states, `[pairs, hidden]`.
    pub(super) hidden: Vec<f32>,
    /// Gradient by the parameters.
    pub(super) parameters: Vec<f32>,
}

impl PairHead {
    /// The head of a model; what it lacks starts as BERT's layers do.
    pub(super) fn new(
        hidden: usize,
        pooler: Option<&Pooler>,
        next: Option<&NextSentence>,
        seed: u64,
    ) -> Self {
        let mut values = vec![0.0; hidden * hidden + hidden + 2 * hidden + 2];
        let mut generator = Philox::new(seed, STREAM);
        values.fill_with(|| (SCALE * generator.normal_pair()[0]) as f32);
        let (first, second) = values.split_at_mut(hidden * hidden + hidden);
        let layers = [
            (first, hidden, pooler.map(|pooler| (&pooler.weight, &pooler.bias))),
            (second, 2, next.map(|next| (&next.weight, &next.bias))),
        ];
        for (part, outputs, stored) in layers {
            let (weight, bias) = part.split_at_mut(outputs * hidden);
            bias.fill(0.0);
            if let Some((stored_weight, stored_bias)) = stored {
                weight.copy_from_slice(stored_weight);
                bias.copy_from_slice(stored_bias);
            }
        }
        Self { hidden, values }
    }

    pub(super) fn pooler(&self) -> Pooler {
        let Parts { weight, bias, .. } = self.parts();
        Pooler { weight: weight.to_vec(), bias: bias.to_vec() }
    }

    pub(super) fn next_sentence(&self) -> NextSentence {
        let Parts { logit_weight, logit_bias, .. } = self.parts();
        NextSentence { weight: logit_weight.to_vec(), bias: logit_bias.to_vec() }
    }

    fn parts(&self) -> Parts<'_> {
        let n = self.hidden;
        let (weight, rest) = self.values.split_at(n * n);
        let (bias, rest) = rest.split_at(n);
        let (logit_weight, logit_bias) = rest.split_at(2 * n);
        Parts { weight, bias, logit_weight, logit_bias }
    }

    /// Judges pairs by the hidden states of their first tokens, `[pairs, hidden]`; class 1 is a foreign second text.
    pub(super) fn judge(&self, hidden: &[f32], foreign: &[bool]) -> Judged {
        let n = self.hidden;
        let Parts { weight, logit_weight, .. } = self.parts();
        let pooler = self.pooler();
        let pooled: Vec<Vec<f32>> = hidden.par_chunks_exact(n).map(|first| pooler.apply(first)).collect();
        let mut parameters = vec![0.0; self.values.len()];
        let mut by_hidden = vec![0.0; hidden.len()];
        let (mut loss, mut right) = (0.0, 0);
        let share = 1.0 / foreign.len() as f32;
        let rows = pooled.iter().zip(foreign).zip(hidden.chunks_exact(n)).zip(by_hidden.chunks_exact_mut(n));
        for (((pooled, &foreign), first), by_first) in rows {
            let slopes = self.slopes(pooled, foreign, share, &mut loss, &mut right);
            let (of_pooler, of_logits) = parameters.split_at_mut(n * n + n);
            let (of_weight, of_bias) = of_pooler.split_at_mut(n * n);
            for (class, slope) in slopes.into_iter().enumerate() {
                add(&mut of_logits[class * n..][..n], slope, pooled);
                of_logits[2 * n + class] += slope;
            }
            for (k, row) in weight.chunks_exact(n).enumerate() {
                let by_pooled = slopes[0] * logit_weight[k] + slopes[1] * logit_weight[n + k];
                let slope = by_pooled * (1.0 - pooled[k] * pooled[k]);
                add(by_first, slope, row);
                add(&mut of_weight[k * n..][..n], slope, first);
                of_bias[k] += slope;
            }
        }
        Judged { loss: loss / foreign.len() as f64, right, hidden: by_hidden, parameters }
    }

    /// Derivatives of a pair's share of the mean loss by its two logits.
    fn slopes(
        &self,
        pooled: &[f32],
        foreign: bool,
        share: f32,
        loss: &mut f64,
        right: &mut usize,
    ) -> [f32; 2] {
        let n = self.hidden;
        let Parts { logit_weight, logit_bias, .. } = self.parts();
        let logit = |class: usize| {
            let row = &logit_weight[class * n..][..n];
            logit_bias[class] + row.iter().zip(pooled).map(|(w, p)| w * p).sum::<f32>()
        };
        let margin = f64::from(logit(1) - logit(0));
        let wrong = if foreign { -margin } else { margin };
        // ln(1 + eˣ), for large x too.
        *loss += wrong.max(0.0) + (-wrong.abs()).exp().ln_1p();
        *right += usize::from(wrong < 0.0);
        let probability = 1.0 / (1.0 + (-margin).exp());
        let slope = (probability - f64::from(u8::from(foreign))) as f32 * share;
        [-slope, slope]
    }
}

fn add(sum: &mut [f32], factor: f32, row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (n, foreign) = (5, [true, false, true]);
        let mut head = PairHead::new(n, None, None, 2);
        head.values.iter_mut().enumerate().for_each(|(k, value)| *value = *value * 20.0 + 0.01 * k as f32);
        let mut hidden: Vec<f32> = (0..3 * n).map(|k| ((k * 7 % 11) as f32 - 5.0) / 6.0).collect();
        let found = head.judge(&hidden, &foreign);
        let check = |found: &[f32], at: &mut dyn FnMut(usize, f32) -> f64, what: &str| {
            let (mut off, mut norm) = (0.0, 0.0);
            for (place, &found) in found.iter().enumerate() {
                let expected = (at(place, 1e-2) - at(place, -1e-2)) / 2e-2;
                off += (f64::from(found) - expected).powi(2);
                norm += expected * expected;
            }
            assert!((off / norm).sqrt() < 1e-3, "{what}: {}", (off / norm).sqrt());
        };
        let mut changed = head.clone();
        check(
            &found.parameters,
            &mut |place, step| {
                changed.values[place] += step;
                let loss = changed.judge(&hidden.clone(), &foreign).loss;
                changed.values[place] = head.values[place];
                loss
            },
            "parameters",
        );
        let start = hidden.clone();
        check(
            &found.hidden,
            &mut |place, step| {
                hidden[place] += step;
                let loss = head.judge(&hidden, &foreign).loss;
                hidden[place] = start[place];
                loss
            },
            "hidden states",
        );
    }
}
