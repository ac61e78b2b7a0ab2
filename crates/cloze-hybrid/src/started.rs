//! BERT4Rec that starts from other item vectors: of matrix factorization, a trained model or titles.

use crate::help::{lines, with_bert4rec};
use crate::{reused, titles};
use cloze_cf::{
    Bpr, BprKind, FactorLoss, FactorOptions, Ials, IalsOptions, Kind, Mf, MfKind, Optimizer, PureSvd,
    PureSvdOptions,
};
use cloze_encoder::Philox;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_sequential::{Bert4RecOptions, Profile, Tower};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::{Deserialize, Serialize};

/// Stream of the generator that the noise comes from.
const NOISE_STREAM: u32 = 0x2000_0000;

/// Where item vectors come from; all are as wide as the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initializer {
    /// The encoder's own random start.
    None,
    /// Matrix factorization of the ratings without biases, squared error, Adam (Tran 2025).
    Ratings,
    /// Matrix factorization with the log loss.
    Mf,
    /// BPR.
    Bpr,
    /// iALS.
    Ials,
    /// The singular vectors of users and items, each with the root of its value.
    PureSvd,
    /// What a pretrained BERT makes of the items' titles, in their principal components: similar names, similar vectors.
    Titles,
    /// Those of a trained model: [`Run::reuse`]. Where it is given, this is the initializer.
    Reuse,
}

/// Options of [`MfBert4Rec`]: those of BERT4Rec, and the rest here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MfBert4RecOptions {
    /// Options of the encoder and its training.
    #[serde(flatten)]
    pub bert: Bert4RecOptions,
    /// Where item vectors come from.
    pub initializer: Initializer,
    /// `titles`: the BERT that reads them, a folder or an id of the model hub.
    pub text_model: String,
    /// Whether they are scaled to the deviation of the encoder's other matrices.
    pub rescale: bool,
    /// Standard deviation of what is added to them, against their own.
    pub noise: f64,
    /// Steps in which they stay as they are.
    pub frozen_steps: u64,
}

impl Default for MfBert4RecOptions {
    fn default() -> Self {
        Self {
            bert: Bert4RecOptions::default(),
            initializer: Initializer::Mf,
            text_model: "sentence-transformers/all-MiniLM-L6-v2".to_owned(),
            rescale: true,
            noise: 0.1,
            frozen_steps: 500,
        }
    }
}

/// Lines of help beyond BERT4Rec's.
const OWN_HELP: [(&str, &str); 5] = [
    (
        "initializer",
        "Where item vectors start from: ratings (MF of ratings), mf, bpr, ials, pure-svd, titles, none, or the model of --reuse",
    ),
    ("text-model", "titles: the BERT that reads them, a folder or an id of the model hub"),
    ("rescale", "Scale them to initial-scale, as the encoder's other matrices"),
    ("noise", "Standard deviation of the noise that is added to them, against their own"),
    ("frozen-steps", "Steps in which they stay as they are"),
];

impl MfBert4RecOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [(&'static str, &'static str)] =
        &with_bert4rec::<{ lines(OWN_HELP.len()) }>(&OWN_HELP);

    fn validate(&self) -> Result<(), TrainError> {
        if (0.0..=1e3).contains(&self.noise) {
            return Ok(());
        }
        Err(TrainError::option("noise", self.noise, "must be from 0 to 1000"))
    }

    /// Item vectors, `[items, hidden]`; none for the random start.
    fn vectors(&self, data: &TrainingData<'_>, run: &mut Run<'_>) -> Result<Option<Vec<f32>>, TrainError> {
        let hidden = self.bert.hidden;
        // The last epoch's: validation items choose among the encoder's.
        let data = &TrainingData { validation: None, ..*data };
        let vectors = match self.initializer {
            Initializer::None => return Ok(None),
            Initializer::Ratings if data.sequences.all_ratings().is_none() => {
                let rule =
                    "needs data with ratings (cloze prepare --value): mf, bpr, ials and pure-svd need none";
                return Err(TrainError::option("initializer", "ratings", rule));
            }
            Initializer::Ratings => {
                let options = FactorOptions {
                    hidden,
                    item_bias: false,
                    loss: FactorLoss::Squared,
                    optimizer: Optimizer::Adam,
                    epochs: 30,
                    learning_rate: 5e-3,
                    l2: 0.0,
                    ..MfKind::defaults()
                };
                Mf::fit(data, &options.into(), run)?.item_vectors().to_vec()
            }
            Initializer::Mf => {
                let options = FactorOptions { hidden, ..MfKind::defaults() };
                Mf::fit(data, &options.into(), run)?.item_vectors().to_vec()
            }
            Initializer::Bpr => {
                let options = FactorOptions { hidden, ..BprKind::defaults() };
                Bpr::fit(data, &options.into(), run)?.item_vectors().to_vec()
            }
            Initializer::Ials => {
                let options = IalsOptions { hidden, ..IalsOptions::default() };
                <Ials as Model>::fit(data, &options, run)?.item_vectors().to_vec()
            }
            Initializer::PureSvd => {
                let options = PureSvdOptions { hidden };
                <PureSvd as Model>::fit(data, &options, run)?.item_vectors()
            }
            Initializer::Titles => titles::item_vectors(data, hidden, &self.text_model, run)?,
            Initializer::Reuse => {
                let missing =
                    || TrainError::option("initializer", "reuse", "needs the folder of a model: --reuse DIR");
                let folder = reused::folder(data, run)?.ok_or_else(missing)?;
                reused::item_vectors(&folder, data.items, hidden)?
            }
        };
        Ok(Some(self.disturbed(vectors, run.seed)))
    }

    /// The vectors at their scale, with noise.
    fn disturbed(&self, mut vectors: Vec<f32>, seed: u64) -> Vec<f32> {
        let deviation = deviation(&vectors);
        let scale = if self.rescale && deviation > 0.0 { self.bert.initial_scale / deviation } else { 1.0 };
        let mut generator = Philox::new(seed, NOISE_STREAM);
        for values in vectors.chunks_mut(2) {
            for (value, normal) in values.iter_mut().zip(generator.normal_pair()) {
                *value = (scale * (f64::from(*value) + self.noise * deviation * normal)) as f32;
            }
        }
        vectors
    }
}

/// Standard deviation of values around 0.
pub(crate) fn deviation(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

/// BERT4Rec whose item vectors start from a matrix factorization of the same data, with noise, and stay as they are at first (Tran
/// 2025, who does so with a small encoder, "`MiniBERT4Rec`": here `positions = none`, `distance-slope = 0`,
/// `embedding-norm = false`, `activation = relu`, `head = plain`, `output-layer = separate`, `mask-probability = 0`).
///
/// Scores and training are those of [`Bert4Rec`](cloze_sequential::Bert4Rec).
pub struct MfBert4Rec {
    options: MfBert4RecOptions,
    tower: Tower,
}

impl Model for MfBert4Rec {
    const NAME: &'static str = "mf-bert4rec";
    const ABOUT: &'static str =
        "BERT4Rec that starts from other item vectors: of matrix factorization, a trained model or titles";
    const HELP: &'static [(&'static str, &'static str)] = MfBert4RecOptions::HELP;
    type Options = MfBert4RecOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        options.validate()?;
        let mut options = options.clone();
        if run.reuse.is_some() {
            options.initializer = Initializer::Reuse;
        }
        let mut tower = Tower::new(&options.bert, data.items, run.seed)?;
        if let Some(vectors) = options.vectors(data, run)? {
            tower.start_from(vectors, options.frozen_steps)?;
        }
        tower.train(Self::NAME, data.sequences, data.validation, run)?;
        Ok(Self { options, tower })
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        self.tower.tensors("")
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: MfBert4RecOptions = folder.options(Self::NAME)?;
        options.validate()?;
        let tower = Tower::load(folder, "", &options.bert, folder.vocabularies.items.len())?;
        Ok(Self { options, tower })
    }
}

impl Recommender for MfBert4Rec {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.tower.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        Ok(self.tower.write_logits(&histories, scores)?)
    }

    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        Ok(self.tower.profiles(&histories, Profile::Projected)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_scaled_and_noise_is_a_share_of_them() {
        let given: Vec<f32> = (0..4000).map(|n| if n % 2 == 0 { 3.0 } else { -3.0 }).collect();
        let off = |options: &MfBert4RecOptions, scale: f32| {
            let found = options.disturbed(given.clone(), 7);
            let square = |(found, given): (&f32, &f32)| f64::from(found - scale * given).powi(2);
            (found.iter().zip(&given).map(square).sum::<f64>() / 4000.0).sqrt()
        };
        let plain = MfBert4RecOptions { noise: 0.0, ..MfBert4RecOptions::default() };
        assert!(off(&plain, 0.05 / 3.0) < 1e-7);
        assert!(off(&MfBert4RecOptions { rescale: false, ..plain.clone() }, 1.0) < 1e-7);
        let noisy = MfBert4RecOptions { noise: 0.5, rescale: false, ..plain };
        assert!((off(&noisy, 1.0) - 1.5).abs() < 0.1, "{}", off(&noisy, 1.0));
        assert!(MfBert4RecOptions { noise: f64::NAN, ..noisy }.validate().is_err());
    }

    #[test]
    fn every_option_has_a_line_of_help_and_no_line_is_stale() {
        let options = serde_json::to_value(MfBert4RecOptions::default()).unwrap();
        let mut keys: Vec<&str> = options.as_object().unwrap().keys().map(String::as_str).collect();
        let mut lines: Vec<&str> = MfBert4RecOptions::HELP.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        lines.sort_unstable();
        assert_eq!(keys, lines);
    }
}
