//! Item-based nearest neighbours.

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::{Deserialize, Serialize};

use crate::decay;
use crate::decayed::{DecayOption, Decays};
use crate::error::CfError;
use crate::neighbours::Neighbours;
use crate::queries::{check_items, score_each};
use crate::similarity::nearest;

/// Options of [`ItemKnn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ItemKnnOptions {
    /// How many of the most similar items each item keeps, at least 1. Default 100, as in `RecBole` (Zhao et al.
    /// 2021); Ferrari Dacrema et al. (2019) tune it between 5 and 1000.
    pub neighbours: usize,
    /// Added to the denominator of the cosine, at least 0: lowers similarities that rest on few common users
    /// (Bell & Koren 2007). Default 10; Ferrari Dacrema et al. (2019) tune it between 0 and 1000.
    pub shrinkage: f64,
    /// Weight of an item of a history relative to that of the next one, above 0 and at most 1. Default 1: the
    /// order of a history has no effect. `item-knn-decay` has 0.9.
    pub decay: f64,
}

impl Default for ItemKnnOptions {
    fn default() -> Self {
        Self { neighbours: 100, shrinkage: 10.0, decay: 1.0 }
    }
}

impl ItemKnnOptions {
    fn check(&self) -> Result<(), CfError> {
        let refuse = |option, value, expected| Err(CfError::Option { option, value, expected });
        if self.neighbours == 0 {
            return refuse("neighbours", self.neighbours.to_string(), "at least 1");
        }
        if !self.shrinkage.is_finite() || self.shrinkage < 0.0 {
            return refuse("shrinkage", self.shrinkage.to_string(), "a number not below 0");
        }
        decay::check("decay", self.decay)
    }
}

/// Item-based collaborative filtering (Sarwar et al. 2001; Deshpande & Karypis 2004) on implicit feedback.
///
/// - sim(i, j) = |`U_i` ∩ `U_j`| / (sqrt(|`U_i`| |`U_j`|) + shrinkage), with `U_i` the users who had item i in training;
/// - each item i keeps its [`neighbours`](ItemKnnOptions::neighbours) most similar items `N(i)`;
/// - score(u, i) = sum of decay^age(j) sim(i, j) over the distinct items j of the history that are in `N(i)`, where
///   the last item has age 0, the one before it age 1, and a repeated item the age of its last occurrence.
///
/// Without [`decay`](ItemKnnOptions::decay), order, time and repetitions of the history have no effect. A user whose
/// history says nothing about any item (it is empty, or its items are nobody's neighbours) gets the order of
/// popularity, as from [`Popularity`](crate::Popularity). The same training data give the same model on any number of
/// threads.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemKnn {
    options: ItemKnnOptions,
    neighbours: Neighbours,
}

impl ItemKnn {
    /// Finds the neighbours of all items; `catalogue` is the number of items.
    ///
    /// # Errors
    /// [`CfError::Option`] for an option outside its range, [`CfError::ItemOutOfRange`] for an item that is not
    /// below `catalogue`.
    pub fn fit(train: &Sequences, catalogue: usize, options: &ItemKnnOptions) -> Result<Self, CfError> {
        options.check()?;
        check_items(train.values(), catalogue)?;
        let cosine =
            |common: f64, users: f64, others: f64| common / ((users * others).sqrt() + options.shrinkage);
        let lists = nearest(train, catalogue, options.neighbours, |_| 1.0, cosine);
        Ok(Self { options: options.clone(), neighbours: Neighbours::new(lists, train, catalogue) })
    }

    /// The same neighbours with another decay of histories.
    ///
    /// # Errors
    /// [`CfError::Option`] for a decay outside its range.
    pub fn with_decay(self, decay: f64) -> Result<Self, CfError> {
        decay::check("decay", decay)?;
        Ok(Self { options: ItemKnnOptions { decay, ..self.options }, ..self })
    }

    /// The neighbours of an item with their similarities, best first; none for an item outside the catalogue.
    pub fn neighbours(&self, item: u32) -> Vec<(u32, f32)> {
        self.neighbours.of(item)
    }
}

impl Model for ItemKnn {
    const NAME: &'static str = "item-knn";
    const ABOUT: &'static str = "Items that the same users had: cosine neighbours with shrinkage";
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("neighbours", "most similar items that each item keeps"),
        ("shrinkage", "added to the cosine's denominator: distrusts items with few common users"),
        ("decay", "weight of an item against that of the next one in a history; 1 for none"),
    ];
    type Options = ItemKnnOptions;

    fn fit(
        data: &TrainingData<'_>,
        options: &ItemKnnOptions,
        _run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options)?)
    }

    fn options(&self) -> &ItemKnnOptions {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        Ok(self.neighbours.tensors())
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        Self::load_with(folder, folder.options(Self::NAME)?)
    }
}

impl Decays for ItemKnn {
    const DECAYED_NAME: &'static str = "item-knn-decay";
    const DECAYED_ABOUT: &'static str = "Item neighbours of a history whose older items count less";

    fn load_with(folder: &ModelFolder, options: ItemKnnOptions) -> Result<Self, TrainError> {
        options.check()?;
        Ok(Self { options, neighbours: Neighbours::load(folder)? })
    }
}

impl DecayOption for ItemKnnOptions {
    const DECAYED: f64 = 0.9;

    fn set_decay(&mut self, decay: f64) {
        self.decay = decay;
    }
}

impl Recommender for ItemKnn {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.neighbours.items()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let one = |history: &[u32], row: &mut [f32]| {
            // As a sorted set, so that without decay sums are the same for every order of the history.
            self.neighbours.score(decay::weighted(history, self.options.decay), row);
            Ok(())
        };
        Ok(score_each(queries, scores, self.catalogue(), one)?)
    }
}
