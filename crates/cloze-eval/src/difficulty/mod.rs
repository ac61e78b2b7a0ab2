//! Whether exercises are recommended at the right difficulty: not too easy to learn from, not too hard to solve.

mod columns;
mod rows;
mod table;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cases::Cases;
use crate::error::EvalError;
use crate::evaluate::check_catalogue;
use crate::evaluation::Fit;
use crate::marks::Marks;
use crate::recommender::{Query, Recommender};

pub(crate) use columns::{Columns, NAMES, columns, fields};
pub(crate) use rows::difficulty_rows;
pub use rows::{DifficultyRow, Whose};
pub(crate) use table::tables;

/// How far from the target a probability may be to count as inside, the ends included.
pub const TOLERANCE: f64 = 0.1;
/// What rounding adds to a difference of two decimal fractions.
const ROUNDING: f64 = 1e-6;

/// The model that says how likely a learner answers an exercise right, and the probability that is aimed at. It is not the
/// model that is evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// Its name: `pfa`.
    pub model: String,
    /// What it was fitted on.
    pub fit: Fit,
    /// Seed of its training.
    pub seed: u64,
    /// Its options as JSON: figures by models of different options stand in different tables.
    pub options: String,
    /// The probability of a right answer that is aimed at, from 0 to 1.
    pub target: f64,
}

/// How one user's exercises lie to the target; means where there are several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aim {
    /// Mean probability `p` of a right answer.
    pub success: f64,
    /// Mean `|p - target|`.
    pub gap: f64,
    /// Share with `|p - target| <= 0.1` ([`TOLERANCE`]).
    pub inside: f64,
}

/// The difficulty of what a user is shown, beside two points of reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difficulty {
    /// Of the top-10 list of the full ranking.
    pub list: Aim,
    /// Of the held-out exercise, which the user really took next.
    pub next: Aim,
    /// Of an exercise drawn evenly from those that a list may hold: the exact mean over them, not a draw.
    pub random: Aim,
}

impl Aim {
    fn of(probabilities: impl Iterator<Item = f32>, target: f64) -> Option<Self> {
        let (mut count, mut success, mut gap, mut inside) = (0_usize, 0.0, 0.0, 0_usize);
        for p in probabilities.map(f64::from) {
            let off = (p - target).abs();
            count += 1;
            success += p;
            gap += off;
            inside += usize::from(off <= TOLERANCE + ROUNDING);
        }
        let all = count as f64;
        (count > 0).then(|| Self { success: success / all, gap: gap / all, inside: inside as f64 / all })
    }
}

/// The difficulty of each user's list by the probabilities of `success`, in the order of [`Cases::users`]; `lists` are what
/// [`evaluate_lists`](crate::evaluate_lists) tells. `None` for a user without a list, or who has had every exercise.
///
/// With `exclude_seen` a random exercise is one that the user has not had. `batch` users are scored at a time.
///
/// # Errors
/// [`EvalError::Option`] for a target outside 0 to 1 or when nobody has a list, [`EvalError::CatalogueMismatch`],
/// [`EvalError::LengthMismatch`], [`EvalError::Model`], or [`EvalError::NoProbability`] for a score outside 0 to 1.
pub fn difficulties(
    success: &mut dyn Recommender,
    target: f64,
    cases: &Cases<'_>,
    lists: &[Vec<u32>],
    exclude_seen: bool,
    batch: usize,
) -> Result<Vec<Option<Difficulty>>, EvalError> {
    let refuse = |problem: String| Err(EvalError::Option { option: "success", problem });
    if !(0.0..=1.0).contains(&target) {
        return refuse(format!("target {target} is no probability from 0 to 1"));
    }
    let name = success.name();
    check_catalogue(&name, success.catalogue(), cases)?;
    if lists.len() != cases.len() {
        let (found, expected) = (lists.len(), cases.len());
        return Err(EvalError::LengthMismatch { what: "lists", found, expected });
    }
    let (catalogue, batch) = (cases.catalogue(), batch.max(1));
    let mut scores = vec![0.0; batch.min(cases.len()) * catalogue];
    let mut found = Vec::with_capacity(cases.len());
    for start in (0..cases.len()).step_by(batch) {
        let end = cases.len().min(start + batch);
        let queries: Vec<Query<'_>> = (start..end)
            .map(|case| Query { user: Some(cases.users()[case]), history: cases.histories()[case] })
            .collect();
        let rows = &mut scores[..queries.len() * catalogue];
        rows.fill(f32::NAN);
        success.score(&queries, rows).map_err(|source| EvalError::Model { model: name.clone(), source })?;
        let of = |(case, row): (usize, &[f32])| -> Result<Option<Difficulty>, EvalError> {
            check(&name, cases.users()[case], row)?;
            let history = cases.histories()[case];
            Ok(of_user(row, target, &lists[case], cases.targets()[case], history, exclude_seen))
        };
        let rows = &scores[..(end - start) * catalogue];
        let batch: Result<Vec<_>, _> =
            (start..end).into_par_iter().zip(rows.par_chunks_exact(catalogue)).map(of).collect();
        found.extend(batch?);
    }
    if found.iter().all(Option::is_none) {
        return refuse("nobody has a list and an exercise left to take: there is no difficulty".to_owned());
    }
    Ok(found)
}

fn check(model: &str, user: u32, row: &[f32]) -> Result<(), EvalError> {
    match (0_u32..).zip(row).find(|(_, p)| !(0.0..=1.0).contains(*p)) {
        Some((item, &value)) => Err(EvalError::NoProbability { model: model.to_owned(), user, item, value }),
        None => Ok(()),
    }
}

fn of_user(
    row: &[f32],
    target: f64,
    list: &[u32],
    next: u32,
    history: &[u32],
    exclude_seen: bool,
) -> Option<Difficulty> {
    let mut seen = Marks::new(row.len());
    for &item in history.iter().filter(|_| exclude_seen) {
        seen.insert(item);
    }
    let unseen = (0_u32..).zip(row).filter(|(item, _)| !seen.contains(*item)).map(|(_, &p)| p);
    Some(Difficulty {
        list: Aim::of(list.iter().map(|&item| row[item as usize]), target)?,
        next: Aim::of(std::iter::once(row[next as usize]), target)?,
        random: Aim::of(unseen, target)?,
    })
}
