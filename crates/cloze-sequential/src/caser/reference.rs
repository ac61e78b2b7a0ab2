//! The formulas of [`super::Caser`] in double precision, one window at a time.

use super::network::{Network, PAD};
use super::windows::Batch;
use super::{CaserActivation, CaserOptions};
use cloze_encoder::Loss;
use cloze_encoder::dropout::Dropout;
use std::ops::Range;

pub(super) struct Reference<'a> {
    network: &'a Network,
    options: &'a CaserOptions,
    dropout: Option<Dropout>,
    pub(super) values: Vec<f64>,
}

impl<'a> Reference<'a> {
    pub(super) fn new(network: &'a Network, options: &'a CaserOptions, dropout: Option<Dropout>) -> Self {
        let values = network.values().iter().map(|&value| f64::from(value)).collect();
        Self { network, options, dropout, values }
    }

    fn rows(&self, range: &Range<usize>, width: usize) -> Vec<&[f64]> {
        self.values[range.clone()].chunks_exact(width).collect()
    }

    /// z of the window that is number `row` of its batch.
    pub(super) fn z(&self, window: &[u32], row: usize) -> Vec<f64> {
        let (layout, d) = (self.network.layout(), self.options.hidden);
        let (table, zero) = (self.rows(&layout.items, d), vec![0.0; d]);
        let vector = |&item: &u32| if item == PAD { &zero[..] } else { table[item as usize] };
        let image: Vec<&[f64]> = window.iter().map(vector).collect();
        let mut features = Vec::new();
        for filter in self.rows(&layout.vertical, window.len()) {
            features.extend((0..d).map(|k| image.iter().zip(filter).map(|(row, f)| f * row[k]).sum::<f64>()));
        }
        for (height, at) in (1..).zip(&layout.horizontal) {
            for (filter, bias) in self.rows(&at.weight, height * d).iter().zip(&self.values[at.bias.clone()])
            {
                let output =
                    |part: &[&[f64]]| of(self.options.filter_activation, dot(&part.concat(), filter) + bias);
                features.push(image.windows(height).map(output).fold(f64::NEG_INFINITY, f64::max));
            }
        }
        if let Some(dropout) = &self.dropout {
            let mut factors = vec![1.0; features.len()];
            dropout.hidden_row(0, row, &mut factors);
            features.iter_mut().zip(factors).for_each(|(x, factor)| *x *= f64::from(factor));
        }
        let weight = self.rows(&layout.hidden, features.len());
        let bias = &self.values[layout.hidden_bias.clone()];
        weight.iter().zip(bias).map(|(w, b)| of(self.options.activation, dot(w, &features) + b)).collect()
    }

    /// Scores of all items for that window and a user.
    pub(super) fn scores(&self, window: &[u32], row: usize, user: u32) -> Vec<f64> {
        let layout = self.network.layout();
        let mut joint = self.z(window, row);
        if self.options.users {
            joint.extend(self.rows(&layout.users, self.options.hidden)[user as usize]);
        }
        let output = self.rows(&layout.output, joint.len());
        let bias = &self.values[layout.output_bias.clone()];
        output.iter().zip(bias).map(|(w, b)| dot(w, &joint) + b).collect()
    }

    /// Mean loss of the batch's targets.
    pub(super) fn loss(&self, batch: &Batch, loss: &Loss<'_>) -> f64 {
        let mut sum = 0.0;
        for (row, window) in batch.inputs.chunks(self.options.max_length).enumerate() {
            let s = self.scores(window, row, batch.users[row]);
            for target in batch.ends[row]..batch.ends[row + 1] {
                sum += of_target(&s, batch.targets[target as usize], row, target as usize, loss);
            }
        }
        sum / batch.targets.len() as f64
    }
}

/// The loss of target number `number` of the batch, in window `row`, from the scores of all items.
fn of_target(s: &[f64], target: u32, row: usize, number: usize, loss: &Loss<'_>) -> f64 {
    let positive = s[target as usize];
    match *loss {
        Loss::Softmax => s.iter().map(|s| s.exp()).sum::<f64>().ln() - positive,
        Loss::SampledSoftmax(negatives) => {
            let list = negatives.list_of(row, number);
            let logs = negatives.log_expected(list).iter().chain(std::iter::repeat(&0.0));
            let pairs = negatives.list(list).iter().zip(logs);
            let others = pairs.filter(|(item, _)| **item != target);
            let sum: f64 = others.map(|(&item, log)| (s[item as usize] - f64::from(*log)).exp()).sum();
            (positive.exp() + sum).ln() - positive
        }
        Loss::Binary { negatives, power } => {
            let others =
                negatives.list(negatives.list_of(row, number)).iter().filter(|item| **item != target);
            let sum: f64 = others.map(|&item| s[item as usize].exp().ln_1p()).sum();
            (f64::from(power) * (-positive).exp().ln_1p() + sum) / (1.0 + negatives.count() as f64)
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn of(activation: CaserActivation, x: f64) -> f64 {
    match activation {
        CaserActivation::Relu => x.max(0.0),
        CaserActivation::Tanh => x.tanh(),
        CaserActivation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        CaserActivation::Identity => x,
    }
}
