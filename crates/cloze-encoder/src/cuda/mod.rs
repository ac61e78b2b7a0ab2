//! The GPU's engine: explicit forward and backward over packed batches, as a list of kernels and matrix products over one
//! arena in the device's memory. CUDA is opened at run time: the same program starts on a machine without it.
//!
//! Activations are bfloat16, sums and master parameters are f32 ([`Precision`]). The kernels are in `kernels/cuda`; they
//! are compiled for the encoder's shape when an engine is opened. Nothing is added up in an order that depends on chance:
//! the same run gives the same bits.

mod backward;
mod device;
mod emulator;
mod engine;
mod forward;
mod gpu;
mod head;
mod padding;
mod run;
mod segments;
mod shape;
mod stager;
mod staging;
mod workspace;

use crate::config::{Body, EncoderConfig};
use crate::dropout::Dropout;
use crate::engine::{Engine, Mode};
use crate::error::{EncoderError, Result};
use crate::layout::{ParameterLayout, same_layout};
use crate::loss::Loss;
use crate::optimizer::{AdamWOptions, GradientNorm};
use crate::parameters::Parameters;
use crate::plan::Plan;
use device::{Address, Arguments, Device, Number};
use run::{Flat, Run};
use shape::{Shape, launch, threads};
use staging::{Bump, StagedBatch};
use std::sync::Arc;
use workspace::Workspace;

pub use gpu::Gpu;
pub(crate) use stager::{LaidOut, Stager};

/// Parts of the sum of squares.
const SQUARES: usize = 512;
/// Bytes of what changes from step to step.
const STEP_BYTES: usize = 32;

/// What an engine computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Activations and the products' factors in bfloat16, sums in f32.
    Bf16,
    /// Everything in f32.
    F32,
}

/// Whether the engine has kernels for `config`.
///
/// # Errors
/// An invalid configuration, [`EncoderError::Body`].
fn check(config: &EncoderConfig) -> Result<()> {
    config.validate()?;
    if config.body == Body::Transformer { Ok(()) } else { Err(EncoderError::Body { engine: "cuda" }) }
}

/// The GPUs of this machine that the engine can use, in the driver's order; at least one.
///
/// # Errors
/// [`EncoderError::NoDevice`]: why there is none, and what to do about it.
pub fn usable() -> Result<Vec<Gpu>> {
    let mut gpus = gpu::gpus()?;
    let refused = gpus.iter().find_map(|gpu| gpu.check().err());
    gpus.retain(|gpu| gpu.check().is_ok());
    if gpus.is_empty() {
        let none =
            || EncoderError::NoDevice("the driver shows no GPU: is CUDA_VISIBLE_DEVICES set?".to_owned());
        return Err(refused.unwrap_or_else(none));
    }
    Ok(gpus)
}

/// See the [module's documentation](self).
pub struct CudaEngine {
    stager: Arc<Stager>,
    layout: Arc<ParameterLayout>,
    shape: Shape,
    options: AdamWOptions,
    seed: u64,
    step: u64,
    flat: Flat,
    arena: Arena,
    pass: Option<Pass>,
    /// Last, so that it is dropped last.
    device: Box<dyn Device>,
}

/// The piece of memory that passes share.
#[derive(Debug, Clone, Copy)]
struct Arena {
    start: Address,
    bytes: usize,
}

/// What a pass leaves for the calls after it.
struct Pass {
    staged: StagedBatch,
    space: Workspace,
    mode: Mode,
}

impl CudaEngine {
    /// An engine on GPU number `ordinal` around `parameters`; `seed` is the dropout's.
    ///
    /// # Errors
    /// An invalid configuration, parameters of another layout, [`EncoderError::NoDevice`] with what is missing, or a
    /// failure of the GPU.
    pub fn new(
        config: EncoderConfig,
        parameters: &Parameters,
        options: AdamWOptions,
        seed: u64,
        precision: Precision,
        ordinal: usize,
    ) -> Result<Self> {
        check(&config)?;
        let device = gpu::CudaDevice::open(ordinal, &shape::program(&config, precision))?;
        Self::on(Box::new(device), config, parameters, options, seed, precision)
    }

    /// The same engine with its kernels compiled by a C++ compiler and run on the processor, thread by thread. Very slow: for
    /// tests on machines without a GPU.
    ///
    /// # Errors
    /// As [`Self::new`]; no C++ compiler.
    pub fn emulated(
        config: EncoderConfig,
        parameters: &Parameters,
        options: AdamWOptions,
        seed: u64,
        precision: Precision,
    ) -> Result<Self> {
        check(&config)?;
        let device = emulator::Emulator::compile(&shape::program(&config, precision))?;
        Self::on(Box::new(device), config, parameters, options, seed, precision)
    }

    fn on(
        device: Box<dyn Device>,
        config: EncoderConfig,
        parameters: &Parameters,
        options: AdamWOptions,
        seed: u64,
        precision: Precision,
    ) -> Result<Self> {
        let layout = Arc::new(ParameterLayout::new(&config));
        same_layout(&layout, parameters.layout())?;
        let shape = Shape::new(&config, precision);
        let len = layout.len();
        // Products over the outputs may reach behind them, up to a multiple of 8.
        let room = len + 8 * (config.hidden + 1);
        let flat_at = |bump: &mut Bump| {
            let [values, gradients, first, second] = [(); 4].map(|()| bump.take(room, 4));
            let rounded = match precision {
                Precision::Bf16 => bump.take(room, 2),
                Precision::F32 => values,
            };
            Flat {
                values,
                gradients,
                first,
                second,
                rounded,
                decays: bump.take(room, 1),
                step: bump.take(STEP_BYTES, 1),
                squares: bump.take(SQUARES + 1, 8),
            }
        };
        let mut bump = Bump::new(Address::NONE);
        flat_at(&mut bump);
        let flat = flat_at(&mut Bump::new(device.allocate(bump.taken())?));
        let mut decays = vec![u8::from(options.decay_vectors); len];
        for entry in layout.entries().iter().filter(|entry| entry.role == crate::layout::Role::Matrix) {
            decays[entry.range()].fill(1);
        }
        device.upload(flat.decays, &decays)?;
        let mut engine = Self {
            stager: Arc::new(Stager { plan: Plan::new(&config, &layout), config }),
            layout,
            shape,
            options,
            seed,
            step: 0,
            flat,
            arena: Arena { start: Address::NONE, bytes: 0 },
            pass: None,
            device,
        };
        engine.load(parameters)?;
        Ok(engine)
    }

    /// Name of the GPU.
    pub fn device_name(&self) -> String {
        self.device.name()
    }

    fn dropout(&self, mode: Mode) -> Dropout {
        match mode {
            Mode::Training => Dropout::new(self.stager.config.dropout, self.seed, self.step),
            Mode::Inference => Dropout::new(0.0, 0, 0),
        }
    }

    fn run<'a>(&'a self, pass: &'a Pass) -> Run<'a> {
        Run {
            config: &self.stager.config,
            plan: &self.stager.plan,
            shape: self.shape,
            device: &*self.device,
            flat: &self.flat,
            space: &pass.space,
            staged: &pass.staged,
            dropout: self.dropout(pass.mode),
        }
    }

    /// Makes room for a pass and brings its batch and the step's learning rate to the device.
    fn place(&mut self, laid_out: &LaidOut, rate: f64) -> Result<Pass> {
        let LaidOut { bytes, staged, demand, mode, .. } = laid_out;
        self.pass = None;
        self.reserve(Workspace::bytes(&self.stager.config, &self.shape, demand))?;
        let space = Workspace::new(&self.stager.config, &self.shape, demand, self.arena.start);
        self.device.upload(space.batch, bytes)?;
        self.write_step(rate)?;
        Ok(Pass { staged: staged.clone(), space, mode: *mode })
    }

    /// Queues a training step's forward pass, loss and backward pass.
    fn learn(&self, pass: &Pass, loss: &Loss<'_>) -> Result<()> {
        let run = self.run(pass);
        run.forward()?;
        run.loss(loss, true)?;
        run.backward()
    }

    /// Makes the arena hold `bytes` at least.
    fn reserve(&mut self, bytes: usize) -> Result<()> {
        if bytes <= self.arena.bytes {
            return Ok(());
        }
        if self.arena.bytes > 0 {
            self.device.forget();
            self.device.free(self.arena.start);
            self.arena.bytes = 0;
        }
        self.arena.start = self.device.allocate(bytes)?;
        self.arena.bytes = bytes;
        Ok(())
    }

    /// Tells the device the step that dropout and the optimizer are at.
    fn write_step(&self, rate: f64) -> Result<()> {
        let o = &self.options;
        let t = (self.step + 1) as f64;
        let floats = [
            (rate / (1.0 - o.beta1.powf(t))) as f32,
            (1.0 / (1.0 - o.beta2.powf(t)).sqrt()) as f32,
            (1.0 - rate * o.weight_decay) as f32,
            o.clip.unwrap_or(f64::INFINITY) as f32,
            o.beta1 as f32,
            o.beta2 as f32,
            o.epsilon as f32,
        ];
        let words = std::iter::once(self.step as u32).chain(floats.map(f32::to_bits));
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        self.device.upload(self.flat.step, &bytes)
    }

    fn pass(&self, call: &'static str) -> Result<&Pass> {
        self.pass.as_ref().ok_or(EncoderError::Order { call, needs: "forward" })
    }

    /// `rows` rows of `columns` activations, `stride` apart.
    fn download(&self, at: Address, rows: usize, columns: usize, stride: usize) -> Result<Vec<f32>> {
        let number = self.shape.number();
        let mut bytes = vec![0; rows * stride * number.bytes()];
        self.device.download(at, &mut bytes)?;
        let mut values = Vec::with_capacity(rows * columns);
        for row in bytes.chunks_exact(stride * number.bytes()) {
            let row = &row[..columns * number.bytes()];
            match number {
                Number::F32 => values.extend(floats(row)),
                Number::Bf16 => {
                    let halves = row.as_chunks().0.iter();
                    values.extend(
                        halves.map(|half| f32::from_bits(u32::from(u16::from_le_bytes(*half)) << 16)),
                    );
                }
            }
        }
        Ok(values)
    }

    /// A flat buffer.
    fn flat_values(&self, at: Address) -> Result<Vec<f32>> {
        let mut bytes = vec![0; self.layout.len() * 4];
        self.device.download(at, &mut bytes)?;
        Ok(floats(&bytes).collect())
    }

    fn write_flat(&self, at: Address, values: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.device.upload(at, &bytes)
    }

    /// Queues one step of the optimizer, as [`Self::write_step`] told it.
    fn update(&self) -> Result<()> {
        let (flat, len) = (&self.flat, self.layout.len());
        let parts = threads(len).grid[0].min(SQUARES);
        let norm = self.norm();
        let arguments = Arguments::new().address(flat.gradients).int(len).address(flat.squares);
        self.device.launch("sum_of_squares", launch(parts, 1), &arguments)?;
        let arguments = Arguments::new().address(flat.squares).int(parts).address(norm);
        self.device.launch("finish_norm", launch(1, 1), &arguments)?;
        let words = [
            flat.values.0,
            flat.gradients.0,
            flat.first.0,
            flat.second.0,
            flat.rounded.0,
            flat.decays.0,
            len as u64,
        ];
        let arguments = Arguments::new().words(&words).address(flat.step).address(norm);
        self.device.launch("adamw", threads(len.div_ceil(4)), &arguments)
    }

    /// Where the optimizer leaves the norm of the gradient.
    fn norm(&self) -> Address {
        self.flat.squares.offset(SQUARES * 8)
    }

    /// Waits for the optimizer's step and counts it.
    fn finish_update(&mut self) -> Result<GradientNorm> {
        let mut bytes = [0; 8];
        self.device.download(self.norm(), &mut bytes)?;
        let norm = f64::from_le_bytes(bytes);
        if !norm.is_finite() {
            return Err(EncoderError::Diverged { step: self.step, norm });
        }
        self.step += 1;
        Ok(GradientNorm { norm, clipped: norm > self.options.clip.unwrap_or(f64::INFINITY) })
    }

    /// The mean loss that a pass left.
    fn downloaded_loss(&self, pass: &Pass) -> Result<f32> {
        let mut bytes = [0; 4];
        self.device.download(pass.space.head.loss, &mut bytes)?;
        Ok(f32::from_le_bytes(bytes))
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

impl Drop for CudaEngine {
    fn drop(&mut self) {
        self.device.free(self.flat.values);
        if self.arena.bytes > 0 {
            self.device.free(self.arena.start);
        }
    }
}
