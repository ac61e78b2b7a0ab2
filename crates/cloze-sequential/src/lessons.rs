//! What the steps of a training learn from.

use crate::loss::TrainingLoss;
use crate::objective::Objective;
use crate::sampler::Sampler;
use cloze_encoder::{Loss, Negatives, PreparedBatch, Preparer};
use cloze_train::TrainError;

/// Makes a step's batch ready for the engine.
pub(crate) struct Lessons<O> {
    sampler: Sampler<O>,
    preparer: Preparer,
    loss: TrainingLoss,
    catalogue: usize,
}

/// What a step learns from.
pub(crate) struct Lesson {
    pub(crate) step: u64,
    pub(crate) batch: PreparedBatch,
    negatives: Option<Negatives>,
}

impl<O: Objective> Lessons<O> {
    pub(crate) fn new(sampler: Sampler<O>, preparer: Preparer, loss: TrainingLoss, catalogue: usize) -> Self {
        Self { sampler, preparer, loss, catalogue }
    }

    /// What step number `step` learns from: a function of the seed and `step` alone.
    ///
    /// # Errors
    /// Those of the sampler and of the engine's preparation.
    pub(crate) fn make(&mut self, step: u64) -> Result<Lesson, TrainError> {
        let batch = self.sampler.batch(step)?;
        let negatives = self.sampler.negatives(step, &batch)?;
        let batch = self.preparer.prepare(batch, &self.loss.over(negatives.as_ref(), self.catalogue))?;
        Ok(Lesson { step, batch, negatives })
    }

    /// The loss of a lesson.
    pub(crate) fn loss<'a>(&self, lesson: &'a Lesson) -> Loss<'a> {
        self.loss.over(lesson.negatives.as_ref(), self.catalogue)
    }
}
