//! Everything that a report says beyond the table of results.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bootstrap::Bootstrap;
use crate::breakdown::{BreakdownRow, breakdowns};
use crate::comparison::{Comparison, comparisons};
use crate::difficulty::{DifficultyRow, difficulty_rows};
use crate::error::EvalError;
use crate::evaluation::{Evaluation, Fit};
use crate::files::write_json;
use crate::lists::ListStatistics;
use crate::order::ordered;
use crate::questions::Answer;
use crate::results::group;

/// Paired comparisons, figures beyond accuracy, breakdowns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Each model against the baseline.
    pub comparisons: Vec<Comparison>,
    /// Each model of a claimed order against the next one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Comparison>,
    /// What pairs of models say to questions; see [`answers`](crate::answers).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Answer>,
    /// What the models' lists are like.
    pub lists: Vec<ListRow>,
    /// How difficult the lists are, of evaluations that measured it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difficulty: Vec<DifficultyRow>,
    /// By popularity of the target, by length of the history, and by familiarity of the target's categories.
    pub breakdowns: Vec<BreakdownRow>,
}

/// The lists of one model; several seeds are averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListRow {
    /// Data set.
    pub dataset: String,
    /// Kind of split.
    pub split: String,
    /// What the model was fitted on.
    pub fit: Fit,
    /// Model.
    pub model: String,
    /// The figures.
    pub statistics: ListStatistics,
}

/// The analysis of evaluations; see [`comparisons`] for what a missing `baseline` means, and [`ordered`] for `order`, an order of
/// models that is claimed, best first. Questions are [`answers`](crate::answers)'s.
///
/// # Errors
/// As [`comparisons`].
pub fn analyse(
    evaluations: &[Evaluation],
    baseline: Option<&str>,
    order: &[String],
    bootstrap: &Bootstrap,
) -> Result<Analysis, EvalError> {
    Ok(Analysis {
        comparisons: comparisons(evaluations, baseline, bootstrap)?,
        order: ordered(evaluations, order, bootstrap)?,
        questions: Vec::new(),
        lists: group(evaluations).iter().filter_map(|seeds| list_row(seeds)).collect(),
        difficulty: difficulty_rows(evaluations, bootstrap)?,
        breakdowns: breakdowns(evaluations, bootstrap)?,
    })
}

/// Writes an analysis as JSON, to a temporary name that is renamed.
///
/// # Errors
/// [`EvalError::Io`] when writing fails.
pub fn write_analysis(path: &Path, analysis: &Analysis) -> Result<(), EvalError> {
    write_json(path, analysis)
}

pub(crate) fn list_row(seeds: &[&Evaluation]) -> Option<ListRow> {
    let of = |seed: &&Evaluation| seed.protocols.iter().find_map(|ranks| ranks.lists.clone());
    let all: Vec<ListStatistics> = seeds.iter().filter_map(of).collect();
    let first = all.first()?;
    let mean = |field: fn(&ListStatistics) -> f64| all.iter().map(field).sum::<f64>() / all.len() as f64;
    // Distances of different kinds have no mean.
    let distance = |one: &ListStatistics| one.distance.filter(|_| one.distance_by == first.distance_by);
    let mean_of_all = |field: &dyn Fn(&ListStatistics) -> Option<f64>| {
        let values: Option<Vec<f64>> = all.iter().map(field).collect();
        values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let statistics = ListStatistics {
        coverage: mean(|one| one.coverage),
        popularity: mean(|one| one.popularity),
        novelty: mean(|one| one.novelty),
        gini: mean(|one| one.gini),
        distance: mean_of_all(&distance),
        unfamiliarity: mean_of_all(&|one| one.unfamiliarity),
        category_coverage: mean_of_all(&|one| one.category_coverage),
        categories: mean_of_all(&|one| one.categories),
        new_categories: mean_of_all(&|one| one.new_categories),
        ..first.clone()
    };
    let meta = &seeds[0].meta;
    Some(ListRow {
        dataset: meta.dataset.clone(),
        split: meta.split.clone(),
        fit: meta.fit,
        model: meta.model.clone(),
        statistics,
    })
}
