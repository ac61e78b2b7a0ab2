//! SASRec as a model of the command line.

mod options;

pub use options::SasRecOptions;

use crate::tower::{Scorer, Tower};
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};

/// SASRec (Kang & McAuley 2018): a causal transformer over a user's items; every position predicts the next item.
///
/// - Scores: `h Eᵀ + b_O` of the last row of the last `max_length` items, h its final hidden state (pre-norm blocks, one
///   norm at the end) and E the item table that the input uses too. The empty history scores `b_O`.
/// - Training: by default softmax cross-entropy over the whole catalogue at each position, mean over them: the strongest
///   of the losses compared by Klenitskiy & Vasilev (2023). The paper's own is `bce`, binary with one sampled negative;
///   `gbce` is gSASRec's (Petrov & Macdonald 2023).
///
/// Differences from the paper: the output layer has a bias, the norm before attention applies to keys and values as it
/// does to queries, and item vectors are not multiplied by √hidden before positions are added: `initial-scale` sets
/// both.
pub struct SasRec {
    tower: Tower<SasRecOptions>,
}

impl SasRec {
    /// The encoder inside.
    pub fn tower(&mut self) -> &mut Tower<SasRecOptions> {
        &mut self.tower
    }
}

impl Model for SasRec {
    const NAME: &'static str = "sasrec";
    const ABOUT: &'static str = "SASRec: a causal transformer trained to predict each next item";
    const HELP: &'static [(&'static str, &'static str)] = SasRecOptions::HELP;
    type Options = SasRecOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        let mut tower = Tower::new(options, data.items, run.seed)?;
        tower.train(Self::NAME, data.sequences, data.validation, run)?;
        Ok(Self { tower })
    }

    fn options(&self) -> &Self::Options {
        self.tower.options()
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        self.tower.tensors("")
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options = folder.options(Self::NAME)?;
        Ok(Self { tower: Tower::load(folder, "", &options, folder.vocabularies.items.len())? })
    }
}

impl Recommender for SasRec {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.tower.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        Scorer(&mut self.tower).score(queries, scores)
    }

    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        Scorer(&mut self.tower).profiles(queries)
    }
}
