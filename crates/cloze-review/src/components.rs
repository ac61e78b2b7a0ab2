//! Vectors in fewer dimensions: those in which they differ most.

use cloze_train::TrainError;
use faer::{Mat, Side};
use rayon::prelude::*;

/// Principal components of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// `[width]`.
    means: Vec<f32>,
    /// `[count, width]`, the direction of the largest variance first.
    directions: Vec<f32>,
}

impl Components {
    /// The first `count` components of rows, `[rows, width]`.
    ///
    /// # Errors
    /// Rows that have none, such as not a single one.
    pub fn of(rows: &[f32], width: usize, count: usize) -> Result<Self, TrainError> {
        let none = || TrainError::Data("the texts' vectors have no principal components".to_owned());
        let number = (rows.len() / width) as f64;
        let means: Vec<f64> = (0..width)
            .map(|k| rows.iter().skip(k).step_by(width).map(|value| f64::from(*value)).sum::<f64>() / number)
            .collect();
        let centred =
            Mat::from_fn(rows.len() / width, width, |row, k| f64::from(rows[row * width + k]) - means[k]);
        let covariance = centred.transpose() * &centred;
        let eigen = covariance.self_adjoint_eigen(Side::Lower).map_err(|_| none())?;
        // In rising order.
        let directions = (0..count).flat_map(|component| (0..width).map(move |k| (k, width - 1 - component)));
        Ok(Self {
            means: means.iter().map(|mean| *mean as f32).collect(),
            directions: directions.map(|at| eigen.U()[at] as f32).collect(),
        })
    }

    /// Rows in their components, `[rows, count]`.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let width = self.means.len();
        let of_row = |row: &[f32]| {
            let off: Vec<f32> = row.iter().zip(&self.means).map(|(value, mean)| value - mean).collect();
            let dot = |direction: &[f32]| direction.iter().zip(&off).map(|(d, value)| d * value).sum();
            self.directions.chunks_exact(width).map(dot).collect::<Vec<f32>>()
        };
        rows.par_chunks_exact(width).flat_map_iter(of_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_is_where_rows_differ_most() {
        let rows: Vec<f32> = (0..50)
            .flat_map(|n| {
                let (long, short) = ((n as f32 - 24.5) * 2.0, if n % 2 == 0 { 1.0 } else { -1.0 });
                // Along (1, 1, 0), and a little along (0, 0, 1), off the origin.
                [long + 5.0, long - 3.0, short + 7.0]
            })
            .collect();
        let found = Components::of(&rows, 3, 2).unwrap().apply(&rows);
        let sign = found[0].signum();
        for (n, pair) in found.chunks_exact(2).enumerate() {
            let long = (n as f32 - 24.5) * 2.0 * 2.0_f32.sqrt();
            assert!((sign * pair[0] + long).abs() < 0.1, "{n}: {pair:?}");
            assert!((pair[1].abs() - 1.0).abs() < 0.1, "{n}: {pair:?}");
        }
    }
}
