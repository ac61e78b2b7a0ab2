//! How hard a learning objective is for a learner.

use super::objectives::Objectives;
use cloze_data::Sequences;
use cloze_train::TrainError;

/// Answers at the objective's mean that a learner's own are added to: who answered once is not judged by that alone.
const PRIOR: f32 = 2.0;
/// Easy, medium, hard.
pub(super) const LEVELS: usize = 3;
/// Their names, by number.
pub(super) const NAMES: [&str; LEVELS] = ["easy", "medium", "hard"];

/// `c(u, t) = (Σ credit + 2 m_t) / (n + 2)`: u's mean credit in the n answers for t, drawn to the mean `m_t` of all learners. The
/// objective is easy for the learner from the upper tertile of these on, hard below the lower one, where tertiles are over all
/// pairs with an answer; with `m_t` alone where there is none.
///
/// Only training answers are in it, and who answers changes nobody else's: means and tertiles are those of training.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difficulty {
    /// Lower and upper tertile.
    pub(super) tertiles: [f32; 2],
    /// Mean credit of each objective.
    pub(super) means: Vec<f32>,
    /// Credit of each learner, `[learners, objectives]`.
    pub(super) credit: Vec<f32>,
    /// Number of answers, the same.
    pub(super) answers: Vec<u32>,
}

impl Difficulty {
    /// From the values of the answers, of which `full` is full credit.
    ///
    /// # Errors
    /// Data without values, or a value below 0 or above `full`.
    pub(super) fn of(sequences: &Sequences, objectives: &Objectives, full: f64) -> Result<Self, TrainError> {
        let count = objectives.count();
        let mut this = Self {
            tertiles: [0.0; 2],
            means: vec![0.0; count],
            credit: vec![0.0; sequences.len() * count],
            answers: vec![0; sequences.len() * count],
        };
        this.count(sequences, full, |exercise| objectives.of(exercise))?;
        for objective in 0..count {
            let own = || (objective..this.answers.len()).step_by(count);
            let answers: u32 = own().map(|place| this.answers[place]).sum();
            let credit: f32 = own().map(|place| this.credit[place]).sum();
            this.means[objective] = if answers == 0 { 0.5 } else { credit / answers as f32 };
        }
        let answered = (0..this.answers.len()).filter(|&place| this.answers[place] > 0);
        let mut shares: Vec<f32> = answered.map(|place| this.share(place)).collect();
        shares.sort_unstable_by(f32::total_cmp);
        let tertile = |third: usize| shares.get(shares.len() * third / LEVELS).copied().unwrap_or(0.5);
        this.tertiles = [tertile(1), tertile(2)];
        Ok(this)
    }

    /// The same means and tertiles with the answers of other sequences.
    ///
    /// # Errors
    /// As [`Difficulty::of`].
    pub(super) fn with_answers<'o>(
        &self,
        sequences: &Sequences,
        full: f64,
        objectives: impl Fn(u32) -> &'o [u32],
    ) -> Result<Self, TrainError> {
        let size = sequences.len() * self.means.len();
        let mut this = Self { credit: vec![0.0; size], answers: vec![0; size], ..self.clone() };
        this.count(sequences, full, objectives)?;
        Ok(this)
    }

    fn count<'o>(
        &mut self,
        sequences: &Sequences,
        full: f64,
        objectives: impl Fn(u32) -> &'o [u32],
    ) -> Result<(), TrainError> {
        let missing = || {
            TrainError::Data(
                "the data do not say how answers were graded, so what is hard for a learner is not known: name the column \
                 (cloze prepare --value), or train with --neighbours all"
                    .to_owned(),
            )
        };
        let values = sequences.all_ratings().ok_or_else(missing)?;
        // In the precision of the values: 1.2 as f32 is above 1.2 as f64.
        if let Some(value) = values.iter().find(|value| !(0.0..=full as f32).contains(*value)) {
            let rule =
                format!("is full credit, and there is an answer with {value}: from 0 to full-score is read");
            return Err(TrainError::option("full-score", full, rule));
        }
        for learner in 0..sequences.len() {
            let values = sequences.ratings(learner).unwrap_or_default();
            for (&exercise, value) in sequences.get(learner).iter().zip(values) {
                self.add(learner as u32, objectives(exercise), value / full as f32);
            }
        }
        Ok(())
    }

    fn place(&self, learner: u32, objective: u32) -> usize {
        learner as usize * self.means.len() + objective as usize
    }

    /// Credit and number of answers.
    pub(super) fn get(&self, learner: u32, objective: u32) -> (f32, u32) {
        let place = self.place(learner, objective);
        (self.credit[place], self.answers[place])
    }

    pub(super) fn set(&mut self, learner: u32, objective: u32, credit: f32, answers: u32) {
        let place = self.place(learner, objective);
        (self.credit[place], self.answers[place]) = (credit, answers);
    }

    /// Pairs of a learner and an objective with answers.
    pub(super) fn answered(&self) -> impl Iterator<Item = (u32, u32)> {
        let count = self.means.len();
        let places = (0..self.answers.len()).filter(|&place| self.answers[place] > 0);
        places.map(move |place| ((place / count) as u32, (place % count) as u32))
    }

    pub(super) fn forget_answers(&mut self) {
        self.credit.fill(0.0);
        self.answers.fill(0);
    }

    /// Takes an answer with some credit, from 0 to 1, down.
    pub(super) fn add(&mut self, learner: u32, objectives: &[u32], credit: f32) {
        for &objective in objectives {
            let place = self.place(learner, objective);
            self.credit[place] += credit;
            self.answers[place] += 1;
        }
    }

    fn share(&self, place: usize) -> f32 {
        let mean = self.means[place % self.means.len()];
        (self.credit[place] + PRIOR * mean) / (self.answers[place] as f32 + PRIOR)
    }

    /// Number of the level; of an unknown learner, what it is for a learner without answers.
    pub(super) fn level(&self, learner: Option<u32>, objective: u32) -> usize {
        let place = learner.map(|learner| self.place(learner, objective));
        let known = place.filter(|place| *place < self.answers.len());
        let share = known.map_or_else(|| self.means[objective as usize], |place| self.share(place));
        let [lower, upper] = self.tertiles;
        if share >= upper { 0 } else { usize::from(share < lower) + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three learners answer two exercises of one objective and one of another: all right, half right, all wrong.
    fn school(values: [f32; 8]) -> (Sequences, Objectives) {
        let lists = vec![vec![0, 1, 2], vec![0, 1], vec![0, 1, 2]];
        let sequences =
            Sequences::from_lists(&lists, None).unwrap().with_ratings(Some(values.to_vec())).unwrap();
        let genres = [["sums"], ["sums"], ["areas"]].map(|names| names.map(str::to_owned).to_vec());
        (sequences, Objectives::new(Some(&genres), 3))
    }

    #[test]
    fn thirds_of_the_learners_find_it_easy_medium_and_hard() {
        let (sequences, objectives) = school([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let difficulty = Difficulty::of(&sequences, &objectives, 1.0).unwrap();
        // Objectives are in the order of their names. Both have a mean of a half: shares 3/4, 1/2, 1/4 and 2/3, -, 1/3.
        assert_eq!(difficulty.means, [0.5, 0.5]);
        assert_eq!(difficulty.tertiles, [1.0 / 3.0, 2.0 / 3.0]);
        let levels =
            |objective| [Some(0), Some(1), Some(2), None].map(|one| difficulty.level(one, objective));
        assert_eq!(levels(1), [0, 1, 2, 1]);
        assert_eq!(levels(0), [0, 1, 1, 1], "one wrong answer alone is not hard: 1/3 is not below 1/3");
    }

    #[test]
    fn an_answer_changes_its_learner_and_objective_only() {
        let (sequences, objectives) = school([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let before = Difficulty::of(&sequences, &objectives, 1.0).unwrap();
        let mut after = before.clone();
        for _ in 0..4 {
            after.add(1, objectives.of(0), 0.0);
        }
        assert_eq!((before.level(Some(1), 1), after.level(Some(1), 1)), (1, 2));
        for (learner, objective) in [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)] {
            assert_eq!(before.level(Some(learner), objective), after.level(Some(learner), objective));
        }
    }

    #[test]
    fn points_are_shares_of_the_full_score_and_others_are_refused() {
        let (sequences, objectives) = school([80.0, 80.0, 0.0, 50.0, 50.0, 0.0, 0.0, 100.0]);
        let difficulty = Difficulty::of(&sequences, &objectives, 100.0).unwrap();
        assert!((difficulty.means[1] - 260.0 / 600.0).abs() < 1e-6);
        let error = Difficulty::of(&sequences, &objectives, 99.0).unwrap_err().to_string();
        assert!(error.contains("full-score = 99") && error.contains("100"), "{error}");
        let without = Sequences::from_lists(&[vec![0]], None).unwrap();
        let error = Difficulty::of(&without, &objectives, 1.0).unwrap_err().to_string();
        assert!(error.contains("--neighbours all"), "{error}");
    }
}
