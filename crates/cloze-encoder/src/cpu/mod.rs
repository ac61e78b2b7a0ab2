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
mod engine;
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
use crate::engine::{InferencePrecision, Mode};
use crate::error::{EncoderError, Result};
use crate::layout::{ParameterLayout, same_layout};
use crate::optimizer::{AdamW, AdamWOptions};
use crate::parameters::Parameters;
use crate::plan::Plan;
use forward::Context;
use rayon::prelude::*;
use weights::Matrices;
use worker::Worker;

/// See the [module's documentation](self).
pub struct CpuEngine {
    config: EncoderConfig,
    plan: Plan,
    parameters: Parameters,
    matrices: Matrices,
    /// Of inference.
    precision: InferencePrecision,
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
        let workers = (0..rayon::current_num_threads().max(1)).map(|_| Worker::default()).collect();
        Ok(Self {
            plan,
            matrices: Matrices::default(),
            precision: InferencePrecision::Float32,
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
        for (key, width) in [("hidden", self.config.hidden), ("intermediate", self.config.intermediate)] {
            if integers && width > integer::LONGEST {
                return refused(key, width.to_string(), "must be at most 65,536 for inference in int8");
            }
        }
        self.precision = precision;
        self.pass = None;
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

    /// Follows a change of the parameters: what an earlier pass left means nothing under them.
    fn follow(&mut self) {
        self.pass = None;
        self.matrices.update(&self.plan, self.parameters.values(), self.level);
    }

    /// Makes the matrices that `mode` computes with; with `outputs` that of the output layer too.
    fn prepare(&mut self, mode: Mode, outputs: bool) {
        let (plan, parameters, level) = (&self.plan, self.parameters.values(), self.level);
        match mode {
            Mode::Training => self.matrices.prepare_training(plan, parameters, level, outputs),
            Mode::Inference => {
                self.matrices.prepare_inference(plan, parameters, level, self.precision, outputs);
            }
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
        let (weights, level, integers) = self.matrices.of(mode, self.level);
        Context {
            config: &self.config,
            plan: &self.plan,
            parameters: self.parameters.values(),
            weights,
            integers,
            dropout: self.dropout(mode),
            training: mode == Mode::Training,
            level,
        }
    }

    fn pass(&self, call: &'static str) -> Result<&Pass> {
        self.pass.as_ref().ok_or(EncoderError::Order { call, needs: "forward" })
    }
}
