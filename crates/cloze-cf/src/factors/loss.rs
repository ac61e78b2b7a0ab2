//! The losses and their derivatives.

use super::options::FactorLoss;

/// `ln(1 + exp(x))`, the log loss of a pair that was not observed, and its derivative, the sigmoid; of one exponential.
fn softplus(x: f32) -> (f64, f32) {
    let e = (-x.abs()).exp();
    let share = 1.0 / (1.0 + e);
    (f64::from(x.max(0.0) + (1.0 + e).ln()), if x >= 0.0 { share } else { e * share })
}

impl FactorLoss {
    /// Loss of a group's scores, the observed item's first, with its rating, and its derivatives.
    pub(super) fn of_group(self, scores: &[f32], rating: f32, slopes: &mut [f32]) -> f64 {
        let observed = scores[0];
        match self {
            Self::Log => {
                let (mut loss, slope) = softplus(-observed);
                slopes[0] = -slope;
                for (slope, &score) in slopes.iter_mut().zip(scores).skip(1) {
                    let (of_pair, derivative) = softplus(score);
                    loss += of_pair;
                    *slope = derivative;
                }
                loss
            }
            Self::Bpr => {
                let mut loss = 0.0;
                slopes[0] = 0.0;
                for place in 1..scores.len() {
                    let (of_pair, derivative) = softplus(scores[place] - observed);
                    loss += of_pair;
                    slopes[place] = derivative;
                    slopes[0] -= derivative;
                }
                loss
            }
            Self::SampledSoftmax => {
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                slopes.iter_mut().zip(scores).for_each(|(slope, score)| *slope = (score - most).exp());
                let sum: f32 = slopes.iter().sum();
                for slope in slopes.iter_mut() {
                    *slope /= sum;
                }
                slopes[0] -= 1.0;
                f64::from(most - observed + sum.ln())
            }
            Self::Squared => {
                let off = observed - rating;
                slopes.fill(0.0);
                slopes[0] = 2.0 * off;
                f64::from(off * off)
            }
        }
    }
}
