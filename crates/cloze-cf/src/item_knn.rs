//! Item-based nearest neighbours.

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::folder::WEIGHTS_FILE;
use cloze_train::{FolderError, Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::{Deserialize, Serialize};

use crate::decay;
use crate::decayed::{DecayOption, Decays};
use crate::error::CfError;
use crate::popularity::{COUNTS, write_counts};
use crate::queries::{check_items, score_each};
use crate::similarity::nearest;
use crate::sparse::Sparse;

const OFFSETS: &str = "similarity.offsets";
const INDICES: &str = "similarity.indices";
const VALUES: &str = "similarity.values";

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
    /// Row i: the neighbours of item i.
    neighbours: Sparse,
    /// Row j: the items that have j among their neighbours. What scoring walks along.
    voters: Sparse,
    counts: Vec<u64>,
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
        let neighbours = nearest(train, catalogue, options.neighbours, options.shrinkage);
        Ok(Self::new(options.clone(), neighbours, train.counts(catalogue)))
    }

    fn new(options: ItemKnnOptions, neighbours: Sparse, counts: Vec<u64>) -> Self {
        Self { options, voters: neighbours.transposed(), neighbours, counts }
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
        let row = item as usize;
        if row < self.neighbours.rows() { self.neighbours.row(row).collect() } else { Vec::new() }
    }

    fn score_one(&self, history: &[u32], row: &mut [f32]) {
        row.fill(0.0);
        let mut votes = 0;
        // As a sorted set, so that without decay sums are the same for every order of the history.
        for (item, weight) in decay::weighted(history, self.options.decay) {
            for (candidate, similarity) in self.voters.row(item as usize) {
                row[candidate as usize] += weight as f32 * similarity;
                votes += 1;
            }
        }
        if votes == 0 {
            write_counts(&self.counts, row);
        }
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

    /// The neighbours as a sparse matrix by rows: u64 `similarity.offsets` `[items + 1]`, u32
    /// `similarity.indices` and f32 `similarity.values` `[stored]`; u64 `counts` `[items]`.
    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let Sparse { offsets, indices, values } = self.neighbours.clone();
        Ok(vec![
            NamedTensor::u64(OFFSETS, &[offsets.len()], offsets),
            NamedTensor::u32(INDICES, &[indices.len()], indices),
            NamedTensor::f32(VALUES, &[values.len()], values),
            NamedTensor::u64(COUNTS, &[self.counts.len()], self.counts.clone()),
        ])
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
        let items = folder.vocabularies.items.len();
        let neighbours = Sparse::checked(
            folder.u64(OFFSETS, Some(&[items + 1]))?,
            folder.u32(INDICES, None)?,
            folder.f32(VALUES, None)?,
        )
        .map_err(|reason| FolderError::Weights { path: folder.path().join(WEIGHTS_FILE), reason })?;
        Ok(Self::new(options, neighbours, folder.u64(COUNTS, Some(&[items]))?))
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
        self.counts.len()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let one = |history: &[u32], row: &mut [f32]| {
            self.score_one(history, row);
            Ok(())
        };
        Ok(score_each(queries, scores, self.counts.len(), one)?)
    }
}
