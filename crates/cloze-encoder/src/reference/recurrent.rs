//! Gated recurrent units, step by step as `torch.nn.GRU` documents them.

use super::forward::{Forward, Grid, Rows};
use super::ops::{linear, sigmoid};
use crate::batch::PackedBatch;
use crate::dropout::Dropout;
use crate::error::Result;
use candle_core::Tensor;

impl Forward<'_> {
    /// Hidden states of the batch's output rows, `[M, hidden]`. What the last layer hands up is dropped at the output rows
    /// only.
    pub(super) fn recurrent(&self, batch: &PackedBatch) -> Result<Tensor> {
        let grid = Grid::new(&Rows::everything(batch));
        let outputs = Tensor::from_slice(batch.outputs(), batch.outputs().len(), self.device)?;
        let mut x = self.embed(batch)?;
        for layer in 0..self.config.layers {
            x = self.recurrent_layer(&x, layer, &grid)?;
            if layer + 1 == self.config.layers {
                x = x.index_select(&outputs, 0)?;
            }
            x = self.drop_hidden(x, Dropout::output_site(layer))?;
        }
        Ok(x)
    }

    /// States of all tokens, `[T, hidden]`. All sequences take a step together on a grid; cells behind a sequence's end hold
    /// some other row, which nothing before it sees, and are never read.
    fn recurrent_layer(&self, x: &Tensor, layer: usize, grid: &Grid) -> Result<Tensor> {
        let width = self.config.hidden;
        let index = |ids: &[u32]| Tensor::from_slice(ids, ids.len(), self.device);
        let x = x.index_select(&index(&grid.rows)?, 0)?.reshape((grid.sequences, grid.longest, width))?;
        let mut state = Tensor::zeros((grid.sequences, width), self.dtype, self.device)?;
        let mut states = Vec::with_capacity(grid.longest);
        for step in 0..grid.longest {
            state = self.unit(&x.narrow(1, step, 1)?.squeeze(1)?.contiguous()?, &state, layer)?;
            states.push(state.clone());
        }
        let states = Tensor::stack(&states, 1)?.reshape((grid.sequences * grid.longest, width))?;
        Ok(states.index_select(&index(&grid.places)?, 0)?)
    }

    /// The next state, `[sequences, hidden]`, of an input x and the state h before.
    fn unit(&self, x: &Tensor, h: &Tensor, layer: usize) -> Result<Tensor> {
        let width = self.config.hidden;
        let parameter = |kind: &str| &self.variables[&format!("gru.{kind}_l{layer}")];
        let from_input = linear(x, parameter("weight_ih"), parameter("bias_ih"))?;
        let from_state = linear(h, parameter("weight_hh"), parameter("bias_hh"))?;
        let gate = |of: &Tensor, number: usize| of.narrow(1, number * width, width);
        let r = sigmoid(&(gate(&from_input, 0)? + gate(&from_state, 0)?)?)?;
        let z = sigmoid(&(gate(&from_input, 1)? + gate(&from_state, 1)?)?)?;
        let n = (gate(&from_input, 2)? + (r * gate(&from_state, 2)?)?)?.tanh()?;
        // (1 − z) n + z h
        Ok(((&z * (h - &n)?)? + n)?)
    }
}
