//! Logistic regression on what learners answered before, answer by answer, by Adagrad (Duchi et al. 2011).

use super::PfaOptions;
use crate::learning::attempts::{Attempts, Counts};
use crate::learning::objectives::Objectives;
use cloze_train::{Record, Run, TrainError};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// Added to the sum of squares under the root.
const EPSILON: f64 = 1e-8;
/// The names of the tables, in the order of the flat buffer.
const NAMES: [&str; 6] = ["bias", "learner", "exercise", "objective", "objective.right", "objective.wrong"];

/// b, θ, β, δ, γ and ρ in one flat buffer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    values: Vec<f32>,
    /// Where each table begins, and the end.
    starts: [usize; 7],
}

/// A weight with what it is multiplied by.
type Term = (usize, f64);

impl Weights {
    fn zeros(learners: usize, exercises: usize, objectives: usize) -> Self {
        let lengths = [1, learners, exercises, objectives, objectives, objectives];
        let mut starts = [0; 7];
        for (table, length) in lengths.into_iter().enumerate() {
            starts[table + 1] = starts[table] + length;
        }
        Self { values: vec![0.0; starts[6]], starts }
    }

    /// From stored tables: `read(name, length)`.
    pub(super) fn read(
        learners: usize,
        exercises: usize,
        objectives: usize,
        read: impl Fn(&str, usize) -> Result<Vec<f32>, TrainError>,
    ) -> Result<Self, TrainError> {
        let mut weights = Self::zeros(learners, exercises, objectives);
        for (table, name) in NAMES.into_iter().enumerate() {
            let range = weights.starts[table]..weights.starts[table + 1];
            let values = read(name, range.len())?;
            weights.values[range].copy_from_slice(&values);
        }
        Ok(weights)
    }

    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        let range = |table: usize| self.starts[table]..self.starts[table + 1];
        NAMES.into_iter().enumerate().map(move |(table, name)| (name, &self.values[range(table)]))
    }

    /// The terms of an answer's logit.
    fn terms(
        &self,
        learner: Option<u32>,
        exercise: u32,
        objectives: &[u32],
        counts: &Counts,
        terms: &mut Vec<Term>,
    ) {
        let at = |table: usize, id: u32| self.starts[table] + id as usize;
        terms.clear();
        terms.push((0, 1.0));
        terms.extend(learner.map(|learner| (at(1, learner), 1.0)));
        terms.push((at(2, exercise), 1.0));
        let share = 1.0 / objectives.len() as f64;
        for &objective in objectives {
            let logarithm = |table: &[u32]| f64::from(table[objective as usize]).ln_1p();
            terms.push((at(3, objective), share));
            terms.push((at(4, objective), share * logarithm(&counts.right)));
            terms.push((at(5, objective), share * logarithm(&counts.wrong)));
        }
    }

    fn sum(&self, terms: &[Term]) -> f64 {
        terms.iter().map(|&(place, factor)| factor * f64::from(self.values[place])).sum()
    }

    /// The probability of a right answer.
    pub(super) fn probability(
        &self,
        learner: Option<u32>,
        exercise: u32,
        objectives: &[u32],
        counts: &Counts,
    ) -> f64 {
        let mut terms = Vec::new();
        self.terms(learner, exercise, objectives, counts, &mut terms);
        sigmoid(self.sum(&terms))
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Learns from every answer, with what was answered before it. The same seed gives the same bits.
pub(super) fn fit(
    attempts: &Attempts<'_>,
    objectives: &Objectives,
    options: &PfaOptions,
    run: &mut Run<'_>,
) -> Weights {
    let mut weights = Weights::zeros(attempts.learners(), objectives.exercises(), objectives.count());
    let share = attempts.share();
    weights.values[0] = (share / (1.0 - share)).ln() as f32;
    let mut squares = vec![0.0_f32; weights.values.len()];
    let mut order: Vec<usize> = (0..attempts.learners()).collect();
    let mut generator = ChaCha8Rng::seed_from_u64(run.seed);
    let mut terms = Vec::new();
    run.reporter.start("pfa", options.epochs, "epochs");
    let began = std::time::Instant::now();
    for epoch in 0..options.epochs {
        order.shuffle(&mut generator);
        let (mut loss, mut squared) = (0.0, 0.0);
        for &learner in &order {
            let mut counts = Counts::none(objectives.count());
            for (exercise, right) in attempts.of(learner) {
                let own = objectives.of(exercise);
                weights.terms(Some(learner as u32), exercise, own, &counts, &mut terms);
                let logit = weights.sum(&terms);
                let wrong_by = if right { -logit } else { logit };
                loss += wrong_by.max(0.0) + (-wrong_by.abs()).exp().ln_1p();
                let slope = sigmoid(logit) - f64::from(u8::from(right));
                for &(place, factor) in &terms {
                    let value = f64::from(weights.values[place]);
                    // What everybody shares is not drawn to 0.
                    let penalty = if place == 0 { 0.0 } else { options.l2 * value };
                    let gradient = slope * factor + penalty;
                    squares[place] += (gradient * gradient) as f32;
                    squared += gradient * gradient;
                    let step =
                        options.learning_rate * gradient / (f64::from(squares[place]).sqrt() + EPSILON);
                    weights.values[place] = (value - step) as f32;
                }
                counts.add(own, right);
            }
        }
        let loss = loss / attempts.len() as f64;
        run.reporter.record(Record {
            phase: "pfa".to_owned(),
            step: epoch + 1,
            loss,
            learning_rate: options.learning_rate,
            gradient_norm: (squared / attempts.len() as f64).sqrt(),
            validation_ndcg_10: None,
            seconds: began.elapsed().as_secs_f64(),
        });
        run.reporter.advance_to(epoch + 1, || format!("· loss {loss:.4}"));
    }
    run.reporter.finish(&format!("{} epochs", options.epochs));
    weights
}
