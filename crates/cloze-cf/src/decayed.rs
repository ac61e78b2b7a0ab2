//! A model under a second name, whose default is a decayed history.

use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options with a key `decay`.
pub trait DecayOption {
    /// The default of `decay` in the decayed form of the model.
    const DECAYED: f64;

    /// Sets the decay.
    fn set_decay(&mut self, decay: f64);
}

/// A model that can weigh the items of a history by age.
pub trait Decays: Model<Options: DecayOption> {
    /// Name of the decayed form.
    const DECAYED_NAME: &'static str;
    /// Its line of help.
    const DECAYED_ABOUT: &'static str;

    /// The model of a folder of either form, whose options are read already.
    ///
    /// # Errors
    /// Weights that are damaged or belong to another configuration.
    fn load_with(folder: &ModelFolder, options: Self::Options) -> Result<Self, TrainError>;
}

/// The options of a decayed form: those of the plain one, with [`DecayOption::DECAYED`] as the default of `decay`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct DecayedOptions<O>(pub O);

impl<O: DecayOption + Default> Default for DecayedOptions<O> {
    fn default() -> Self {
        let mut options = O::default();
        options.set_decay(O::DECAYED);
        Self(options)
    }
}

impl<'de, O: DecayOption + serde::de::DeserializeOwned> Deserialize<'de> for DecayedOptions<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = Map::deserialize(deserializer)?;
        keys.entry("decay").or_insert_with(|| O::DECAYED.into());
        serde_json::from_value(Value::Object(keys)).map(Self).map_err(D::Error::custom)
    }
}

/// The decayed form of a model: the same model, with another name in results and another default of `decay`.
#[derive(Debug, Clone, PartialEq)]
pub struct Decayed<M: Model> {
    model: M,
    options: DecayedOptions<M::Options>,
}

impl<M: Decays> Decayed<M> {
    /// A fitted model under the name of its decayed form. Its options stay what they are.
    pub fn new(model: M) -> Self {
        Self { options: DecayedOptions(model.options().clone()), model }
    }

    /// The model itself.
    pub fn model(&self) -> &M {
        &self.model
    }
}

impl<M: Decays> Model for Decayed<M> {
    const NAME: &'static str = M::DECAYED_NAME;
    const ABOUT: &'static str = M::DECAYED_ABOUT;
    const HELP: &'static [(&'static str, &'static str)] = M::HELP;
    type Options = DecayedOptions<M::Options>;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        Ok(Self::new(M::fit(data, &options.0, run)?))
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        self.model.tensors()
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let DecayedOptions(options) = folder.options(Self::NAME)?;
        Ok(Self::new(M::load_with(folder, options)?))
    }
}

impl<M: Decays> Recommender for Decayed<M> {
    fn name(&self) -> String {
        M::DECAYED_NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.model.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        self.model.score(queries, scores)
    }
}
