//! Caser as a model of the command line.

mod activation;
mod head;
mod layout;
mod network;
mod options;
mod products;
mod task;
mod windows;
mod worker;

pub use activation::CaserActivation;
pub use options::CaserOptions;

use cloze_encoder::{AdamW, Body};
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{
    Model, ModelFolder, NamedTensor, Plan, Run, TrainError, TrainingData, train, validation_cases,
};
use network::{Network, Pass};
use rayon::prelude::*;
use task::CaserTask;
use windows::{Windows, push_window};
use worker::Workers;

/// Histories that one thread takes through the network together.
const INFERENCE_BLOCK: usize = 64;

/// Caser (Tang & Wang 2018, arXiv 1809.07426): convolutions over a user's last items, taken for an image.
///
/// - Scores: `W′ [z; P_u] + b′`, `P_u` the user's vector and `z = φ(W o + b)`. With E the vectors of the last L items,
///   `[L, d]`, o is what the filters give: `Σₗ F̃ₖₗ Eₗ` of each of `n_v` vertical ones, and `maxₚ φ(Fₖ · E[p..p + h] + bₖ)`
///   of each of `n_h` horizontal ones of every height h from 1 to L.
/// - Training: windows of L items, each with the next T as targets, mean over all targets. The paper's loss is `bce`:
///   binary cross-entropy, with three negatives of a target that the user does not have. By default it is softmax
///   cross-entropy over the whole catalogue.
/// - Where a history has fewer than L items, the places in front are filled with zeros that learn nothing.
/// - Who has no vector, as a history that is typed in has none, gets the mean of all users' vectors. Scores are linear in
///   `P_u`, so these are the mean over all users of the scores that they would get with this history.
///
/// Where the paper or its authors' code has something else: the learning rate falls (theirs is constant), gradients are
/// clipped, biases start at 0, windows may reach over the ends of a history (`edges`), and the binary loss is weighed as
/// in [`cloze_encoder::Loss::Binary`].
pub struct Caser {
    options: CaserOptions,
    network: Network,
}

impl Model for Caser {
    const NAME: &'static str = "caser";
    const ABOUT: &'static str = "Caser: convolutions over the last items, with a vector for each user";
    const HELP: &'static [(&'static str, &'static str)] = CaserOptions::HELP;
    const BODY: Option<Body> = None;
    type Options = CaserOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        options.validate()?;
        let users = data.sequences.len();
        let mut network = Network::new(options, data.items, users, run.seed)?;
        let mut windows = Windows::new(data.sequences, data.items, options, run.seed)?;
        let cases = validation_cases(data.sequences, data.validation, data.items)?;
        let training = options.training();
        let plan = Plan {
            schedule: training.schedule,
            validate_every: if cases.is_some() { training.validate_every } else { 0 },
        };
        let mut task = CaserTask {
            optimizer: AdamW::flat(network.values().len(), training.optimizer),
            network: &mut network,
            windows: &mut windows,
            workers: Workers::new(),
            cases,
            dropout: options.dropout,
            l2: options.l2,
            seed: run.seed,
        };
        train(&mut task, Self::NAME, &plan, run)?;
        network.settle(|user| windows.has(user));
        Ok(Self { options: options.clone(), network })
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let values = self.network.values();
        let arrays = self.network.layout().arrays().iter();
        Ok(arrays
            .map(|array| NamedTensor::f32(&*array.name, &array.shape, values[array.range.clone()].to_vec()))
            .collect())
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: CaserOptions = folder.options(Self::NAME)?;
        options.validate()?;
        let (items, users) = (folder.vocabularies.items.len(), folder.vocabularies.users.len());
        let mut network = Network::empty(&options, items, users)?;
        // Grows with what is there: absurd options fail at the first array, before a buffer is allocated.
        let mut values = Vec::new();
        for array in network.layout().arrays() {
            values.extend(folder.f32(&array.name, Some(&array.shape))?);
        }
        network.load(values)?;
        Ok(Self { options, network })
    }
}

impl Recommender for Caser {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.network.shape().items
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        Scorer(&self.network).score(queries, scores)
    }

    /// The last items, the user, and the bias, which is how popular an item is for anybody.
    fn parts(&mut self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, ModelError> {
        Ok(self.network.parts(query)?)
    }
}

/// A network asked for its scores.
struct Scorer<'a>(&'a Network);

impl Recommender for Scorer<'_> {
    fn name(&self) -> String {
        Caser::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.0.shape().items
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        Ok(self.0.score(queries, scores)?)
    }
}

impl Network {
    /// Gives those who have learned nothing the mean vector of those who have.
    fn settle(&mut self, learned: impl Fn(usize) -> bool) {
        let (d, users) = (self.shape().hidden, self.layout().users.clone());
        let (mut mean, mut count) = (vec![0.0_f64; d], 0.0_f64);
        let table = &mut self.values_mut()[users];
        for (_, vector) in table.chunks_exact(d).enumerate().filter(|(user, _)| learned(*user)) {
            mean.iter_mut().zip(vector).for_each(|(mean, x)| *mean += f64::from(*x));
            count += 1.0;
        }
        for (_, vector) in table.chunks_exact_mut(d).enumerate().filter(|(user, _)| !learned(*user)) {
            vector.iter_mut().zip(&mean).for_each(|(x, mean)| *x = (mean / count) as f32);
        }
    }

    /// The mean of all users' vectors; empty without them.
    fn mean_user(&self) -> Vec<f32> {
        if self.shape().users == 0 {
            return Vec::new();
        }
        let mut mean = vec![0.0_f64; self.shape().hidden];
        for vector in self.values()[self.layout().users.clone()].chunks_exact(mean.len()) {
            mean.iter_mut().zip(vector).for_each(|(mean, x)| *mean += f64::from(*x));
        }
        mean.iter().map(|sum| (sum / self.shape().users as f64) as f32).collect()
    }

    /// `[z; P_u]` of each query in `pass`.
    fn join_queries(
        &self,
        queries: &[Query<'_>],
        mean_user: &[f32],
        pass: &mut Pass,
    ) -> Result<(), TrainError> {
        let shape = self.shape();
        let mut windows = Vec::with_capacity(queries.len() * shape.length);
        let mut people = Vec::with_capacity(queries.len());
        for query in queries {
            if let Some(item) = query.history.iter().find(|&&item| item as usize >= shape.items) {
                let problem = format!("item {item} of a history: there are {} items", shape.items);
                return Err(TrainError::Data(problem));
            }
            push_window(&mut windows, query.history, shape.length);
            people.push(match query.user {
                Some(user) if shape.users > 0 && user as usize >= shape.users => {
                    let problem = format!("user {user}: the model was trained with {} users", shape.users);
                    return Err(TrainError::Data(problem));
                }
                Some(user) => self.user(user),
                None => mean_user,
            });
        }
        self.forward(&windows, &people, None, pass);
        Ok(())
    }

    fn score(&self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), TrainError> {
        let mean_user = self.mean_user();
        let block = INFERENCE_BLOCK * self.shape().items.max(1);
        let blocks = queries.par_chunks(INFERENCE_BLOCK).zip(scores.par_chunks_mut(block));
        blocks.try_for_each_init(Pass::default, |pass, (queries, scores)| {
            self.join_queries(queries, &mean_user, pass)?;
            self.scores(pass.joint(), scores);
            Ok(())
        })
    }

    fn parts(&self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, TrainError> {
        let (d, bias) = (self.shape().hidden, self.output_bias().to_vec());
        let mut pass = Pass::default();
        self.join_queries(std::slice::from_ref(query), &self.mean_user(), &mut pass)?;
        let part = |columns: std::ops::Range<usize>| {
            let rows = self.output().chunks_exact(self.shape().joint());
            rows.map(|row| products::dot(&row[columns.clone()], &pass.joint()[columns.clone()])).collect()
        };
        let mut parts = vec![("last items", part(0..d))];
        if self.shape().users > 0 {
            parts.push(("user", part(d..2 * d)));
        }
        parts.push(("popularity", bias));
        Ok(parts)
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
