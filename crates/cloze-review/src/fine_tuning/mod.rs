//! Fine-tuning a BERT on reviews by its own two tasks: masked word pieces, and whether one text follows another.

mod corpus;
mod head;
mod quality;
mod task;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use cloze_encoder::hugging_face::{self, NEXT_SENTENCE, POOLER, Stored};
use cloze_encoder::{AdamW, AdamWOptions, Head, ParameterLayout, Parameters, Schedule, engine};
use cloze_train::{NamedTensor, Plan, Run, TrainError, put_files, serialize, train};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ReviewError;
use crate::{source, wordpiece};
use corpus::{Corpus, Marks, Recipe};
use head::PairHead;
pub use quality::TextQuality;
use task::FineTuningTask;

/// What fine-tuning leaves of itself in the folder of the model.
const FINE_TUNING_FILE: &str = "fine_tuning.json";
/// Every so manieth review is not learned from: the measure of what was learned.
const MEASURED: usize = 20;
/// Standard deviation that BERT's layers start with.
const SCALE: f64 = 0.02;
/// Files that come along where they are.
const TOKENIZER_FILES: [&str; 3] = ["tokenizer.json", "tokenizer_config.json", "vocab.txt"];
/// The phase of the training loop.
const PHASE: &str = "fine-tuning";

/// How to fine-tune.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FineTuningOptions {
    /// The model to start from: a folder, or an id of the model hub.
    pub text_model: String,
    /// Word pieces of an example at most.
    pub text_length: usize,
    /// Share of the word pieces that are asked for.
    pub mask_probability: f64,
    /// Passes over the reviews.
    pub epochs: u64,
    /// Reviews a step.
    pub batch: usize,
    /// Highest learning rate, reached after a tenth of the steps; then it falls linearly to 0.
    pub learning_rate: f64,
}

impl Default for FineTuningOptions {
    fn default() -> Self {
        Self {
            text_model: "bert-base-uncased".to_owned(),
            text_length: 128,
            mask_probability: 0.15,
            epochs: 3,
            batch: 32,
            learning_rate: 5e-5,
        }
    }
}

/// What came of it; kept as `fine_tuning.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FineTuned {
    /// How it was done.
    pub options: FineTuningOptions,
    /// Data set of the reviews.
    pub dataset: String,
    /// Hash of the split whose training part was read.
    pub split_hash: String,
    /// Reviews that were learned from.
    pub learned: usize,
    /// Reviews that were not, on which the model was measured.
    pub measured: usize,
    /// Whether the model had a head for masked word pieces; one without starts from a new one.
    pub had_head: bool,
    /// Before.
    pub before: TextQuality,
    /// After.
    pub after: TextQuality,
}

impl FineTuningOptions {
    fn validate(&self) -> Result<(), TrainError> {
        let rules = [
            ("text-length", self.text_length as f64, self.text_length >= 8, "must be at least 8"),
            ("epochs", self.epochs as f64, self.epochs >= 1, "must be at least 1"),
            ("batch", self.batch as f64, self.batch >= 1, "must be at least 1"),
            (
                "learning-rate",
                self.learning_rate,
                (0.0..=1.0).contains(&self.learning_rate),
                "must be from 0 to 1",
            ),
            (
                "mask-probability",
                self.mask_probability,
                self.mask_probability > 0.0 && self.mask_probability <= 1.0,
                "must be above 0 and at most 1",
            ),
        ];
        let broken = rules.into_iter().find(|(_, _, holds, _)| !holds);
        broken.map_or(Ok(()), |(key, value, _, rule)| Err(TrainError::option(key, value, rule)))
    }
}

/// Where reviews come from, for the record.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// Data set.
    pub dataset: &'a str,
    /// Hash of its split.
    pub split_hash: &'a str,
}

/// Fine-tunes on `texts` and writes the model to the folder `output`, as transformers' `BertForPreTraining` has it: any text model
/// of this crate opens it. One review in twenty is not learned from but measured on, before and after.
///
/// # Errors
/// A model that can't be had, fewer than 40 texts, divergence, an interruption, a folder that can't be written.
pub fn fine_tune(
    texts: &[&str],
    from: Provenance<'_>,
    options: &FineTuningOptions,
    output: &Path,
    run: &mut Run<'_>,
) -> Result<FineTuned, TrainError> {
    options.validate()?;
    let folder = source::resolve(&options.text_model)?;
    let stored = hugging_face::open(&folder).map_err(ReviewError::from)?;
    let had_head = stored.config.head != Head::Plain;
    let recipe = recipe(&folder, &stored, options, run.seed)?;
    let (measured, learned): (Vec<_>, Vec<_>) =
        texts.iter().enumerate().partition(|(number, _)| number % MEASURED == MEASURED - 1);
    let corpus = |part: Vec<(usize, &&str)>| {
        let texts: Vec<&str> = part.into_iter().map(|(_, text)| *text).collect();
        Corpus::new(&texts, &recipe.0, recipe.1)
    };
    let (measured, learned) = (corpus(measured)?, corpus(learned)?);
    if measured.len() < 2 || learned.len() < 2 {
        let problem = format!("{} reviews are too few to fine-tune on: give at least 40", texts.len());
        return Err(TrainError::Data(problem));
    }
    let counts = (learned.len(), measured.len());
    let steps = options.epochs.saturating_mul(learned.len().div_ceil(options.batch) as u64);
    let mut task = task(stored, learned, options, run.seed)?;
    let before = TextQuality::of(&mut task, &measured)?;
    let schedule = Schedule { peak: options.learning_rate, warmup: steps.div_ceil(10), steps };
    train(&mut task, PHASE, &Plan { schedule, validate_every: 0 }, run)?;
    let after = TextQuality::of(&mut task, &measured)?;
    let done = FineTuned {
        options: options.clone(),
        dataset: from.dataset.to_owned(),
        split_hash: from.split_hash.to_owned(),
        learned: counts.0,
        measured: counts.1,
        had_head,
        before,
        after,
    };
    write(output, &folder, &task, &done)?;
    Ok(done)
}

/// The record of a model's fine-tuning, if it was fine-tuned.
///
/// # Errors
/// A record that can't be read.
pub fn fine_tuned(folder: &Path) -> Result<Option<FineTuned>, ReviewError> {
    let path = folder.join(FINE_TUNING_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let stored =
        |error: &dyn std::fmt::Display| ReviewError::Stored { path: path.clone(), reason: error.to_string() };
    let text = std::fs::read(&path).map_err(|error| stored(&error))?;
    serde_json::from_slice(&text).map(Some).map_err(|error| stored(&error))
}

/// The tokenizer, uncut, and how examples are made with it.
fn recipe(
    folder: &Path,
    stored: &Stored,
    options: &FineTuningOptions,
    seed: u64,
) -> Result<(tokenizers::Tokenizer, Recipe), TrainError> {
    let length = options.text_length.min(stored.config.max_length);
    if stored.config.token_types < 2 {
        let problem =
            format!("{}: the model has no token types, so it can't tell two texts apart", folder.display());
        return Err(TrainError::Data(problem));
    }
    // A sentence of any length: the example is cut, not the sentence.
    let tokenizer = wordpiece::open(folder, &stored.config, usize::MAX)?;
    let id = |mark: &str| tokenizer.token_to_id(mark).unwrap_or_default();
    let marks = Marks { begin: id("[CLS]"), separator: id("[SEP]"), mask: id("[MASK]") };
    let vocabulary = tokenizer.get_vocab_size(true) as u32;
    let mask_probability = options.mask_probability;
    Ok((tokenizer, Recipe { marks, vocabulary, length, mask_probability, seed }))
}

/// The model with both heads.
fn task(
    stored: Stored,
    corpus: Corpus,
    options: &FineTuningOptions,
    seed: u64,
) -> Result<FineTuningTask, TrainError> {
    let mut config = stored.config;
    let parameters = if config.head == Head::Plain {
        config.head = Head::TransformNorm;
        let layout = Arc::new(ParameterLayout::new(&config));
        let fresh = Parameters::initialize(layout.clone(), SCALE, seed);
        let values = |name: &str, _: &[usize]| {
            let found = stored.parameters.get(name).or_else(|| fresh.get(name));
            Ok::<_, TrainError>(found.unwrap_or_default().to_vec())
        };
        Parameters::read(layout, values)?
    } else {
        stored.parameters
    };
    let head = PairHead::new(config.hidden, stored.pooler.as_ref(), stored.next_sentence.as_ref(), seed);
    let decay = AdamWOptions { clip: Some(1.0), epsilon: 1e-6, ..AdamWOptions::default() };
    let optimizer = AdamW::flat(head.values.len(), decay.clone());
    let engine = engine::open(config, parameters, decay, seed)?;
    Ok(FineTuningTask { engine, head, optimizer, corpus, batch: options.batch })
}

fn write(output: &Path, from: &Path, task: &FineTuningTask, done: &FineTuned) -> Result<(), TrainError> {
    let json = |value: &Value| serde_json::to_vec_pretty(value);
    let failed = |error: serde_json::Error| TrainError::Data(format!("{}: {error}", output.display()));
    let read = |name: &str| std::fs::read(from.join(name));
    let mut config: Value = read("config.json")
        .map_err(|error| TrainError::Data(format!("{}: {error}", from.join("config.json").display())))
        .and_then(|text| serde_json::from_slice(&text).map_err(failed))?;
    // Whatever they were, weights are written in 32 bits.
    for key in ["dtype", "torch_dtype"] {
        if config.get(key).is_some() {
            config[key] = Value::from("float32");
        }
    }
    config["architectures"] = Value::from(vec!["BertForPreTraining"]);
    let parameters = task.engine.parameters()?;
    let mut tensors: Vec<NamedTensor<'_>> =
        parameters.iter().map(|(name, shape, values)| NamedTensor::f32(name, shape, values)).collect();
    let (pooler, next, n) = (task.head.pooler(), task.head.next_sentence(), task.engine.config().hidden);
    for ([weight, bias], outputs, values) in
        [(POOLER, n, (pooler.weight, pooler.bias)), (NEXT_SENTENCE, 2, (next.weight, next.bias))]
    {
        tensors.push(NamedTensor::f32(weight, &[outputs, n], values.0));
        tensors.push(NamedTensor::f32(bias, &[outputs], values.1));
    }
    let record = serde_json::to_value(done).and_then(|value| json(&value)).map_err(failed)?;
    let mut files = vec![
        ("config.json", json(&config).map_err(failed)?),
        ("model.safetensors", serialize(&tensors, Some(("format", "pt".to_owned())), output)?),
        (FINE_TUNING_FILE, record),
    ];
    for name in TOKENIZER_FILES {
        files.extend(read(name).ok().map(|bytes| (name, bytes)));
    }
    Ok(put_files(output, &files)?)
}
