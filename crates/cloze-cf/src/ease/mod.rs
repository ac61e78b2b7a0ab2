//! Embarrassingly shallow autoencoders.

mod gram;
mod inverse;
mod options;

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use rayon::prelude::*;

use crate::decay::{self, ages};
use crate::decayed::{DecayOption, Decays};
use crate::error::CfError;
use crate::item_item::{ItemItem, memory};
pub use options::EaseOptions;

/// EASE (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data"): the linear model that predicts each item
/// from the others, in closed form.
///
/// - X is the matrix of users and items in training, 1 where an item was had at least once (see
///   [`training_decay`](EaseOptions::training_decay) for another choice);
/// - B minimizes |X - X B|^2 + lambda |B|^2 with a zero diagonal: P = (X^T X + lambda I)^-1, and
///   `B_ij = -P_ij / P_jj` for i other than j;
/// - score(u, i) = sum over the distinct items j of the history of decay^age(j) `B_ji`, where the last item has age 0.
///
/// The inverse is computed in `f64`, B is kept in `f32`. In `f32` the inverse would lose as many digits as the
/// condition number of the Gram matrix has, which grows with users and falls with lambda.
///
/// Of a catalogue that is too large for a square matrix, only the most popular items can be kept
/// ([`max_items`](EaseOptions::max_items)): X then has no other columns, the other items score 0, and
/// have no place in a history.
///
/// A user whose history says nothing about any item (it is empty, or its items were never had in training together
/// with another kept one) gets the order of popularity, as from [`Popularity`](crate::Popularity).
#[derive(Debug, Clone, PartialEq)]
pub struct Ease {
    options: EaseOptions,
    model: ItemItem,
}

impl Ease {
    /// Solves for the weights; `catalogue` is the number of items.
    ///
    /// # Errors
    /// [`CfError::Option`] for an option outside its range, [`CfError::ItemOutOfRange`] for an item that is not
    /// below `catalogue`, [`CfError::Memory`] for a catalogue that needs more than the limit,
    /// [`CfError::Singular`] for a lambda that is lost in rounding.
    pub fn fit(train: &Sequences, catalogue: usize, options: &EaseOptions) -> Result<Self, CfError> {
        options.check()?;
        let limits = (options.max_items, options.memory_limit);
        let model = ItemItem::fit(train, catalogue, limits, |train, kept| solve(train, kept, options))?;
        Ok(Self { options: options.clone(), model })
    }

    /// The same weights with another decay of histories.
    ///
    /// # Errors
    /// [`CfError::Option`] for a decay outside its range.
    pub fn with_decay(self, decay: f64) -> Result<Self, CfError> {
        decay::check("decay", decay)?;
        Ok(Self { options: EaseOptions { decay, ..self.options }, ..self })
    }

    /// The items that have weights, ascending: all, unless [`max_items`](EaseOptions::max_items) leaves some out.
    pub fn items(&self) -> &[u32] {
        self.model.items()
    }

    /// B, row-major `[kept, kept]` in the order of [`items`](Self::items): row j holds what the item at place j adds
    /// to the score of each.
    pub fn weights(&self) -> &[f32] {
        self.model.weights()
    }

    /// Scores of all items for a history, a row for each of `decays`, `[decays, items]`, whatever decay the options have. Unlike
    /// those of a whole ranking, they stay 0 where the history says nothing, so that another model's scores can be added.
    ///
    /// # Errors
    /// [`CfError::ItemOutOfRange`] for an item beyond the catalogue.
    pub fn raw_scores(&self, history: &[u32], decays: &[f64], rows: &mut [f32]) -> Result<(), CfError> {
        self.model.raw_scores(history, ages, decays, rows)
    }

    /// The weights, their names behind `prefix`: u32 `items` `[kept]`; f32 `weights` `[kept, kept]`, a row for each item
    /// of a history; u64 `counts` `[items]`.
    pub fn tensors_behind(&self, prefix: &str) -> Vec<NamedTensor<'static>> {
        self.model.tensors_behind(prefix)
    }

    /// EASE from the weights of `folder` behind `prefix`.
    ///
    /// # Errors
    /// Weights that are absent, damaged or of another shape.
    pub fn load_behind(folder: &ModelFolder, prefix: &str, options: EaseOptions) -> Result<Self, TrainError> {
        options.check()?;
        Ok(Self { options, model: ItemItem::load_behind(folder, prefix)? })
    }
}

/// B, row-major.
fn solve(train: &Sequences, catalogue: usize, options: &EaseOptions) -> Result<Vec<f32>, CfError> {
    if catalogue == 0 {
        return Ok(Vec::new());
    }
    let singular = || CfError::Singular { lambda: options.lambda };
    let mut inverse = memory::zeros::<f64>(catalogue)?;
    gram::gram(train, catalogue, options.training_decay, options.lambda, &mut inverse);
    let mut spare = memory::zeros::<f64>(catalogue)?;
    inverse::invert(&mut inverse, &mut spare, catalogue).map_err(|_| singular())?;
    drop(spare);

    let mut weights = memory::zeros::<f32>(catalogue)?;
    weights.par_chunks_exact_mut(catalogue).enumerate().for_each(|(from, row)| {
        for (to, weight) in row.iter_mut().enumerate().filter(|(to, _)| *to != from) {
            // Of the symmetric inverse only the lower triangle is there: column-major, row not below column.
            let entry = inverse[from.min(to) * catalogue + from.max(to)];
            *weight = (-entry / inverse[to * catalogue + to]) as f32;
        }
    });
    if weights.iter().all(|weight| weight.is_finite()) { Ok(weights) } else { Err(singular()) }
}

impl Decays for Ease {
    const DECAYED_NAME: &'static str = "ease-decay";
    const DECAYED_ABOUT: &'static str = "EASE on a history whose older items count less";

    fn load_with(folder: &ModelFolder, options: EaseOptions) -> Result<Self, TrainError> {
        Self::load_behind(folder, "", options)
    }
}

impl DecayOption for EaseOptions {
    const DECAYED: f64 = 0.8;

    fn set_decay(&mut self, decay: f64) {
        self.decay = decay;
    }
}

impl Model for Ease {
    const NAME: &'static str = "ease";
    const ABOUT: &'static str = "Linear autoencoder in closed form: predicts each item from the others";
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("lambda", "weight of the squared norm: larger values shrink weights that rest on few users"),
        ("decay", "weight of an item against that of the next one in a history; 1 for none"),
        ("training-decay", "the same for the sequences that are trained on"),
        ("max-items", "most popular items that are modelled, for large catalogues; 0 for all"),
        ("memory-limit", "GiB that a fit may take; a catalogue that needs more is refused"),
    ];
    type Options = EaseOptions;

    fn fit(data: &TrainingData<'_>, options: &EaseOptions, _run: &mut Run<'_>) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options)?)
    }

    fn options(&self) -> &EaseOptions {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        Ok(self.tensors_behind(""))
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        Self::load_with(folder, folder.options(Self::NAME)?)
    }
}

impl Recommender for Ease {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.model.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        Ok(self.model.rank(queries, ages, self.options.decay, scores)?)
    }
}
