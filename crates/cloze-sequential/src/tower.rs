//! A Cloze-trained encoder over sequences of any one kind of token: items for BERT4Rec and the content tower of
//! HybridBERT4Rec, users for its collaborative tower.

use crate::options::Bert4RecOptions;
use crate::sampler::ClozeSampler;
use cloze_data::Sequences;
use cloze_encoder::engine::{self, Engine, Mode};
use cloze_encoder::{EncoderConfig, GradientNorm, PackedBatch, ParameterLayout, Parameters};
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_train::{ModelFolder, NamedTensor, Plan, Run, Task, TrainError, train};
use std::sync::Arc;

/// Sequences that one inference pass takes.
const INFERENCE_BATCH: usize = 64;

/// Which vector of the appended \[MASK\] stands for the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// What the output layer compares with the token vectors: `GELU(h W_p + b_p)`, normalized if the head is.
    Projected,
    /// The hidden state h itself.
    Hidden,
}

/// An encoder with its options, trained or in training.
pub struct Tower {
    options: Bert4RecOptions,
    catalogue: usize,
    engine: Box<dyn Engine>,
}

impl Tower {
    /// An untrained tower over `catalogue` tokens.
    ///
    /// # Errors
    /// Options that cannot be.
    pub fn new(options: &Bert4RecOptions, catalogue: usize, seed: u64) -> Result<Self, TrainError> {
        options.validate()?;
        let config = options.encoder(catalogue);
        config.validate()?;
        let layout = Arc::new(ParameterLayout::new(&config));
        let parameters = Parameters::initialize(layout, options.initial_scale, seed);
        Self::around(options, catalogue, config, parameters, seed)
    }

    fn around(
        options: &Bert4RecOptions,
        catalogue: usize,
        config: EncoderConfig,
        parameters: Parameters,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let engine = engine::open(config, parameters, options.optimizer(), seed)?;
        Ok(Self { options: options.clone(), catalogue, engine })
    }

    /// Trains on `sequences`; the best parameters by NDCG@10 of the `validation` tokens stay, without them the last.
    ///
    /// # Errors
    /// Sequences without a token, or divergence.
    pub fn train(
        &mut self,
        phase: &str,
        sequences: &Sequences,
        validation: Option<&[Option<u32>]>,
        run: &mut Run<'_>,
    ) -> Result<(), TrainError> {
        let sampler = ClozeSampler::new(sequences.clone(), self.catalogue, &self.options, run.seed);
        if sampler.is_empty() {
            return Err(TrainError::Data("there is no interaction to train on".to_owned()));
        }
        let held = validation.filter(|targets| targets.iter().any(Option::is_some));
        let cases = held.map(|targets| validation_cases(sequences, targets, self.catalogue)).transpose()?;
        let plan = Plan {
            schedule: self.options.schedule(),
            validate_every: if cases.is_some() { self.options.validate_every } else { 0 },
        };
        let mut task = ClozeTask { tower: self, sampler, cases, kept: None };
        train(&mut task, phase, &plan, run.reporter)
    }

    /// The options.
    pub fn options(&self) -> &Bert4RecOptions {
        &self.options
    }

    /// Number of tokens, \[MASK\] not counted.
    pub fn catalogue(&self) -> usize {
        self.catalogue
    }

    /// Profiles of `histories`, `[histories, hidden]`: each keeps its last `max_length − 1` tokens, \[MASK\] is
    /// appended, and its vector taken.
    ///
    /// # Errors
    /// A token beyond the catalogue.
    pub fn profiles(&mut self, histories: &[&[u32]], profile: Profile) -> Result<Vec<f32>, TrainError> {
        self.infer(histories, |engine| match profile {
            Profile::Projected => engine.transformed(),
            Profile::Hidden => engine.hidden(),
        })
    }

    /// Logits of all tokens for the place after each history, `[histories, catalogue]`.
    ///
    /// # Errors
    /// A token beyond the catalogue.
    pub fn logits(&mut self, histories: &[&[u32]]) -> Result<Vec<f32>, TrainError> {
        self.infer(histories, |engine| engine.logits())
    }

    fn infer(
        &mut self,
        histories: &[&[u32]],
        read: impl Fn(&dyn Engine) -> cloze_encoder::error::Result<Vec<f32>>,
    ) -> Result<Vec<f32>, TrainError> {
        let mut all = Vec::new();
        let mut tokens = Vec::new();
        for chunk in histories.chunks(INFERENCE_BATCH) {
            let mut batch = PackedBatch::new();
            for history in chunk {
                tokens.clear();
                let kept = history.len().min(self.options.max_length - 1);
                tokens.extend_from_slice(&history[history.len() - kept..]);
                tokens.push(self.catalogue as u32);
                batch.push(&tokens, (self.options.max_length - tokens.len()) as u32, &[kept as u32], &[])?;
            }
            self.engine.forward(&batch, Mode::Inference)?;
            all.extend(read(&*self.engine)?);
        }
        Ok(all)
    }

    /// The weights, their names behind `prefix`.
    ///
    /// # Errors
    /// A failure of the engine.
    pub fn tensors(&self, prefix: &str) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let parameters = self.engine.parameters()?;
        let tensor = |(name, shape, values): (&str, &[usize], &[f32])| {
            NamedTensor::f32(format!("{prefix}{name}"), shape, values.to_vec())
        };
        Ok(parameters.iter().map(tensor).collect())
    }

    /// A tower from the weights of `folder` behind `prefix`.
    ///
    /// # Errors
    /// Weights that are absent, damaged or of another shape.
    pub fn load(
        folder: &ModelFolder,
        prefix: &str,
        options: &Bert4RecOptions,
        catalogue: usize,
    ) -> Result<Self, TrainError> {
        options.validate()?;
        let config = options.encoder(catalogue);
        config.validate()?;
        let layout = Arc::new(ParameterLayout::new(&config));
        let parameters = Parameters::read(layout, |name, shape| {
            folder.f32(&format!("{prefix}{name}"), Some(shape)).map_err(TrainError::from)
        })?;
        Self::around(options, catalogue, config, parameters, folder.card.seed)
    }
}

/// The users with a validation token, each with the whole training sequence as history.
///
/// # Errors
/// No such user, or a token beyond the catalogue.
pub fn validation_cases<'a>(
    sequences: &'a Sequences,
    targets: &[Option<u32>],
    catalogue: usize,
) -> Result<Cases<'a>, TrainError> {
    let held: Vec<(u32, u32)> =
        targets.iter().enumerate().filter_map(|(user, target)| Some((user as u32, (*target)?))).collect();
    let histories = held.iter().map(|&(user, _)| sequences.get(user as usize)).collect();
    let (users, targets) = held.into_iter().unzip();
    Ok(Cases::new(users, histories, targets, sequences.counts(catalogue))?)
}

/// Cloze training of a tower, for the loop.
struct ClozeTask<'a> {
    tower: &'a mut Tower,
    sampler: ClozeSampler,
    cases: Option<Cases<'a>>,
    kept: Option<Parameters>,
}

impl Task for ClozeTask<'_> {
    fn step(&mut self, step: u64, rate: f64) -> Result<(f64, GradientNorm), TrainError> {
        let batch = self.sampler.batch(step)?;
        let loss = self.tower.engine.cloze_step(&batch)?;
        Ok((f64::from(loss), self.tower.engine.optimizer_step(rate)?))
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(cases) = &self.cases else { return Ok(None) };
        let options = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };
        let ranks = evaluate(&mut Scorer(self.tower), cases, &options, &mut |_, _| {})?;
        Ok(ranks.first().map(|ranks| ranks.mean(Metric::Ndcg(10))))
    }

    fn keep(&mut self) -> Result<(), TrainError> {
        self.kept = Some(self.tower.engine.parameters()?);
        Ok(())
    }

    fn restore(&mut self) -> Result<(), TrainError> {
        match &self.kept {
            Some(parameters) => Ok(self.tower.engine.load(parameters)?),
            None => Ok(()),
        }
    }
}

/// A tower asked for its own tokens.
pub(crate) struct Scorer<'a>(pub(crate) &'a mut Tower);

impl Recommender for Scorer<'_> {
    fn name(&self) -> String {
        "bert4rec".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.0.catalogue
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        scores.copy_from_slice(&self.0.logits(&histories)?);
        Ok(())
    }
}
