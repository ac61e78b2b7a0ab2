//! Linear prediction of the next item.

mod moments;
mod options;
mod solve;

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};

use crate::decay::places;
use crate::error::CfError;
use crate::item_item::ItemItem;
pub use options::SlitOptions;

/// SLIT, the linear item transition of Choi et al. 2021 ("Session-aware Linear Item-Item Models for Session-based
/// Recommendation"): the ridge regression of the next item on the items before it, in closed form.
///
/// - `x_t` is the past of a user at place t: decay^age for each item, 1 for the one at t (an item that came twice counts twice);
///   `y_t` is the item at place t + 1;
/// - B minimizes `Σ |y_t - x_t B|^2 + lambda |B|^2` over users and places:
///   `B = (Σ x_t x_t^T + lambda I)^-1 Σ x_t y_t^T`;
/// - `score(u, i) = Σ decay^age B_ji` over the places of the history, where the last item has age 0.
///
/// The paper's is the case of one target: it predicts the whole decayed future of a session, and weighs sessions by age. On long
/// histories of films the next item alone does better.
///
/// Sums and solution are `f64`, B is kept in `f32`. Of a catalogue that is too large for square matrices, only the most popular
/// items can be kept ([`max_items`](SlitOptions::max_items)); places of other items are then left out of
/// sequences and histories.
///
/// A user whose history says nothing about any item gets the order of popularity, as from [`Popularity`](crate::Popularity).
#[derive(Debug, Clone, PartialEq)]
pub struct Slit {
    options: SlitOptions,
    model: ItemItem,
}

impl Slit {
    /// Solves for the weights; `catalogue` is the number of items.
    ///
    /// # Errors
    /// [`CfError::Option`] for an option outside its range, [`CfError::ItemOutOfRange`] for an item that is not
    /// below `catalogue`, [`CfError::Memory`] for a catalogue that needs more than the limit,
    /// [`CfError::Singular`] for a lambda that is lost in rounding.
    pub fn fit(train: &Sequences, catalogue: usize, options: &SlitOptions) -> Result<Self, CfError> {
        options.check()?;
        let limits = (options.max_items, options.memory_limit);
        let model =
            ItemItem::fit(train, catalogue, limits, |train, kept| solve::weights(train, kept, options))?;
        Ok(Self { options: options.clone(), model })
    }

    /// The items that have weights, ascending: all, unless [`max_items`](SlitOptions::max_items) leaves some out.
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
        self.model.raw_scores(history, places, decays, rows)
    }

    /// The weights, their names behind `prefix`: u32 `items` `[kept]`; f32 `weights` `[kept, kept]`, a row for each item
    /// of a history; u64 `counts` `[items]`.
    pub fn tensors_behind(&self, prefix: &str) -> Vec<NamedTensor<'static>> {
        self.model.tensors_behind(prefix)
    }

    /// SLIT from the weights of `folder` behind `prefix`.
    ///
    /// # Errors
    /// Weights that are absent, damaged or of another shape.
    pub fn load_behind(folder: &ModelFolder, prefix: &str, options: SlitOptions) -> Result<Self, TrainError> {
        options.check()?;
        Ok(Self { options, model: ItemItem::load_behind(folder, prefix)? })
    }
}

impl Model for Slit {
    const NAME: &'static str = "slit";
    const ABOUT: &'static str =
        "Linear item transition in closed form: predicts the next item from those before it";
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("lambda", "weight of the squared norm: larger values shrink weights that rest on few users"),
        ("decay", "weight of an item of the past against that of the next one, in training and in a history"),
        ("max-items", "most popular items that are modelled, for large catalogues; 0 for all"),
        ("memory-limit", "GiB that a fit may take; a catalogue that needs more is refused"),
    ];
    type Options = SlitOptions;

    fn fit(data: &TrainingData<'_>, options: &SlitOptions, _run: &mut Run<'_>) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options)?)
    }

    fn options(&self) -> &SlitOptions {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        Ok(self.tensors_behind(""))
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        Self::load_behind(folder, "", folder.options(Self::NAME)?)
    }
}

impl Recommender for Slit {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.model.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        Ok(self.model.rank(queries, places, self.options.decay, scores)?)
    }
}
