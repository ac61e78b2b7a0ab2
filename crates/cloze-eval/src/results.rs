//! From evaluations to rows of a results table.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Interval};
use crate::comparable::{check_comparable, check_seeds};
use crate::error::EvalError;
use crate::evaluation::{Evaluation, Fit};
use crate::files::write_json;
use crate::metrics::Metric;
use crate::part::Part;
use crate::protocol::Protocol;
use crate::published::Published;
use crate::ranks::ProtocolRanks;

/// One figure: a metric of a model under a protocol. Serialized in this order of fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultRow {
    /// Data set.
    pub dataset: String,
    /// Kind of split.
    pub split: String,
    /// What the model was fitted on.
    pub fit: Fit,
    /// Model.
    pub model: String,
    /// Candidate protocol.
    pub protocol: Protocol,
    /// Metric.
    pub metric: Metric,
    /// Mean over users of the mean over seeds.
    pub value: f64,
    /// Lower end of the bootstrap interval.
    pub low: f64,
    /// Upper end of the bootstrap interval.
    pub high: f64,
    /// Number of seeds.
    pub seeds: usize,
    /// Number of users.
    pub users: usize,
    /// Training and scoring, mean over seeds.
    pub seconds: f64,
    /// The first published figure for this row that is comparable and of its fit, if any.
    pub published: Option<f64>,
    /// Standard deviation over seeds of the mean over users; none with one seed. The interval does not cover it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_deviation: Option<f64>,
}

/// The rows of all evaluations, with the default [`Bootstrap`].
///
/// # Errors
/// As [`results_with`].
pub fn results(evaluations: &[Evaluation], published: &[Published]) -> Result<Vec<ResultRow>, EvalError> {
    results_with(evaluations, published, &Bootstrap::default())
}

/// The rows of all evaluations: one per (data set, split, fit, model), protocol and metric of [`Metric::ALL`], in
/// the order in which the models first appear.
///
/// Evaluations that differ only in the model's seed make one row: each user's metric is averaged over the
/// seeds, then users are averaged and resampled. The interval thus covers the choice of users, not that of
/// seeds.
///
/// # Errors
/// [`EvalError::NotComparable`] when evaluations of one data set and kind of split differ in split hash, target, users,
/// or in the candidates of a protocol; [`EvalError::DuplicateRun`] when one seed is given twice;
/// [`EvalError::NoUsers`], or [`EvalError::Option`] for options of the bootstrap.
pub fn results_with(
    evaluations: &[Evaluation],
    published: &[Published],
    bootstrap: &Bootstrap,
) -> Result<Vec<ResultRow>, EvalError> {
    check_all(evaluations)?;
    let mut rows = Vec::new();
    for seeds in group(evaluations) {
        for at in 0..seeds[0].protocols.len() {
            rows.extend(protocol_rows(&seeds, at, published, bootstrap)?);
        }
    }
    Ok(rows)
}

/// Writes rows as a JSON array, to a temporary name that is renamed.
///
/// # Errors
/// [`EvalError::Io`] when writing fails.
pub fn write_results(path: &Path, rows: &[ResultRow]) -> Result<(), EvalError> {
    write_json(path, &rows)
}

/// Refuses evaluations that must not be compared, and seeds given twice.
pub(crate) fn check_all(evaluations: &[Evaluation]) -> Result<(), EvalError> {
    for (at, evaluation) in evaluations.iter().enumerate() {
        let kind = |run: &Evaluation| (run.meta.dataset.clone(), run.meta.split.clone());
        let same_data = |other: &&Evaluation| kind(other) == kind(evaluation);
        let earlier: Vec<&Evaluation> = evaluations[..at].iter().filter(same_data).collect();
        check_comparable(&earlier, evaluation)?;
    }
    group(evaluations).iter().try_for_each(|seeds| check_seeds(seeds))
}

/// Evaluations of the same (data set, split, fit, model), in the order of first appearance.
pub(crate) fn group(evaluations: &[Evaluation]) -> Vec<Vec<&Evaluation>> {
    let same = |a: &Evaluation, b: &Evaluation| {
        Part::of(&a.meta) == Part::of(&b.meta) && a.meta.model == b.meta.model
    };
    let mut groups: Vec<Vec<&Evaluation>> = Vec::new();
    for evaluation in evaluations {
        match groups.iter_mut().find(|group| same(group[0], evaluation)) {
            Some(group) => group.push(evaluation),
            None => groups.push(vec![evaluation]),
        }
    }
    groups
}

/// Standard deviation over seeds (of a sample) of the mean over users.
fn seed_deviation(seeds: &[&Evaluation], at: usize, metric: Metric) -> Option<f64> {
    if seeds.len() < 2 {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<f64> = seeds.iter().map(|seed| mean(&seed.protocols[at].values(metric))).collect();
    let center = mean(&means);
    let squares: f64 = means.iter().map(|value| (value - center).powi(2)).sum();
    Some((squares / (means.len() - 1) as f64).sqrt())
}

/// Each user's metric, averaged over seeds.
pub(crate) fn user_means(seeds: &[&ProtocolRanks], metric: Metric) -> Vec<f64> {
    let over_seeds = |user: usize| seeds.iter().map(|seed| metric.of(seed.ranks[user])).sum::<f64>();
    (0..seeds[0].ranks.len()).map(|user| over_seeds(user) / seeds.len() as f64).collect()
}

fn protocol_rows(
    seeds: &[&Evaluation],
    at: usize,
    published: &[Published],
    bootstrap: &Bootstrap,
) -> Result<Vec<ResultRow>, EvalError> {
    let meta = &seeds[0].meta;
    let protocol = seeds[0].protocols[at].protocol;
    let columns: Vec<Vec<f64>> = Metric::ALL
        .iter()
        .map(|&metric| {
            let ranks: Vec<&ProtocolRanks> = seeds.iter().map(|seed| &seed.protocols[at]).collect();
            user_means(&ranks, metric)
        })
        .collect();
    let seconds = seeds.iter().map(|seed| seed.meta.seconds).sum::<f64>() / seeds.len() as f64;
    let row = |(&metric, interval): (&Metric, Interval)| ResultRow {
        dataset: meta.dataset.clone(),
        split: meta.split.clone(),
        fit: meta.fit,
        model: meta.model.clone(),
        protocol,
        metric,
        value: interval.value,
        low: interval.low,
        high: interval.high,
        seeds: seeds.len(),
        users: meta.users,
        seconds,
        published: published
            .iter()
            .find(|figure| {
                figure.is_comparable(meta.fit)
                    && figure.is_of(Part::of(meta), &meta.model, protocol)
                    && figure.metric == metric
            })
            .map(|figure| figure.value),
        seed_deviation: seed_deviation(seeds, at, metric),
    };
    Ok(Metric::ALL.iter().zip(bootstrap.intervals(&columns)?).map(row).collect())
}
