//! BERT4Rec as a model of the command line.

use crate::options::Bert4RecOptions;
use crate::tower::{Scorer, Tower};
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};

/// BERT4Rec (Sun et al. 2019): a bidirectional transformer over a user's items, trained to fill masked places.
///
/// - Scores: `GELU(h W_p + b_p) Eᵀ + b_O` of the \[MASK\] appended to the last `max_length − 1` items, h its last
///   hidden state and E the item table that the input uses too.
/// - Training: softmax cross-entropy at the masked positions, mean over them.
pub struct Bert4Rec {
    tower: Tower,
}

impl Bert4Rec {
    /// The encoder inside.
    pub fn tower(&mut self) -> &mut Tower {
        &mut self.tower
    }

    /// Takes the encoder out.
    pub fn into_tower(self) -> Tower {
        self.tower
    }
}

impl Model for Bert4Rec {
    const NAME: &'static str = "bert4rec";
    const ABOUT: &'static str = "BERT4Rec: a bidirectional transformer trained to fill masked places";
    const HELP: &'static [(&'static str, &'static str)] = Bert4RecOptions::HELP;
    type Options = Bert4RecOptions;

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

impl Recommender for Bert4Rec {
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
