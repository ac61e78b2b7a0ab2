//! What every engine can do. Models speak to this trait only.

use crate::batch::PackedBatch;
use crate::config::{Body, EncoderConfig};
use crate::cpu::{CpuEngine, Level};
use crate::cuda::{self, CudaEngine, Precision};
use crate::error::{EncoderError, Result};
use crate::layout::ParameterLayout;
use crate::loss::Loss;
use crate::optimizer::{AdamWOptions, GradientNorm, OptimizerState};
use crate::parameters::Parameters;
use crate::prepared::{PreparedBatch, Preparer};
use crate::reference::ReferenceEngine;
use candle_core::{DType, Device};
use std::sync::{Arc, OnceLock};

/// The engines of this build, the one that [`open`] takes by itself first.
pub const ENGINES: [&str; 3] = ["cpu", "cuda", "reference"];

/// Asks for the engine of the first GPU, or for the processor's where none can be used.
pub const AUTO: &str = "auto";

/// Names an engine of [`ENGINES`], or [`AUTO`].
const ENGINE_VARIABLE: &str = "CLOZE_ENGINE";

/// What [`choose`] was told.
static CHOSEN: OnceLock<String> = OnceLock::new();

/// Makes `name`, one of [`ENGINES`] or [`AUTO`], the engine that [`open`] takes in this process, before the first is
/// opened; it goes before the environment variable `CLOZE_ENGINE`. Only the first call counts.
pub fn choose(name: &str) {
    // A second choice would leave two engines in one process.
    let _ = CHOSEN.set(name.to_owned());
}

/// Why the processor computes although [`AUTO`] was asked for, where it does.
pub fn fallback() -> Option<String> {
    if named() == AUTO { automatic().1.clone() } else { None }
}

/// The engine that [`AUTO`] stands for on this machine, and why it is not a GPU's: found out once.
fn automatic() -> &'static (&'static str, Option<String>) {
    static AUTOMATIC: OnceLock<(&str, Option<String>)> = OnceLock::new();
    AUTOMATIC.get_or_init(|| match cuda::usable() {
        Ok(_) => ("cuda", None),
        Err(error) => ("cpu", Some(error.to_string())),
    })
}

/// Why the processor computes `config` although [`AUTO`] was asked for and there is a GPU, where it does.
pub fn fallback_for(config: &EncoderConfig) -> Option<String> {
    (named() == AUTO && named_for(automatic().0, config.body) != automatic().0)
        .then(|| EncoderError::Body { engine: automatic().0 }.to_string())
}

/// The engine that is taken for a body where [`AUTO`] stands for `engine`.
fn named_for(engine: &'static str, body: Body) -> &'static str {
    if engine == "cuda" && body == Body::Gru { "cpu" } else { engine }
}

/// The best engine for this machine, around `parameters`; `seed` is the dropout's. The environment variable
/// `CLOZE_ENGINE` names another of [`ENGINES`], or [`AUTO`]; so does [`choose`]. [`AUTO`] leaves to the processor what the
/// GPU's engine has no kernels for: see [`fallback_for`].
///
/// The one place where an engine is chosen: models never name one.
///
/// # Errors
/// An invalid configuration, parameters of another layout, an unknown engine, or one without kernels for the body.
pub fn open(
    config: EncoderConfig,
    parameters: Parameters,
    options: AdamWOptions,
    seed: u64,
) -> Result<Box<dyn Engine>> {
    let name = named();
    let asked = if name == AUTO { named_for(automatic().0, config.body) } else { &name };
    match asked {
        "cpu" => Ok(Box::new(CpuEngine::new(config, parameters, options, seed, Level::chosen()?)?)),
        "cuda" => Ok(Box::new(CudaEngine::new(config, &parameters, options, seed, Precision::Bf16, 0)?)),
        "reference" => {
            let engine = ReferenceEngine::new(config, parameters, options, seed, Device::Cpu, DType::F32)?;
            Ok(Box::new(engine))
        }
        _ => Err(unknown(asked.to_owned())),
    }
}

/// That the engine which is asked for is one that there is, whether or not this machine can use it.
///
/// # Errors
/// An unknown name.
pub fn check_named() -> Result<()> {
    let name = named();
    if name == AUTO || ENGINES.contains(&&name[..]) { Ok(()) } else { Err(unknown(name)) }
}

fn unknown(name: String) -> EncoderError {
    EncoderError::environment(ENGINE_VARIABLE, name, &["auto", "cpu", "cuda", "reference"])
}

/// [`open`] for inference in `precision`. [`AUTO`] leaves to the processor what the GPU's engine does not compute in.
///
/// # Errors
/// As [`open`]; [`EncoderError::Precision`] of an engine that is named and does not have it.
pub fn open_for_inference(
    config: EncoderConfig,
    parameters: Parameters,
    precision: InferencePrecision,
) -> Result<Box<dyn Engine>> {
    if precision == InferencePrecision::Float32 {
        return open(config, parameters, AdamWOptions::default(), 0);
    }
    let name = named();
    if ["cuda", "reference"].contains(&&name[..]) {
        return Err(EncoderError::Precision { engine: name, precision: precision.name() });
    }
    if name != "cpu" && name != AUTO {
        return Err(unknown(name));
    }
    let mut engine = CpuEngine::new(config, parameters, AdamWOptions::default(), 0, Level::chosen()?)?;
    engine.set_inference_precision(precision)?;
    Ok(Box::new(engine))
}

/// What the linear layers multiply at inference, all but the output layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InferencePrecision {
    /// Floats (on a GPU bfloat16, as there in training).
    #[default]
    Float32,
    /// Integers of 8 bits: weights rounded by a scale for each output, what they meet by one for each token. Sums are exact.
    Int8,
}

impl InferencePrecision {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Int8 => "int8",
        }
    }
}

/// The name by [`choose`], by the environment, or the first engine's.
fn named() -> String {
    let chosen = CHOSEN.get().cloned().or_else(|| std::env::var(ENGINE_VARIABLE).ok());
    chosen.unwrap_or_else(|| ENGINES[0].to_owned())
}

/// What computes for a model with an encoder of this body, or without one: for that it is the processor, whatever was chosen. With
/// all that two runs must share to end with the same bits: `cpu, avx2, 4 threads`.
pub fn description(body: Option<Body>) -> String {
    describe(body, &named(), || automatic().0)
}

/// [`description`] where the engine `named` is asked for.
fn describe(body: Option<Body>, named: &str, automatic: impl FnOnce() -> &'static str) -> String {
    let engine = match body {
        None => "cpu",
        Some(body) if named == AUTO => named_for(automatic(), body),
        Some(_) => named,
    };
    if engine == "cuda" {
        return "cuda, bf16".to_owned();
    }
    let level = Level::chosen().map_or("unknown instructions", Level::name);
    format!("{engine}, {level}, {} threads", rayon::current_num_threads())
}

/// Whether a forward pass is to be followed by a backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No dropout, nothing kept.
    Inference,
    /// Dropout drawn for the current optimizer step; what the backward pass needs is kept.
    Training,
}

/// Refuses a place for another number of logits.
pub(crate) fn check_room(logits: &[f32], expected: usize) -> Result<()> {
    if logits.len() == expected {
        return Ok(());
    }
    Err(EncoderError::Batch(format!("has {expected} logits, and there is room for {}", logits.len())))
}

/// An encoder with its parameters, gradients and optimizer state, wherever they live.
///
/// Arrays cross this border as host slices, row-major, in the order of [`PackedBatch::outputs`] (M of them); an engine
/// on a device copies. The training hot path, [`Engine::train_step`], moves no array.
///
/// Gradients add up until [`Engine::optimizer_step`] uses and clears them.
pub trait Engine: Send {
    /// Name for reports, such as `reference`.
    fn name(&self) -> &'static str;

    /// The encoder's configuration.
    fn config(&self) -> &EncoderConfig;

    /// The parameters' layout.
    fn layout(&self) -> &Arc<ParameterLayout>;

    /// Runs the encoder over `batch`.
    ///
    /// # Errors
    /// An id without a row, or a failure of the device.
    fn forward(&mut self, batch: &PackedBatch, mode: Mode) -> Result<()>;

    /// Final hidden states of the last forward pass, `[M, hidden]`.
    ///
    /// # Errors
    /// If no forward pass came before.
    fn hidden(&self) -> Result<Vec<f32>>;

    /// The head's input to the output layer, `t`: `[M, hidden]` (see [`crate::Head`]). HybridBERT4Rec's profile.
    ///
    /// # Errors
    /// If no forward pass came before.
    fn transformed(&self) -> Result<Vec<f32>>;

    /// Output layer `t Eᵀ + b_O` over the scored tokens: `[M, outputs]`.
    ///
    /// # Errors
    /// If no forward pass came before.
    fn logits(&self) -> Result<Vec<f32>>;

    /// The same, written to `logits`: nothing is allocated where the engine computes in the host's memory.
    ///
    /// # Errors
    /// If no forward pass came before, or `logits` has another length.
    fn write_logits(&self, logits: &mut [f32]) -> Result<()> {
        let found = self.logits()?;
        check_room(logits, found.len())?;
        logits.copy_from_slice(&found);
        Ok(())
    }

    /// Adds the gradients that follow from `gradient`, `[M, hidden]`: a head outside the engine gives the derivative
    /// of its loss with respect to [`Engine::hidden`].
    ///
    /// # Errors
    /// If no forward pass in training mode came before, or the array has another size.
    fn backward(&mut self, gradient: &[f32]) -> Result<()>;

    /// A loss of the output layer against the batch's targets, mean over the M rows: forward in training mode, loss,
    /// backward. Returns the loss.
    ///
    /// # Errors
    /// An id without a row, missing targets, negatives for another batch, or a failure of the device.
    fn loss_step(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f32>;

    /// The same loss without dropout or gradients.
    ///
    /// # Errors
    /// As [`Engine::loss_step`].
    fn loss(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f64>;

    /// [`Engine::loss_step`] with the softmax over all outputs.
    ///
    /// # Errors
    /// As [`Engine::loss_step`].
    fn cloze_step(&mut self, batch: &PackedBatch) -> Result<f32> {
        self.loss_step(batch, &Loss::Softmax)
    }

    /// [`Engine::loss`] with the softmax over all outputs.
    ///
    /// # Errors
    /// As [`Engine::loss_step`].
    fn cloze_loss(&mut self, batch: &PackedBatch) -> Result<f64> {
        self.loss(batch, &Loss::Softmax)
    }

    /// Makes batches ready for [`Engine::train_step`].
    fn preparer(&self) -> Preparer {
        Preparer::default()
    }

    /// A whole training step: [`Engine::loss_step`], then [`Engine::optimizer_step`] at `rate`, with the same results. `batch`
    /// was prepared for this engine and for `loss`. `meanwhile` runs once, on the caller's thread; a device computes while it
    /// does, so that it is the place to prepare the next batch.
    ///
    /// # Errors
    /// As the two; a batch prepared for another kind of loss.
    fn train_step(
        &mut self,
        batch: &PreparedBatch,
        loss: &Loss<'_>,
        rate: f64,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(f32, GradientNorm)> {
        let loss = self.loss_step(batch.batch(), loss)?;
        let norm = self.optimizer_step(rate)?;
        meanwhile();
        Ok((loss, norm))
    }

    /// The gradients added up so far, in the layout's order.
    ///
    /// # Errors
    /// A failure of the device.
    fn gradients(&self) -> Result<Vec<f32>>;

    /// One AdamW step at learning rate `rate` with the gradients added up, which are cleared.
    ///
    /// # Errors
    /// [`crate::EncoderError::Diverged`] if they are not finite; the parameters stay as they were.
    fn optimizer_step(&mut self, rate: f64) -> Result<GradientNorm>;

    /// A copy of the parameters.
    ///
    /// # Errors
    /// A failure of the device.
    fn parameters(&self) -> Result<Parameters>;

    /// Replaces the parameters.
    ///
    /// # Errors
    /// If they are of another layout.
    fn load(&mut self, parameters: &Parameters) -> Result<()>;

    /// A copy of the optimizer's state. With it and the parameters, taken between two steps, another engine goes on as
    /// this one would, to the bit: dropout is addressed by the optimizer's step.
    ///
    /// # Errors
    /// A failure of the device.
    fn optimizer_state(&self) -> Result<OptimizerState>;

    /// Replaces the optimizer's state.
    ///
    /// # Errors
    /// If it is of another layout.
    fn load_optimizer_state(&mut self, state: OptimizerState) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_the_gpu_or_the_processor_with_the_reason() {
        let (engine, reason) = automatic();
        assert_eq!(reason.is_none(), *engine == "cuda", "{engine}: {reason:?}");
        assert_eq!(cuda::usable().is_ok(), *engine == "cuda");
        assert!(ENGINES.contains(engine));
    }

    #[test]
    fn recurrent_bodies_are_the_processors() {
        let gru = EncoderConfig::gru4rec(5, 4, 1, 3);
        assert_eq!([named_for("cuda", Body::Gru), named_for("cpu", Body::Gru)], ["cpu", "cpu"]);
        assert_eq!(named_for("cuda", Body::Transformer), "cuda");
        let parameters = Parameters::initialize(Arc::new(ParameterLayout::new(&gru)), 0.1, 1);
        let refused = CudaEngine::new(gru, &parameters, AdamWOptions::default(), 0, Precision::F32, 0);
        let error = refused.err().expect("no kernels").to_string();
        assert!(error.contains("gated recurrent units") && error.contains("--device cpu"), "{error}");
    }

    /// A run that goes on with another number of threads must be told so, whatever else the machine has.
    #[test]
    fn what_the_processor_computes_is_described_with_its_threads() {
        let threads = format!(", {} threads", rayon::current_num_threads());
        for (body, named, engine) in [
            (None, "cuda", "cpu, "),
            (None, AUTO, "cpu, "),
            (Some(Body::Gru), AUTO, "cpu, "),
            (Some(Body::Transformer), "reference", "reference, "),
        ] {
            let told = describe(body, named, || "cuda");
            assert!(told.starts_with(engine) && told.ends_with(&threads), "{body:?}, {named}: {told}");
        }
        for named in [AUTO, "cuda"] {
            assert_eq!(describe(Some(Body::Transformer), named, || "cuda"), "cuda, bf16");
        }
    }
}
