//! GRU4Rec as a model of the command line.

mod options;

pub use options::Gru4RecOptions;

use crate::tower::{Scorer, Tower};
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};

/// GRU4Rec (Hidasi et al. 2016, arXiv 1511.06939): gated recurrent units over a user's items; every position predicts the next.
///
/// - Scores: `h Eᵀ + b_O` of the last row of the last `max_length` items, h the state after it and E the item table that the
///   input uses too. The empty history scores `b_O`.
/// - Training: by default softmax cross-entropy over the whole catalogue at each position, mean over them. The paper's
///   losses compare with the other items of a batch; what came of them (Hidasi & Karatzoglou 2018, arXiv 1706.03847) is near
///   `sampled-softmax`.
///
/// Differences from the paper: whole sequences in place of session-parallel mini-batches (no state is cut off between two
/// steps), item vectors instead of one-hot inputs, shared with the output layer, and AdamW.
pub struct Gru4Rec {
    tower: Tower<Gru4RecOptions>,
}

impl Gru4Rec {
    /// The encoder inside.
    pub fn tower(&mut self) -> &mut Tower<Gru4RecOptions> {
        &mut self.tower
    }
}

impl Model for Gru4Rec {
    const NAME: &'static str = "gru4rec";
    const ABOUT: &'static str = "GRU4Rec: gated recurrent units trained to predict each next item";
    const HELP: &'static [(&'static str, &'static str)] = Gru4RecOptions::HELP;
    type Options = Gru4RecOptions;

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

impl Recommender for Gru4Rec {
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
