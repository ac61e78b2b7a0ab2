//! The signed-rank test.

use crate::error::EvalError;
use crate::paired::check;

/// Largest sample with an exact p-value; scipy switches at the same size. Up to here counts are exact in `f64`.
const EXACT: usize = 50;

/// What happens to users for whom both models are equally good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zeros {
    /// They take part in the ranking and are dropped afterwards (Pratt 1959): many equal users then make the
    /// ranks of the others larger, but not their number. The default: most users have no hit under either
    /// model, and dropping them first would let a handful of users speak for all.
    #[default]
    Pratt,
    /// They are dropped before the ranking (Wilcoxon 1945).
    Drop,
}

/// What the signed-rank test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// Sum of the ranks of the positive differences.
    pub positive: f64,
    /// Sum of the ranks of the negative differences.
    pub negative: f64,
    /// Number of differences that are not zero.
    pub nonzero: usize,
    /// Whether `p` is exact; otherwise it is the normal approximation.
    pub exact: bool,
    /// Two-sided p-value.
    pub p: f64,
}

/// The two-sided Wilcoxon signed-rank test of differences (model minus baseline, one per user).
///
/// Absolute differences are ranked from 1, ties get their mean rank. `positive` and `negative` sum the ranks
/// by sign; under the null hypothesis (differences are symmetric about zero) each sign is a coin toss.
///
/// - Exact, by counting all sign patterns, for up to 50 differences without zeros and without ties.
/// - Otherwise the normal approximation with `W` the positive sum: mean `(n(n+1) - z(z+1)) / 4`, variance
///   `(n(n+1)(2n+1) - z(z+1)(2z+1) - sum (t³ - t) / 2) / 24` over groups of `t` tied differences, `z` zeros
///   ranked ([`Zeros::Pratt`]; 0 under [`Zeros::Drop`], where `n` counts what is left). The continuity
///   correction moves `W` half a rank towards its mean, as R does by default and scipy with `correction=True`.
///
/// All differences zero gives `p` = 1.
///
/// # Errors
/// [`EvalError::NoUsers`] for no differences, [`EvalError::NotFinite`] for NaN or infinity.
pub fn wilcoxon(differences: &[f64], zeros: Zeros) -> Result<Wilcoxon, EvalError> {
    check(differences)?;
    let mut sorted: Vec<f64> = match zeros {
        Zeros::Pratt => differences.to_vec(),
        Zeros::Drop => differences.iter().copied().filter(|&difference| difference != 0.0).collect(),
    };
    sorted.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let ranked = Ranked::of(&sorted);
    let nonzero = sorted.len() - ranked.zeros;
    let exact = ranked.zeros == 0 && !ranked.tied && (1..=EXACT).contains(&nonzero);
    let p = if nonzero == 0 {
        1.0
    } else if exact {
        exact_p(ranked.positive.min(ranked.negative) as usize, nonzero)
    } else {
        normal_p(&ranked, sorted.len() as f64)
    };
    Ok(Wilcoxon { positive: ranked.positive, negative: ranked.negative, nonzero, exact, p })
}

#[derive(Default)]
struct Ranked {
    positive: f64,
    negative: f64,
    zeros: usize,
    tied: bool,
    /// Sum of `t³ - t` over groups of tied differences other than zero.
    ties: f64,
}

impl Ranked {
    /// Ranks differences in ascending order of their absolute value.
    fn of(sorted: &[f64]) -> Self {
        let mut ranked = Self::default();
        let mut start = 0;
        while start < sorted.len() {
            let size = sorted[start].abs();
            let length = sorted[start..].iter().take_while(|other| other.abs() <= size).count();
            let rank = start as f64 + f64::midpoint(length as f64, 1.0);
            if size == 0.0 {
                ranked.zeros = length;
            } else {
                let positive = sorted[start..start + length].iter().filter(|other| **other > 0.0).count();
                ranked.positive += rank * positive as f64;
                ranked.negative += rank * (length - positive) as f64;
                ranked.tied |= length > 1;
                ranked.ties += (length as f64).powi(3) - length as f64;
            }
            start += length;
        }
        ranked
    }
}

/// Twice the share of the 2^n sign patterns whose sum is at most `least`.
fn exact_p(least: usize, n: usize) -> f64 {
    // counts[s]: sign patterns of the ranks so far whose positive ranks sum to s.
    let mut counts = vec![0.0_f64; least + 1];
    counts[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=least).rev() {
            counts[sum] += counts[sum - rank];
        }
    }
    (2.0 * counts.iter().sum::<f64>() / 2.0_f64.powi(n as i32)).min(1.0)
}

fn normal_p(ranked: &Ranked, n: f64) -> f64 {
    let z = ranked.zeros as f64;
    let mean = (n * (n + 1.0) - z * (z + 1.0)) / 4.0;
    let cubic = |n: f64| n * (n + 1.0) * (2.0 * n + 1.0);
    let variance = (cubic(n) - cubic(z) - ranked.ties / 2.0) / 24.0;
    let distance = ((ranked.positive - mean).abs() - 0.5).max(0.0);
    libm::erfc(distance / (2.0 * variance).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_are_counted_by_hand() {
        // Ranks 1..4, only rank 1 negative: sums 0 and 1 are one pattern each of 16, doubled for two sides.
        let test = wilcoxon(&[-0.1, 0.2, 0.3, 0.4], Zeros::Pratt).unwrap();
        assert!(test.exact);
        assert!((test.positive - 9.0).abs() < 1e-15 && (test.negative - 1.0).abs() < 1e-15);
        assert!((test.p - 0.25).abs() < 1e-15);
    }

    #[test]
    fn zeros_are_ranked_by_pratt_and_left_out_otherwise() {
        let differences = [0.0, 0.0, 0.5, -0.25];
        let pratt = wilcoxon(&differences, Zeros::Pratt).unwrap();
        assert!((pratt.positive - 4.0).abs() < 1e-15 && (pratt.negative - 3.0).abs() < 1e-15 && !pratt.exact);
        let dropped = wilcoxon(&differences, Zeros::Drop).unwrap();
        assert!((dropped.positive - 2.0).abs() < 1e-15 && dropped.exact);
        assert_eq!((pratt.nonzero, dropped.nonzero), (2, 2));
    }

    #[test]
    fn no_difference_at_all_is_no_evidence() {
        for zeros in [Zeros::Pratt, Zeros::Drop] {
            assert!((wilcoxon(&[0.0; 9], zeros).unwrap().p - 1.0).abs() < 1e-15);
        }
        assert!(matches!(wilcoxon(&[], Zeros::Pratt), Err(EvalError::NoUsers)));
        assert!(matches!(
            wilcoxon(&[1.0, f64::INFINITY], Zeros::Drop),
            Err(EvalError::NotFinite { at: 1, .. })
        ));
    }

    #[test]
    fn swapping_the_models_keeps_p() {
        let differences = [0.3, -0.1, 0.0, 0.3, 0.2, -0.3, 0.7, 0.1];
        let negated = differences.map(|difference: f64| -difference);
        let (a, b) =
            (wilcoxon(&differences, Zeros::Pratt).unwrap(), wilcoxon(&negated, Zeros::Pratt).unwrap());
        assert_eq!(a.p.to_bits(), b.p.to_bits());
    }
}
