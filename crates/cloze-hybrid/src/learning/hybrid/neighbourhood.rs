//! The collaborative side: profiles of targets, and the head that multiplies them with a learner's.

use super::options::{LearnerHybridOptions, Neighbours, TargetProfiles};
use crate::learning::difficulty::{self, Difficulty};
use crate::learning::given::Given;
use crate::learning::objectives::Objectives;
use crate::learning::targets::{Levels, Targets};
use crate::options::HybridOptions;
use crate::product::{
    Draw, Head, HeadData, Look, Pairs, dot, of_users, quality, tower_over_users, train_head,
};
use cloze_cf::{Ials, IalsOptions};
use cloze_data::Sequences;
use cloze_sequential::Tower;
use cloze_train::{Model, Run, TrainError, TrainingData, validation_cases};
use rayon::prelude::*;
use std::path::Path;

/// Targets with their profiles.
pub(super) struct Neighbourhood {
    pub(super) targets: Targets,
    pub(super) levels: Levels,
    pub(super) head: Head,
    /// Raw target profiles q, `[targets, width]`.
    pub(super) profiles: Vec<f32>,
    /// The same as the head sees them.
    pub(super) mapped: Vec<f32>,
    /// Of each target, see [`Targets::lifts`].
    pub(super) lifts: Vec<f32>,
    /// Interactions of learners with each target.
    pub(super) taken: Vec<u32>,
}

impl Neighbourhood {
    /// Makes the targets' profiles, with the tower where they are one's, and trains the head.
    ///
    /// # Errors
    /// Data without what the options need, or divergence.
    pub(super) fn fit(
        data: &TrainingData<'_>,
        (objectives, levels): (&Objectives, Levels),
        options: &LearnerHybridOptions,
        cbf: &mut Tower,
        run: &mut Run<'_>,
    ) -> Result<(Self, Option<Tower>), TrainError> {
        let targets = Targets::new(objectives, levels.count())?;
        let taken = targets.taken(data.sequences, &levels)?;
        let learners = taken.transpose(targets.len())?;
        let o = options.hybrid();
        let (cf, mut profiles) = match options.profiles {
            TargetProfiles::Tower => {
                let mut tower = tower_over_users(&learners, data, &o, cbf, run)?;
                let learners: Vec<&[u32]> = learners.iter().collect();
                let profiles = tower.profiles(&learners, o.variant.profile())?;
                (Some(tower), profiles)
            }
            TargetProfiles::Users => (None, means(&learners, data, &o, cbf, run)?),
            TargetProfiles::Ials => {
                let data = TrainingData::new(&taken, targets.len(), data.origin);
                let ials = IalsOptions { hidden: o.cbf.hidden, ..IalsOptions::default() };
                (None, <Ials as Model>::fit(&data, &ials, run)?.item_vectors().to_vec())
            }
        };
        targets.fill_gaps(&mut profiles, &learners);
        let head = Head::new(o.cbf.hidden, super::projects(options));
        let lifts = targets.lifts(&learners);
        let taken = learners.iter().map(|learners| learners.len() as u32).collect();
        let mut this = Self { targets, levels, head, profiles, mapped: Vec::new(), lifts, taken };
        this.fit_head(data, &o, cbf, run)?;
        this.mapped = this.head.map_items(&this.profiles);
        Ok((this, cf))
    }

    fn fit_head(
        &mut self,
        data: &TrainingData<'_>,
        o: &HybridOptions,
        cbf: &mut Tower,
        run: &mut Run<'_>,
    ) -> Result<(), TrainError> {
        let Self { targets, levels, head, profiles, .. } = self;
        let (targets, levels, items): (&Targets, &Levels, &[f32]) = (targets, levels, profiles);
        let (pairs, histories) = Pairs::of(data, o, run.seed)?;
        let users = of_users(&histories, o, cbf, run)?;
        let look = match validation_cases(data.sequences, data.validation, data.items)? {
            Some(cases) => {
                let profiles = cbf.profiles(cases.histories(), o.variant.profile())?;
                let look = move |head: &Head| {
                    let mapped = head.map_items(items);
                    let learners: Vec<Option<u32>> = cases.users().iter().copied().map(Some).collect();
                    let ranked = Ranked { targets, levels, head, mapped: &mapped };
                    quality(&cases, |places, scores| {
                        let width = head.width();
                        let profiles = &profiles[places.start * width..places.end * width];
                        ranked.write(&learners[places], profiles, scores);
                    })
                };
                Some(Box::new(look) as Look<'_>)
            }
            None => None,
        };
        let pairs = TargetPairs { pairs, targets, levels };
        train_head(head, HeadData { pairs: &pairs, users, items, look }, o, run)
    }

    /// Scores of all exercises for learners with these profiles, `[learners, exercises]`: of an exercise's targets for the learner,
    /// the best.
    pub(super) fn scores(&self, learners: &[Option<u32>], profiles: &[f32], scores: &mut [f32]) {
        let Self { targets, levels, head, mapped, .. } = self;
        Ranked { targets, levels, head, mapped }.write(learners, profiles, scores);
    }

    /// Who took an exercise, for a learner.
    pub(super) fn described(&self, learner: Option<u32>, exercise: u32) -> String {
        let objectives = self.targets.objectives(exercise).iter();
        let targets = self.targets.of(learner, exercise, &self.levels).zip(objectives);
        let one = |(target, &objective): (u32, &u32)| {
            let taken = self.taken[target as usize];
            match &self.levels {
                levels @ (Levels::Same(_) | Levels::Given(_)) => {
                    let level = difficulty::NAMES[levels.of(learner, objective)];
                    format!("{level}: taken {taken} times by learners who find it {level} too")
                }
                Levels::All | Levels::Random(_) => format!("taken {taken} times"),
            }
        };
        targets.map(one).collect::<Vec<_>>().join("; ")
    }

    /// Mean lift of each exercise's targets for a learner, `[exercises]`.
    pub(super) fn lifts(&self, learner: Option<u32>, scores: &mut [f32]) {
        for (exercise, score) in (0..).zip(scores) {
            let targets = self.targets.of(learner, exercise, &self.levels);
            let count = targets.len() as f32;
            *score = targets.map(|target| self.lifts[target as usize]).sum::<f32>() / count;
        }
    }
}

/// Who is a neighbour.
///
/// # Errors
/// Data without what that needs.
pub(super) fn levels(
    data: &TrainingData<'_>,
    objectives: &Objectives,
    options: &LearnerHybridOptions,
    run: &mut Run<'_>,
) -> Result<Levels, TrainError> {
    let levels = match (options.neighbours, &options.difficulties) {
        (Neighbours::SameDifficulty, Some(path)) => {
            let (given, pairs) = Given::read(Path::new(path), data, objectives)?;
            run.reporter.note(&format!(
                "{path} says how hard an objective is for {pairs} pairs of a learner and an objective; it is medium for all others"
            ));
            Levels::Given(given)
        }
        (Neighbours::All, _) => Levels::All,
        (Neighbours::Random, _) => Levels::Random(run.seed),
        (Neighbours::SameDifficulty, None) => {
            Levels::Same(Difficulty::of(data.sequences, objectives, options.full_score)?)
        }
    };
    if let Levels::Same(Difficulty { tertiles: [lower, upper], .. }) = &levels {
        run.reporter.note(&format!(
                "an objective is hard for a learner with a mean credit below {lower:.3}, easy from {upper:.3} on: tertiles \
                 of training"
            ));
    }
    Ok(levels)
}

/// What ranks exercises.
struct Ranked<'a> {
    targets: &'a Targets,
    levels: &'a Levels,
    head: &'a Head,
    mapped: &'a [f32],
}

impl Ranked<'_> {
    fn write(&self, learners: &[Option<u32>], profiles: &[f32], scores: &mut [f32]) {
        let width = self.head.width();
        let rows = scores.par_chunks_mut(self.targets.exercises().max(1));
        rows.zip(learners.par_iter().zip(profiles.par_chunks(width))).for_each(
            |(row, (&learner, profile))| {
                let (asking, bias) = self.head.query(profile);
                for (exercise, score) in (0..).zip(row) {
                    let targets = self.targets.of(learner, exercise, self.levels).map(|target| {
                        let start = target as usize * width;
                        dot(&asking, &self.mapped[start..start + width])
                    });
                    *score = targets.fold(f32::NEG_INFINITY, f32::max) + bias;
                }
            },
        );
    }
}

/// Pairs of learners and targets instead of exercises.
struct TargetPairs<'a> {
    pairs: Pairs<'a>,
    targets: &'a Targets,
    levels: &'a Levels,
}

impl Draw for TargetPairs<'_> {
    fn batch(&self, step: u64, count: usize) -> Vec<(u32, Vec<u32>)> {
        let drawn = self.pairs.drawn(step, count).into_iter().enumerate();
        let targets = drawn.map(|(number, (positive, exercises))| {
            // Each objective of an exercise in turn.
            let one = |exercise: u32| {
                let mut own = self.targets.of(Some(positive.user), exercise, self.levels);
                let turn = (step as usize + number) % own.len();
                own.nth(turn)
            };
            (positive.profile, exercises.into_iter().filter_map(one).collect())
        });
        targets.collect()
    }
}

/// For each target the mean of the profiles of its learners, `[targets, width]`; zeros where there is none.
fn means(
    learners: &Sequences,
    data: &TrainingData<'_>,
    o: &HybridOptions,
    cbf: &mut Tower,
    run: &mut Run<'_>,
) -> Result<Vec<f32>, TrainError> {
    let width = o.cbf.hidden;
    let histories: Vec<&[u32]> = data.sequences.iter().collect();
    let profiles = of_users(&histories, o, cbf, run)?;
    let mut means = vec![0.0; learners.len() * width];
    for (mean, learners) in means.chunks_exact_mut(width).zip(learners.iter()) {
        for &learner in learners {
            let start = learner as usize * width;
            let share = 1.0 / learners.len() as f32;
            mean.iter_mut()
                .zip(&profiles[start..start + width])
                .for_each(|(mean, value)| *mean += share * value);
        }
    }
    Ok(means)
}
