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
    /// Where ratings have two values, as right and wrong answers have: the share of the pairs of a higher and a lower one whose
    /// predictions are in that order, a tie counting for half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
}

/// Users that are scored at a time.
const TOGETHER: usize = 256;

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
    let catalogue = cases.catalogue();
    let mut scores = vec![0.0; TOGETHER.min(cases.len()) * catalogue];
    let (mut squares, mut absolutes, mut squares_of_mean) = (0.0, 0.0, 0.0);
    let mut predicted = Vec::with_capacity(cases.len());
    for start in (0..cases.len()).step_by(TOGETHER) {
        let held = start..cases.len().min(start + TOGETHER);
        let query = |case: usize| Query { user: Some(cases.users()[case]), history: cases.histories()[case] };
        let queries: Vec<Query<'_>> = held.clone().map(query).collect();
        let rows = &mut scores[..queries.len() * catalogue];
        rows.fill(f32::NAN);
        model.score(&queries, rows).map_err(|source| EvalError::Model { model: name.clone(), source })?;
        for (case, row) in held.zip(rows.chunks_exact(catalogue)) {
            let (user, item) = (cases.users()[case], cases.targets()[case]);
            let score = row[item as usize];
            if !score.is_finite() {
                return Err(EvalError::BadScore { model: name, user: Some(user), item, score });
            }
            predicted.push(score);
            let (rating, score) = (f64::from(ratings[case]), f64::from(score));
            squares += (score - rating).powi(2);
            absolutes += (score - rating).abs();
            squares_of_mean += (mean - rating).powi(2);
        }
    }
    let all = cases.len() as f64;
    Ok(RatingError {
        ratings: cases.len(),
        rmse: (squares / all).sqrt(),
        mae: absolutes / all,
        rmse_of_mean: (squares_of_mean / all).sqrt(),
        auc: auc(&predicted, ratings),
    })
}

/// See [`RatingError::auc`]; none for ratings of another number of values than two.
fn auc(predicted: &[f32], ratings: &[f32]) -> Option<f64> {
    let (low, high) = ratings
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &one| (low.min(one), high.max(one)));
    let is = |rating: f32, value: f32| rating.total_cmp(&value).is_eq();
    if low >= high || !ratings.iter().all(|&rating| is(rating, low) || is(rating, high)) {
        return None;
    }
    let mut sorted: Vec<(f32, bool)> =
        predicted.iter().zip(ratings).map(|(&score, &rating)| (score, is(rating, high))).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // The sum of the mean ranks of the higher ratings: Mann and Whitney's statistic.
    let (mut sum, mut highs, mut rank) = (0.0, 0_usize, 0_usize);
    for tied in sorted.chunk_by(|a, b| is(a.0, b.0)) {
        let own = tied.iter().filter(|(_, high)| *high).count();
        sum += own as f64 * (rank as f64 + (tied.len() + 1) as f64 / 2.0);
        highs += own;
        rank += tied.len();
    }
    let lows = sorted.len() - highs;
    let pairs = highs as f64 * lows as f64;
    Some((sum - highs as f64 * (highs + 1) as f64 / 2.0) / pairs)
}

/// What a report says of predicted ratings: a line for each evaluation that has them.
pub(crate) fn rating_lines(evaluations: &[&Evaluation]) -> Vec<String> {
    let line = |run: &&Evaluation| {
        let (meta, error) = (&run.meta, run.meta.rating_error?);
        let alone = evaluations.iter().filter(|other| other.meta.model == meta.model).count() == 1;
        let name = if alone { meta.model.clone() } else { format!("{} (seed {})", meta.model, meta.seed) };
        let auc = error.auc.map(|auc| format!(" AUC {auc:.3}.")).unwrap_or_default();
        Some(format!(
            "{name} predicts ratings: RMSE {:.3}, MAE {:.3} over {} held-out ratings; always the mean of training has RMSE {:.3}.{auc}",
            error.rmse,
            error.mae,
            count(error.ratings),
            error.rmse_of_mean,
        ))
    };
    evaluations.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::auc;

    #[test]
    fn the_area_is_the_share_of_ordered_pairs() {
        let ratings = [1.0, 0.0, 1.0, 0.0];
        assert_eq!(auc(&[0.9, 0.1, 0.8, 0.3], &ratings), Some(1.0));
        assert_eq!(auc(&[0.1, 0.9, 0.3, 0.8], &ratings), Some(0.0));
        assert_eq!(auc(&[0.5; 4], &ratings), Some(0.5));
        // Of the pairs (.9, .1), (.9, .4), (.4, .1), (.4, .4) three and a half are in order.
        assert_eq!(auc(&[0.9, 0.1, 0.4, 0.4], &ratings), Some(0.875));
        assert_eq!(auc(&[0.9, 0.1, 0.4], &[1.0, 2.0, 3.0]), None);
        assert_eq!(auc(&[0.9, 0.1], &[1.0, 1.0]), None);
    }
}
