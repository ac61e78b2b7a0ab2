//! Who answered what, and whether it was right.

use super::objectives::Objectives;
use cloze_data::Sequences;
use cloze_train::TrainError;

/// Right and wrong answers of one learner, by objective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) right: Vec<u32>,
    pub(super) wrong: Vec<u32>,
}

impl Counts {
    pub(super) fn none(objectives: usize) -> Self {
        Self { right: vec![0; objectives], wrong: vec![0; objectives] }
    }

    pub(super) fn add(&mut self, objectives: &[u32], right: bool) {
        let table = if right { &mut self.right } else { &mut self.wrong };
        for &objective in objectives {
            table[objective as usize] += 1;
        }
    }
}

/// Exercises in the order in which learners answered them.
pub(super) struct Attempts<'a> {
    sequences: &'a Sequences,
    ratings: &'a [f32],
    right_from: f32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(sequences: &'a Sequences, items: usize, right_from: f32) -> Result<Self, TrainError> {
        let refuse = |problem: String| Err(TrainError::Data(problem));
        let Some(ratings) = sequences.all_ratings() else {
            return refuse(
                "the data do not say which answers were right: name the column (cloze prepare --value)"
                    .to_owned(),
            );
        };
        if let Some(item) = sequences.values().iter().find(|item| **item as usize >= items) {
            return refuse(format!("exercise {item} of {items}"));
        }
        let right = ratings.iter().filter(|value| **value >= right_from).count();
        if right == 0 || right == ratings.len() {
            let kind = if right == 0 { "wrong" } else { "right" };
            return refuse(format!(
                "by right-from = {right_from} all answers are {kind}: there is nothing to learn"
            ));
        }
        Ok(Self { sequences, ratings, right_from })
    }

    pub(super) fn learners(&self) -> usize {
        self.sequences.len()
    }

    /// A learner's exercises, and whether each was answered right.
    pub(super) fn of(&self, learner: usize) -> impl Iterator<Item = (u32, bool)> {
        let ratings = self.sequences.ratings(learner).unwrap_or_default();
        let from = self.right_from;
        self.sequences
            .get(learner)
            .iter()
            .zip(ratings)
            .map(move |(&exercise, value)| (exercise, *value >= from))
    }

    pub(super) fn len(&self) -> usize {
        self.ratings.len()
    }

    /// Share of right answers.
    pub(super) fn share(&self) -> f64 {
        let right = self.ratings.iter().filter(|value| **value >= self.right_from).count();
        right as f64 / self.ratings.len() as f64
    }

    /// Right and wrong answers of each learner, `[learners, objectives]`.
    pub(super) fn counts(&self, objectives: &Objectives) -> (Vec<u32>, Vec<u32>) {
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for learner in 0..self.learners() {
            let mut counts = Counts::none(objectives.count());
            self.of(learner).for_each(|(exercise, correct)| counts.add(objectives.of(exercise), correct));
            right.extend(counts.right);
            wrong.extend(counts.wrong);
        }
        (right, wrong)
    }
}
