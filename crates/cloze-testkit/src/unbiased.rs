//! The part of the engine contract on the mean of dropout.

use crate::batches::drawn;
use crate::bodies::{config, transformer};
use crate::engine_contract::{LENGTHS, Make, hidden};
use cloze_encoder::{
    Activation, AdamWOptions, Attention, Body, EncoderConfig, Mode, Norm, ParameterLayout, Parameters, Role,
};
use std::sync::Arc;

/// Seeds that are averaged.
const SEEDS: u64 = 400;

/// Dropout changes no mean. In an encoder that is linear in every mask, the mean of the hidden states over seeds is the
/// hidden state without dropout. Compared are their shares `⟨training, inference⟩ / ⟨inference, inference⟩`, whose mean must
/// be 1 within five standard errors and the engine's own `bound`.
pub fn dropout_is_unbiased(make: Make, body: Body, bound: f64) {
    let configs = match body {
        Body::Transformer => [Norm::Post, Norm::Pre]
            .map(|norm| EncoderConfig {
                activation: Activation::Relu,
                norm_epsilon: EPSILON,
                ..transformer(norm, Attention::Both)
            })
            .to_vec(),
        Body::Gru => vec![config(body)],
    };
    for config in configs {
        let config = EncoderConfig { dropout: 0.3, ..config };
        let start = linear(&config);
        let batch = drawn(&config, &LENGTHS, 6);
        let states = |seed, mode| {
            hidden(&mut *make(config.clone(), start.clone(), AdamWOptions::default(), seed), &batch, mode)
        };
        let still = states(0, Mode::Inference);
        let square = dot(&still, &still);
        let shares: Vec<f64> =
            (0..SEEDS).map(|seed| dot(&states(seed, Mode::Training), &still) / square).collect();
        let mean = shares.iter().sum::<f64>() / SEEDS as f64;
        let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (SEEDS - 1) as f64;
        let error = (variance / SEEDS as f64).sqrt();
        let kind = config.norm;
        assert!(error > 0.0 && error < MOST_ERROR, "{kind:?}: standard error {error:.4}");
        assert!((mean - 1.0).abs() < 5.0 * error + bound, "{kind:?}: mean share {mean:.4}, error {error:.4}");
    }
}

/// Beyond it the test would see nothing.
const MOST_ERROR: f64 = 0.015;

/// Beside it variances of about 1 vanish, so that a norm only subtracts the mean: linear.
const EPSILON: f64 = 1e8;

/// Inputs so small that tanh is linear.
const SMALL: f32 = 1e-3;

/// Parameters that leave nothing but masks and sums. Of a transformer: norms of slope 1, attention that looks everywhere
/// alike, and a feed-forward block whose output is constant. Of recurrent units: gates that stand still, and small vectors.
fn linear(config: &EncoderConfig) -> Parameters {
    let layout = Arc::new(ParameterLayout::new(config));
    let mut parameters = Parameters::initialize(layout.clone(), 0.3, 5);
    for entry in layout.entries() {
        let values = &mut parameters.values_mut()[entry.range()];
        let (ends, holds) = (|end: &str| entry.name.ends_with(end), |part: &str| entry.name.contains(part));
        if entry.role == Role::Scale {
            values.fill(EPSILON.sqrt() as f32);
        } else if ends("query.weight") || ends("key.weight") || ends("intermediate.dense.weight") {
            values.fill(0.0);
        } else if ends("intermediate.dense.bias") {
            values.fill(0.3);
        } else if holds("gru.weight") {
            let still = values.len() / 3 * 2;
            values[..still].fill(0.0);
        } else if config.body == Body::Gru && holds("embeddings") {
            for value in values.iter_mut() {
                *value *= SMALL;
            }
        }
    }
    parameters
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
