//! What every engine answers, by the processor.

use super::state::HeadState;
use super::{CpuEngine, Pass};
use crate::batch::PackedBatch;
use crate::config::EncoderConfig;
use crate::engine::{Engine, Mode, check_room};
use crate::error::{EncoderError, Result};
use crate::layout::{ParameterLayout, same_layout};
use crate::loss::Loss;
use crate::optimizer::{GradientNorm, OptimizerState};
use crate::parameters::Parameters;
use rayon::prelude::*;
use std::sync::Arc;

/// Rows of the output layer that one task computes at inference: whole tiles of the matrix kernels.
const HEAD_ROWS: usize = 24;

impl Engine for CpuEngine {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn config(&self) -> &EncoderConfig {
        &self.config
    }

    fn layout(&self) -> &Arc<ParameterLayout> {
        self.parameters.layout()
    }

    fn forward(&mut self, batch: &PackedBatch, mode: Mode) -> Result<()> {
        let hidden = self.encode(batch, mode)?;
        // For the head, whatever the mode.
        self.prepare(Mode::Inference, true);
        self.pass = Some(Pass { batch: batch.clone(), mode, hidden });
        Ok(())
    }

    fn hidden(&self) -> Result<Vec<f32>> {
        Ok(self.pass("hidden")?.hidden.clone())
    }

    fn transformed(&self) -> Result<Vec<f32>> {
        // First: without a pass there are no matrices either.
        let pass = self.pass("transformed")?;
        let mut head = HeadState::default();
        self.context(Mode::Inference).transform(&pass.hidden, &mut head);
        Ok(head.transformed)
    }

    fn logits(&self) -> Result<Vec<f32>> {
        let rows = self.pass("logits")?.hidden.len() / self.config.hidden;
        let mut logits = vec![0.0; rows * self.config.outputs];
        self.write_logits(&mut logits)?;
        Ok(logits)
    }

    fn write_logits(&self, logits: &mut [f32]) -> Result<()> {
        let (transformed, context) = (self.transformed()?, self.context(Mode::Inference));
        let (width, outputs) = (self.config.hidden, self.config.outputs);
        check_room(logits, transformed.len() / width * outputs)?;
        let tasks = logits.par_chunks_mut(HEAD_ROWS * outputs).zip(transformed.par_chunks(HEAD_ROWS * width));
        tasks.for_each(|(logits, transformed)| context.output_layer(transformed, logits));
        Ok(())
    }

    fn backward(&mut self, gradient: &[f32]) -> Result<()> {
        let training = self.pass.take_if(|pass| pass.mode == Mode::Training);
        let needs = "forward in training mode";
        let pass = training.ok_or(EncoderError::Order { call: "backward", needs })?;
        if gradient.len() != pass.hidden.len() {
            let (found, expected) = (gradient.len(), pass.hidden.len());
            return Err(EncoderError::Batch(format!("{found} gradient values for {expected} hidden values")));
        }
        let width = self.config.hidden;
        self.clear_workers();
        // The forward pass is run again, with the same dropout: heads outside the engine are no hot path.
        self.each_group(&pass.batch, Mode::Training, None, |context, group, worker| {
            worker.forward(context, group);
            worker.upstream.clear();
            for sequence in group {
                let rows = sequence.first_output..sequence.first_output + sequence.outputs.len();
                worker.upstream.extend_from_slice(&gradient[rows.start * width..rows.end * width]);
            }
            worker.backward(context, group);
        })?;
        self.reduce();
        Ok(())
    }

    fn loss_step(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f32> {
        loss.validate(batch, self.config.outputs)?;
        self.clear_workers();
        let scale = 1.0 / batch.outputs().len() as f32;
        self.each_group(batch, Mode::Training, Some(loss), |context, group, worker| {
            worker.loss_step(context, group, loss, scale);
        })?;
        self.reduce();
        let loss: f64 = self.workers.iter().map(|worker| worker.loss).sum();
        Ok((loss / batch.outputs().len() as f64) as f32)
    }

    fn loss(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f64> {
        loss.validate(batch, self.config.outputs)?;
        self.workers.iter_mut().for_each(|worker| worker.loss = 0.0);
        self.each_group(batch, Mode::Inference, Some(loss), |context, group, worker| {
            worker.loss(context, group, loss);
        })?;
        let loss: f64 = self.workers.iter().map(|worker| worker.loss).sum();
        Ok(loss / batch.outputs().len() as f64)
    }

    fn gradients(&self) -> Result<Vec<f32>> {
        Ok(self.gradients.clone())
    }

    fn optimizer_step(&mut self, rate: f64) -> Result<GradientNorm> {
        let result = self.optimizer.update(self.parameters.values_mut(), &self.gradients, rate);
        self.gradients.fill(0.0);
        self.follow();
        result
    }

    fn parameters(&self) -> Result<Parameters> {
        Ok(self.parameters.clone())
    }

    fn load(&mut self, parameters: &Parameters) -> Result<()> {
        same_layout(self.parameters.layout(), parameters.layout())?;
        self.parameters.values_mut().copy_from_slice(parameters.values());
        self.follow();
        Ok(())
    }

    fn optimizer_state(&self) -> Result<OptimizerState> {
        Ok(self.optimizer.state())
    }

    fn load_optimizer_state(&mut self, state: OptimizerState) -> Result<()> {
        self.optimizer.load_state(state)
    }
}
