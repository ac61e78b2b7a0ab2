//! Models with a vector for each user and item, learned by gradient steps: MF, BPR, GMF, MLP, `NeuMF`.

mod chunk;
mod content;
mod draws;
pub mod help;
mod kind;
mod layout;
mod loss;
mod network;
mod newcomer;
mod optimizer;
mod options;
mod products;
mod score;
mod task;
#[cfg(test)]
mod tests;

use crate::queries::check_items;
use crate::sets::sets;
use cloze_data::Sequences;
use cloze_encoder::Body;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{
    Model, ModelFolder, NamedTensor, Plan, Run, TrainError, TrainingData, train, validation_cases,
};
pub use content::PairContent;
use draws::Draws;
pub use kind::{BprKind, GmfKind, Kind, KindOptions, MfKind, MlpKind, NeuMfKind};
use layout::{Layout, Shape};
use network::Network;
use optimizer::SparseOptimizer;
pub use options::{FactorLoss, FactorOptions, Optimizer};
use score::Scorer;
use std::sync::Arc;
use task::FactorTask;

/// A model with a vector for each user and item, fitted to pairs that were observed and pairs that are drawn.
///
/// - Scores: [`Mf`] and [`Bpr`] `p_u · q_i`, [`Gmf`] `h · (p_u ∗ q_i)`, [`Mlp`] `g · z(p′_u, q′_i)` with layers of `ReLU`, [`NeuMf`] the sum
///   of the last two, each with vectors of its own; where `item-bias` is set, `+ b_i`.
/// - Training: every observed pair once an epoch, in a new order, with negatives that are drawn anew. A step moves only the vectors
///   that it used, so that a step costs as much as its batch, however large the catalogue.
/// - A user who was not in training gets the most likely vectors given the history, all else fixed, with a normal prior as the users
///   of training are spread. Without a history, these are the mean of all users' vectors.
///
/// He et al. 2017, "Neural Collaborative Filtering"; Rendle et al. 2009, "BPR"; Rendle et al. 2020, "Neural Collaborative Filtering
/// vs. Matrix Factorization Revisited", who show that a well-set product is not behind the layers. The bits of a result do not
/// depend on the number of threads.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors<K> {
    options: KindOptions<K>,
    network: Network,
}

/// Matrix factorization with the log loss.
pub type Mf = Factors<MfKind>;
/// Matrix factorization with BPR's loss.
pub type Bpr = Factors<BprKind>;
/// Generalized matrix factorization.
pub type Gmf = Factors<GmfKind>;
/// Layers over both vectors.
pub type Mlp = Factors<MlpKind>;
/// GMF and MLP, trained apart and then as one: the weights of each start at half of what they were.
pub type NeuMf = Factors<NeuMfKind>;

impl<K: Kind> Factors<K> {
    /// Item vectors of the product, `[items, hidden]`; empty for [`Mlp`].
    pub fn item_vectors(&self) -> &[f32] {
        &self.network.values[self.network.layout.product_items.range.clone()]
    }

    fn scorer(&self) -> Scorer<'_> {
        Scorer { network: &self.network, options: &self.options.values }
    }

    /// [`Model::fit`] with a part of the score for what is given of pairs.
    ///
    /// # Errors
    /// As [`Model::fit`].
    pub fn fit_with(
        data: &TrainingData<'_>,
        options: &KindOptions<K>,
        content: Option<Arc<dyn PairContent>>,
        run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        let values = &options.values;
        values.validate::<K>()?;
        check_items(data.sequences.values(), data.items)?;
        let shape = Shape::of::<K>(values, data.sequences.len(), data.items, content.as_deref());
        shape.validate()?;
        let sets = sets(data.sequences)?;
        let seed = run.seed;
        let fresh =
            |shape: Shape| Network::new(shape, |layout| layout.initialize(values.initial_scale, seed));
        let network = if values.pretrain_epochs > 0 {
            let epochs = values.pretrain_epochs;
            let mut before = |name, number, shape, rate| {
                learn(Phase { name, number, network: fresh(shape), epochs, rate }, data, &sets, values, run)
            };
            let product = before("gmf", 1, shape.product(), values.gmf_learning_rate)?;
            let mlp = before("mlp", 2, shape.mlp(), values.mlp_learning_rate)?;
            join(shape, &product, &mlp)
        } else {
            fresh(shape)
        };
        let network = Network { content, ..network };
        let (epochs, rate) = (values.epochs, values.learning_rate);
        let phase = Phase { name: K::NAME, number: 0, network, epochs, rate };
        let mut network = learn(phase, data, &sets, values, run)?;
        network.forget(|user| !sets.get(user).is_empty());
        Ok(Self { options: options.clone(), network })
    }

    /// [`Model::load`] of weights that were trained with these options and this content.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_with(
        folder: &ModelFolder,
        options: KindOptions<K>,
        content: Option<Arc<dyn PairContent>>,
    ) -> Result<Self, TrainError> {
        options.values.validate::<K>()?;
        let (items, users) = (folder.vocabularies.items.len(), folder.vocabularies.users.len());
        let shape = Shape::of::<K>(&options.values, users, items, content.as_deref());
        shape.validate()?;
        // Grows with what is there: absurd options fail at the first array, before a buffer is allocated.
        let mut values = Vec::new();
        for array in &Layout::new(&shape).arrays {
            values.extend(folder.f32(&array.name, Some(&array.shape))?);
        }
        let network = Network::new(shape, |_| values);
        Ok(Self { options, network: Network { content, ..network } })
    }
}

/// One training: a network with its name and how long it takes.
struct Phase {
    name: &'static str,
    /// Phases of different numbers draw different orders and negatives.
    number: u64,
    network: Network,
    epochs: u64,
    rate: f64,
}

/// Trains the network of a phase on distinct items of each user.
fn learn(
    mut phase: Phase,
    data: &TrainingData<'_>,
    sets: &Sequences,
    options: &FactorOptions,
    run: &mut Run<'_>,
) -> Result<Network, TrainError> {
    let rated = options.loss == FactorLoss::Squared;
    let draws = if rated {
        Draws::rated(data.sequences, options.batch, run.seed)
    } else {
        Draws::new(sets, data.items, options.negatives, options.batch, run.seed)
    };
    let draws = draws.of_phase(phase.number);
    if rated && data.sequences.all_ratings().is_none() {
        let problem = "--loss squared learns ratings, and the data have none: name their column \
                       (cloze prepare --value), or use --loss log";
        return Err(TrainError::Data(problem.to_owned()));
    }
    if draws.is_empty() {
        let problem =
            "there is no user with an item and another item that the user has not: nothing to learn from";
        return Err(TrainError::Data(problem.to_owned()));
    }
    if rated {
        start_from_mean(&mut phase.network, &draws)?;
    }
    let cases = validation_cases(data.sequences, data.validation.filter(|_| !rated), data.items)?;
    let steps = draws.steps();
    let plan = Plan {
        schedule: FactorOptions::schedule(phase.epochs, phase.rate, steps),
        validate_every: if cases.is_some() { options.validate_every.saturating_mul(steps) } else { 0 },
    };
    let optimizer = SparseOptimizer::new(options.optimizer, phase.network.values.len());
    let chunks = Vec::new();
    let mut task = FactorTask { network: &mut phase.network, draws, optimizer, chunks, cases, options };
    train(&mut task, phase.name, &plan, run)?;
    Ok(phase.network)
}

/// Predictions start from the mean of the ratings.
fn start_from_mean(network: &mut Network, draws: &Draws<'_>) -> Result<(), TrainError> {
    let mean = draws.mean();
    if draws.is_constant() {
        let problem = format!("all ratings are {mean}: there is nothing to learn from them; use --loss log");
        return Err(TrainError::Data(problem));
    }
    let bias = network.layout.bias.clone();
    // A joint model has learned better.
    network.values[bias].iter_mut().filter(|bias| **bias == 0.0).for_each(|bias| *bias = mean as f32);
    Ok(())
}

/// The joint network, with values from GMF and MLP.
fn join(shape: Shape, product: &Network, mlp: &Network) -> Network {
    let mut joint = Network::new(shape, |layout| vec![0.0; layout.len]);
    for part in [product, mlp] {
        for array in &part.layout.arrays {
            let Some(own) = joint.layout.arrays.iter().find(|own| own.name == array.name) else { continue };
            // Each part answered alone: together they answer with the mean of both.
            let both = ["product.weights", "mlp.weights", "bias", "item_bias", "user_bias"];
            let share = if both.contains(&&*array.name) { 0.5 } else { 1.0 };
            let values = joint.values[own.range.clone()].iter_mut().zip(&part.values[array.range.clone()]);
            values.for_each(|(value, of_part)| *value += share * of_part);
        }
    }
    joint
}

impl<K: Kind> Model for Factors<K> {
    const NAME: &'static str = K::NAME;
    const ABOUT: &'static str = K::ABOUT;
    const HELP: &'static [(&'static str, &'static str)] = K::HELP;
    const BODY: Option<Body> = None;
    type Options = KindOptions<K>;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        Self::fit_with(data, options, None, run)
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let values = &self.network.values;
        let arrays = self.network.layout.arrays.iter();
        Ok(arrays
            .map(|array| NamedTensor::f32(&*array.name, &array.shape, values[array.range.clone()].to_vec()))
            .collect())
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        Self::load_with(folder, folder.options(K::NAME)?, None)
    }
}

impl<K: Kind> Recommender for Factors<K> {
    fn name(&self) -> String {
        K::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.network.shape.items
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        self.scorer().score(queries, scores)
    }

    fn predicts_ratings(&self) -> bool {
        self.options.values.loss == FactorLoss::Squared
    }

    /// The product, the layers, and what an item has by itself.
    fn parts(&mut self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, ModelError> {
        Ok(self.scorer().parts(query)?)
    }

    /// The user's vectors.
    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        let people = self.scorer().people(queries)?;
        Ok(people.into_iter().flat_map(|person| [person.product, person.mlp].concat()).collect())
    }
}
