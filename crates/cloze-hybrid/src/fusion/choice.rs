//! How much of each score a sum takes, by validation items.

use super::weights::{Found, LOOKS, Likelihood, most_likely};
use crate::options::is_weight;
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_train::{Run, TrainError};
use rayon::prelude::*;
use std::ops::Range;

/// Validation users that are scored at a time.
const TOGETHER: usize = 256;
/// Validation users that the weights are chosen by at most: a few numbers need no more.
const ENOUGH: usize = 4096;
/// The content tower's weight in the search is at least this: the others are given in its units.
const SOME: f64 = 1e-3;
/// Fewer validation users than this choose nothing: they would be fitted, one by one.
pub(crate) const FEW: usize = 30;
/// Scores of validation users that are kept in memory between looks: 1 GiB of them.
const ROOM: usize = 1 << 28;
/// Multiples of the most likely weights that are tried beside content alone: the last leaves next to none of it.
const SHARES: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0];

/// Weights with what they are worth.
pub(crate) struct Choice {
    /// Of each score beside the first, whose weight is 1.
    pub(crate) alpha: Vec<f64>,
    /// NDCG@10 on validation items.
    pub(crate) quality: f64,
    /// NDCG@10 of the first score alone.
    pub(crate) alone: f64,
    /// Validation users that chose.
    pub(crate) users: usize,
}

impl Choice {
    /// The groups of weights that are all 0, for a message; empty where each has some.
    pub(crate) fn left_out<'n>(&self, groups: impl Iterator<Item = (&'n str, Vec<usize>)>) -> String {
        let nothing = groups.filter(|(_, places)| places.iter().all(|&place| self.alpha[place] == 0.0));
        nothing.fold(String::new(), |text, (name, _)| text + ", " + name + " is left out")
    }
}

/// What may be left out of a sum, as places in alpha.
#[derive(Debug, Clone, Default)]
pub(crate) struct Optional<'a> {
    /// Of each model. A score that is in none of them is never left out alone.
    pub(crate) groups: &'a [Vec<usize>],
    /// Of the gate, that of the first score before all others; empty without one.
    pub(crate) gate: Range<usize>,
}

/// In which proportion scores are added is what makes the validation items most likely (a conditional logit), and how much of
/// the sum is what gives the highest NDCG@10 on them: a likelihood wants to be right about every item, a ranking about ten, and
/// where little is known of an item, that is not the same. For the same reason a group of scores is left out where the others rank
/// better without it, and so is the gate. Where the first score alone is not worse, nothing is added.
///
/// `features` gives the scores of cases, `[cases, 1 + alpha, items]`; the search begins at `start`.
///
/// # Errors
/// Those of `features`.
pub(crate) fn choose(
    cases: &Cases<'_>,
    start: &[f64],
    optional: &Optional<'_>,
    run: &mut Run<'_>,
    features: impl FnMut(&Cases<'_>) -> Result<Vec<f32>, TrainError>,
) -> Result<Choice, TrainError> {
    let parts = parts(cases)?;
    let mut features = Kept::new(features, parts.len());
    let users: usize = parts.iter().map(Cases::len).sum();
    let sums = sums(optional, start.len());
    run.reporter.start("alpha", (users * LOOKS * sums.len()) as u64, "users");
    let mut done = 0;
    let mut candidates = vec![vec![0.0; start.len()]];
    // The first sum is of all scores: the others begin where it ends.
    let mut from: Vec<f64> = [1.0].into_iter().chain(start.iter().copied()).collect();
    let mut unsettled = 0;
    for (number, summed) in sums.iter().enumerate() {
        let Found { weights: found, settled } = most_likely(from.clone(), summed, |weights| {
            let mut sum = Likelihood::zero(weights.len());
            for (number, part) in parts.iter().enumerate() {
                let of_user = |(user, features): (usize, &[f32])| {
                    Likelihood::of(features, weights, part.histories()[user], part.targets()[user])
                };
                // In the order of users, whatever the threads do.
                let each: Vec<Likelihood> = features.read(number, part, |features| {
                    let rows = features.par_chunks_exact((features.len() / part.len()).max(1));
                    Ok(rows.enumerate().map(of_user).collect())
                })?;
                for one in &each {
                    sum.add(one);
                }
                done += each.len();
                run.reporter.advance_to(done as u64, String::new);
            }
            Ok::<_, TrainError>(sum.mean(users, weights))
        })?;
        unsettled += usize::from(!settled);
        candidates.extend(multiples(&found, optional.gate.clone().next()));
        if number == 0 {
            from = found;
        }
    }
    if unsettled > 0 {
        run.reporter.note(&format!(
            "the search for alpha was stopped after {LOOKS} looks at the validation items, with {unsettled} of {} sums not settled: \
             weights that rank better may exist (--alpha takes them), or try another --lambda, which changes the size of the scores",
            sums.len()
        ));
    }
    let found = quality(&parts, &candidates, &mut features)?;
    // The first of equals: content alone, if nothing is better, and then what leaves out nothing.
    let best = (0..found.len()).fold(0, |best, one| if found[one] > found[best] { one } else { best });
    Ok(Choice { alpha: candidates[best].clone(), quality: found[best], alone: found[0], users })
}

/// Weights of a sum, the first score's first, as candidates for alpha: the more of what is added, the less of the first score, whose
/// own gate, at `gate`, stays in proportion to it. Without those that a model's options could not have.
pub(super) fn multiples(found: &[f64], gate: Option<usize>) -> impl Iterator<Item = Vec<f64>> {
    let content = found[0].max(SOME);
    let multiple = move |share: f64| -> Vec<f64> {
        let of = |place| if Some(place) == gate { 1.0 } else { share };
        found[1..].iter().enumerate().map(|(place, weight)| of(place) * (weight / content)).collect()
    };
    SHARES.into_iter().map(multiple).filter(|alpha| alpha.iter().all(|&weight| is_weight(weight)))
}

/// Which scores are summed, the first one always: all of them, and then all without one or more of the groups, but not without every
/// group. Where there is a gate, first all of that without it: a gate is nothing but a choice more.
fn sums(optional: &Optional<'_>, added: usize) -> Vec<Vec<bool>> {
    let Optional { groups, gate } = optional;
    let without = |gated: bool, left_out: usize| {
        let mut summed = vec![true; 1 + added];
        let groups = groups.iter().enumerate().filter(|(group, _)| left_out >> group & 1 == 1);
        let ungated = gate.clone().filter(|_| !gated);
        for place in groups.flat_map(|(_, group)| group.iter().copied()).chain(ungated) {
            summed[1 + place] = false;
        }
        summed
    };
    let gated: &[bool] = if gate.is_empty() { &[true] } else { &[false, true] };
    let each =
        |&gated: &bool| (0..(1 << groups.len()).max(2) - 1).map(move |left_out| without(gated, left_out));
    gated.iter().flat_map(each).collect()
}

/// Mean NDCG@10 under each of the weightings.
pub(super) fn quality<F: FnMut(&Cases<'_>) -> Result<Vec<f32>, TrainError>>(
    parts: &[Cases<'_>],
    candidates: &[Vec<f64>],
    features: &mut Kept<F>,
) -> Result<Vec<f64>, TrainError> {
    let (mut sums, mut users) = (vec![0.0; candidates.len()], 0.0);
    let options = EvaluationOptions {
        protocols: vec![Protocol::Full],
        batch: TOGETHER,
        ..EvaluationOptions::default()
    };
    for (number, part) in parts.iter().enumerate() {
        features.read(number, part, |features| {
            for (alpha, sum) in candidates.iter().zip(&mut sums) {
                let mut given = Given { features, alpha, items: part.popularity().len() };
                let ranks = evaluate(&mut given, part, &options, &mut |_, _| {})?;
                *sum += ranks.iter().flat_map(|ranks| ranks.values(Metric::Ndcg(10))).sum::<f64>();
            }
            Ok(())
        })?;
        users += part.len() as f64;
    }
    Ok(sums.into_iter().map(|sum| sum / users).collect())
}

/// The scores of parts, which every look asks for again: kept while there is room, else made again.
pub(super) struct Kept<F> {
    features: F,
    parts: Vec<Option<Vec<f32>>>,
    room: usize,
}

impl<F: FnMut(&Cases<'_>) -> Result<Vec<f32>, TrainError>> Kept<F> {
    pub(super) fn new(features: F, parts: usize) -> Self {
        Self { features, parts: vec![None; parts], room: ROOM }
    }

    fn read<T>(
        &mut self,
        number: usize,
        part: &Cases<'_>,
        read: impl FnOnce(&[f32]) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        if let Some(kept) = &self.parts[number] {
            return read(kept);
        }
        let made = (self.features)(part)?;
        let answer = read(&made)?;
        if let Some(room) = self.room.checked_sub(made.len()) {
            (self.room, self.parts[number]) = (room, Some(made));
        }
        Ok(answer)
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

/// Logits of a user become the logarithms of probabilities.
pub(crate) fn log_softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    let shift = largest + sum.ln() as f32;
    for logit in row {
        *logit -= shift;
    }
}

/// Adds the weighted rows of `added`, `[alpha, items]`.
pub(crate) fn add(added: &[f32], alpha: &[f64], scores: &mut [f32]) {
    for (row, &alpha) in added.chunks_exact(scores.len().max(1)).zip(alpha) {
        scores.iter_mut().zip(row).for_each(|(score, value)| *score += alpha as f32 * value);
    }
}

/// Sums `[cases, 1 + alpha, items]` to `[cases, items]`.
pub(crate) fn sum(features: &[f32], alpha: &[f64], items: usize, scores: &mut [f32]) {
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
