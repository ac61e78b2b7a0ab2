//! A trained encoder over sequences of any one kind of token: items for BERT4Rec, SASRec and the content tower of
//! HybridBERT4Rec, users for its collaborative tower.

use crate::lessons::{Lesson, Lessons};
use crate::objective::Objective;
use crate::options::Bert4RecOptions;
use crate::sampler::Sampler;
use cloze_data::Sequences;
use cloze_encoder::engine::{self, Engine, Mode};
use cloze_encoder::{EncoderConfig, OptimizerState, PackedBatch, ParameterLayout, Parameters};
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_train::{ModelFolder, NamedTensor, Plan, Run, Step, Task, TrainError, train, validation_cases};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use start::Start;
use std::borrow::Cow;
use std::sync::Arc;

/// Sequences that one inference pass takes.
const INFERENCE_BATCH: usize = 192;

/// Name of the output layer's bias in the encoder's layout.
const OUTPUT_BIAS: &str = "cls.predictions.bias";

/// Name of the token table there.
const TOKENS: &str = "bert.embeddings.word_embeddings.weight";

/// Which vector of the last row stands for the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// What the output layer compares with the token vectors: for BERT4Rec `GELU(h W_p + b_p)`, normalized if the
    /// head is; for SASRec h.
    Projected,
    /// The hidden state h itself.
    Hidden,
}

/// An encoder with its options and their task, trained or in training.
pub struct Tower<O = Bert4RecOptions> {
    options: O,
    catalogue: usize,
    engine: Box<dyn Engine>,
    start: Option<Start>,
}

impl<O: Objective> Tower<O> {
    /// An untrained tower over `catalogue` tokens.
    ///
    /// # Errors
    /// Options that cannot be.
    pub fn new(options: &O, catalogue: usize, seed: u64) -> Result<Self, TrainError> {
        options.validate()?;
        let config = options.encoder(catalogue);
        config.validate()?;
        let layout = Arc::new(ParameterLayout::new(&config));
        let training = options.training();
        let parameters = Parameters::initialize(layout, training.initial_scale, seed)
            .with_identity(training.initial_identity)
            .with_transform_bias(training.initial_bias);
        Self::around(options, catalogue, config, parameters, seed)
    }

    fn around(
        options: &O,
        catalogue: usize,
        config: EncoderConfig,
        parameters: Parameters,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let engine = engine::open(config, parameters, options.training().optimizer, seed)?;
        Ok(Self { options: options.clone(), catalogue, engine, start: None })
    }

    /// Trains on `sequences`; the best parameters by NDCG@10 of the `validation` tokens stay, without them the last.
    ///
    /// # Errors
    /// Sequences without a token, more prefixes than can be counted, or divergence.
    pub fn train(
        &mut self,
        phase: &str,
        sequences: &Sequences,
        validation: Option<&[Option<u32>]>,
        run: &mut Run<'_>,
    ) -> Result<(), TrainError> {
        let learned = if self.options.training().shuffle {
            let lists: Vec<Vec<u32>> = sequences.iter().map(shuffled).collect();
            Sequences::from_lists(&lists, None)?
        } else {
            sequences.clone()
        };
        if let Some(reason) = engine::fallback_for(self.engine.config()) {
            run.reporter.note(&reason);
        }
        let sampler = Sampler::new(learned, self.catalogue, &self.options, run.seed)?;
        if sampler.is_empty() {
            return Err(TrainError::Data(O::NOTHING.to_owned()));
        }
        let cases = validation_cases(sequences, validation, self.catalogue)?;
        let training = self.options.training();
        let plan = Plan {
            schedule: training.schedule,
            validate_every: if cases.is_some() { training.validate_every } else { 0 },
        };
        let lessons = Lessons::new(sampler, self.engine.preparer(), training.loss, self.catalogue);
        let mut task = TowerTask { tower: self, lessons, next: None, steps: plan.schedule.steps, cases };
        train(&mut task, phase, &plan, run)
    }

    /// The options.
    pub fn options(&self) -> &O {
        &self.options
    }

    /// Number of tokens, special ones not counted.
    pub fn catalogue(&self) -> usize {
        self.catalogue
    }

    /// Profiles of `histories`, `[histories, hidden]`: the vector of the last row of each one's input (for BERT4Rec
    /// the last `max_length − 1` tokens and \[MASK\], for SASRec the last `max_length` tokens). Zero where there is no
    /// input, which is so for SASRec's empty history.
    ///
    /// # Errors
    /// A token beyond the catalogue.
    pub fn profiles(&mut self, histories: &[&[u32]], profile: Profile) -> Result<Vec<f32>, TrainError> {
        let blank = vec![0.0; self.engine.config().hidden];
        self.infer(histories, &blank, |engine| match profile {
            Profile::Projected => engine.transformed(),
            Profile::Hidden => engine.hidden(),
        })
    }

    /// Logits of all tokens for the place after each history, `[histories, catalogue]`. Where there is no input, the
    /// output layer's bias.
    ///
    /// # Errors
    /// A token beyond the catalogue.
    pub fn logits(&mut self, histories: &[&[u32]]) -> Result<Vec<f32>, TrainError> {
        let mut logits = vec![0.0; histories.len() * self.catalogue];
        self.write_logits(histories, &mut logits)?;
        Ok(logits)
    }

    /// The same, written to `logits`, which has as many values.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn write_logits(&mut self, histories: &[&[u32]], logits: &mut [f32]) -> Result<(), TrainError> {
        if histories.iter().any(|history| self.options.input(history, self.catalogue).is_empty()) {
            let parameters = self.engine.parameters()?;
            let blank = parameters.get(OUTPUT_BIAS).unwrap_or_default();
            logits.copy_from_slice(&self.infer(histories, blank, |engine| engine.logits())?);
            return Ok(());
        }
        let rows = logits.chunks_mut((INFERENCE_BATCH * self.catalogue).max(1));
        for (histories, logits) in histories.chunks(INFERENCE_BATCH).zip(rows) {
            let (batch, _) = self.input_batch(histories)?;
            self.engine.forward(&batch, Mode::Inference)?;
            self.engine.write_logits(logits)?;
        }
        Ok(())
    }

    /// The vectors of all tokens in the table that the input uses, `[catalogue, hidden]`; special ones are left out.
    ///
    /// # Errors
    /// A failure of the engine.
    pub fn token_vectors(&self) -> Result<Vec<f32>, TrainError> {
        let parameters = self.engine.parameters()?;
        let len = self.catalogue * self.engine.config().hidden;
        Ok(parameters.get(TOKENS).unwrap_or_default().iter().copied().take(len).collect())
    }

    /// What `read` finds for the last row of each history's input, `blank` where there is no input.
    fn infer(
        &mut self,
        histories: &[&[u32]],
        blank: &[f32],
        read: impl Fn(&dyn Engine) -> cloze_encoder::error::Result<Vec<f32>>,
    ) -> Result<Vec<f32>, TrainError> {
        let mut all = Vec::new();
        for chunk in histories.chunks(INFERENCE_BATCH) {
            let (batch, given) = self.input_batch(chunk)?;
            let found = if batch.sequences() == 0 {
                Vec::new()
            } else {
                self.engine.forward(&batch, Mode::Inference)?;
                read(&*self.engine)?
            };
            if given.iter().all(|&given| given) {
                all.extend(found);
                continue;
            }
            let mut rows = found.chunks_exact(blank.len().max(1));
            for given in given {
                all.extend_from_slice(if given { rows.next().unwrap_or(blank) } else { blank });
            }
        }
        Ok(all)
    }

    /// What the encoder sees of a history, its last tokens and special ones: equal inputs have equal profiles.
    pub fn input(&self, history: &[u32]) -> Vec<u32> {
        let shuffle = self.options.training().shuffle;
        let history = if shuffle { Cow::Owned(shuffled(history)) } else { Cow::Borrowed(history) };
        self.options.input(&history, self.catalogue)
    }

    /// The histories' inputs, the last row of each asked for, and whether each history has one.
    fn input_batch(&self, histories: &[&[u32]]) -> Result<(PackedBatch, Vec<bool>), TrainError> {
        let max_length = self.options.training().max_length;
        let mut batch = PackedBatch::new();
        let mut given = Vec::with_capacity(histories.len());
        for history in histories {
            let input = self.input(history);
            given.push(!input.is_empty());
            if let Some(last) = input.len().checked_sub(1) {
                batch.push(&input, (max_length - input.len()) as u32, &[last as u32], &[])?;
            }
        }
        Ok((batch, given))
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
        options: &O,
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

/// A history in another order: the same history always in the same.
fn shuffled(history: &[u32]) -> Vec<u32> {
    let mix = |sum: u64, &token: &u32| sum.wrapping_mul(0x0100_0000_01B3).wrapping_add(token.into());
    let mut other = history.to_vec();
    other.shuffle(&mut ChaCha8Rng::seed_from_u64(history.iter().fold(history.len() as u64, mix)));
    other
}

/// Training of a tower, for the loop.
struct TowerTask<'a, O> {
    tower: &'a mut Tower<O>,
    lessons: Lessons<O>,
    /// What the next step learns from, made during the last one.
    next: Option<Lesson>,
    /// Number of steps.
    steps: u64,
    cases: Option<Cases<'a>>,
}

impl<O: Objective> Task for TowerTask<'_, O> {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let lesson = match self.next.take() {
            Some(lesson) if lesson.step == step => lesson,
            _ => self.lessons.make(step)?,
        };
        let loss = self.lessons.loss(&lesson);
        let mut next = None;
        let lessons = &mut self.lessons;
        let mut meanwhile = || next = (step + 1 < self.steps).then(|| lessons.make(step + 1));
        let (loss, norm) = self.tower.engine.train_step(&lesson.batch, &loss, rate, &mut meanwhile)?;
        self.next = next.transpose()?;
        self.tower.keep_frozen(step)?;
        Ok(Step { loss: f64::from(loss), norm, items: lesson.batch.batch().tokens().len() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(cases) = &self.cases else { return Ok(None) };
        let options = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };
        let ranks = evaluate(&mut Scorer(self.tower), cases, &options, &mut |_, _| {})?;
        Ok(ranks.first().map(|ranks| ranks.mean(Metric::Ndcg(10))))
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        self.tower.parameters()
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        self.tower.load_parameters(parameters)
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        self.tower.optimizer()
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        self.tower.load_optimizer(state)
    }
}

/// A tower asked for its own tokens.
pub(crate) struct Scorer<'a, O>(pub(crate) &'a mut Tower<O>);

impl<O: Objective> Recommender for Scorer<'_, O> {
    fn name(&self) -> String {
        "tower".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.0.catalogue
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        Ok(self.0.write_logits(&histories, scores)?)
    }

    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        Ok(self.0.profiles(&histories, Profile::Projected)?)
    }
}

mod outside;
mod start;

#[cfg(test)]
mod gradients;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SasRecOptions;

    /// Logits of every row of one sequence.
    fn rows<O: Objective>(tower: &mut Tower<O>, tokens: &[u32]) -> Vec<Vec<f32>> {
        let mut batch = PackedBatch::new();
        let all: Vec<u32> = (0..tokens.len() as u32).collect();
        let first = tower.options.training().max_length - tokens.len();
        batch.push(tokens, first as u32, &all, &[]).unwrap();
        tower.engine.forward(&batch, Mode::Inference).unwrap();
        tower.engine.logits().unwrap().chunks(tower.catalogue).map(<[f32]>::to_vec).collect()
    }

    /// A place that saw a later item would be trained on its own target.
    #[test]
    fn a_later_item_changes_no_earlier_score_of_sasrec_and_every_score_of_bert4rec() {
        let sasrec = SasRecOptions { hidden: 16, max_length: 6, ..SasRecOptions::default() };
        let mut tower = Tower::new(&sasrec, 9, 3).unwrap();
        let (one, other) = (rows(&mut tower, &[1, 2, 3, 4]), rows(&mut tower, &[1, 2, 7, 4]));
        assert_eq!(one[..2], other[..2]);
        assert!(one[2] != other[2] && one[3] != other[3]);
        // What is asked at inference is what the last row was trained for.
        assert_eq!(tower.logits(&[&[1, 2, 3, 4]]).unwrap(), one[3]);

        let bert4rec = Bert4RecOptions { hidden: 16, max_length: 6, ..Bert4RecOptions::default() };
        let mut tower = Tower::new(&bert4rec, 9, 3).unwrap();
        let (one, other) = (rows(&mut tower, &[1, 2, 3, 4]), rows(&mut tower, &[1, 2, 7, 4]));
        assert!(one.iter().zip(&other).all(|(a, b)| a != b));
    }

    #[test]
    fn empty_histories_of_sasrec_get_the_bias_between_others() {
        let options = SasRecOptions { hidden: 8, max_length: 6, ..SasRecOptions::default() };
        let mut tower = Tower::new(&options, 5, 3).unwrap();
        let mut parameters = tower.engine.parameters().unwrap();
        let bias = tower.engine.layout().get(OUTPUT_BIAS).unwrap().range();
        parameters.values_mut()[bias].copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        tower.engine.load(&parameters).unwrap();
        let (one, two) = (tower.logits(&[&[1]]).unwrap(), tower.logits(&[&[2, 4]]).unwrap());
        let together = tower.logits(&[&[1], &[], &[2, 4], &[]]).unwrap();
        assert_eq!(
            together,
            [&one[..], &[1.0, 2.0, 3.0, 4.0, 5.0], &two, &[1.0, 2.0, 3.0, 4.0, 5.0]].concat()
        );
        assert_eq!(tower.profiles(&[&[]], Profile::Projected).unwrap(), [0.0; 8]);
    }
}
