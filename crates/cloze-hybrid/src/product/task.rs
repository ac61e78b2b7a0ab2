//! Training of the head over fixed profiles.

use super::head::{Example, Head};
use super::pairs::Pairs;
use crate::options::HeadLoss;
use cloze_encoder::{AdamW, OptimizerState};
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_train::{Step, Task, TrainError};

/// Training of the head over fixed profiles, for the loop.
pub(super) struct HeadTask<'a> {
    pub(super) head: &'a mut Head,
    pub(super) optimizer: AdamW,
    pub(super) pairs: Pairs<'a>,
    /// Profiles that the pairs name.
    pub(super) users: Vec<f32>,
    pub(super) items: &'a [f32],
    /// Validation users with their profiles.
    pub(super) validation: Option<(Cases<'a>, Vec<f32>)>,
    pub(super) batch: usize,
    pub(super) loss: HeadLoss,
}

impl Task for HeadTask<'_> {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let drawn = self.pairs.batch(step, self.batch);
        let width = self.head.width();
        let examples: Vec<Example<'_>> = drawn
            .iter()
            .map(|(profile, items)| {
                let start = *profile as usize * width;
                Example { profile: &self.users[start..start + width], items }
            })
            .collect();
        let mut gradient = vec![0.0; self.head.values().len()];
        let loss = match self.loss {
            HeadLoss::Log => self.head.loss(&examples, self.items, &mut gradient),
            HeadLoss::Softmax => self.head.softmax_loss(&examples, self.items, &mut gradient),
        };
        let norm = self.optimizer.update(self.head.values_mut(), &gradient, rate)?;
        Ok(Step { loss, norm, items: examples.iter().map(|example| example.items.len()).sum() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some((cases, profiles)) = &self.validation else { return Ok(None) };
        let options = EvaluationOptions {
            protocols: vec![Protocol::Full],
            batch: cases.len(),
            ..EvaluationOptions::default()
        };
        let mapped = self.head.map_items(self.items);
        let mut scorer = Fixed { head: self.head, profiles, mapped };
        let ranks = evaluate(&mut scorer, cases, &options, &mut |_, _| {})?;
        Ok(ranks.first().map(|ranks| ranks.mean(Metric::Ndcg(10))))
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok(self.head.values().to_vec())
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        let (found, expected) = (parameters.len(), self.head.values().len());
        if found != expected {
            return Err(TrainError::Data(format!("{found} values for a head of {expected}")));
        }
        self.head.values_mut().copy_from_slice(parameters);
        Ok(())
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        Ok(self.optimizer.state())
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        Ok(self.optimizer.load_state(state)?)
    }
}

/// Scores one fixed batch of users from their profiles.
pub(super) struct Fixed<'a> {
    pub(super) head: &'a Head,
    pub(super) profiles: &'a [f32],
    /// Item profiles as the head sees them.
    pub(super) mapped: Vec<f32>,
}

impl Recommender for Fixed<'_> {
    fn name(&self) -> String {
        "head".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.mapped.len() / self.head.width()
    }

    fn score(&mut self, _: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        self.head.rank(self.profiles, &self.mapped, scores);
        Ok(())
    }
}
