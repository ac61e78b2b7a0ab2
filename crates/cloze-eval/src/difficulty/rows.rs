//! Difficulties of all users as means with intervals.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Interval};
use crate::comparable::not_comparable;
use crate::difficulty::{Aim, Difficulty, Success};
use crate::error::EvalError;
use crate::evaluation::{Evaluation, Fit};
use crate::results::{check_all, group};

/// Whose difficulty a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// Of the model's top-10 lists.
    List,
    /// Of the exercises that were really taken next.
    Next,
    /// Of an exercise drawn evenly from those that a list may hold.
    Random,
}

impl Whose {
    /// All, in the order of the report.
    pub const ALL: [Self; 3] = [Self::List, Self::Next, Self::Random];

    fn of(self, difficulty: &Difficulty) -> Aim {
        match self {
            Self::List => difficulty.list,
            Self::Next => difficulty.next,
            Self::Random => difficulty.random,
        }
    }
}

/// The difficulty of one model's lists, or of a point of reference for the same users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DifficultyRow {
    /// Data set.
    pub dataset: String,
    /// Kind of split.
    pub split: String,
    /// What the model was fitted on.
    pub fit: Fit,
    /// Model.
    pub model: String,
    /// By which model, and how far from which probability; its seed is that of the first of several.
    pub by: Success,
    /// Of which exercises.
    pub of: Whose,
    /// Users with a list and with exercises left to take, in every seed: the means are over them.
    pub users: usize,
    /// Number of seeds.
    pub seeds: usize,
    /// Mean probability `p` of a right answer.
    pub success: Interval,
    /// Mean `|p - target|`, the difficulty fit: lower is better.
    pub gap: Interval,
    /// Share of exercises with `|p - target| <= 0.1`.
    pub inside: Interval,
}

/// Three rows for each model whose evaluations have difficulties: each user's figures are averaged over the seeds, then users
/// are averaged and resampled.
///
/// # Errors
/// As [`results_with`](crate::results_with); [`EvalError::NotComparable`] also where the seeds of one model were not all measured
/// by the same model and target.
pub(crate) fn difficulty_rows(
    evaluations: &[Evaluation],
    bootstrap: &Bootstrap,
) -> Result<Vec<DifficultyRow>, EvalError> {
    check_all(evaluations)?;
    let mut rows = Vec::new();
    for seeds in group(evaluations) {
        check_alike(&seeds)?;
        let meta = &seeds[0].meta;
        let columns: Vec<&[Option<Difficulty>]> =
            seeds.iter().filter_map(|seed| difficulties(seed)).collect();
        let (Some(by), true) = (&meta.success, columns.len() == seeds.len()) else { continue };
        let users: Vec<Vec<Difficulty>> = (0..meta.users)
            .filter_map(|user| columns.iter().map(|column| column.get(user).copied().flatten()).collect())
            .collect();
        // Different seeds may leave different users without a list.
        if users.is_empty() {
            continue;
        }
        for of in Whose::ALL {
            let mean = |user: &Vec<Difficulty>, field: fn(&Aim) -> f64| {
                user.iter().map(|one| field(&of.of(one))).sum::<f64>() / user.len() as f64
            };
            let column = |field: fn(&Aim) -> f64| users.iter().map(|user| mean(user, field)).collect();
            let measured: Vec<Vec<f64>> =
                vec![column(|aim| aim.success), column(|aim| aim.gap), column(|aim| aim.inside)];
            let intervals = bootstrap.intervals(&measured)?;
            rows.push(DifficultyRow {
                dataset: meta.dataset.clone(),
                split: meta.split.clone(),
                fit: meta.fit,
                model: meta.model.clone(),
                by: by.clone(),
                of,
                users: users.len(),
                seeds: seeds.len(),
                success: intervals[0],
                gap: intervals[1],
                inside: intervals[2],
            });
        }
    }
    Ok(rows)
}

/// Those of the full ranking.
fn difficulties(evaluation: &Evaluation) -> Option<&[Option<Difficulty>]> {
    let all = evaluation.protocols.iter().map(|ranks| ranks.difficulties.as_slice());
    all.into_iter().find(|column| !column.is_empty())
}

/// Seeds of one model are averaged, so they must have been measured alike.
fn check_alike(seeds: &[&Evaluation]) -> Result<(), EvalError> {
    let by = |evaluation: &Evaluation| {
        let by = evaluation.meta.success.as_ref();
        by.map_or_else(|| "none".to_owned(), Success::shown)
    };
    match seeds.iter().find(|seed| by(seed) != by(seeds[0])) {
        Some(other) => Err(not_comparable(seeds[0], other, "success model", by(seeds[0]), by(other))),
        None => Ok(()),
    }
}

impl Success {
    /// Everything but the seed.
    pub(crate) fn shown(&self) -> String {
        format!("{} (fit on {}, options {}), target {}", self.model, self.fit, self.options, self.target)
    }
}
