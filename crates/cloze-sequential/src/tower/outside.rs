//! Training by a loss outside the tower: hidden states out, their gradient back in.

use super::Tower;
use crate::objective::Objective;
use cloze_encoder::engine::Mode;
use cloze_encoder::{GradientNorm, OptimizerState, Parameters};
use cloze_train::TrainError;

impl<O: Objective> Tower<O> {
    /// Hidden states of the place after each history, `[histories, hidden]`, with dropout, for [`Tower::backward`].
    ///
    /// # Errors
    /// A token beyond the catalogue, or a history that has no input: SASRec's empty one.
    pub fn forward(&mut self, histories: &[&[u32]]) -> Result<Vec<f32>, TrainError> {
        let (batch, given) = self.input_batch(histories)?;
        if given.iter().any(|given| !given) {
            return Err(TrainError::Data("an empty history cannot be trained on".to_owned()));
        }
        self.engine.forward(&batch, Mode::Training)?;
        Ok(self.engine.hidden()?)
    }

    /// Adds the gradients that follow from the loss's `gradient` with respect to what [`Tower::forward`] gave last, `[histories,
    /// hidden]`.
    ///
    /// # Errors
    /// No forward pass before, or an array of another size.
    pub fn backward(&mut self, gradient: &[f32]) -> Result<(), TrainError> {
        Ok(self.engine.backward(gradient)?)
    }

    /// One optimizer step with the gradients added up.
    ///
    /// # Errors
    /// Gradients that are not finite.
    pub fn update(&mut self, rate: f64) -> Result<GradientNorm, TrainError> {
        Ok(self.engine.optimizer_step(rate)?)
    }

    /// A copy of the parameters.
    ///
    /// # Errors
    /// A failure of the engine.
    pub fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok(self.engine.parameters()?.values().to_vec())
    }

    /// Replaces the parameters.
    ///
    /// # Errors
    /// Another number of them.
    pub fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        let layout = self.engine.layout().clone();
        Ok(self.engine.load(&Parameters::from_flat(layout, parameters.to_vec())?)?)
    }

    /// A copy of the optimizer's state.
    ///
    /// # Errors
    /// A failure of the engine.
    pub fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        Ok(self.engine.optimizer_state()?)
    }

    /// Replaces the optimizer's state.
    ///
    /// # Errors
    /// Moments of another layout.
    pub fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        Ok(self.engine.load_optimizer_state(state)?)
    }
}
