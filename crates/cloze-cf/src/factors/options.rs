//! The options of the models with a vector for each user and item.

use super::kind::Kind;
use cloze_encoder::Schedule;
use cloze_train::TrainError;
use serde::{Deserialize, Serialize};

/// What training minimizes: mean over the observed pairs, each with its drawn negatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorLoss {
    /// `−ln σ(s⁺) − Σ ln σ(−s⁻)` (He et al. 2017).
    Log,
    /// `−Σ ln σ(s⁺ − s⁻)` (Rendle et al. 2009, "BPR").
    Bpr,
    /// `−ln (e^{s⁺} / (e^{s⁺} + Σ e^{s⁻}))`.
    SampledSoftmax,
    /// `(s − r)²`, of the ratings r that the data have; nothing is drawn.
    Squared,
}

/// How a gradient becomes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// A vector moves by the rate times the sum of its pairs' gradients, what all pairs share by the rate times their mean: as
    /// if pairs came one by one, with vectors that are rarely used learning slowly. Better for products.
    Sgd,
    /// Steps of about the rate, whatever the gradient (Kingma & Ba 2015). A vector that no pair of the batch uses keeps its
    /// values and moments. Better for layers.
    Adam,
}

/// Options of [`Mf`](crate::Mf), [`Bpr`](crate::Bpr), [`Gmf`](crate::Gmf), [`Mlp`](crate::Mlp) and [`NeuMf`](crate::NeuMf);
/// each has those of [`Kind::HELP`](crate::Kind::HELP), the others are not read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FactorOptions {
    /// Width of the vectors that are multiplied.
    pub hidden: usize,
    /// Width of the vectors that the layers read.
    pub mlp_hidden: usize,
    /// Outputs of each layer, the first next to the vectors.
    pub layers: Vec<usize>,
    /// Whether an item has a score of its own, whoever asks.
    pub item_bias: bool,
    /// What training minimizes.
    pub loss: FactorLoss,
    /// How a gradient becomes a step.
    pub optimizer: Optimizer,
    /// Items that are drawn for each observed pair, uniformly from those that the user has not.
    pub negatives: usize,
    /// Passes over the observed pairs.
    pub epochs: u64,
    /// Passes of each of GMF and MLP, from which the joint model starts; 0: it starts from nothing.
    pub pretrain_epochs: u64,
    /// GMF's learning rate there.
    pub gmf_learning_rate: f64,
    /// MLP's learning rate there.
    pub mlp_learning_rate: f64,
    /// Observed pairs a step.
    pub batch: usize,
    /// Learning rate at first; it falls linearly to 0.
    pub learning_rate: f64,
    /// λ of `λ/2 |x|²`, added to the loss for every vector that is multiplied and every pair that uses it.
    pub l2: f64,
    /// The same for the vectors that the layers read.
    pub mlp_l2: f64,
    /// The same for the vectors that weigh what texts say.
    pub text_l2: f64,
    /// Standard deviation of the first vectors' values.
    pub initial_scale: f64,
    /// Epochs between two looks at the validation items; 0: never.
    pub validate_every: u64,
}

impl FactorOptions {
    /// Checks the values against their rules; called before anything is allocated.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    pub(super) fn validate<K: Kind>(&self) -> Result<(), TrainError> {
        let counts = [
            ("negatives", self.negatives as u64),
            ("epochs", self.epochs),
            ("batch", self.batch as u64),
            ("hidden", self.hidden as u64),
            ("mlp-hidden", self.mlp_hidden as u64),
        ];
        for (key, value) in counts {
            check(key, value, value >= 1, "must be at least 1")?;
        }
        check("batch", self.batch, self.batch <= 1 << 24, "must be at most 16,777,216")?;
        check("negatives", self.negatives, self.negatives <= 1 << 16, "must be at most 65,536")?;
        let layers = format!("{:?}", self.layers);
        let wide = self.layers.iter().all(|&size| (1..=1 << 16).contains(&size));
        let there = !K::MLP || !self.layers.is_empty();
        check("layers", layers, wide && there, "must be one or more of 1 to 65,536")?;
        let rates = [
            ("learning-rate", self.learning_rate),
            ("gmf-learning-rate", self.gmf_learning_rate),
            ("mlp-learning-rate", self.mlp_learning_rate),
            ("initial-scale", self.initial_scale),
        ];
        for (key, value) in rates {
            check(key, value, value.is_finite() && value > 0.0, "must be a number above 0")?;
        }
        for (key, value) in [("l2", self.l2), ("mlp-l2", self.mlp_l2), ("text-l2", self.text_l2)] {
            check(key, value, value.is_finite() && value >= 0.0, "must be 0 or a number above it")?;
        }
        Ok(())
    }

    /// The same with all rates as given.
    pub(super) fn with_rates(self, rate: f64) -> Self {
        Self { learning_rate: rate, gmf_learning_rate: rate, mlp_learning_rate: rate, ..self }
    }

    /// How long to train: epochs of so many steps.
    pub(super) fn schedule(epochs: u64, rate: f64, steps: u64) -> Schedule {
        Schedule { peak: rate, warmup: 0, steps: epochs.saturating_mul(steps).max(1) }
    }
}

fn check(
    key: &'static str,
    value: impl std::fmt::Display,
    holds: bool,
    rule: &str,
) -> Result<(), TrainError> {
    if holds { Ok(()) } else { Err(TrainError::option(key, value, rule)) }
}
