//! What a learner may be recommended: an exercise for an objective, and who took it that finds the objective as hard.

use super::difficulty::{Difficulty, LEVELS};
use super::given::Given;
use super::objectives::Objectives;
use cloze_data::Sequences;
use cloze_train::TrainError;
use std::ops::Range;

/// κ of [`Targets::lifts`]: interactions at the objective's shares that those of a level are added to.
const PRIOR: f32 = 20.0;

/// Whose sequence is a target's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Levels {
    /// Learners for whom the objective is as hard.
    Same(Difficulty),
    /// The same where somebody knows how hard it is.
    Given(Given),
    /// All.
    All,
    /// One of as many groups that learners are in by chance, for each objective another.
    Random(u64),
}

impl Levels {
    pub(super) fn count(&self) -> usize {
        if *self == Self::All { 1 } else { LEVELS }
    }

    pub(super) fn of(&self, learner: Option<u32>, objective: u32) -> usize {
        match self {
            Self::Same(difficulty) => difficulty.level(learner, objective),
            Self::Given(given) => given.level(learner, objective),
            Self::All => 0,
            Self::Random(seed) => {
                let learner = learner.unwrap_or(u32::MAX);
                let mixed = seed ^ (u64::from(learner) << 32 | u64::from(objective));
                (scrambled(mixed) % LEVELS as u64) as usize
            }
        }
    }
}

/// SplitMix64's finisher (Steele, Lea and Flood 2014): every bit of the result depends on every bit of `x`.
fn scrambled(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The numbers of targets (x, t, l): an exercise, one of its objectives, and a level. They are by exercise, then objective, then
/// level.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Targets {
    exercises: Objectives,
    /// Relation (x, t) that each exercise begins with, and their number.
    starts: Vec<u32>,
    /// Objective of each relation.
    objectives: Vec<u32>,
    levels: usize,
}

impl Targets {
    pub(super) fn new(objectives: &Objectives, levels: usize) -> Result<Self, TrainError> {
        let (starts, values) = objectives.parts();
        let most = u32::MAX as usize / levels;
        if values.len() > most {
            let found = values.len();
            return Err(TrainError::Data(format!("{found} pairs of exercise and objective, {most} at most")));
        }
        let exercises = objectives.clone();
        Ok(Self {
            exercises,
            starts: starts.iter().map(|&start| start as u32).collect(),
            objectives: values,
            levels,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.objectives.len() * self.levels
    }

    pub(super) fn exercises(&self) -> usize {
        self.starts.len() - 1
    }

    /// What each exercise is for.
    pub(super) fn objectives_of_all(&self) -> &Objectives {
        &self.exercises
    }

    /// Number of pairs of an exercise and one of its objectives.
    pub(super) fn relations(&self) -> usize {
        self.objectives.len()
    }

    /// The pair that a target is of.
    pub(super) fn relation(&self, target: u32) -> u32 {
        target / self.levels as u32
    }

    /// The targets of a pair, one a level.
    pub(super) fn rows(&self, relation: u32) -> Range<usize> {
        relation as usize * self.levels..(relation as usize + 1) * self.levels
    }

    /// The objectives of an exercise.
    pub(super) fn objectives(&self, exercise: u32) -> &[u32] {
        self.exercises.of(exercise)
    }

    /// A learner's targets of an exercise, one for each of its objectives.
    pub(super) fn of(
        &self,
        learner: Option<u32>,
        exercise: u32,
        levels: &Levels,
    ) -> impl ExactSizeIterator<Item = u32> {
        let exercise = exercise as usize;
        let relations = self.starts[exercise]..self.starts[exercise + 1];
        relations.map(move |relation| {
            let level = levels.of(learner, self.objectives[relation as usize]);
            relation * self.levels as u32 + level as u32
        })
    }

    /// The target of an exercise, an objective and a level, where the exercise has the objective.
    pub(super) fn at(&self, exercise: u32, objective: u32, level: usize) -> Option<u32> {
        let place = self.objectives(exercise).iter().position(|&own| own == objective)?;
        let relation = self.starts[exercise as usize] + place as u32;
        Some(relation * self.levels as u32 + level as u32)
    }

    /// Targets that each learner took, in time order.
    pub(super) fn taken(&self, sequences: &Sequences, levels: &Levels) -> Result<Sequences, TrainError> {
        let (mut lists, mut times) = (Vec::new(), Vec::new());
        for (learner, exercises) in sequences.iter().enumerate() {
            let known = sequences.times(learner);
            let (mut list, mut moments) = (Vec::new(), Vec::new());
            for (place, &exercise) in exercises.iter().enumerate() {
                for target in self.of(Some(learner as u32), exercise, levels) {
                    list.push(target);
                    moments.push(known.map_or(0, |known| known[place]));
                }
            }
            lists.push(list);
            times.push(moments);
        }
        Ok(Sequences::from_lists(&lists, sequences.has_times().then_some(times.as_slice()))?)
    }

    /// `ln (P(x | t, l) / P(x | t))` of each target, `[targets]`: how much more often those of a level take the exercise than all
    /// who work on the objective do, where `P(x | t, l) = (n_xtl + κ P(x | t)) / (n_tl + κ)`; 0 where nobody took it.
    pub(super) fn lifts(&self, learners: &Sequences) -> Vec<f32> {
        let objectives = self.objectives.iter().max().map_or(0, |most| *most as usize + 1);
        let taken = |row: usize| learners.get(row).len() as f32;
        let (mut of_level, mut of_objective) = (vec![0.0; objectives * self.levels], vec![0.0; objectives]);
        for row in 0..self.len() {
            let objective = self.objectives[row / self.levels] as usize;
            of_level[objective * self.levels + row % self.levels] += taken(row);
            of_objective[objective] += taken(row);
        }
        let lift = |row: usize| {
            let relation = row / self.levels;
            let objective = self.objectives[relation] as usize;
            let all: f32 = (relation * self.levels..(relation + 1) * self.levels).map(taken).sum();
            let share = all / of_objective[objective].max(1.0);
            if share == 0.0 {
                return 0.0;
            }
            let level = of_level[objective * self.levels + row % self.levels];
            ((taken(row) + PRIOR * share) / (level + PRIOR) / share).ln()
        };
        (0..self.len()).map(lift).collect()
    }

    /// A target that nobody took gets what the other levels of its exercise and objective have, `[targets, width]`, by their
    /// number of learners; zeros where there are none.
    pub(super) fn fill_gaps(&self, profiles: &mut [f32], learners: &Sequences) {
        let width = profiles.len() / self.len().max(1);
        let counts: Vec<usize> = learners.iter().map(<[u32]>::len).collect();
        let relations = profiles.chunks_exact_mut((self.levels * width).max(1));
        for (profiles, counts) in relations.zip(counts.chunks_exact(self.levels)) {
            self.fill_gaps_of(profiles, counts);
        }
    }

    /// The same of one exercise and objective: the profiles of its levels, `[levels, width]`, and their numbers of learners.
    pub(super) fn fill_gaps_of(&self, profiles: &mut [f32], counts: &[usize]) {
        let width = profiles.len() / self.levels;
        let all = counts.iter().sum::<usize>().max(1) as f32;
        let mut mean = vec![0.0; width];
        for (profile, &count) in profiles.chunks_exact(width).zip(counts) {
            let share = count as f32 / all;
            mean.iter_mut().zip(profile).for_each(|(mean, value)| *mean += share * value);
        }
        for (profile, _) in profiles.chunks_exact_mut(width).zip(counts).filter(|(_, count)| **count == 0) {
            profile.copy_from_slice(&mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objectives() -> Objectives {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Objectives::new(Some(&[names(&["a"]), names(&["a", "b"]), names(&[])]), 3)
    }

    #[test]
    fn an_exercise_has_a_target_for_each_objective_and_level() {
        let targets = Targets::new(&objectives(), LEVELS).unwrap();
        assert_eq!((targets.len(), targets.exercises()), (12, 3));
        let levels = Levels::Random(7);
        for learner in [None, Some(0), Some(1)] {
            let of = |exercise| targets.of(learner, exercise, &levels).collect::<Vec<u32>>();
            let (a, b) = (levels.of(learner, 0) as u32, levels.of(learner, 1) as u32);
            assert_eq!(of(0), [a]);
            assert_eq!(of(1), [3 + a, 6 + b]);
        }
        let all = Targets::new(&objectives(), 1).unwrap();
        assert_eq!(all.of(Some(5), 1, &Levels::All).collect::<Vec<u32>>(), [1, 2]);
    }

    #[test]
    fn learners_of_a_target_share_its_level_and_stand_in_time_order() {
        let sequences =
            Sequences::from_lists(&[vec![0, 1], vec![1], vec![0]], Some(&[vec![5, 6], vec![2], vec![1]]));
        let sequences = sequences.unwrap().with_ratings(Some(vec![1.0, 1.0, 0.0, 1.0])).unwrap();
        let objectives = objectives();
        let levels = Levels::Same(Difficulty::of(&sequences, &objectives, 1.0).unwrap());
        let targets = Targets::new(&objectives, levels.count()).unwrap();
        let learners = targets.taken(&sequences, &levels).unwrap().transpose(targets.len()).unwrap();
        let of = |learner: u32, exercise| {
            let target = targets.of(Some(learner), exercise, &levels).next().unwrap();
            learners.get(target as usize).to_vec()
        };
        assert_eq!(levels.of(Some(0), 0), levels.of(Some(2), 0));
        assert_ne!(levels.of(Some(0), 0), levels.of(Some(1), 0));
        assert_eq!((of(0, 0), of(2, 0)), (vec![2, 0], vec![2, 0]), "the later learner comes last");
        assert_eq!((of(0, 1), of(1, 1)), (vec![0], vec![1]));
        let all = Targets::new(&objectives, 1).unwrap();
        let learners = all.taken(&sequences, &Levels::All).unwrap().transpose(all.len()).unwrap();
        assert_eq!([learners.get(0), learners.get(1), learners.get(3)], [&[2, 0][..], &[1, 0], &[]]);
    }

    #[test]
    fn a_lift_is_what_a_level_takes_more_often_than_all() {
        let targets = Targets::new(&objectives(), LEVELS).unwrap();
        // Relations: (0, a), (1, a), (1, b), (2, none). Of `a` the first level takes exercise 0 60 times and 1 20 times, the second
        // 20 and 60.
        let mut lists = vec![Vec::new(); 12];
        for (row, count) in [(0, 60), (1, 20), (3, 20), (4, 60)] {
            lists[row] = vec![0; count];
        }
        let lifts = targets.lifts(&Sequences::from_lists(&lists, None).unwrap());
        let (more, less) = ((70.0_f32 / 100.0 / 0.5).ln(), (30.0_f32 / 100.0 / 0.5).ln());
        let expected = [more, less, 0.0, less, more, 0.0];
        assert!(
            lifts[..6].iter().zip(expected).all(|(found, lift)| (found - lift).abs() < 1e-6),
            "{lifts:?}"
        );
        assert!(lifts[6..].iter().all(|lift| *lift == 0.0));
        let all = Targets::new(&objectives(), 1).unwrap();
        let learners = Sequences::from_lists(&[vec![0; 3], vec![0], vec![0], vec![]], None).unwrap();
        assert!(all.lifts(&learners).iter().all(|lift| lift.abs() < 1e-6), "one level is like all");
    }

    #[test]
    fn who_is_missing_is_replaced_by_those_of_other_levels() {
        let targets = Targets::new(&objectives(), LEVELS).unwrap();
        let mut lists = vec![Vec::new(); 12];
        (lists[0], lists[2]) = (vec![1], vec![1, 2, 3]);
        let learners = Sequences::from_lists(&lists, None).unwrap();
        let mut profiles = vec![0.0; 24];
        profiles[..2].copy_from_slice(&[1.0, 2.0]);
        profiles[4..6].copy_from_slice(&[5.0, 6.0]);
        targets.fill_gaps(&mut profiles, &learners);
        assert_eq!(profiles[..6], [1.0, 2.0, 4.0, 5.0, 5.0, 6.0]);
        assert!(profiles[6..].iter().all(|value| *value == 0.0));
    }
}
