//! HybridBERT4Rec for learners: exercises for learning objectives, by those who find an objective as hard.

mod credit;
mod neighbourhood;
mod options;
mod profiled;
mod store;
mod stored;

use super::objectives::Objectives;
use crate::fusion::{Choice, Linear, Optional, add, choose, deciding, log_softmax, sum};
use crate::reused;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_sequential::{Bert4Rec, Tower};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use neighbourhood::Neighbourhood;
pub use options::{LearnerHybridOptions, LearnerVariant, Neighbours, TargetProfiles};
use rayon::prelude::*;
pub use store::{LearnerStore, Renewed};

/// HybridBERT4Rec over learners, exercises x and learning objectives t.
///
/// Content: BERT4Rec over a learner's exercises. Collaboration: a second tower over the learners who took x for t and for whom t is
/// as hard as for the one who is asked for, in time order. So a profile belongs to a target (x, t, easy, medium or hard) and not to a
/// learner: there are three times as many as pairs of exercise and objective, whoever asks, and all are computed once. The head is
/// HybridBERT4Rec's, `r(u, x) = max over x's objectives t of σ(w · (p_u ∗ q_(x, t, d(u, t))) + b)`, log loss, towers frozen.
///
/// Objectives are the items' genres. What is hard for a learner is known from the learner's own answers in training, see
/// [`Neighbours`]; who was not in training finds hard what all do. By default the head's logit is one of several scores that are
/// added to the content tower's log-probability ([`LearnerVariant`]).
pub struct LearnerHybrid {
    options: LearnerHybridOptions,
    cbf: Tower,
    /// Where target profiles are its.
    cf: Option<Tower>,
    neighbourhood: Neighbourhood,
    /// The linear scores, where they are added.
    linear: Option<Linear>,
}

/// Whether the head maps profiles before it multiplies them.
fn projects(options: &LearnerHybridOptions) -> bool {
    options.variant != LearnerVariant::Paper
}

/// The content tower, and the linear scores where the folder given for reuse has those that are asked for; the tower's options
/// become those of what is reused.
fn reusable(
    data: &TrainingData<'_>,
    options: &mut LearnerHybridOptions,
    run: &mut Run<'_>,
) -> Result<(Tower, Option<Linear>), TrainError> {
    let Some(folder) = reused::folder(data, run)? else {
        let mut tower = Tower::new(&options.cbf, data.items, run.seed)?;
        tower.train("content", data.sequences, data.validation, run)?;
        return Ok((tower, None));
    };
    if folder.card.model != LearnerHybrid::NAME {
        options.cbf = folder.options(Bert4Rec::NAME)?;
        let tower = Tower::load(&folder, "", &options.cbf, data.items)?;
        folder.check_all_read()?;
        return Ok((tower, None));
    }
    let LearnerHybrid { options: theirs, cbf, linear, .. } = LearnerHybrid::load(&folder)?;
    options.cbf.clone_from(&theirs.cbf);
    let same = theirs.linear() == options.linear();
    Ok((cbf, linear.filter(|_| same)))
}

impl LearnerHybrid {
    /// Profiles of learners with these exercises, `[histories, width]`.
    ///
    /// # Errors
    /// An exercise beyond the catalogue.
    pub fn learner_profiles(&mut self, histories: &[&[u32]]) -> Result<Vec<f32>, TrainError> {
        self.cbf.profiles(histories, self.options.hybrid().variant.profile())
    }

    /// Profiles of targets with these learners, `[targets, width]`; `None` where no tower makes them.
    ///
    /// # Errors
    /// A learner beyond those that it was trained with.
    pub fn target_profiles(&mut self, learners: &[&[u32]]) -> Result<Option<Vec<f32>>, TrainError> {
        let profile = self.options.hybrid().variant.profile();
        self.cf.as_mut().map(|tower| tower.profiles(learners, profile)).transpose()
    }

    /// Number of pairs of an exercise and one of its objectives: |R|.
    pub fn relations(&self) -> usize {
        self.neighbourhood.targets.relations()
    }

    fn weigh(&mut self, data: &TrainingData<'_>, run: &mut Run<'_>) -> Result<(), TrainError> {
        let start = self.options.usual_alpha();
        let Some(cases) = deciding(data, &start, run)? else {
            self.options.alpha = Some(start);
            return Ok(());
        };
        // EASE, SLIT, and what is known of the neighbours: any of them can be left out.
        let rows = self.linear.as_ref().map_or(0, Linear::rows);
        let models = self.linear.iter().flat_map(Linear::named);
        let (names, groups): (Vec<&str>, Vec<Vec<usize>>) = models
            .map(|(name, rows)| (name, rows.collect()))
            .chain([("what is known of the neighbours", vec![rows, rows + 1])])
            .unzip();
        let optional = Optional { groups: &groups, ..Optional::default() };
        let choice = choose(&cases, &start, &optional, run, |part| {
            let learners: Vec<Option<u32>> = part.users().iter().copied().map(Some).collect();
            self.features(&learners, part.histories())
        })?;
        let left_out = choice.left_out(names.into_iter().zip(groups.iter().cloned()));
        let Choice { alpha, quality, alone, users } = choice;
        let linear = self.linear.as_ref().map(Linear::described).unwrap_or_default();
        run.reporter.finish(&format!(
            "{linear}, what neighbours take and the targets weigh {alpha:.2?}{left_out}: NDCG@10 {quality:.4} for {users} validation \
             users, content alone {alone:.4}"
        ));
        self.options.alpha = Some(alpha);
        Ok(())
    }

    /// What is summed, `[learners, 1 + added, exercises]`: ln P, the linear scores, the lifts and the targets'.
    fn features(&mut self, learners: &[Option<u32>], histories: &[&[u32]]) -> Result<Vec<f32>, TrainError> {
        let exercises = self.cbf.catalogue().max(1);
        let logits = self.cbf.logits(histories)?;
        let profiles = self.learner_profiles(histories)?;
        let mut targets = vec![0.0; logits.len()];
        self.neighbourhood.scores(learners, &profiles, &mut targets);
        let rows = 3 + self.linear.as_ref().map_or(0, Linear::rows);
        let mut features = vec![0.0; logits.len() * rows];
        let given = logits.par_chunks_exact(exercises).zip(targets.par_chunks_exact(exercises));
        let given = given.zip(histories.par_iter().zip(learners));
        let Self { neighbourhood, linear: added, .. } = &*self;
        features.par_chunks_exact_mut(exercises * rows).zip(given).try_for_each(
            |(row, ((logits, targets), (history, &learner)))| {
                let (content, rest) = row.split_at_mut(exercises);
                content.copy_from_slice(logits);
                log_softmax(content);
                let (linear, last) = rest.split_at_mut(exercises * (rows - 3));
                let (lifts, last) = last.split_at_mut(exercises);
                neighbourhood.lifts(learner, lifts);
                last.copy_from_slice(targets);
                added.as_ref().map_or(Ok(()), |model| model.scores(history, linear))
            },
        )?;
        Ok(features)
    }
}

impl Model for LearnerHybrid {
    const NAME: &'static str = "hybridbert4rec-learners";
    const ABOUT: &'static str = "HybridBERT4Rec for learners: exercises taken by those who find the objective as hard (genres are objectives)";
    const EXAMPLE: Option<&'static str> = Some("--data school --profiles users");
    const HELP: &'static [(&'static str, &'static str)] = LearnerHybridOptions::HELP;
    type Options = LearnerHybridOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        options.validate()?;
        options.check_read(run)?;
        let mut options = options.clone();
        let genres = data.details.and_then(|details| details.genres.as_deref());
        if genres.is_none() {
            run.reporter.note("the items have no genres: all exercises count for one objective");
        }
        let objectives = Objectives::new(genres, data.items);
        // Before anything is trained: the data may not have what it needs.
        let levels = neighbourhood::levels(data, &objectives, &options, run)?;
        let (mut cbf, linear) = reusable(data, &mut options, run)?;
        let (neighbourhood, cf) = Neighbourhood::fit(data, (&objectives, levels), &options, &mut cbf, run)?;
        let fused = options.variant == LearnerVariant::Fused;
        let linear = match linear {
            _ if !fused => None,
            None => Some(Linear::fit(data, &options.hybrid())?),
            some => some,
        };
        let mut this = Self { options, cbf, cf, neighbourhood, linear };
        if fused && this.options.alpha.is_none() {
            this.weigh(data, run)?;
        }
        Ok(this)
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        stored::tensors(self)
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        stored::load(folder)
    }
}

impl Recommender for LearnerHybrid {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.cbf.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        let learners: Vec<Option<u32>> = queries.iter().map(|query| query.user).collect();
        if self.linear.is_some() {
            let features = self.features(&learners, &histories)?;
            sum(&features, &self.options.usual_alpha(), self.cbf.catalogue(), scores);
        } else {
            let profiles = self.learner_profiles(&histories)?;
            self.neighbourhood.scores(&learners, &profiles, scores);
        }
        Ok(())
    }

    /// How hard what is for whom stands in no history.
    fn joins_user_and_history(&self) -> bool {
        true
    }

    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        Ok(self.learner_profiles(&histories)?)
    }

    fn parts(&mut self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, ModelError> {
        if self.linear.is_none() {
            return Ok(Vec::new());
        }
        let items = self.cbf.catalogue();
        let features = self.features(&[query.user], &[query.history])?;
        let alpha = self.options.usual_alpha();
        let (content, added) = features.split_at(items);
        let (linear, neighbours) = added.split_at(added.len() - 2 * items);
        let weighted = |rows: &[f32], alpha: &[f64]| {
            let mut scores = vec![0.0; items];
            add(rows, alpha, &mut scores);
            scores
        };
        let (alpha, last) = alpha.split_at(alpha.len() - 2);
        Ok(vec![
            ("content", content.to_vec()),
            ("collaborative", weighted(linear, alpha)),
            ("neighbours", weighted(neighbours, last)),
        ])
    }

    /// How many took the exercise who find its objectives as hard.
    fn remarks(&mut self, query: &Query<'_>, items: &[u32]) -> Result<Vec<String>, ModelError> {
        Ok(items.iter().map(|&exercise| self.neighbourhood.described(query.user, exercise)).collect())
    }
}

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
