//! Random walks of three steps.

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::{Deserialize, Serialize};

use crate::error::CfError;
use crate::neighbours::Neighbours;
use crate::queries::{check_items, score_each};
use crate::sets::set;
use crate::similarity::nearest;

/// Options of [`Rp3Beta`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rp3BetaOptions {
    /// How many of the items that most walks come from each item keeps, at least 1. Default 100.
    pub neighbours: usize,
    /// Power of the steps' probabilities, at least 0. Default 1: a walk proper.
    pub alpha: f64,
    /// Power of an item's number of users by which its score is divided, at least 0. Default 0.6.
    pub beta: f64,
}

impl Default for Rp3BetaOptions {
    fn default() -> Self {
        Self { neighbours: 100, alpha: 1.0, beta: 0.6 }
    }
}

impl Rp3BetaOptions {
    fn check(&self) -> Result<(), CfError> {
        let refuse = |option, value, expected| Err(CfError::Option { option, value, expected });
        if self.neighbours == 0 {
            return refuse("neighbours", self.neighbours.to_string(), "at least 1");
        }
        for (option, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            if !value.is_finite() || value < 0.0 {
                return refuse(option, value.to_string(), "a number not below 0");
            }
        }
        Ok(())
    }
}

/// `RP³β` (Paudel et al. 2016, "Updatable, Accurate, Diverse, and Scalable Recommendations for Interactive Applications"): how
/// probable it is to walk from a user over an item and another user to an item, against how popular that is.
///
/// - w(i, j) = `Σ_u |U_i|^-α |I_u|^-α |U_j|^-β` over the users u of both items, with `U_i` the users of item i and `I_u` the items of
///   user u;
/// - each item j keeps the [`neighbours`](Rp3BetaOptions::neighbours) items i of greatest w(i, j);
/// - score(u, j) = sum of w(i, j) over the distinct items i of the history that j has kept.
///
/// A user whose history says nothing about any item gets the order of popularity, as from [`Popularity`](crate::Popularity).
#[derive(Debug, Clone, PartialEq)]
pub struct Rp3Beta {
    options: Rp3BetaOptions,
    neighbours: Neighbours,
}

impl Rp3Beta {
    /// Counts the walks; `catalogue` is the number of items.
    ///
    /// # Errors
    /// [`CfError::Option`] for an option outside its range, [`CfError::ItemOutOfRange`] for an item that is not
    /// below `catalogue`.
    pub fn fit(train: &Sequences, catalogue: usize, options: &Rp3BetaOptions) -> Result<Self, CfError> {
        options.check()?;
        check_items(train.values(), catalogue)?;
        let Rp3BetaOptions { neighbours, alpha, beta } = *options;
        // Row j, neighbour i.
        let walks = |sum: f64, to: f64, from: f64| sum * from.powf(-alpha) * to.powf(-beta);
        let lists = nearest(train, catalogue, neighbours, |items| items.powf(-alpha), walks);
        Ok(Self { options: options.clone(), neighbours: Neighbours::new(lists, train, catalogue) })
    }
}

impl Model for Rp3Beta {
    const NAME: &'static str = "rp3beta";
    const ABOUT: &'static str =
        "Random walks from a user's items over other users to items, against popularity";
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("neighbours", "items that each item keeps, those that most walks to it come from"),
        ("alpha", "power of the steps' probabilities"),
        ("beta", "power of an item's number of users by which its score is divided"),
    ];
    type Options = Rp3BetaOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, _: &mut Run<'_>) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options)?)
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        Ok(self.neighbours.tensors())
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: Rp3BetaOptions = folder.options(Self::NAME)?;
        options.check()?;
        Ok(Self { options, neighbours: Neighbours::load(folder)? })
    }
}

impl Recommender for Rp3Beta {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.neighbours.items()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let one = |history: &[u32], row: &mut [f32]| {
            self.neighbours.score(set(history).into_iter().map(|item| (item, 1.0)), row);
            Ok(())
        };
        Ok(score_each(queries, scores, self.catalogue(), one)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The walks of all users, written out: three dense steps.
    fn walked(train: &Sequences, items: usize, alpha: f64, beta: f64, history: &[u32]) -> Vec<f64> {
        let count = |item: u32| train.iter().filter(|list| list.contains(&item)).count() as f64;
        let step = |i: u32, j: u32| {
            let both = train.iter().filter(|list| list.contains(&i) && list.contains(&j));
            both.map(|list| (1.0 / count(i)).powf(alpha) * (1.0 / list.len() as f64).powf(alpha)).sum::<f64>()
        };
        let to = |j: u32| {
            let walks = history.iter().filter(|&&i| i != j).map(|&i| step(i, j));
            walks.sum::<f64>() / count(j).powf(beta)
        };
        (0..items as u32).map(to).collect()
    }

    #[test]
    fn scores_are_the_probabilities_of_walks() {
        let train =
            Sequences::from_lists(&[vec![0, 1, 2], vec![1, 2, 3], vec![0, 3], vec![4, 1, 0, 2]], None)
                .unwrap();
        for (alpha, beta) in [(1.0, 0.0), (1.0, 0.6), (0.7, 0.3)] {
            let options = Rp3BetaOptions { neighbours: 5, alpha, beta };
            let mut model = Rp3Beta::fit(&train, 5, &options).unwrap();
            let mut scores = vec![f32::NAN; 5];
            model.score(&[Query { user: None, history: &[3, 1, 3] }], &mut scores).unwrap();
            let expected = walked(&train, 5, alpha, beta, &[1, 3]);
            for (score, expected) in scores.iter().zip(expected) {
                assert!((f64::from(*score) - expected).abs() < 1e-6 * expected, "{score} {expected}");
            }
        }
    }

    #[test]
    fn only_the_most_walked_ways_are_kept() {
        let train = Sequences::from_lists(&[vec![0, 1], vec![0, 1], vec![1, 3], vec![0, 2]], None).unwrap();
        let options = Rp3BetaOptions { neighbours: 1, ..Rp3BetaOptions::default() };
        let mut model = Rp3Beta::fit(&train, 4, &options).unwrap();
        let mut scores = vec![f32::NAN; 4];
        model.score(&[Query { user: None, history: &[2] }], &mut scores).unwrap();
        // Two users lead from 1 to 0 and one from 2, but from 1 a third leads elsewhere, and from 2 none.
        assert_eq!(model.neighbours.of(0), [(2, scores[0])]);
        let error = Rp3Beta::fit(&train, 4, &Rp3BetaOptions { beta: -1.0, ..options }).unwrap_err();
        assert!(error.to_string().contains("option beta is -1"), "{error}");
    }

    #[test]
    fn an_item_is_met_once_however_small_the_weight_of_the_walks() {
        let train = Sequences::from_lists(&[vec![0, 1], vec![0, 1], vec![0, 1]], None).unwrap();
        // 2^-2000 is no number.
        let options = Rp3BetaOptions { neighbours: 5, alpha: 2000.0, beta: 0.0 };
        let model = Rp3Beta::fit(&train, 2, &options).unwrap();
        assert_eq!(model.neighbours.of(0), [(1, 0.0)]);
    }
}
