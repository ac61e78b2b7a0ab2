//! Vectors of a user who was not in training.

use super::chunk::{Chunk, Part, People};
use super::draws::Draws;
use super::network::Network;
use super::optimizer::SparseOptimizer;
use super::options::{FactorLoss, FactorOptions, Optimizer};
use crate::error::CfError;
use crate::sets::set;
use cloze_data::Sequences;

/// Steps, and pairs of each at most.
const STEPS: u64 = 100;
const BATCH: usize = 256;
/// Learning rate at first; it falls linearly to 0.
const RATE: f64 = 0.05;
/// A history always gets the same vectors.
const SEED: u64 = 0;

/// The vectors of a user of the network, or of anybody else.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Person {
    /// `[hidden]`.
    pub(super) product: Vec<f32>,
    /// `[mlp-hidden]`.
    pub(super) mlp: Vec<f32>,
    /// Number and vector, `[content]`, of one of whom something is given; of anybody else nothing is.
    pub(super) content: Option<(u32, Vec<f32>)>,
    pub(super) bias: f32,
}

/// How vectors of users in training are spread.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prior {
    mean: Person,
    /// One over the variance of each value.
    precision: Person,
}

impl Prior {
    pub(super) fn of(network: &Network) -> Self {
        let people = People::of(network);
        let (product, product_precision) = spread(people.product, network.shape.hidden);
        let (mlp, mlp_precision) = spread(people.mlp, network.shape.mlp_hidden);
        let (bias, bias_precision) = spread(people.bias, usize::from(network.shape.user_bias));
        let one = |values: &[f32]| values.first().copied().unwrap_or(0.0);
        let person = |product, mlp, bias| Person { product, mlp, content: None, bias };
        let precision = person(product_precision, mlp_precision, one(&bias_precision));
        Self { mean: person(product, mlp, one(&bias)), precision }
    }
}

/// Mean and one over the variance of each column; rows of zeros are those of users who were not in training.
fn spread(table: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = || table.chunks_exact(width.max(1)).filter(|row| row.iter().any(|value| *value != 0.0));
    let count = rows().count().max(1) as f64;
    let mut mean = vec![0.0_f64; width];
    rows()
        .for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value) / count));
    let mut variance = vec![1e-12_f64; width];
    for row in rows() {
        let deviations = row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean);
        variance.iter_mut().zip(deviations).for_each(|(sum, off)| *sum += off * off / count);
    }
    let precision = variance.iter().map(|variance| (1.0 / variance) as f32).collect();
    (mean.iter().map(|mean| *mean as f32).collect(), precision)
}

impl Person {
    /// The most likely vectors of a user with this history: those that minimize the loss of training, all else fixed, with a
    /// normal prior that has the mean and the variances of the users in training. Without it, a short history would say that its
    /// user likes nothing else.
    ///
    /// # Errors
    /// A history that does not fit into memory.
    pub(super) fn learn(
        network: &Network,
        options: &FactorOptions,
        history: &[u32],
        prior: &Prior,
    ) -> Result<Self, CfError> {
        // A history says what was rated, not how.
        if options.loss == FactorLoss::Squared {
            return Ok(prior.mean.clone());
        }
        let sets = Sequences::from_lists(&[set(history)], None)?;
        let mut draws = Draws::new(&sets, network.shape.items, options.negatives, BATCH, SEED);
        let mut person = prior.mean.clone();
        if draws.is_empty() {
            return Ok(person);
        }
        let mut chunk = Chunk::default();
        let (mut of_product, mut of_mlp) = (
            SparseOptimizer::new(Optimizer::Adam, person.product.len()),
            SparseOptimizer::new(Optimizer::Adam, person.mlp.len()),
        );
        for number in 0..STEPS {
            let batch = draws.batch(number);
            let groups = batch.users.len();
            let people = People { product: &person.product, mlp: &person.mlp, content: &[], bias: &[] };
            let (users, items, ratings) = (&batch.users, &batch.items, &batch.ratings);
            let part = Part { users, items, ratings, step: number };
            network.forward(people, part, &mut chunk);
            network.backward(people, part, options.loss, groups, &mut chunk);
            let rate = RATE * (STEPS - number) as f64 / STEPS as f64;
            let pairs = sets.interactions() as f32;
            let parts = [
                (&mut person.product, &prior.mean.product, &prior.precision.product, &mut of_product),
                (&mut person.mlp, &prior.mean.mlp, &prior.precision.mlp, &mut of_mlp),
            ];
            for ((vector, mean, precision, adam), gradients) in
                parts.into_iter().zip([&chunk.product_users, &chunk.mlp_users])
            {
                let width = vector.len();
                let off = vector.iter().zip(mean).zip(precision);
                let mut sum: Vec<f32> =
                    off.map(|((value, mean), precision)| precision * (value - mean) / pairs).collect();
                for gradient in gradients.chunks_exact(width.max(1)) {
                    sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
                }
                let step = adam.step(rate);
                adam.update_dense(step, vector, 0..width, &sum);
            }
        }
        Ok(person)
    }
}
