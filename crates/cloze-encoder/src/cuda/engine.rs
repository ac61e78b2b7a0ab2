//! [`CudaEngine`] as an [`Engine`].

use super::device::Arguments;
use super::shape::threads;
use super::stager::kind;
use super::{CudaEngine, Precision};
use crate::batch::PackedBatch;
use crate::config::EncoderConfig;
use crate::engine::{Engine, Mode};
use crate::error::{EncoderError, Result};
use crate::layout::{ParameterLayout, same_layout};
use crate::loss::Loss;
use crate::optimizer::{GradientNorm, OptimizerState};
use crate::parameters::Parameters;
use crate::prepared::{PreparedBatch, Preparer};
use std::sync::Arc;

impl Engine for CudaEngine {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn config(&self) -> &EncoderConfig {
        &self.stager.config
    }

    fn layout(&self) -> &Arc<ParameterLayout> {
        &self.layout
    }

    fn forward(&mut self, batch: &PackedBatch, mode: Mode) -> Result<()> {
        let pass = self.place(&self.stager.lay_out(batch, mode, None)?, 0.0)?;
        self.run(&pass).forward()?;
        self.pass = Some(pass);
        Ok(())
    }

    fn hidden(&self) -> Result<Vec<f32>> {
        let (pass, width) = (self.pass("hidden")?, self.stager.config.hidden);
        self.download(pass.space.hidden, pass.staged.sizes.outputs, width, width)
    }

    fn transformed(&self) -> Result<Vec<f32>> {
        let (pass, width) = (self.pass("transformed")?, self.stager.config.hidden);
        let transformed = self.run(pass).transform()?;
        self.download(transformed, pass.staged.sizes.outputs, width, width)
    }

    fn logits(&self) -> Result<Vec<f32>> {
        let pass = self.pass("logits")?;
        let (run, rows, stride) = (self.run(pass), pass.staged.sizes.outputs, pass.space.head.stride);
        run.transform()?;
        let logits = self.device.allocate(rows * stride * self.shape.number().bytes())?;
        let result = run
            .output_layer(logits)
            .and_then(|()| self.download(logits, rows, self.stager.config.outputs, stride));
        self.device.free(logits);
        result
    }

    fn backward(&mut self, gradient: &[f32]) -> Result<()> {
        let training = self.pass.take_if(|pass| pass.mode == Mode::Training);
        let needs = "forward in training mode";
        let pass = training.ok_or(EncoderError::Order { call: "backward", needs })?;
        let expected = pass.staged.sizes.outputs * self.stager.config.hidden;
        if gradient.len() != expected {
            let found = gradient.len();
            return Err(EncoderError::Batch(format!("{found} gradient values for {expected} hidden values")));
        }
        let (run, head) = (self.run(&pass), &pass.space.head);
        self.write_flat(head.given, gradient)?;
        run.round(head.given, head.upstream, expected)?;
        run.backward()
    }

    fn loss_step(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f32> {
        let laid_out = self.stager.lesson(batch, loss)?;
        let pass = self.place(&laid_out, 0.0)?;
        self.device.repeat(laid_out.key(false), &|| self.learn(&pass, loss))?;
        self.downloaded_loss(&pass)
    }

    fn loss(&mut self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<f64> {
        let pass = self.place(&self.stager.lay_out(batch, Mode::Inference, Some(loss))?, 0.0)?;
        let run = self.run(&pass);
        run.forward()?;
        run.loss(loss, false)?;
        Ok(f64::from(self.downloaded_loss(&pass)?))
    }

    fn preparer(&self) -> Preparer {
        Preparer::staging(self.stager.clone())
    }

    fn train_step(
        &mut self,
        batch: &PreparedBatch,
        loss: &Loss<'_>,
        rate: f64,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(f32, GradientNorm)> {
        let made;
        let laid_out = if let Some(laid_out) = &batch.laid_out {
            laid_out
        } else {
            made = self.stager.lesson(batch.batch(), loss)?;
            &made
        };
        if laid_out.kind != kind(loss) {
            return Err(EncoderError::Batch("was prepared for another loss".to_owned()));
        }
        let pass = self.place(laid_out, rate)?;
        self.device.repeat(laid_out.key(true), &|| {
            self.learn(&pass, loss)?;
            self.update()
        })?;
        meanwhile();
        Ok((self.downloaded_loss(&pass)?, self.finish_update()?))
    }

    fn gradients(&self) -> Result<Vec<f32>> {
        self.flat_values(self.flat.gradients)
    }

    fn optimizer_step(&mut self, rate: f64) -> Result<GradientNorm> {
        self.write_step(rate)?;
        self.update()?;
        self.finish_update()
    }

    fn parameters(&self) -> Result<Parameters> {
        Parameters::from_flat(self.layout.clone(), self.flat_values(self.flat.values)?)
    }

    fn load(&mut self, parameters: &Parameters) -> Result<()> {
        same_layout(&self.layout, parameters.layout())?;
        self.pass = None;
        self.write_flat(self.flat.values, parameters.values())?;
        if self.shape.precision == Precision::F32 {
            return Ok(());
        }
        let len = self.layout.len();
        let arguments = Arguments::new().address(self.flat.values).address(self.flat.rounded).int(len);
        self.device.launch("round_numbers", threads(len), &arguments)
    }

    fn optimizer_state(&self) -> Result<OptimizerState> {
        let [first, second] = [self.flat.first, self.flat.second].map(|at| self.flat_values(at));
        Ok(OptimizerState { step: self.step, first: first?, second: second? })
    }

    fn load_optimizer_state(&mut self, state: OptimizerState) -> Result<()> {
        let expected = self.layout.len();
        for (name, moments) in [("first moments", &state.first), ("second moments", &state.second)] {
            if moments.len() != expected {
                let problem = format!("{} values, {expected} expected", moments.len());
                return Err(EncoderError::Parameter { name: name.to_owned(), problem });
            }
        }
        self.write_flat(self.flat.first, &state.first)?;
        self.write_flat(self.flat.second, &state.second)?;
        self.step = state.step;
        Ok(())
    }
}
