//! The models of the family by name: which parts each has, which options, which defaults.

use super::help::{
    BATCH, EPOCHS, HIDDEN, Help, ITEM_BIAS, L2, LAYERS, LOSS, MLP_HIDDEN, MLP_L2, NEGATIVES, OPTIMIZER, RATE,
    SCALE, VALIDATE,
};
use super::options::{FactorLoss, FactorOptions, Optimizer};
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Debug;
use std::marker::PhantomData;

/// A model of the family.
pub trait Kind: Debug + Clone + Copy + PartialEq + Send + Sync + 'static {
    /// Kebab-case, as the command line takes it.
    const NAME: &'static str;
    /// One line for the help text.
    const ABOUT: &'static str;
    /// Its options, each with a line of help.
    const HELP: &'static [Help];
    /// Whether it has products of vectors.
    const PRODUCT: bool;
    /// Whether the products are weighed.
    const WEIGHTED: bool = false;
    /// Whether it has layers.
    const MLP: bool = false;

    /// The options where nothing is said.
    fn defaults() -> FactorOptions;
}

/// What kinds change some of.
const DEFAULTS: FactorOptions = FactorOptions {
    hidden: 64,
    mlp_hidden: 64,
    layers: Vec::new(),
    item_bias: false,
    loss: FactorLoss::Log,
    optimizer: Optimizer::Sgd,
    negatives: 4,
    epochs: 40,
    pretrain_epochs: 0,
    gmf_learning_rate: 0.02,
    mlp_learning_rate: 0.2,
    batch: 512,
    learning_rate: 0.02,
    l2: 0.005,
    mlp_l2: 0.002,
    text_l2: 0.0,
    initial_scale: 0.1,
    validate_every: 4,
};

/// The rate of a step of Adam where none is said, which moves a value by as much.
const ADAM_RATE: f64 = 0.001;

impl Default for FactorOptions {
    fn default() -> Self {
        DEFAULTS
    }
}

/// See [`Mf`](crate::Mf).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MfKind;

impl Kind for MfKind {
    const NAME: &'static str = "mf";
    const ABOUT: &'static str =
        "Matrix factorization: the product of a user's and an item's vector, by gradient steps";
    const HELP: &'static [Help] =
        &[HIDDEN, ITEM_BIAS, LOSS, OPTIMIZER, NEGATIVES, EPOCHS, BATCH, RATE, L2, SCALE, VALIDATE];
    const PRODUCT: bool = true;

    fn defaults() -> FactorOptions {
        FactorOptions { item_bias: true, ..DEFAULTS }
    }
}

/// See [`Bpr`](crate::Bpr).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BprKind;

impl Kind for BprKind {
    const NAME: &'static str = "bpr";
    const ABOUT: &'static str =
        "Bayesian personalized ranking: matrix factorization that learns the order of pairs of items";
    const HELP: &'static [Help] =
        &[HIDDEN, ITEM_BIAS, OPTIMIZER, NEGATIVES, EPOCHS, BATCH, RATE, L2, SCALE, VALIDATE];
    const PRODUCT: bool = true;

    fn defaults() -> FactorOptions {
        FactorOptions { item_bias: true, loss: FactorLoss::Bpr, ..DEFAULTS }
    }
}

/// See [`Gmf`](crate::Gmf).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GmfKind;

impl Kind for GmfKind {
    const NAME: &'static str = "gmf";
    const ABOUT: &'static str =
        "Generalized matrix factorization: a weighted product of a user's and an item's vector";
    const HELP: &'static [Help] = MfKind::HELP;
    const PRODUCT: bool = true;
    const WEIGHTED: bool = true;

    fn defaults() -> FactorOptions {
        // What the weights h learn takes from the penalty on the vectors.
        FactorOptions { l2: 0.01, ..DEFAULTS }
    }
}

/// See [`Mlp`](crate::Mlp).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MlpKind;

impl Kind for MlpKind {
    const NAME: &'static str = "mlp";
    const ABOUT: &'static str = "Layers over a user's and an item's vector";
    const HELP: &'static [Help] = &[
        MLP_HIDDEN,
        LAYERS,
        ITEM_BIAS,
        LOSS,
        OPTIMIZER,
        NEGATIVES,
        EPOCHS,
        BATCH,
        RATE,
        ("mlp-l2", "Penalty on the square of every vector, for every pair that uses it"),
        SCALE,
        VALIDATE,
    ];
    const PRODUCT: bool = false;
    const MLP: bool = true;

    fn defaults() -> FactorOptions {
        FactorOptions { layers: vec![64, 32, 16], epochs: 20, learning_rate: 0.2, ..DEFAULTS }
    }
}

/// See [`NeuMf`](crate::NeuMf).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeuMfKind;

impl Kind for NeuMfKind {
    const NAME: &'static str = "neumf";
    const ABOUT: &'static str = "Neural matrix factorization: GMF and MLP, trained apart and then as one";
    const HELP: &'static [Help] = &[
        HIDDEN,
        MLP_HIDDEN,
        LAYERS,
        ITEM_BIAS,
        LOSS,
        OPTIMIZER,
        NEGATIVES,
        EPOCHS,
        (
            "pretrain-epochs",
            "Epochs of GMF and of MLP, from which the joint model starts; 0: it starts from nothing",
        ),
        ("gmf-learning-rate", "GMF's learning rate there at first; it falls linearly to 0"),
        ("mlp-learning-rate", "MLP's learning rate there at first; it falls linearly to 0"),
        BATCH,
        RATE,
        L2,
        MLP_L2,
        SCALE,
        VALIDATE,
    ];
    const PRODUCT: bool = true;
    const WEIGHTED: bool = true;
    const MLP: bool = true;

    fn defaults() -> FactorOptions {
        FactorOptions {
            layers: vec![64, 32, 16],
            epochs: 10,
            pretrain_epochs: 20,
            learning_rate: 0.01,
            l2: 0.01,
            ..DEFAULTS
        }
    }
}

/// The options that a model of the family has.
#[derive(Debug, Clone, PartialEq)]
pub struct KindOptions<K> {
    /// The values; those that the model does not have are its defaults.
    pub values: FactorOptions,
    kind: PhantomData<K>,
}

impl<K: Kind> From<FactorOptions> for KindOptions<K> {
    fn from(values: FactorOptions) -> Self {
        Self { values, kind: PhantomData }
    }
}

impl<K: Kind> Default for KindOptions<K> {
    fn default() -> Self {
        K::defaults().into()
    }
}

fn has<K: Kind>(key: &str) -> bool {
    K::HELP.iter().any(|(known, _)| *known == key)
}

impl<K: Kind> Serialize for KindOptions<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = serde_json::to_value(&self.values).map_err(serde::ser::Error::custom)?;
        let all = all.as_object().into_iter().flatten();
        serializer.collect_map(all.filter(|(key, _)| has::<K>(key)))
    }
}

impl<'de, K: Kind> Deserialize<'de> for KindOptions<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Map::deserialize(deserializer)?;
        if let Some(key) = given.keys().find(|key| !has::<K>(key)) {
            let known: Vec<&str> = K::HELP.iter().map(|(known, _)| *known).collect();
            return Err(D::Error::custom(format!(
                "unknown field `{key}`, expected one of {}",
                known.join(", ")
            )));
        }
        let adam = serde_json::to_value(Optimizer::Adam).map_err(D::Error::custom)?;
        let mut defaults = K::defaults();
        if given.get("optimizer") == Some(&adam) {
            defaults = defaults.with_rates(ADAM_RATE);
        }
        let mut all = serde_json::to_value(defaults).map_err(D::Error::custom)?;
        if let Value::Object(all) = &mut all {
            all.extend(given);
        }
        FactorOptions::deserialize(all).map(Self::from).map_err(D::Error::custom)
    }
}
