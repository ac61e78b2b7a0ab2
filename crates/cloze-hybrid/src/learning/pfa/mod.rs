//! What a learner will answer right: performance factors analysis (Pavlik, Cen and Koedinger 2009), with a difficulty for every exercise.

mod fit;

use super::attempts::{Attempts, Counts};
use super::objectives::Objectives;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use fit::Weights;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Most counts of answers, learners times objectives.
const MOST_COUNTS: usize = 1 << 28;

/// How likely a learner answers an exercise right:
/// `σ(b + θ_u + β_x + mean over the exercise's objectives t of (δ_t + γ_t ln(1 + s_ut) + ρ_t ln(1 + f_ut)))`, where u has answered
/// s exercises of t right and f wrong before.
///
/// Scores are these probabilities, so that a ranking begins with what is easiest for the learner. Objectives are the items' genres;
/// exercises without any share one. Somebody who was not in training has an ability θ of 0 and no counts. A query does not say
/// what was right, so the counts are those at the end of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Pfa {
    options: PfaOptions,
    objectives: Objectives,
    weights: Weights,
    /// Right and wrong answers of each learner, `[learners, objectives]`.
    right: Vec<u32>,
    wrong: Vec<u32>,
}

/// Options of [`Pfa`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PfaOptions {
    /// From which value on an answer is right.
    pub right_from: f64,
    /// Passes over the answers.
    pub epochs: u64,
    /// Step of Adagrad.
    pub learning_rate: f64,
    /// λ of `λ/2 x²`, for every answer that uses a weight.
    pub l2: f64,
}

impl Default for PfaOptions {
    fn default() -> Self {
        Self { right_from: 0.5, epochs: 20, learning_rate: 0.1, l2: 0.01 }
    }
}

impl PfaOptions {
    fn validate(&self) -> Result<(), TrainError> {
        let rules = [
            ("right-from", self.right_from, self.right_from.is_finite(), "must be a finite number"),
            ("epochs", self.epochs as f64, self.epochs >= 1, "must be at least 1"),
            (
                "learning-rate",
                self.learning_rate,
                self.learning_rate > 0.0 && self.learning_rate <= 10.0,
                "must be above 0 and at most 10",
            ),
            ("l2", self.l2, (0.0..=10.0).contains(&self.l2), "must be from 0 to 10"),
        ];
        let broken = rules.into_iter().find(|(_, _, holds, _)| !holds);
        broken.map_or(Ok(()), |(key, value, _, rule)| Err(TrainError::option(key, value, rule)))
    }
}

impl Pfa {
    fn learners(&self) -> usize {
        self.right.len() / self.objectives.count()
    }

    /// The probability that a learner, by number or unknown, answers each exercise right, `[exercises]`.
    fn probabilities(&self, learner: Option<u32>, out: &mut [f32]) {
        let count = self.objectives.count();
        let row = |table: &[u32]| -> Vec<u32> {
            let own = learner.and_then(|learner| table.get(learner as usize * count..)?.get(..count));
            own.map_or_else(|| vec![0; count], <[u32]>::to_vec)
        };
        let counts = Counts { right: row(&self.right), wrong: row(&self.wrong) };
        for (exercise, out) in (0..).zip(out) {
            *out = self.weights.probability(learner, exercise, self.objectives.of(exercise), &counts) as f32;
        }
    }
}

impl Model for Pfa {
    const NAME: &'static str = "pfa";
    const ABOUT: &'static str = "Performance factors analysis: how likely a learner answers an exercise right (needs values; genres are objectives)";
    const EXAMPLE: Option<&'static str> = Some("--data school --right-from 1");
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("right-from", "From which value on an answer is right"),
        ("epochs", "Passes over the answers"),
        ("learning-rate", "Step of Adagrad"),
        ("l2", "Penalty on the square of a weight, for every answer that uses it"),
    ];
    type Options = PfaOptions;

    fn fit(data: &TrainingData<'_>, options: &PfaOptions, run: &mut Run<'_>) -> Result<Self, TrainError> {
        options.validate()?;
        let genres = data.details.and_then(|details| details.genres.as_deref());
        let objectives = Objectives::new(genres, data.items);
        if genres.is_none() {
            run.reporter.note("the items have no genres: all exercises count for one objective");
        }
        let size = data.sequences.len().saturating_mul(objectives.count());
        if size > MOST_COUNTS {
            let (learners, count) = (data.sequences.len(), objectives.count());
            let problem =
                format!("{learners} learners and {count} genres make {size} counts, {MOST_COUNTS} at most");
            return Err(TrainError::Data(problem));
        }
        let attempts = Attempts::new(data.sequences, data.items, options.right_from as f32)?;
        let weights = fit::fit(&attempts, &objectives, options, run);
        let (right, wrong) = attempts.counts(&objectives);
        Ok(Self { options: options.clone(), objectives, weights, right, wrong })
    }

    fn options(&self) -> &PfaOptions {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let (learners, count) = (self.learners(), self.objectives.count());
        let mut tensors = self.objectives.tensors();
        tensors.extend([
            NamedTensor::u32("right", &[learners, count], self.right.clone()),
            NamedTensor::u32("wrong", &[learners, count], self.wrong.clone()),
        ]);
        tensors.extend(
            self.weights
                .named()
                .map(|(name, values)| NamedTensor::f32(name, &[values.len()], values.to_vec())),
        );
        Ok(tensors)
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: PfaOptions = folder.options(Self::NAME)?;
        options.validate()?;
        let (learners, exercises) = (folder.vocabularies.users.len(), folder.vocabularies.items.len());
        let count = folder.f32("objective", None)?.len();
        let objectives = Objectives::load(folder, Some(count))?;
        let weights =
            Weights::read(learners, exercises, count, |name, len| Ok(folder.f32(name, Some(&[len]))?))?;
        let [right, wrong] = ["right", "wrong"].map(|name| folder.u32(name, Some(&[learners, count])));
        Ok(Self { options, objectives, weights, right: right?, wrong: wrong? })
    }
}

impl Recommender for Pfa {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.objectives.exercises()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let rows = scores.par_chunks_exact_mut(self.objectives.exercises().max(1)).zip(queries);
        rows.for_each(|(row, query)| self.probabilities(query.user, row));
        Ok(())
    }

    /// Where right answers have the value 1.
    fn predicts_ratings(&self) -> bool {
        self.options.right_from > 0.0 && self.options.right_from <= 1.0
    }
}

#[cfg(test)]
mod tests;
