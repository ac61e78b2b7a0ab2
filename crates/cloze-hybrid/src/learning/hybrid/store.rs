//! Profiles of learners and targets in a file, kept up to date with every answer.

use super::credit;
use super::neighbourhood::Neighbourhood;
use super::{LearnerHybrid, LearnerVariant};
use crate::learning::targets::{Levels, Targets};
use crate::product::dot;
use crate::store::{ProfileStore, Side, StoreError, check_sizes};
use cloze_data::Sequences;
use cloze_sequential::Tower;
use cloze_train::{Reporter, TrainError};
use redb::WriteTransaction;
use std::cmp::Reverse;
use std::path::Path;

/// The profiles of a learners' hybrid: p of every learner, q of every target (exercise, objective, difficulty), each computed once.
///
/// An answer renews p of its learner and q of the targets that the learner is a neighbour of from now on. Where it makes an objective
/// easier or harder for the learner, the learner moves: the targets of all exercises of that objective that the learner took are
/// renewed too, those of the level before and those of the level after. Nothing else can change, for no other sequence did. What is
/// hard is seen from the mean credit and the tertiles of training, so that nobody else's level changes.
pub struct LearnerStore<'m> {
    pub(super) store: ProfileStore<'m>,
    pub(super) targets: Targets,
    levels: Levels,
    full_score: f32,
    /// Target profiles as the head sees them, `[targets, width]`.
    mapped: Vec<f32>,
    /// Number of learners in each target's sequence.
    neighbours: Vec<usize>,
}

/// What an answer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// Target profiles that were computed anew.
    pub targets: usize,
    /// Objectives that are easier or harder for the learner now.
    pub moved: usize,
}

impl<'m> LearnerStore<'m> {
    /// Makes the store of these learners' answers, or goes on with one whose making was stopped.
    ///
    /// # Errors
    /// As [`ProfileStore::build`]; values that are no scores.
    pub fn build(
        path: &Path,
        model: &'m mut LearnerHybrid,
        sequences: &Sequences,
        reporter: &mut Reporter,
    ) -> Result<Self, StoreError> {
        let (targets, mut levels, full_score) = parts(model)?;
        let learners = model.cf.as_ref().map_or(sequences.len(), Tower::catalogue);
        check_sizes(path, sequences, learners, targets.exercises())?;
        if let Levels::Same(difficulty) = &mut levels {
            let full_score = f64::from(full_score);
            *difficulty =
                difficulty.with_answers(sequences, full_score, |exercise| targets.objectives(exercise))?;
        }
        let learners = targets.taken(sequences, &levels)?;
        let learners = learners.transpose(targets.len()).map_err(TrainError::from)?;
        let store =
            ProfileStore::build_of(path, model, [sequences, &learners], reporter, |store, writing| {
                if let Levels::Same(difficulty) = &levels {
                    credit::write(store, difficulty, difficulty.answered(), writing)
                } else {
                    Ok(())
                }
            })?;
        Self::of(store, targets, levels, full_score)
    }

    /// Opens a finished store of this model.
    ///
    /// # Errors
    /// As [`ProfileStore::open`].
    pub fn open(path: &Path, model: &'m mut LearnerHybrid) -> Result<Self, StoreError> {
        let (targets, mut levels, full_score) = parts(model)?;
        let store = ProfileStore::open_finished(path, model)?;
        if let Levels::Same(difficulty) = &mut levels {
            credit::read(&store, difficulty)?;
        }
        Self::of(store, targets, levels, full_score)
    }

    fn of(
        store: ProfileStore<'m>,
        targets: Targets,
        levels: Levels,
        full_score: f32,
    ) -> Result<Self, StoreError> {
        let mut this =
            Self { store, targets, levels, full_score, mapped: Vec::new(), neighbours: Vec::new() };
        let (width, rows) = (this.store.head()?.width(), this.targets.len());
        (this.mapped, this.neighbours) = (vec![0.0; rows * width], vec![0; rows]);
        let relations: Vec<u32> = (0..this.targets.relations() as u32).collect();
        this.refresh(&relations)?;
        Ok(this)
    }

    /// Whether the model has profiles to store.
    ///
    /// # Errors
    /// [`StoreError::NoProfiles`].
    pub fn check_model(model: &LearnerHybrid) -> Result<(), StoreError> {
        parts(model).map(drop)
    }

    /// A learner's exercises, or a target's learners, oldest first.
    ///
    /// # Errors
    /// An unknown number, or a damaged file.
    pub fn sequence(&self, side: Side, number: u32) -> Result<Vec<u32>, StoreError> {
        self.store.sequence(side, number)
    }

    /// The same with their times.
    ///
    /// # Errors
    /// As of [`LearnerStore::sequence`].
    pub fn timed_sequence(&self, side: Side, number: u32) -> Result<Vec<(u32, i64)>, StoreError> {
        self.store.timed_sequence(side, number)
    }

    /// Number of targets.
    pub fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The `k` exercises with the best scores for a learner, of one objective if there is one given, best first; without those that
    /// the learner took, unless `keep_seen`. Equal scores in the order of exercises.
    ///
    /// # Errors
    /// An unknown learner, or a damaged file.
    pub fn recommend(
        &self,
        learner: u32,
        objective: Option<u32>,
        k: usize,
        keep_seen: bool,
    ) -> Result<Vec<(u32, f32)>, StoreError> {
        let reading = self.store.read()?;
        let profile = self.store.profile_in(&reading, Side::User, learner)?;
        let head = self.store.head()?;
        let (query, bias) = head.query(&profile);
        let mut seen = vec![false; self.targets.exercises()];
        if !keep_seen {
            for exercise in self.store.sequence_in(&reading, Side::User, learner)? {
                seen[exercise as usize] = true;
            }
        }
        let score = |target: u32| {
            let start = target as usize * head.width();
            dot(&query, &self.mapped[start..start + head.width()]) + bias
        };
        let mut found: Vec<(u32, f32)> = (0..self.targets.exercises() as u32)
            .filter(|exercise| !seen[*exercise as usize])
            .filter_map(|exercise| {
                let own = self.targets.objectives(exercise);
                let targets = self.targets.of(Some(learner), exercise, &self.levels);
                let asked = targets.zip(own).filter(|(_, own)| objective.is_none_or(|one| one == **own));
                let best = asked.map(|(target, _)| score(target)).max_by(f32::total_cmp)?;
                Some((exercise, best))
            })
            .collect();
        let order = |&(exercise, score): &(u32, f32)| (Reverse(ordered(score)), exercise);
        let k = k.min(found.len());
        if k > 0 && k < found.len() {
            found.select_nth_unstable_by_key(k - 1, order);
        }
        found.truncate(k);
        found.sort_unstable_by_key(order);
        Ok(found)
    }

    /// The objective of exactly these exercises, by number; none if training had no such one. Names are not asked: they may have
    /// changed since, and with them the order of the objectives.
    pub fn objective_of(&self, exercises: &[bool]) -> Option<u32> {
        let first = exercises.iter().position(|&own| own)?;
        let is_of = |exercise: usize, objective: &u32| {
            self.targets.objectives(exercise as u32).contains(objective) == exercises[exercise]
        };
        let same = |objective: &&u32| (0..exercises.len()).all(|exercise| is_of(exercise, objective));
        (exercises.len() == self.targets.exercises())
            .then(|| self.targets.objectives(first as u32).iter().find(same).copied())
            .flatten()
    }

    /// Takes an answer down, in one transaction, and renews what it touches. `value` is a score as in the data, from 0 to the full
    /// score of the model's options, where how hard an objective is comes from scores; nothing else reads one.
    ///
    /// # Errors
    /// An unknown learner or exercise, a score out of range, a score or a time that is missing or should be; the store is then as it
    /// was.
    pub fn answer(
        &mut self,
        learner: u32,
        exercise: u32,
        time: Option<i64>,
        value: Option<f32>,
    ) -> Result<Renewed, StoreError> {
        let time = self.store.time(time)?;
        self.store.check_known(Side::User, learner)?;
        if exercise as usize >= self.targets.exercises() {
            let known = self.targets.exercises();
            return Err(TrainError::Data(format!("exercise {exercise} of {known}")).into());
        }
        let earned = self.earned(value)?;
        let objectives = self.targets.objectives(exercise).to_vec();
        let old = self.credit(learner, &objectives);
        let level = |levels: &Levels| -> Vec<usize> {
            objectives.iter().map(|&objective| levels.of(Some(learner), objective)).collect()
        };
        let before = level(&self.levels);
        if let (Levels::Same(difficulty), Some(earned)) = (&mut self.levels, earned) {
            difficulty.add(learner, &objectives, earned);
        }
        let after = level(&self.levels);
        let changes = objectives.iter().zip(before.into_iter().zip(after));
        let moves: Vec<Move> = changes
            .filter(|(_, (from, to))| from != to)
            .map(|(&objective, (from, to))| Move { learner, objective, from, to })
            .collect();
        let Self { store, targets, levels, .. } = &mut *self;
        let written = store.transaction(|store, writing| {
            if let Levels::Same(difficulty) = &*levels {
                let pairs = objectives.iter().map(|&objective| (learner, objective));
                credit::write(store, difficulty, pairs, writing)?;
            }
            let mut touched = Vec::new();
            for one in &moves {
                touched.extend(one.make(store, targets, writing)?);
            }
            store.append(Side::User, learner, exercise, time, writing)?;
            for target in targets.of(Some(learner), exercise, levels) {
                store.append(Side::Item, target, learner, time, writing)?;
                touched.push(target);
            }
            Ok(touched)
        });
        let mut touched = written.inspect_err(|_| self.set_credit(learner, &old))?;
        touched.sort_unstable();
        touched.dedup();
        let mut relations: Vec<u32> = touched.iter().map(|&target| self.targets.relation(target)).collect();
        relations.dedup();
        self.refresh(&relations)?;
        Ok(Renewed { targets: touched.len(), moved: moves.len() })
    }

    /// The credit of an answer, from 0 to 1, where it is of any use.
    fn earned(&self, value: Option<f32>) -> Result<Option<f32>, StoreError> {
        match (&self.levels, value) {
            (Levels::Same(_), None) => Err(StoreError::NeedsScore),
            (Levels::Same(_), Some(value)) if !(0.0..=self.full_score).contains(&value) => {
                let rule = format!("must be from 0 to full-score = {}", self.full_score);
                Err(TrainError::option("value", value, rule).into())
            }
            (Levels::Same(_), Some(value)) => Ok(Some(value / self.full_score)),
            (_, Some(_)) => Err(StoreError::TakesNoScore),
            (_, None) => Ok(None),
        }
    }

    /// What the learner has in these objectives.
    fn credit(&self, learner: u32, objectives: &[u32]) -> Vec<(u32, (f32, u32))> {
        let Levels::Same(difficulty) = &self.levels else { return Vec::new() };
        objectives.iter().map(|&objective| (objective, difficulty.get(learner, objective))).collect()
    }

    fn set_credit(&mut self, learner: u32, old: &[(u32, (f32, u32))]) {
        let Levels::Same(difficulty) = &mut self.levels else { return };
        for &(objective, (credit, answers)) in old {
            difficulty.set(learner, objective, credit, answers);
        }
    }

    /// Reads the profiles of these pairs of exercise and objective again.
    fn refresh(&mut self, relations: &[u32]) -> Result<(), StoreError> {
        let reading = self.store.read()?;
        let head = self.store.head()?;
        for &relation in relations {
            let rows = self.targets.rows(relation);
            let mut profiles = Vec::new();
            for row in rows.clone() {
                self.neighbours[row] = self.store.sequence_in(&reading, Side::Item, row as u32)?.len();
                profiles.extend(self.store.profile_in(&reading, Side::Item, row as u32)?);
            }
            self.targets.fill_gaps_of(&mut profiles, &self.neighbours[rows.clone()]);
            let width = head.width();
            self.mapped[rows.start * width..rows.end * width].copy_from_slice(&head.map_items(&profiles));
        }
        Ok(())
    }
}

/// What a store needs beside the model, which it takes.
fn parts(model: &LearnerHybrid) -> Result<(Targets, Levels, f32), StoreError> {
    if model.options.variant == LearnerVariant::Fused || model.cf.is_none() {
        return Err(StoreError::NoProfiles);
    }
    let Neighbourhood { targets, levels, .. } = &model.neighbourhood;
    Ok((targets.clone(), levels.clone(), model.options.full_score as f32))
}

/// A learner for whom an objective becomes easier or harder.
struct Move {
    learner: u32,
    objective: u32,
    from: usize,
    to: usize,
}

impl Move {
    /// Takes the learner out of the targets of the level before, and into those of the level after; returns both.
    fn make(
        &self,
        store: &mut ProfileStore<'_>,
        targets: &Targets,
        writing: &WriteTransaction,
    ) -> Result<Vec<u32>, StoreError> {
        let mut taken = store.sequence(Side::User, self.learner)?;
        taken.sort_unstable();
        taken.dedup();
        let mut touched = Vec::new();
        for exercise in taken {
            let target = |level| targets.at(exercise, self.objective, level);
            let (Some(from), Some(to)) = (target(self.from), target(self.to)) else { continue };
            let mut times = Vec::new();
            store.rewrite(Side::Item, from, writing, |sequence| times = sequence.remove(self.learner))?;
            store.rewrite(Side::Item, to, writing, |sequence| {
                for &time in &times {
                    sequence.insert(Side::Item, self.learner, time);
                }
            })?;
            touched.extend([from, to]);
        }
        Ok(touched)
    }
}

/// A score as a key: greater for a higher score; scores are finite.
fn ordered(score: f32) -> i32 {
    let bits = (score + 0.0).to_bits() as i32;
    if bits < 0 { bits ^ i32::MAX } else { bits }
}
