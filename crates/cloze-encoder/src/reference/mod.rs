//! The reference engine: plain candle operations with autograd, on any candle device. Slow, short, and the truth.
//!
//! It computes in `f32`, or in `f64` where finite differences check it. Master parameters, gradients and optimizer
//! state stay in flat host buffers; each pass copies them into tensors.

mod forward;
mod ops;
mod recurrent;

use crate::batch::PackedBatch;
use crate::config::EncoderConfig;
use crate::dropout::Dropout;
use crate::engine::{Engine, Mode};
use crate::error::{EncoderError, Result};
use crate::layout::{ParameterLayout, same_layout};
use crate::loss::{Loss, Negatives};
use crate::optimizer::{AdamW, AdamWOptions, GradientNorm, OptimizerState};
use crate::parameters::Parameters;
use candle_core::{DType, Device, Tensor, Var};
use forward::Forward;
use std::collections::HashMap;
use std::sync::Arc;

/// See the [module's documentation](self).
pub struct ReferenceEngine {
    config: EncoderConfig,
    parameters: Parameters,
    gradients: Vec<f32>,
    optimizer: AdamW,
    seed: u64,
    device: Device,
    dtype: DType,
    pass: Option<Pass>,
}

/// What a forward pass leaves for the calls after it.
struct Pass {
    variables: HashMap<String, Var>,
    hidden: Tensor,
    mode: Mode,
}

impl ReferenceEngine {
    /// An engine around `parameters`; `seed` is the dropout's.
    ///
    /// # Errors
    /// An invalid configuration, or parameters of another layout.
    pub fn new(
        config: EncoderConfig,
        parameters: Parameters,
        options: AdamWOptions,
        seed: u64,
        device: Device,
        dtype: DType,
    ) -> Result<Self> {
        config.validate()?;
        let layout = ParameterLayout::new(&config);
        same_layout(&layout, parameters.layout())?;
        let optimizer = AdamW::new(&layout, options);
        let gradients = vec![0.0; layout.len()];
        Ok(Self { config, parameters, gradients, optimizer, seed, device, dtype, pass: None })
    }

    fn run(&self, batch: &PackedBatch, mode: Mode) -> Result<Pass> {
        batch.validate(&self.config)?;
        let mut variables = HashMap::new();
        for (name, shape, values) in self.parameters.iter() {
            let tensor = Tensor::from_slice(values, shape, &self.device)?.to_dtype(self.dtype)?;
            variables.insert(name.to_owned(), Var::from_tensor(&tensor)?);
        }
        let dropout = match mode {
            Mode::Training => Dropout::new(self.config.dropout, self.seed, self.optimizer.step()),
            Mode::Inference => Dropout::new(0.0, 0, 0),
        };
        let hidden = Forward {
            config: &self.config,
            variables: &variables,
            dropout,
            device: &self.device,
            dtype: self.dtype,
        }
        .hidden(batch)?;
        Ok(Pass { variables, hidden, mode })
    }

    fn pass(&self, call: &'static str) -> Result<&Pass> {
        self.pass.as_ref().ok_or(EncoderError::Order { call, needs: "forward" })
    }

    fn head(&self, pass: &Pass) -> Result<Tensor> {
        forward::transform(&self.config, &pass.variables, &pass.hidden)
    }

    /// The loss, a scalar.
    fn loss_of(&self, pass: &Pass, batch: &PackedBatch, loss: &Loss<'_>) -> Result<Tensor> {
        let t = self.head(pass)?;
        let targets = Tensor::from_slice(batch.targets(), (batch.targets().len(), 1), &self.device)?;
        let Some(negatives) = loss.negatives() else {
            let logits = forward::logits(&self.config, &pass.variables, &t)?;
            return Ok(ops::log_softmax(&logits)?.gather(&targets, 1)?.mean_all()?.neg()?);
        };
        let Sampled { ids, log_expected, hits } = Sampled::new(batch, negatives);
        let shape = (batch.targets().len(), negatives.count());
        let constant = |values: Vec<f32>| Tensor::from_vec(values, shape, &self.device)?.to_dtype(self.dtype);
        let ids = Tensor::from_vec(ids, shape, &self.device)?;
        let wanted = forward::logits_at(&self.config, &pass.variables, &t, &targets)?;
        // A negative that is the target counts for nothing.
        let logits =
            (forward::logits_at(&self.config, &pass.variables, &t, &ids)? - (constant(hits)? * 1e9)?)?;
        match *loss {
            Loss::Binary { power, .. } => {
                let own = (ops::log_one_plus_exp(&wanted.neg()?)? * f64::from(power))?;
                let others = ops::log_one_plus_exp(&logits)?.sum_keepdim(1)?;
                Ok(((own + others)? / (1.0 + negatives.count() as f64))?.mean_all()?)
            }
            Loss::Softmax | Loss::SampledSoftmax(_) => {
                let logits = Tensor::cat(&[wanted, (logits - constant(log_expected)?)?], 1)?;
                Ok(ops::log_softmax(&logits)?.narrow(1, 0, 1)?.mean_all()?.neg()?)
            }
        }
    }

    /// Adds the gradients of the scalar `loss`. With `whole`, a parameter that it does not reach is an error.
    fn accumulate(&mut self, pass: &Pass, loss: &Tensor, whole: bool) -> Result<()> {
        let store = loss.backward()?;
        for entry in self.parameters.layout().entries() {
            let Some(gradient) = store.get(&pass.variables[&entry.name]) else {
                if whole {
                    return Err(EncoderError::NoGradient(entry.name.clone()));
                }
                continue;
            };
            let values = gradient.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            self.gradients[entry.range()].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        Ok(())
    }
}

/// Negatives of each output row, `[M, K]`.
struct Sampled {
    ids: Vec<u32>,
    log_expected: Vec<f32>,
    /// 1 where the negative is the row's target.
    hits: Vec<f32>,
}

impl Sampled {
    fn new(batch: &PackedBatch, negatives: &Negatives) -> Self {
        let mut sampled = Self { ids: Vec::new(), log_expected: Vec::new(), hits: Vec::new() };
        for (sequence, ends) in batch.cu_outputs().windows(2).enumerate() {
            for row in ends[0] as usize..ends[1] as usize {
                let list = negatives.list_of(sequence, row);
                let ids = negatives.list(list);
                let hit = |&id: &u32| if id == batch.targets()[row] { 1.0 } else { 0.0 };
                sampled.hits.extend(ids.iter().map(hit));
                sampled.ids.extend_from_slice(ids);
                sampled.log_expected.extend_from_slice(negatives.log_expected(list));
            }
        }
        sampled.log_expected.resize(sampled.ids.len(), 0.0);
        sampled
    }
}

fn host(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}

impl Engine for ReferenceEngine {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn config(&self) -> &EncoderConfig {
        &self.config
    }

    fn layout(&self) -> &Arc<ParameterLayout> {
        self.parameters.layout()
    }

    fn forward(&mut self, batch: &PackedBatch, mode: Mode) -> Result<()> {
        self.pass = Some(self.run(batch, mode)?);
        Ok(())
    }

    fn hidden(&self) -> Result<Vec<f32>> {
        host(&self.pass("hidden")?.hidden)
    }

    fn transformed(&self) -> Result<Vec<f32>> {
        host(&self.head(self.pass("transformed")?)?)
    }

    fn logits(&self) -> Result<Vec<f32>> {
        let pass = self.pass("logits")?;
        host(&forward::logits(&self.config, &pass.variables, &self.head(pass)?)?)
    }

    fn backward(&mut self, gradient: &[f32]) -> Result<()> {
        const CALL: &str = "backward";
        let training = self.pass.take_if(|pass| pass.mode == Mode::Training);
        let pass = training.ok_or(EncoderError::Order { call: CALL, needs: "forward in training mode" })?;
        if gradient.len() != pass.hidden.elem_count() {
            let (found, shape) = (gradient.len(), pass.hidden.dims());
            return Err(EncoderError::Batch(format!("{found} gradient values for hidden states {shape:?}")));
        }
        let gradient =
            Tensor::from_slice(gradient, pass.hidden.shape(), &self.device)?.to_dtype(self.dtype)?;
        let loss = (&pass.hidden * gradient)?.sum_all()?;
        self.accumulate(&pass, &loss, false)
    }

    fn loss_step(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f32> {
        loss.validate(batch, self.config.outputs)?;
        let pass = self.run(batch, Mode::Training)?;
        let loss = self.loss_of(&pass, batch, loss)?;
        self.accumulate(&pass, &loss, true)?;
        Ok(loss.to_dtype(DType::F32)?.to_scalar()?)
    }

    fn loss(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f64> {
        loss.validate(batch, self.config.outputs)?;
        let pass = self.run(batch, Mode::Inference)?;
        Ok(self.loss_of(&pass, batch, loss)?.to_dtype(DType::F64)?.to_scalar()?)
    }

    fn gradients(&self) -> Result<Vec<f32>> {
        Ok(self.gradients.clone())
    }

    fn optimizer_step(&mut self, rate: f64) -> Result<GradientNorm> {
        let result = self.optimizer.update(self.parameters.values_mut(), &self.gradients, rate);
        self.gradients.fill(0.0);
        result
    }

    fn parameters(&self) -> Result<Parameters> {
        Ok(self.parameters.clone())
    }

    fn load(&mut self, parameters: &Parameters) -> Result<()> {
        same_layout(self.parameters.layout(), parameters.layout())?;
        self.parameters.values_mut().copy_from_slice(parameters.values());
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
