//! The processor's engine: explicit forward and backward, one sequence at a time through all layers, or through recurrent
//! ones a few sequences side by side, so that what a core works on stays in its cache. No padding, no graph, no allocation
//! once buffers have grown.
//!
//! Training rounds the factors of its products to bfloat16 where the processor is faster with them ([`Level::rounds`]);
//! inference is in float32, or, where that is asked for, its linear layers multiply integers of 8 bits.
//!
//! Each worker takes a fixed share of the batch's sequences and adds to gradients of its own, which are then summed in
//! the workers' order: with the same number of threads, the same bits.

#[cfg(target_arch = "x86_64")]
mod amx;
mod backward;
mod bfloat16;
mod exponentials;
mod forward;
mod head;
mod integer;
mod kernels;
mod level;
mod math;
mod matrix;
mod product;
mod recurrent;
mod sampled;
mod share;
mod simd;
mod state;
mod steps;
mod units;
mod weights;
mod worker;

pub use exponentials::exponentials;
pub use level::Level;

use crate::batch::PackedBatch;
use crate::config::{Body, EncoderConfig};
use crate::dropout::Dropout;
use crate::engine::{Engine, InferencePrecision, Mode};
use crate::error::{EncoderError, Result};
use crate::layout::{ParameterLayout, same_layout};
use crate::loss::Loss;
use crate::optimizer::{AdamW, AdamWOptions, GradientNorm, OptimizerState};
use crate::parameters::Parameters;
use crate::plan::{Linear, Plan};
use forward::Context;
use integer::Integers;
use rayon::prelude::*;
use state::HeadState;
use std::sync::Arc;
use weights::Weights;
use worker::Worker;

/// Rows of the output layer that one task computes at inference.
const HEAD_ROWS: usize = 64;

/// See the [module's documentation](self).
pub struct CpuEngine {
    config: EncoderConfig,
    plan: Plan,
    parameters: Parameters,
    /// The parameters' matrices for training: to be updated whenever they change.
    weights: Weights,
    /// The same for inference, made when asked for, where the level has another one for that.
    exact_weights: Option<Weights>,
    precision: InferencePrecision,
    /// The linear layers for inference in integers: as above.
    integers: Option<Vec<Integers>>,
    gradients: Vec<f32>,
    optimizer: AdamW,
    seed: u64,
    level: Level,
    workers: Vec<Worker>,
    pass: Option<Pass>,
}

/// What a forward pass leaves for the calls after it.
struct Pass {
    batch: PackedBatch,
    mode: Mode,
    hidden: Vec<f32>,
}

impl CpuEngine {
    /// An engine around `parameters`, with as many workers as rayon has threads; `seed` is the dropout's.
    ///
    /// # Errors
    /// An invalid configuration, parameters of another layout, or a level that the processor does not have.
    pub fn new(
        config: EncoderConfig,
        parameters: Parameters,
        options: AdamWOptions,
        seed: u64,
        level: Level,
    ) -> Result<Self> {
        config.validate()?;
        let layout = ParameterLayout::new(&config);
        same_layout(&layout, parameters.layout())?;
        if !level.is_present() {
            let present: Vec<&str> = Level::present().map(Level::name).collect();
            return Err(EncoderError::Level { level: level.name(), present: present.join(", ") });
        }
        let plan = Plan::new(&config, &layout);
        let weights = Weights::new(&plan, parameters.values(), level);
        let workers = (0..rayon::current_num_threads().max(1)).map(|_| Worker::default()).collect();
        Ok(Self {
            plan,
            weights,
            exact_weights: None,
            precision: InferencePrecision::Float32,
            integers: None,
            optimizer: AdamW::new(&layout, options),
            gradients: vec![0.0; layout.len()],
            config,
            parameters,
            seed,
            level,
            workers,
            pass: None,
        })
    }

    /// Computes inference in `precision` from now on.
    ///
    /// # Errors
    /// [`EncoderError::Config`] where the encoder has no products of integers: a recurrent body, or layers too wide for sums
    /// of 32 bits.
    pub fn set_inference_precision(&mut self, precision: InferencePrecision) -> Result<()> {
        let integers = precision == InferencePrecision::Int8;
        let refused = |key, value: String, rule| Err(EncoderError::Config { key, value, rule });
        if integers && self.config.body != Body::Transformer {
            return refused(
                "body",
                format!("{:?}", self.config.body),
                "only a transformer's inference can be int8",
            );
        }
        let widest = self.config.hidden.max(self.config.intermediate);
        if integers && widest > integer::LONGEST {
            return refused(
                "intermediate",
                widest.to_string(),
                "must be at most 65,536 for inference in int8",
            );
        }
        self.precision = precision;
        self.pass = None;
        self.integers = None;
        Ok(())
    }

    fn dropout(&self, mode: Mode) -> Dropout {
        match mode {
            Mode::Training => Dropout::new(self.config.dropout, self.seed, self.optimizer.step()),
            Mode::Inference => Dropout::new(0.0, 0, 0),
        }
    }

    /// Hidden states of the output rows, in the batch's order.
    fn encode(&mut self, batch: &PackedBatch, mode: Mode) -> Result<Vec<f32>> {
        self.workers.iter_mut().for_each(|worker| worker.hidden.clear());
        self.each_group(batch, mode, None, |context, group, worker| worker.forward(context, group))?;
        let (width, cu_outputs) = (self.config.hidden, batch.cu_outputs());
        let mut hidden = vec![0.0; batch.outputs().len() * width];
        for worker in &self.workers {
            let mut rest = &worker.hidden[..];
            for &number in &worker.share {
                let place = cu_outputs[number] as usize * width..cu_outputs[number + 1] as usize * width;
                let (own, others) = rest.split_at(place.len());
                hidden[place].copy_from_slice(own);
                rest = others;
            }
        }
        Ok(hidden)
    }

    /// Adds the workers' gradients to the engine's, in the workers' order.
    fn reduce(&mut self) {
        let workers = &self.workers;
        let chunks = self.gradients.par_chunks_mut(16384).enumerate();
        chunks.for_each(|(number, chunk)| {
            let start = number * 16384;
            for worker in workers {
                if let Some(part) = worker.gradients.get(start..start + chunk.len()) {
                    chunk.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
                }
            }
        });
    }

    fn pack(&mut self) {
        self.weights.update(&self.plan, self.parameters.values(), self.level);
        self.exact_weights = None;
        self.integers = None;
    }

    /// Makes the matrices that `mode` computes with.
    fn prepare(&mut self, mode: Mode) {
        if mode == Mode::Inference && self.level.rounds() && self.exact_weights.is_none() {
            let weights = Weights::new(&self.plan, self.parameters.values(), self.level.exact());
            self.exact_weights = Some(weights);
        }
        let asked = mode == Mode::Inference && self.precision == InferencePrecision::Int8;
        if asked && self.integers.is_none() {
            let (parameters, level) = (self.parameters.values(), self.level);
            let linears: Vec<_> = self.plan.linears().collect();
            let round = |linear: &&Linear| {
                Integers::new(&parameters[linear.weight.clone()], linear.bias.len(), level)
            };
            self.integers = Some(linears.par_iter().map(round).collect());
        }
    }

    fn clear_workers(&mut self) {
        let len = self.gradients.len();
        self.workers.par_iter_mut().for_each(|worker| {
            worker.gradients.clear();
            worker.gradients.resize(len, 0.0);
            worker.loss = 0.0;
        });
    }

    /// After [`Self::prepare`].
    fn context(&self, mode: Mode) -> Context<'_> {
        let exact = self.exact_weights.as_ref().filter(|_| mode == Mode::Inference);
        Context {
            config: &self.config,
            plan: &self.plan,
            parameters: self.parameters.values(),
            weights: exact.unwrap_or(&self.weights),
            integers: self.integers.as_deref().filter(|_| mode == Mode::Inference),
            training: mode == Mode::Training,
            dropout: self.dropout(mode),
            level: if exact.is_some() { self.level.exact() } else { self.level },
        }
    }

    fn pass(&self, call: &'static str) -> Result<&Pass> {
        self.pass.as_ref().ok_or(EncoderError::Order { call, needs: "forward" })
    }
}

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
        self.prepare(Mode::Inference);
        self.pass = Some(Pass { batch: batch.clone(), mode, hidden });
        Ok(())
    }

    fn hidden(&self) -> Result<Vec<f32>> {
        Ok(self.pass("hidden")?.hidden.clone())
    }

    fn transformed(&self) -> Result<Vec<f32>> {
        let mut head = HeadState::default();
        self.context(Mode::Inference).transform(&self.pass("transformed")?.hidden, &mut head);
        Ok(head.transformed)
    }

    fn logits(&self) -> Result<Vec<f32>> {
        let (transformed, context) = (self.transformed()?, self.context(Mode::Inference));
        let (width, outputs) = (self.config.hidden, self.config.outputs);
        let mut logits = vec![0.0; transformed.len() / width * outputs];
        let tasks = logits.par_chunks_mut(HEAD_ROWS * outputs).zip(transformed.par_chunks(HEAD_ROWS * width));
        tasks.for_each(|(logits, transformed)| context.output_layer(transformed, logits));
        Ok(logits)
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
        self.pack();
        result
    }

    fn parameters(&self) -> Result<Parameters> {
        Ok(self.parameters.clone())
    }

    fn load(&mut self, parameters: &Parameters) -> Result<()> {
        same_layout(self.parameters.layout(), parameters.layout())?;
        self.parameters.values_mut().copy_from_slice(parameters.values());
        self.pack();
        self.pass = None;
        Ok(())
    }

    fn optimizer_state(&self) -> Result<OptimizerState> {
        Ok(self.optimizer.state())
    }

    fn load_optimizer_state(&mut self, state: OptimizerState) -> Result<()> {
        self.optimizer.load_state(state)
    }
}
