//! Bootstrap intervals of means over users.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::random::{below, generator};

/// Tells the generator's key apart from those of the candidates.
const KEY: u64 = 3;

/// Options of the percentile bootstrap (Efron & Tibshirani 1993, chapter 13) over users.
///
/// Resample r of n users draws n users with replacement from a generator of its own, keyed by
/// (`seed`, n, r): the interval is the same on any number of threads, and all metrics and all models with the
/// same users see the same resamples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Number of resamples; default 1000.
    pub resamples: usize,
    /// Share of the resampled means inside the interval; default 0.95.
    pub confidence: f64,
    /// Seed of the resamples; default 0.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, confidence: 0.95, seed: 0 }
    }
}

/// A mean with its interval, in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The mean over users.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Bootstrap {
    /// The interval of the mean of one value per user.
    ///
    /// # Errors
    /// As [`Bootstrap::intervals`].
    pub fn interval(&self, values: &[f64]) -> Result<Interval, EvalError> {
        let mut one = self.intervals(&[values.to_vec()])?;
        one.pop().ok_or(EvalError::NoUsers)
    }

    /// The intervals of several metrics of the same users, from the same resamples; `columns[m][u]` is
    /// metric m of user u.
    ///
    /// # Errors
    /// [`EvalError::NoUsers`] for empty columns, [`EvalError::LengthMismatch`] for columns of different
    /// lengths, [`EvalError::Option`] for no resamples or a confidence outside 0..1.
    pub fn intervals(&self, columns: &[Vec<f64>]) -> Result<Vec<Interval>, EvalError> {
        self.check()?;
        let users = columns.first().map_or(0, Vec::len);
        if users == 0 {
            return Err(EvalError::NoUsers);
        }
        if let Some(column) = columns.iter().find(|column| column.len() != users) {
            return Err(EvalError::LengthMismatch {
                what: "metric column",
                found: column.len(),
                expected: users,
            });
        }
        // A user's metrics side by side: one cache miss a draw instead of one a metric.
        let rows: Vec<f64> =
            (0..users).flat_map(|user| columns.iter().map(move |column| column[user])).collect();
        let means: Vec<Vec<f64>> = (0..self.resamples as u64)
            .into_par_iter()
            .map(|resample| self.resampled_means(resample, &rows, columns.len()))
            .collect();

        let tail = (1.0 - self.confidence) / 2.0;
        let interval = |(at, column): (usize, &Vec<f64>)| {
            let mut sorted: Vec<f64> = means.iter().map(|metrics| metrics[at]).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            Interval {
                value: column.iter().sum::<f64>() / users as f64,
                low: quantile(&sorted, tail),
                high: quantile(&sorted, 1.0 - tail),
            }
        };
        Ok(columns.iter().enumerate().map(interval).collect())
    }

    fn resampled_means(&self, resample: u64, rows: &[f64], metrics: usize) -> Vec<f64> {
        let users = rows.len() / metrics;
        let mut rng = generator([self.seed, KEY, users as u64, resample]);
        let mut sums = vec![0.0; metrics];
        for _ in 0..users {
            let user = below(&mut rng, users as u64) as usize;
            for (sum, value) in sums.iter_mut().zip(&rows[user * metrics..][..metrics]) {
                *sum += value;
            }
        }
        sums.into_iter().map(|sum| sum / users as f64).collect()
    }

    fn check(&self) -> Result<(), EvalError> {
        if self.resamples == 0 {
            return Err(EvalError::Option { option: "resamples", problem: "must be at least 1".to_owned() });
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            let problem = format!("{} is not between 0 and 1", self.confidence);
            return Err(EvalError::Option { option: "confidence", problem });
        }
        Ok(())
    }
}

/// The `q` quantile (0 to 1) of ascending values, with linear interpolation: numpy's default, Hyndman & Fan's
/// type 7. NaN for no values.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let place = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}
