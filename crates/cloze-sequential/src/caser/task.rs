//! Training of Caser, for the loop.

use super::Scorer;
use super::network::Network;
use super::windows::Windows;
use super::worker::Workers;
use cloze_encoder::dropout::Dropout;
use cloze_encoder::{AdamW, OptimizerState};
use cloze_eval::{Cases, EvaluationOptions, Metric, Protocol, evaluate};
use cloze_train::{Step, Task, TrainError};

pub(super) struct CaserTask<'a> {
    pub(super) network: &'a mut Network,
    pub(super) windows: &'a mut Windows,
    pub(super) workers: Workers,
    pub(super) optimizer: AdamW,
    pub(super) cases: Option<Cases<'a>>,
    pub(super) dropout: f64,
    pub(super) l2: f64,
    pub(super) seed: u64,
}

impl Task for CaserTask<'_> {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let batch = self.windows.batch(step);
        let negatives = self.windows.negatives(step, &batch)?;
        let loss = self.windows.loss(negatives.as_ref());
        let dropout = Dropout::new(self.dropout, self.seed, step);
        let dropout = (!dropout.is_off()).then_some(&dropout);
        let loss = self.workers.learn(self.network, &batch, &loss, dropout, self.l2 as f32);
        let norm = self.optimizer.update(self.network.values_mut(), self.workers.gradient(), rate)?;
        Ok(Step { loss, norm, items: batch.inputs.len() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(cases) = &self.cases else { return Ok(None) };
        let options = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };
        let ranks = evaluate(&mut Scorer(self.network), cases, &options, &mut |_, _| {})?;
        Ok(ranks.first().map(|ranks| ranks.mean(Metric::Ndcg(10))))
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok(self.network.values().to_vec())
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        self.network.load(parameters.to_vec())
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        Ok(self.optimizer.state())
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        Ok(self.optimizer.load_state(state)?)
    }
}
