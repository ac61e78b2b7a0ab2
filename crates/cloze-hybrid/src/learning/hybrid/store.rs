//! Profiles of learners and targets in a file, kept up to date with every answer.

use super::neighbourhood::Neighbourhood;
use super::{LearnerHybrid, LearnerVariant};
use crate::learning::difficulty::Difficulty;
use crate::learning::targets::{Levels, Targets};
use crate::product::dot;
use crate::store::{ProfileStore, Profiled, Side, StoreError};
use cloze_data::Sequences;
use cloze_train::{Reporter, TrainError};
use redb::{TableDefinition, WriteTransaction};
use std::cmp::Reverse;
use std::path::Path;

/// Credit, and number of answers, of a learner in an objective: what the model's file has is of training.
const CREDIT: TableDefinition<'_, (u32, u32), (f32, u32)> = TableDefinition::new("credit");

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
        if let Levels::Same(difficulty) = &mut levels {
            let full_score = f64::from(full_score);
            *difficulty =
                difficulty.with_answers(sequences, full_score, |exercise| targets.objectives(exercise))?;
        }
        let learners = targets.taken(sequences, &levels)?;
        let learners = learners.transpose(targets.len()).map_err(TrainError::from)?;
        let write_all = |store: &mut ProfileStore<'_>, writing: &WriteTransaction| {
            let mut table = writing.open_table(CREDIT).map_err(|error| store.failed(error))?;
            if let Levels::Same(difficulty) = &levels {
                for (learner, objective, credit, answers) in difficulty.answered() {
                    let inserted = table.insert((learner, objective), (credit, answers));
                    inserted.map_err(|error| store.failed(error))?;
                }
            }
            Ok(())
        };
        let store = ProfileStore::build_of(path, model, [sequences, &learners], reporter, write_all)?;
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
            difficulty.forget_answers();
            let reading = store.read()?;
            let table = reading.open_table(CREDIT).map_err(|error| store.failed(error))?;
            for entry in table.range::<(u32, u32)>(..).map_err(|error| store.failed(error))? {
                let (key, value) = entry.map_err(|error| store.failed(error))?;
                let ((learner, objective), (credit, answers)) = (key.value(), value.value());
                difficulty.set(learner, objective, credit, answers);
            }
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

    /// Takes an answer down, in one transaction, and renews what it touches. `value` is a score as in the data, from 0 to the full
    /// score of the model's options.
    ///
    /// # Errors
    /// An unknown learner or exercise, a score out of range, a time that is missing or should be; the store is then as it was.
    pub fn answer(
        &mut self,
        learner: u32,
        exercise: u32,
        time: Option<i64>,
        value: f32,
    ) -> Result<Renewed, StoreError> {
        let time = self.store.time(time)?;
        self.store.check_known(Side::User, learner)?;
        if exercise as usize >= self.targets.exercises() {
            let known = self.targets.exercises();
            return Err(TrainError::Data(format!("exercise {exercise} of {known}")).into());
        }
        if !(0.0..=self.full_score).contains(&value) {
            let rule = format!("must be from 0 to full-score = {}", self.full_score);
            return Err(TrainError::option("value", value, rule).into());
        }
        let objectives = self.targets.objectives(exercise).to_vec();
        let mut levels = self.levels.clone();
        if let Levels::Same(difficulty) = &mut levels {
            difficulty.add(learner, &objectives, value / self.full_score);
        }
        let moved: Vec<u32> = objectives
            .iter()
            .copied()
            .filter(|&one| levels.of(Some(learner), one) != self.levels.of(Some(learner), one))
            .collect();
        let Self { store, targets, levels: before, .. } = &mut *self;
        let mut touched = store.transaction(|store, writing| {
            if let Levels::Same(difficulty) = &levels {
                write_credit(store, difficulty, learner, &objectives, writing)?;
            }
            let mut touched = move_learner(store, targets, [before, &levels], learner, &moved, writing)?;
            store.append(Side::User, learner, exercise, time, writing)?;
            for target in targets.of(Some(learner), exercise, &levels) {
                store.append(Side::Item, target, learner, time, writing)?;
                touched.push(target);
            }
            Ok(touched)
        })?;
        self.levels = levels;
        touched.sort_unstable();
        touched.dedup();
        let mut relations: Vec<u32> = touched.iter().map(|&target| self.targets.relation(target)).collect();
        relations.dedup();
        self.refresh(&relations)?;
        Ok(Renewed { targets: touched.len(), moved: moved.len() })
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

fn write_credit(
    store: &ProfileStore<'_>,
    difficulty: &Difficulty,
    learner: u32,
    objectives: &[u32],
    writing: &WriteTransaction,
) -> Result<(), StoreError> {
    let mut table = writing.open_table(CREDIT).map_err(|error| store.failed(error))?;
    for &objective in objectives {
        let value = difficulty.get(learner, objective);
        table.insert((learner, objective), value).map_err(|error| store.failed(error))?;
    }
    Ok(())
}

/// Takes a learner out of the targets of the level before in these objectives, and into those of the level after; returns both.
fn move_learner(
    store: &mut ProfileStore<'_>,
    targets: &Targets,
    [before, after]: [&Levels; 2],
    learner: u32,
    objectives: &[u32],
    writing: &WriteTransaction,
) -> Result<Vec<u32>, StoreError> {
    if objectives.is_empty() {
        return Ok(Vec::new());
    }
    let mut taken = store.sequence(Side::User, learner)?;
    taken.sort_unstable();
    taken.dedup();
    let mut touched = Vec::new();
    for exercise in taken {
        let from = targets.of(Some(learner), exercise, before);
        let moves: Vec<(u32, u32)> = from.zip(targets.of(Some(learner), exercise, after)).collect();
        for (from, to) in moves.into_iter().filter(|(from, to)| from != to) {
            let mut times = Vec::new();
            store.rewrite(Side::Item, from, writing, |sequence| times = sequence.remove(learner))?;
            store.rewrite(Side::Item, to, writing, |sequence| {
                for &time in &times {
                    sequence.insert(Side::Item, learner, time);
                }
            })?;
            touched.extend([from, to]);
        }
    }
    Ok(touched)
}

/// A score as a key: greater for a higher score; scores are finite.
fn ordered(score: f32) -> i32 {
    let bits = (score + 0.0).to_bits() as i32;
    if bits < 0 { bits ^ i32::MAX } else { bits }
}

impl Profiled for LearnerHybrid {
    fn tower(&mut self, side: Side) -> Option<(&mut cloze_sequential::Tower, cloze_sequential::Profile)> {
        let profile = self.options.hybrid().variant.profile();
        let tower = match side {
            Side::User => Some(&mut self.cbf),
            Side::Item => self.cf.as_mut(),
        };
        tower.map(|tower| (tower, profile))
    }

    fn head(&self) -> Option<&crate::product::Head> {
        Some(&self.neighbourhood.head)
    }

    fn sizes(&mut self) -> [usize; 2] {
        let learners = self.cf.as_ref().map_or(0, cloze_sequential::Tower::catalogue);
        [learners, self.neighbourhood.targets.len()]
    }

    fn identity(&self) -> Result<(String, Vec<cloze_train::NamedTensor<'static>>), TrainError> {
        let options = serde_json::to_string(&self.options)
            .map_err(|error| TrainError::Data(format!("the options cannot be written: {error}")))?;
        Ok((options, super::stored::tensors(self)?))
    }
}
