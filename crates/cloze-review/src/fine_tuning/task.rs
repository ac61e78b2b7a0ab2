//! Both tasks in one step, for the training loop.

use cloze_encoder::engine::{Engine, Mode};
use cloze_encoder::{AdamW, EncoderError, GradientNorm, Loss, OptimizerState, PackedBatch, Parameters};
use cloze_train::{Step, Task, TrainError};

use super::corpus::{Corpus, Example};
use super::head::PairHead;

pub(super) struct FineTuningTask {
    pub(super) engine: Box<dyn Engine>,
    pub(super) head: PairHead,
    pub(super) optimizer: AdamW,
    pub(super) corpus: Corpus,
    pub(super) batch: usize,
}

/// Examples as the encoder takes them, with the rows that are asked for, or with the first rows only.
pub(super) fn packed(examples: &[Example], whole: bool) -> Result<PackedBatch, EncoderError> {
    let mut batch = PackedBatch::new();
    for Example { tokens, types, asked, targets, .. } in examples {
        if whole {
            batch.push(tokens, 0, asked, targets)?;
        } else {
            batch.push(tokens, 0, &[0], &[])?;
        }
        batch.set_token_types(types)?;
    }
    Ok(batch)
}

pub(super) fn foreign(examples: &[Example]) -> Vec<bool> {
    examples.iter().map(|example| example.foreign).collect()
}

impl FineTuningTask {
    /// Cuts the encoder's values from the head's.
    fn parts<'v>(&self, values: &'v [f32]) -> Result<(&'v [f32], &'v [f32]), TrainError> {
        let (encoder, expected) =
            (self.engine.layout().len(), self.engine.layout().len() + self.head.values.len());
        if values.len() != expected {
            let found = values.len();
            return Err(TrainError::Data(format!(
                "{found} values for an encoder and its heads of {expected}"
            )));
        }
        Ok(values.split_at(encoder))
    }
}

impl Task for FineTuningTask {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let examples = self.corpus.batch(step, self.batch);
        let words = packed(&examples, true)?;
        let masked = f64::from(self.engine.loss_step(&words, &Loss::Softmax)?);
        // Another pass for the pairs: the engine gives no gradient beside that of its own loss. Its dropout is that of the step,
        // so both see the same network.
        self.engine.forward(&packed(&examples, false)?, Mode::Training)?;
        let judged = self.head.judge(&self.engine.hidden()?, &foreign(&examples));
        self.engine.backward(&judged.hidden)?;
        let norms = [
            self.engine.optimizer_step(rate)?,
            self.optimizer.update(&mut self.head.values, &judged.parameters, rate)?,
        ];
        let norm = GradientNorm {
            norm: norms.iter().map(|one| one.norm.powi(2)).sum::<f64>().sqrt(),
            clipped: norms.iter().any(|one| one.clipped),
        };
        Ok(Step { loss: masked + judged.loss, norm, items: words.tokens().len() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        Ok(None)
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok([self.engine.parameters()?.values(), &self.head.values].concat())
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        let (encoder, head) = self.parts(parameters)?;
        let encoder = Parameters::from_flat(self.engine.layout().clone(), encoder.to_vec())?;
        self.engine.load(&encoder)?;
        self.head.values.copy_from_slice(head);
        Ok(())
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        let (encoder, head) = (self.engine.optimizer_state()?, self.optimizer.state());
        Ok(OptimizerState {
            step: encoder.step,
            first: [encoder.first, head.first].concat(),
            second: [encoder.second, head.second].concat(),
        })
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        let ((first, head_first), (second, head_second)) =
            (self.parts(&state.first)?, self.parts(&state.second)?);
        let part = |first: &[f32], second: &[f32]| OptimizerState {
            step: state.step,
            first: first.to_vec(),
            second: second.to_vec(),
        };
        self.engine.load_optimizer_state(part(first, second))?;
        Ok(self.optimizer.load_state(part(head_first, head_second))?)
    }
}
