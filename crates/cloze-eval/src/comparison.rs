//! Models against a baseline, user by user.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bootstrap::Bootstrap;
use crate::error::EvalError;
use crate::evaluation::{Evaluation, Fit};
use crate::metrics::Metric;
use crate::paired::{Zeros, holm, paired_t, wilcoxon};
use crate::part::Part;
use crate::protocol::Protocol;
use crate::ranks::ProtocolRanks;
use crate::results::{check_all, group, user_means};

/// The metric that is compared.
pub(crate) const METRIC: Metric = Metric::Ndcg(10);
/// Adjusted p-values below this are a finding.
pub(crate) const LEVEL: f64 = 0.05;
/// Means over seeds that differ by less are the same number: their last bits depend on the order of a sum.
const RESOLUTION: f64 = 1e-12;

/// What the test allows to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Adjusted p below 0.05, and a higher mean.
    Better,
    /// Adjusted p below 0.05, and a lower mean.
    Worse,
    /// Anything else. It does not say that the models are equally good.
    NoDifferenceShown,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoDifferenceShown => "no difference shown",
        })
    }
}

/// A model against the baseline on the same users, in NDCG@10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Data set.
    pub dataset: String,
    /// Kind of split.
    pub split: String,
    /// What the models were fitted on.
    pub fit: Fit,
    /// Candidate protocol.
    pub protocol: Protocol,
    /// Model.
    pub model: String,
    /// What it is compared with.
    pub baseline: String,
    /// Metric.
    pub metric: Metric,
    /// Number of users.
    pub users: usize,
    /// Mean of the users' differences, model minus baseline.
    pub difference: f64,
    /// Lower end of the bootstrap interval of the difference.
    pub low: f64,
    /// Upper end of the bootstrap interval of the difference.
    pub high: f64,
    /// p-value of the paired t test: of the mean that is shown.
    pub t: f64,
    /// The same, adjusted by Holm over the models of the same data set, split, fit and protocol.
    pub holm: f64,
    /// p-value of the Wilcoxon signed-rank test, zeros by [`Zeros::Pratt`]; none where one of the models is a mean over seeds.
    /// Most users' differences are zero. A mean over seeds makes many small ones of a few large ones, and as ranks count how many there
    /// are, the model with more seeds, or with seeds that differ more, would win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wilcoxon: Option<f64>,
    /// In words.
    pub finding: Finding,
}

/// Every model against the baseline, by data set, split, fit and protocol.
///
/// The baseline is the model of that name, or without a name the one with the highest mean NDCG@10 under the
/// protocol. Several seeds of a model are averaged for each user first. Groups without the named baseline, and
/// groups of one model, have no comparison.
///
/// # Errors
/// As [`results_with`](crate::results_with); [`EvalError::UnknownModel`] when no evaluation is of it.
pub fn comparisons(
    evaluations: &[Evaluation],
    baseline: Option<&str>,
    bootstrap: &Bootstrap,
) -> Result<Vec<Comparison>, EvalError> {
    let named: Vec<String> = baseline.map(str::to_owned).into_iter().collect();
    let mut rows = Vec::new();
    for models in families(evaluations, &named)? {
        rows.extend(family(&models, baseline, bootstrap)?);
    }
    Ok(rows)
}

/// The seeds of a model under one protocol.
pub(crate) struct Contender<'a> {
    of: &'a Evaluation,
    seeds: usize,
    protocol: Protocol,
    values: Vec<f64>,
}

impl Contender<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.of.meta.model
    }

    pub(crate) fn part(&self) -> Part<'_> {
        Part::of(&self.of.meta)
    }

    /// Each user's NDCG@10, the mean over seeds.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// How often training shows each user's target; empty in evaluations that were stored without.
    pub(crate) fn target_counts(&self) -> &[u64] {
        let ranks = self.of.protocols.iter().find(|ranks| ranks.protocol == self.protocol);
        ranks.map_or(&[], |ranks| &ranks.target_counts)
    }
}

/// Models of the same data set, split, fit and protocol, in the order of first appearance.
///
/// # Errors
/// Evaluations that do not belong together, or without one of the models `named`.
pub(crate) fn families<'a>(
    evaluations: &'a [Evaluation],
    named: &[String],
) -> Result<Vec<Vec<Contender<'a>>>, EvalError> {
    check_all(evaluations)?;
    let is_missing = |name: &&String| !evaluations.iter().any(|run| run.meta.model == **name);
    if let Some(given) = named.iter().find(is_missing) {
        let mut known: Vec<String> = evaluations.iter().map(|run| run.meta.model.clone()).collect();
        known.sort();
        known.dedup();
        return Err(EvalError::UnknownModel { given: given.clone(), known });
    }
    let mut families: Vec<Vec<Contender<'a>>> = Vec::new();
    for seeds in group(evaluations) {
        for at in 0..seeds[0].protocols.len() {
            let ranks: Vec<&ProtocolRanks> = seeds.iter().map(|seed| &seed.protocols[at]).collect();
            let values = user_means(&ranks, METRIC);
            let contender =
                Contender { of: seeds[0], seeds: seeds.len(), protocol: ranks[0].protocol, values };
            let key = |one: &Contender<'a>| (Part::of(&one.of.meta), one.protocol);
            match families.iter_mut().find(|family| key(&family[0]) == key(&contender)) {
                Some(family) => family.push(contender),
                None => families.push(vec![contender]),
            }
        }
    }
    Ok(families)
}

fn family(
    models: &[Contender<'_>],
    baseline: Option<&str>,
    bootstrap: &Bootstrap,
) -> Result<Vec<Comparison>, EvalError> {
    let mean = |model: &Contender<'_>| model.values.iter().sum::<f64>();
    let base = match baseline {
        Some(name) => models.iter().position(|model| model.of.meta.model == name),
        // Of equally good models the first.
        None => (0..models.len()).rev().max_by(|&a, &b| mean(&models[a]).total_cmp(&mean(&models[b]))),
    };
    let Some(base) = base else { return Ok(Vec::new()) };
    let others = models.iter().enumerate().filter(|&(at, _)| at != base);
    let rows = others.map(|(_, model)| compare(model, &models[base], bootstrap));
    Ok(adjusted(rows.collect::<Result<_, _>>()?))
}

/// The comparisons of one family, with Holm's correction over them.
pub(crate) fn adjusted(mut rows: Vec<Comparison>) -> Vec<Comparison> {
    let adjusted = holm(&rows.iter().map(|row| row.t).collect::<Vec<_>>());
    for (row, p) in rows.iter_mut().zip(adjusted) {
        row.holm = p;
        if p >= LEVEL {
            row.finding = Finding::NoDifferenceShown;
        }
    }
    rows
}

/// A comparison whose p-value is not adjusted yet, with the finding if it should be significant.
pub(crate) fn compare(
    model: &Contender<'_>,
    base: &Contender<'_>,
    bootstrap: &Bootstrap,
) -> Result<Comparison, EvalError> {
    let pairs = model.values.iter().zip(&base.values);
    let differences: Vec<f64> =
        pairs.map(|(ours, theirs)| ((ours - theirs) / RESOLUTION).round() * RESOLUTION).collect();
    let interval = bootstrap.interval(&differences)?;
    let single = model.seeds == 1 && base.seeds == 1;
    let wilcoxon = single.then(|| wilcoxon(&differences, Zeros::default())).transpose()?;
    let meta = &model.of.meta;
    Ok(Comparison {
        dataset: meta.dataset.clone(),
        split: meta.split.clone(),
        fit: meta.fit,
        protocol: model.protocol,
        model: meta.model.clone(),
        baseline: base.of.meta.model.clone(),
        metric: METRIC,
        users: differences.len(),
        difference: interval.value,
        low: interval.low,
        high: interval.high,
        t: paired_t(&differences)?.p,
        holm: 1.0,
        wilcoxon: wilcoxon.map(|test| test.p),
        finding: if interval.value > 0.0 { Finding::Better } else { Finding::Worse },
    })
}
