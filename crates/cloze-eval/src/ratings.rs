//! How far predicted ratings are off.

use serde::{Deserialize, Serialize};

use crate::cases::Cases;
use crate::error::EvalError;
use crate::evaluate::check_catalogue;
use crate::evaluation::Evaluation;
use crate::recommender::{Query, Recommender};
use crate::table::count;

/// Errors of predicted ratings of the held-out items, in the unit of the ratings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatingError {
    /// Number of ratings.
    pub ratings: usize,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// `rmse` of always predicting the mean of training.
    pub rmse_of_mean: f64,
}

/// Compares the targets' scores with their `ratings`, in the order of [`Cases::users`]; `mean` is that of training.
///
/// # Errors
/// [`EvalError::CatalogueMismatch`], [`EvalError::LengthMismatch`], [`EvalError::Model`], or [`EvalError::BadScore`] for a
/// prediction that is no finite number.
pub fn rating_error(
    model: &mut dyn Recommender,
    cases: &Cases<'_>,
    ratings: &[f32],
    mean: f64,
) -> Result<RatingError, EvalError> {
    let name = model.name();
    check_catalogue(&name, model.catalogue(), cases)?;
    if ratings.len() != cases.len() {
        let (found, expected) = (ratings.len(), cases.len());
        return Err(EvalError::LengthMismatch { what: "ratings", found, expected });
    }
    let mut scores = vec![0.0; cases.catalogue()];
    let (mut squares, mut absolutes, mut squares_of_mean) = (0.0, 0.0, 0.0);
    let held = cases.users().iter().zip(cases.histories()).zip(cases.targets()).zip(ratings);
    for (((&user, history), &item), &rating) in held {
        scores.fill(f32::NAN);
        let query = Query { user: Some(user), history };
        model
            .score(&[query], &mut scores)
            .map_err(|source| EvalError::Model { model: name.clone(), source })?;
        let score = scores[item as usize];
        if !score.is_finite() {
            return Err(EvalError::BadScore { model: name, user: Some(user), item, score });
        }
        let (rating, score) = (f64::from(rating), f64::from(score));
        squares += (score - rating).powi(2);
        absolutes += (score - rating).abs();
        squares_of_mean += (mean - rating).powi(2);
    }
    let all = cases.len() as f64;
    Ok(RatingError {
        ratings: cases.len(),
        rmse: (squares / all).sqrt(),
        mae: absolutes / all,
        rmse_of_mean: (squares_of_mean / all).sqrt(),
    })
}

/// What a report says of predicted ratings: a line for each evaluation that has them.
pub(crate) fn rating_lines(evaluations: &[&Evaluation]) -> Vec<String> {
    let line = |run: &&Evaluation| {
        let (meta, error) = (&run.meta, run.meta.rating_error?);
        let alone = evaluations.iter().filter(|other| other.meta.model == meta.model).count() == 1;
        let name = if alone { meta.model.clone() } else { format!("{} (seed {})", meta.model, meta.seed) };
        Some(format!(
            "{name} predicts ratings: RMSE {:.3}, MAE {:.3} over {} held-out ratings; always the mean of training has RMSE {:.3}.",
            error.rmse,
            error.mae,
            count(error.ratings),
            error.rmse_of_mean,
        ))
    };
    evaluations.iter().filter_map(line).collect()
}
