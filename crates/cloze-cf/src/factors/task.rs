//! Training, for the loop.

use super::chunk::{Chunk, Part, People};
use super::draws::{Batch, Draws};
use super::network::{Network, row};
use super::optimizer::{SparseOptimizer, Uses};
use super::options::FactorOptions;
use super::products::add_scaled;
use super::score::Scorer;
use cloze_encoder::{EncoderError, GradientNorm, OptimizerState};
use cloze_eval::{Cases, EvaluationOptions, Metric, Protocol, evaluate};
use cloze_train::{Step, Task, TrainError};
use rayon::prelude::*;

/// Groups of a chunk; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 32;

pub(super) struct FactorTask<'a> {
    pub(super) network: &'a mut Network,
    pub(super) draws: Draws<'a>,
    pub(super) optimizer: SparseOptimizer,
    pub(super) chunks: Vec<Chunk>,
    pub(super) cases: Option<Cases<'a>>,
    pub(super) options: &'a FactorOptions,
}

impl FactorTask<'_> {
    /// What each group of the batch gives, chunk by chunk.
    fn learn(&mut self, batch: &Batch, step: u64) {
        let (network, loss, groups) = (&*self.network, self.options.loss, batch.users.len());
        self.chunks.resize_with(groups.div_ceil(CHUNK), Chunk::default);
        let pairs = batch.users.par_chunks(CHUNK).zip(batch.ratings.par_chunks(CHUNK));
        let parts = pairs.zip(batch.items.par_chunks(CHUNK * batch.stride));
        let people = People::of(network);
        self.chunks.par_iter_mut().zip(parts).for_each(|(chunk, ((users, ratings), items))| {
            let part = Part { users, items, ratings, step };
            network.forward(people, part, chunk);
            network.backward(people, part, loss, groups, chunk);
        });
    }

    /// Updates what the batch used. Returns the gradient's square.
    fn update(&mut self, batch: &Batch, rate: f64) -> f64 {
        let (chunks, stride) = (&self.chunks, batch.stride);
        let Network { layout, values, shape, .. } = &mut *self.network;
        let optimizer = &mut self.optimizer;
        let shared = optimizer.step(rate);
        let rows = |l2| shared.for_rows(batch.users.len(), l2);
        let (of_items, of_read_items) = (rows(self.options.l2), rows(self.options.mlp_l2));
        let (users, items) = (Uses::of(&batch.users), Uses::of(&batch.items));
        let pair = |place: usize| (&chunks[place / (CHUNK * stride)], place % (CHUNK * stride));
        // A user's vector is used by every pair of its group.
        let (of_users, of_read_users) = (of_items.for_pairs(stride), of_read_items.for_pairs(stride));
        let of_groups = |part: fn(&Chunk) -> &Vec<f32>, width: usize| {
            move |place: usize, sum: &mut [f32]| {
                add_scaled(sum, 1.0, row(part(&chunks[place / CHUNK]), (place % CHUNK) as u32, width));
            }
        };
        let mut square = 0.0;
        if shape.hidden > 0 {
            let add = of_groups(|chunk| &chunk.product_users, shape.hidden);
            square += optimizer.update_rows(of_users, values, &layout.product_users, &users, &add);
            square +=
                optimizer.update_rows(of_items, values, &layout.product_items, &items, &|place, sum| {
                    let (chunk, place) = pair(place);
                    add_scaled(
                        sum,
                        chunk.slopes[place],
                        row(&chunk.weighted, (place / stride) as u32, shape.hidden),
                    );
                });
        }
        if !shape.layers.is_empty() {
            let add = of_groups(|chunk| &chunk.mlp_users, shape.mlp_hidden);
            square += optimizer.update_rows(of_read_users, values, &layout.mlp_users, &users, &add);
            square +=
                optimizer.update_rows(of_read_items, values, &layout.mlp_items, &items, &|place, sum| {
                    let (chunk, place) = pair(place);
                    add_scaled(sum, 1.0, row(&chunk.mlp_items, place as u32, shape.mlp_hidden));
                });
        }
        if shape.content > 0 {
            let of_content = rows(self.options.text_l2);
            let add = of_groups(|chunk| &chunk.content_users, shape.content);
            let of_people = of_content.for_pairs(stride);
            square += optimizer.update_rows(of_people, values, &layout.content_users, &users, &add);
            square +=
                optimizer.update_rows(of_content, values, &layout.content_items, &items, &|place, sum| {
                    let (chunk, place) = pair(place);
                    add_scaled(sum, 1.0, row(&chunk.content, place as u32, shape.content));
                });
        }
        if shape.item_bias {
            let of_bias = if shape.hidden > 0 { of_items } else { of_read_items };
            square += optimizer.update_rows(of_bias, values, &layout.item_bias, &items, &|place, sum| {
                let (chunk, place) = pair(place);
                sum[0] += chunk.slopes[place];
            });
        }
        if shape.user_bias {
            square += optimizer.update_rows(of_users, values, &layout.user_bias, &users, &|place, sum| {
                let slopes = &chunks[place / CHUNK].slopes[place % CHUNK * stride..][..stride];
                sum[0] += slopes.iter().sum::<f32>();
            });
        }
        let mut dense = vec![0.0; layout.dense.len()];
        for chunk in chunks {
            add_scaled(&mut dense, 1.0, &chunk.dense);
        }
        square + optimizer.update_dense(shared, values, layout.dense.clone(), &dense)
    }
}

impl Task for FactorTask<'_> {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let batch = self.draws.batch(step);
        self.learn(&batch, step);
        let groups = batch.users.len();
        let norm = self.update(&batch, rate).sqrt();
        if !norm.is_finite() {
            return Err(EncoderError::Diverged { step, norm }.into());
        }
        let loss = self.chunks.iter().map(|chunk| chunk.loss).sum::<f64>() / groups as f64;
        Ok(Step { loss, norm: GradientNorm { norm, clipped: false }, items: batch.items.len() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(cases) = &self.cases else { return Ok(None) };
        let options = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };
        let mut scorer = Scorer { network: self.network, options: self.options };
        let ranks = evaluate(&mut scorer, cases, &options, &mut |_, _| {})?;
        Ok(ranks.first().map(|ranks| ranks.mean(Metric::Ndcg(10))))
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok(self.network.values.clone())
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        let (found, expected) = (parameters.len(), self.network.values.len());
        if found != expected {
            return Err(TrainError::Data(format!("{found} values for a network of {expected}")));
        }
        self.network.values.copy_from_slice(parameters);
        Ok(())
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        Ok(self.optimizer.state.clone())
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        let expected = self.network.values.len();
        if state.first.len() != expected || state.second.len() != expected {
            let found = state.first.len();
            return Err(TrainError::Data(format!("moments of {found} values for a network of {expected}")));
        }
        self.optimizer.state = state;
        Ok(())
    }
}
