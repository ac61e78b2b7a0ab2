//! Training of the head over fixed profiles.

use super::head::{Example, Head};
use crate::options::{HeadLoss, HybridOptions};
use cloze_encoder::{AdamW, AdamWOptions, OptimizerState, Schedule};
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_train::{Plan, Run, Step, Task, TrainError, train};
use std::ops::Range;

/// Draws what a step learns from: profiles, each with a positive and then its negatives.
pub(crate) trait Draw {
    /// `count` of them for step `step`, always the same.
    fn batch(&self, step: u64, count: usize) -> Vec<(u32, Vec<u32>)>;
}

/// NDCG@10 of a head on validation items.
pub(crate) type Look<'a> = Box<dyn FnMut(&Head) -> Result<f64, TrainError> + 'a>;

/// What a head is trained on.
pub(crate) struct HeadData<'a> {
    pub(crate) pairs: &'a dyn Draw,
    /// Profiles that the pairs name.
    pub(crate) users: Vec<f32>,
    /// Profiles of what they were drawn from.
    pub(crate) items: &'a [f32],
    /// Absent where there are no validation items.
    pub(crate) look: Option<Look<'a>>,
}

/// Trains a head over fixed profiles; the best one on validation items stays.
///
/// # Errors
/// Divergence.
pub(crate) fn train_head(
    head: &mut Head,
    data: HeadData<'_>,
    o: &HybridOptions,
    run: &mut Run<'_>,
) -> Result<(), TrainError> {
    let looks = data.look.is_some() && o.cbf.validate_every > 0;
    let plan = Plan {
        schedule: Schedule { peak: o.head_learning_rate, warmup: 0, steps: o.head_steps },
        validate_every: if looks { o.head_steps.div_ceil(super::VALIDATIONS) } else { 0 },
    };
    let options = AdamWOptions { weight_decay: 0.0, ..AdamWOptions::default() };
    let optimizer = AdamW::flat(head.values().len(), options);
    let mut task = HeadTask { head, optimizer, data, batch: o.head_batch, loss: o.head_loss };
    train(&mut task, "head", &plan, run)
}

/// Training of the head, for the loop.
struct HeadTask<'a> {
    head: &'a mut Head,
    optimizer: AdamW,
    data: HeadData<'a>,
    batch: usize,
    loss: HeadLoss,
}

impl Task for HeadTask<'_> {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let drawn = self.data.pairs.batch(step, self.batch);
        let width = self.head.width();
        let examples: Vec<Example<'_>> = drawn
            .iter()
            .map(|(profile, items)| {
                let start = *profile as usize * width;
                Example { profile: &self.data.users[start..start + width], items }
            })
            .collect();
        let mut gradient = vec![0.0; self.head.values().len()];
        let loss = match self.loss {
            HeadLoss::Log => self.head.loss(&examples, self.data.items, &mut gradient),
            HeadLoss::Softmax => self.head.softmax_loss(&examples, self.data.items, &mut gradient),
        };
        let norm = self.optimizer.update(self.head.values_mut(), &gradient, rate)?;
        Ok(Step { loss, norm, items: examples.iter().map(|example| example.items.len()).sum() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        self.data.look.as_mut().map(|look| look(self.head)).transpose()
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

/// NDCG@10 of cases, a batch at a time: `scores` writes those of the cases at some places, `[cases, items]`.
///
/// # Errors
/// Those of the evaluation.
pub(crate) fn quality(
    cases: &Cases<'_>,
    scores: impl FnMut(Range<usize>, &mut [f32]),
) -> Result<f64, TrainError> {
    let options = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };
    let mut scorer = InTurn { items: cases.popularity().len(), done: 0, scores };
    let ranks = evaluate(&mut scorer, cases, &options, &mut |_, _| {})?;
    Ok(ranks.first().map_or(0.0, |ranks| ranks.mean(Metric::Ndcg(10))))
}

/// Scores cases by their places, each batch those behind the last one.
struct InTurn<S> {
    items: usize,
    done: usize,
    scores: S,
}

impl<S: FnMut(Range<usize>, &mut [f32])> Recommender for InTurn<S> {
    fn name(&self) -> String {
        "head".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.items
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let start = self.done;
        self.done += queries.len();
        (self.scores)(start..self.done, scores);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_users_are_scored_in_batches_and_each_by_its_own_scores() {
        const ITEMS: usize = 20;
        const USERS: u32 = 600;
        let rank = |user: u32| user as usize % 3;
        let targets: Vec<u32> = (0..USERS).map(|user| user % 7).collect();
        let cases =
            Cases::new((0..USERS).collect(), vec![&[]; 600], targets.clone(), vec![1; ITEMS]).unwrap();
        let mut largest = 0;
        let found = quality(&cases, |places, scores| {
            largest = largest.max(places.len());
            for (place, row) in places.zip(scores.chunks_exact_mut(ITEMS)) {
                // So many of the other items are better.
                let others = (0..ITEMS).filter(|item| *item != targets[place] as usize);
                row.fill(0.0);
                row[targets[place] as usize] = 1.0;
                others.take(rank(place as u32)).for_each(|item| row[item] = 2.0);
            }
        });
        let gain = |user: u32| 1.0 / ((rank(user) + 2) as f64).log2();
        let expected = (0..USERS).map(gain).sum::<f64>() / f64::from(USERS);
        assert!((found.unwrap() - expected).abs() < 1e-12);
        assert!(largest <= 256, "{largest} users at once");
    }
}
