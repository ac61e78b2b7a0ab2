//! Models whose profiles are kept in a store, and what is asked of one.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cloze_data::Sequences;
use cloze_data::log::TimeUnit;
use cloze_eval::Recommender as _;
use cloze_hybrid::{HybridBert4Rec, LearnerHybrid, LearnerStore, ProfileStore, Side};
use cloze_train::{Model as _, ModelFolder, Reporter};

use crate::commands::recommend::genre::Genre;
use crate::text::count;

/// What is said of an interaction that the store has.
const KNOWN: &str = "known already, nothing was renewed";

/// Items with their scores.
type Best = Vec<(u32, f32)>;

/// A trained model that has profiles to keep.
pub(crate) enum Stored {
    Hybrid(Box<HybridBert4Rec>),
    Learners(Box<LearnerHybrid>),
}

/// What is taken down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interaction {
    pub(crate) user: u32,
    pub(crate) item: u32,
    pub(crate) time: Option<i64>,
    /// Of an answer.
    pub(crate) score: Option<f32>,
}

impl Interaction {
    /// Whether the user's sequence has it already: whoever sends an interaction twice, since no answer came, means one. Without
    /// times that can't be told.
    ///
    /// # Errors
    /// A time in another unit than theirs: it would stand at one end of the sequence for good.
    fn is_in(&self, sequence: &[(u32, i64)]) -> Result<bool> {
        let Some(time) = self.time else { return Ok(false) };
        if let Some(&(_, newest)) = sequence.last() {
            let (unit, theirs) = (TimeUnit::of(time).name(), TimeUnit::of(newest).name());
            ensure!(
                unit == theirs,
                "--time {time} is in {unit}, and the user's newest interaction, at {newest}, in {theirs}: give it in {theirs} too"
            );
        }
        Ok(sequence.contains(&(self.item, time)))
    }
}

impl Stored {
    /// Opens the folder of such a model.
    ///
    /// # Errors
    /// A model of another kind, a variant without profiles, or a damaged folder.
    pub(crate) fn open(path: &Path) -> Result<(ModelFolder, Self)> {
        let folder = ModelFolder::open(path)?;
        let kind = &folder.card.model;
        let (hybrid, learners) = (HybridBert4Rec::NAME, LearnerHybrid::NAME);
        ensure!(
            kind == hybrid || kind == learners,
            "{} is a {kind}: profiles are kept of {hybrid} and {learners} only (--variant trained-projections and others)",
            path.display()
        );
        let named = || path.display().to_string();
        let model = if kind == learners {
            let model = LearnerHybrid::load(&folder)?;
            LearnerStore::check_model(&model).with_context(named)?;
            Self::Learners(Box::new(model))
        } else {
            let mut model = HybridBert4Rec::load(&folder)?;
            ProfileStore::check_model(&mut model).with_context(named)?;
            Self::Hybrid(Box::new(model))
        };
        folder.check_all_read()?;
        Ok((folder, model))
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Hybrid(model) => model.name(),
            Self::Learners(model) => model.name(),
        }
    }

    /// Makes the store of these sequences.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn build(
        &mut self,
        path: &Path,
        sequences: &Sequences,
        reporter: &mut Reporter,
    ) -> Result<()> {
        match self {
            Self::Hybrid(model) => ProfileStore::build(path, model, sequences, reporter).map(drop)?,
            Self::Learners(model) => LearnerStore::build(path, model, sequences, reporter).map(drop)?,
        }
        Ok(())
    }

    /// Takes an interaction down; what was renewed, and in which time, without that of opening the store.
    ///
    /// # Errors
    /// Those of the store; a score that is missing, or that nothing is done with.
    pub(crate) fn update(&mut self, path: &Path, one: Interaction) -> Result<(String, Duration)> {
        let Interaction { user, item, time, score } = one;
        match self {
            Self::Hybrid(model) => {
                ensure!(score.is_none(), "--score: this model does not read scores, leave it out");
                let mut store = ProfileStore::open(path, model)?;
                let start = Instant::now();
                if one.is_in(&store.timed_sequence(Side::User, user)?)? {
                    return Ok((KNOWN.to_owned(), start.elapsed()));
                }
                store.observe(user, item, time)?;
                Ok(("both profiles renewed".to_owned(), start.elapsed()))
            }
            Self::Learners(model) => {
                let mut store = LearnerStore::open(path, model)?;
                let start = Instant::now();
                if one.is_in(&store.timed_sequence(Side::User, user)?)? {
                    return Ok((KNOWN.to_owned(), start.elapsed()));
                }
                let renewed = store.answer(user, item, time, score)?;
                let took = start.elapsed();
                let moved =
                    if renewed.moved > 0 { "; what it is for is easier or harder for them now" } else { "" };
                let targets = count(renewed.targets);
                Ok((format!("the learner's profile and {targets} of exercises renewed{moved}"), took))
            }
        }
    }

    /// The best items for a user, of the genre if one is given, and the user's items. Exercises are scored as ones for the genre,
    /// which is a learning objective there.
    ///
    /// # Errors
    /// Those of the store; an objective that training did not have.
    pub(crate) fn recommend(
        &mut self,
        path: &Path,
        user: u32,
        genre: Option<&Genre>,
        k: usize,
        keep_seen: bool,
    ) -> Result<(Best, Vec<u32>)> {
        Ok(match self {
            Self::Hybrid(model) => {
                let mut store = ProfileStore::open(path, model)?;
                let asked = genre.map_or(k, |genre| genre.items.len());
                let mut best = store.recommend(user, asked, keep_seen)?;
                if let Some(genre) = genre {
                    best.retain(|(item, _)| genre.items[*item as usize]);
                    best.truncate(k);
                }
                (best, store.sequence(Side::User, user)?)
            }
            Self::Learners(model) => {
                let store = LearnerStore::open(path, model)?;
                let objective = genre.map(|genre| objective_of(&store, genre)).transpose()?;
                (store.recommend(user, objective, k, keep_seen)?, store.sequence(Side::User, user)?)
            }
        })
    }
}

/// The objective as the model numbers them: by its exercises, for the data may name it otherwise since training.
fn objective_of(store: &LearnerStore<'_>, genre: &Genre) -> Result<u32> {
    store.objective_of(&genre.items).with_context(|| {
        format!(
            "--genre {:?}: no objective had these exercises when the model was trained, and what it learned is of the objectives of \
             then: train it again and build its store anew, or leave out --store",
            genre.name
        )
    })
}
