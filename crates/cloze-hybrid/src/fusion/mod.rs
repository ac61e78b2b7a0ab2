//! The collaborative side that works: the scores of linear item-item models, added to the content tower's.

mod weights;

use crate::options::HybridOptions;
use cloze_cf::{Ease, EaseOptions, Slit, SlitOptions};
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_sequential::Tower;
use cloze_train::{ModelFolder, NamedTensor, Run, TrainError, TrainingData, validation_cases};
use rayon::prelude::*;
use weights::{LOOKS, Likelihood, most_likely};

/// Validation users that are scored at a time.
const TOGETHER: usize = 256;
/// Validation users that the weights are chosen by at most: a few numbers need no more.
const ENOUGH: usize = 4096;
/// The content tower's weight in the search is at least this: the others are given in its units.
const SOME: f64 = 1e-3;
/// Multiples of the most likely weights that are tried: from content alone to next to none of it.
const SHARES: [f64; 8] = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0];
const EASE: &str = "ease.";
const SLIT: &str = "slit.";

/// `s(u, v) = ln P(v | u) + Σ_k α_k · f_k(u, v)`: P is the content tower's softmax over all items, `f_k` a score of EASE, which
/// knows what goes together, or of SLIT, which knows what follows on what, both for histories with some decay.
///
/// The linear models learn from all users at once what the tower would need far more steps for; it knows what they cannot
/// express. In which proportion they are added is what makes the validation items most likely (a conditional logit), and how much of
/// the sum is what gives the highest NDCG@10 on them: a likelihood wants to be right about every item, a ranking about ten, and
/// where little is known of an item, that is not the same. Where content alone is not worse, nothing is added.
pub(crate) struct Fusion {
    ease: Ease,
    slit: Slit,
    ease_decays: Vec<f64>,
    slit_decays: Vec<f64>,
    alpha: Vec<f64>,
}

impl Fusion {
    /// Solves EASE and SLIT and, unless the options name them, finds the weights.
    ///
    /// # Errors
    /// Options or a catalogue that these refuse.
    pub(crate) fn fit(
        data: &TrainingData<'_>,
        options: &HybridOptions,
        cbf: &mut Tower,
        run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        let ease = Ease::fit(data.sequences, data.items, &ease_options(options))?;
        let slit = Slit::fit(data.sequences, data.items, &slit_options(options))?;
        let mut this = Self::new(ease, slit, options);
        if options.alpha.is_some() {
            return Ok(this);
        }
        match validation_cases(data.sequences, data.validation, data.items)? {
            Some(cases) => this.choose(&cases, data.items, cbf, run)?,
            None => run.reporter.note(&format!(
                "no validation items are held out to choose alpha by: it is {:?}; a run with validation items finds \
                 others, which --alpha takes",
                this.alpha
            )),
        }
        Ok(this)
    }

    fn new(ease: Ease, slit: Slit, options: &HybridOptions) -> Self {
        let (ease_decays, slit_decays) = (options.ease_decays.clone(), options.slit_decays.clone());
        Self { ease, slit, ease_decays, slit_decays, alpha: options.usual_alpha() }
    }

    /// Weight of each score that is added: EASE's by decay, then SLIT's.
    pub(crate) fn alpha(&self) -> &[f64] {
        &self.alpha
    }

    fn choose(
        &mut self,
        cases: &Cases<'_>,
        items: usize,
        cbf: &mut Tower,
        run: &mut Run<'_>,
    ) -> Result<(), TrainError> {
        let parts = parts(cases)?;
        let users: usize = parts.iter().map(|part| part.users().len()).sum();
        run.reporter.start("alpha", (users * LOOKS) as u64, "users");
        let mut done = 0;
        let start: Vec<f64> = [1.0].into_iter().chain(self.alpha.iter().copied()).collect();
        let found = most_likely(start, |weights| {
            let mut sum = Likelihood::zero(weights.len());
            for part in &parts {
                let features = self.features(part.histories(), cbf)?;
                let of_user = |(user, features): (usize, &[f32])| {
                    Likelihood::of(features, weights, part.histories()[user], part.targets()[user])
                };
                let rows = features.par_chunks_exact(weights.len() * items);
                // In the order of users, whatever the threads do.
                let each: Vec<Likelihood> = rows.enumerate().map(of_user).collect();
                for one in &each {
                    sum.add(one);
                }
                done += each.len();
                run.reporter.advance_to(done as u64, String::new);
            }
            Ok::<_, TrainError>(sum.mean(users, weights))
        })?;
        let content = found[0].max(SOME);
        let likely: Vec<f64> = found[1..].iter().map(|weight| weight / content).collect();
        let candidates: Vec<Vec<f64>> =
            SHARES.iter().map(|share| likely.iter().map(|weight| share * weight).collect()).collect();
        let found = self.quality(&parts, &candidates, cbf)?;
        // The first of equals: content alone, if nothing is better.
        let best = (0..found.len()).fold(0, |best, one| if found[one] > found[best] { one } else { best });
        self.alpha.clone_from(&candidates[best]);
        let (alone, with) = (found[0], found[best]);
        run.reporter.finish(&format!(
            "EASE of decays {:?} and SLIT of {:?} weigh {:.2?}: validation NDCG@10 {:.4}, content alone {alone:.4}",
            self.ease_decays,
            self.slit_decays,
            self.alpha,
            with
        ));
        Ok(())
    }

    /// Mean NDCG@10 under each of the weightings.
    fn quality(
        &self,
        parts: &[Cases<'_>],
        candidates: &[Vec<f64>],
        cbf: &mut Tower,
    ) -> Result<Vec<f64>, TrainError> {
        let (mut sums, mut users) = (vec![0.0; candidates.len()], 0.0);
        let options = EvaluationOptions {
            protocols: vec![Protocol::Full],
            batch: TOGETHER,
            ..EvaluationOptions::default()
        };
        for part in parts {
            let features = self.features(part.histories(), cbf)?;
            for (alpha, sum) in candidates.iter().zip(&mut sums) {
                let mut given = Given { features: &features, alpha, items: cbf.catalogue() };
                let ranks = evaluate(&mut given, part, &options, &mut |_, _| {})?;
                *sum += ranks.iter().flat_map(|ranks| ranks.values(Metric::Ndcg(10))).sum::<f64>();
            }
            users += part.users().len() as f64;
        }
        Ok(sums.into_iter().map(|sum| sum / users).collect())
    }

    /// What is summed, `[histories, 1 + added, items]`: ln P, the scores of EASE and those of SLIT.
    fn features(&self, histories: &[&[u32]], cbf: &mut Tower) -> Result<Vec<f32>, TrainError> {
        let items = cbf.catalogue().max(1);
        let logits = cbf.logits(histories)?;
        let rows = 1 + self.alpha.len();
        let mut features = vec![0.0; logits.len() * rows];
        let rows = features.par_chunks_exact_mut(items * rows);
        rows.zip(logits.par_chunks_exact(items)).zip(histories).try_for_each(
            |((row, logits), history)| {
                let (content, linear) = row.split_at_mut(items);
                content.copy_from_slice(logits);
                log_softmax(content);
                let (ease, slit) = linear.split_at_mut(items * self.ease_decays.len());
                self.ease.raw_scores(history, &self.ease_decays, ease)?;
                self.slit.raw_scores(history, &self.slit_decays, slit)
            },
        )?;
        Ok(features)
    }

    /// Scores of all items for each history, `[histories, items]`.
    pub(crate) fn rank(
        &self,
        histories: &[&[u32]],
        cbf: &mut Tower,
        scores: &mut [f32],
    ) -> Result<(), TrainError> {
        let features = self.features(histories, cbf)?;
        sum(&features, &self.alpha, cbf.catalogue(), scores);
        Ok(())
    }

    /// The two terms of a history's scores: `ln P` and what is added.
    pub(crate) fn terms(
        &self,
        history: &[u32],
        cbf: &mut Tower,
    ) -> Result<Vec<(&'static str, Vec<f32>)>, TrainError> {
        let items = cbf.catalogue();
        let features = self.features(&[history], cbf)?;
        let mut collaborative = vec![0.0; items];
        add(&features[items..], &self.alpha, &mut collaborative);
        Ok(vec![("content", features[..items].to_vec()), ("collaborative", collaborative)])
    }

    pub(crate) fn tensors(&self) -> Vec<NamedTensor<'static>> {
        let mut tensors = self.ease.tensors_behind(EASE);
        tensors.extend(self.slit.tensors_behind(SLIT));
        tensors
    }

    pub(crate) fn load(folder: &ModelFolder, options: &HybridOptions) -> Result<Self, TrainError> {
        let ease = Ease::load_behind(folder, EASE, ease_options(options))?;
        let slit = Slit::load_behind(folder, SLIT, slit_options(options))?;
        Ok(Self::new(ease, slit, options))
    }
}

/// The validation users, evenly thinned to what is enough, in parts that are scored together.
fn parts<'a>(cases: &Cases<'a>) -> Result<Vec<Cases<'a>>, TrainError> {
    let places: Vec<usize> = (0..cases.len()).step_by(cases.len().div_ceil(ENOUGH).max(1)).collect();
    let part = |places: &[usize]| {
        Cases::new(
            places.iter().map(|&place| cases.users()[place]).collect(),
            places.iter().map(|&place| cases.histories()[place]).collect(),
            places.iter().map(|&place| cases.targets()[place]).collect(),
            cases.popularity().to_vec(),
        )
    };
    Ok(places.chunks(TOGETHER).map(part).collect::<Result<_, _>>()?)
}

fn ease_options(options: &HybridOptions) -> EaseOptions {
    EaseOptions { lambda: options.lambda, max_items: options.max_items, ..EaseOptions::default() }
}

fn slit_options(options: &HybridOptions) -> SlitOptions {
    // The first decay of a history is that of training.
    let decay = options.slit_decays.first().copied().unwrap_or(SlitOptions::default().decay);
    SlitOptions { lambda: options.lambda, max_items: options.max_items, decay, ..SlitOptions::default() }
}

/// Logits of a user become the logarithms of probabilities.
fn log_softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    let shift = largest + sum.ln() as f32;
    for logit in row {
        *logit -= shift;
    }
}

/// Adds the weighted rows of `linear`, `[added, items]`.
fn add(linear: &[f32], alpha: &[f64], scores: &mut [f32]) {
    for (row, &alpha) in linear.chunks_exact(scores.len().max(1)).zip(alpha) {
        scores.iter_mut().zip(row).for_each(|(score, value)| *score += alpha as f32 * value);
    }
}

/// The scores of what [`Fusion::features`] has.
fn sum(features: &[f32], alpha: &[f64], items: usize, scores: &mut [f32]) {
    let rows = features.par_chunks_exact((items * (1 + alpha.len())).max(1));
    rows.zip(scores.par_chunks_exact_mut(items.max(1))).for_each(|(features, scores)| {
        scores.copy_from_slice(&features[..items]);
        add(&features[items..], alpha, scores);
    });
}

/// Scores of users that are known already.
struct Given<'a> {
    features: &'a [f32],
    alpha: &'a [f64],
    items: usize,
}

impl Recommender for Given<'_> {
    fn name(&self) -> String {
        "fusion".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.items
    }

    fn score(&mut self, _: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        sum(self.features, self.alpha, self.items, scores);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
