//! The paired t test.

use crate::error::EvalError;
use crate::paired::check;

/// Terms of the continued fraction after which it has long converged for any sensible argument.
const TERMS: u32 = 10_000;

/// What the paired t test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedT {
    /// Mean of the differences.
    pub mean: f64,
    /// The statistic: mean / standard error. Infinite when all differences are the same and not zero, zero
    /// when all are zero.
    pub t: f64,
    /// Degrees of freedom: users - 1.
    pub degrees: usize,
    /// Two-sided p-value.
    pub p: f64,
}

/// The two-sided paired t test of differences (model minus baseline, one per user).
///
/// `t = mean / (s / sqrt(n))` with `s² = sum (d - mean)² / (n - 1)`, and `p = I_x(df / 2, 1 / 2)` at
/// `x = df / (df + t²)`, the regularized incomplete beta function (Student 1908). It assumes a mean that is
/// nearly normal, which the central limit theorem gives for some hundreds of users. Where all differences are the same, `p` is 1 if they
/// are zero, and else 2^(1 - n): how often n signs drawn at random are all alike. A single user gives 1, because one difference has no
/// spread.
///
/// # Errors
/// [`EvalError::NoUsers`] for no differences, [`EvalError::NotFinite`] for NaN or infinity.
pub fn paired_t(differences: &[f64]) -> Result<PairedT, EvalError> {
    check(differences)?;
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let degrees = differences.len() - 1;
    if degrees == 0 {
        return Ok(PairedT { mean, t: 0.0, degrees, p: 1.0 });
    }
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    let error = (squares / degrees as f64 / n).sqrt();
    if mean == 0.0 {
        return Ok(PairedT { mean, t: 0.0, degrees, p: 1.0 });
    }
    // The mean of equal numbers is theirs but for rounding.
    if error <= mean.abs() * 1e-12 {
        return Ok(PairedT { mean, t: f64::INFINITY.copysign(mean), degrees, p: (1.0 - n).exp2() });
    }
    let t = mean / error;
    Ok(PairedT { mean, t, degrees, p: two_sided(t, degrees as f64) })
}

/// Probability of a t at least as far from zero.
fn two_sided(t: f64, degrees: f64) -> f64 {
    let square = t * t;
    incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + square), square / (degrees + square))
}

/// The regularized incomplete beta function `I_x(a, b)`, given x and 1 - x separately so that neither is
/// rounded to zero. By its continued fraction (Abramowitz & Stegun 26.5.8) on the side where that converges.
fn incomplete_beta(a: f64, b: f64, x: f64, complement: f64) -> f64 {
    if x <= 0.0 || complement <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let log_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * complement.ln();
    let front = log_front.exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, complement) / b
    }
}

/// The continued fraction by the method of Lentz.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let safe = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in (1..TERMS).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / safe(1.0 + even * d);
        c = safe(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / safe(1.0 + odd * d);
        c = safe(1.0 + odd / c);
        value *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_degrees_of_freedom_have_a_closed_form() {
        // With 2 degrees of freedom p = 1 - t / sqrt(2 + t²).
        for t in [0.1_f64, 1.0, 3.0, 30.0] {
            let closed = 1.0 - t / (2.0 + t * t).sqrt();
            assert!((two_sided(t, 2.0) - closed).abs() < 1e-14, "{t}");
            assert!((two_sided(-t, 2.0) - closed).abs() < 1e-14, "{t}");
        }
    }

    #[test]
    fn differences_without_spread_have_a_defined_p() {
        let zero = paired_t(&[0.0; 5]).unwrap();
        assert_eq!((zero.t.to_bits(), zero.p.to_bits()), (0.0_f64.to_bits(), 1.0_f64.to_bits()));
        let same = paired_t(&[0.5; 4]).unwrap();
        assert_eq!((same.t, same.p), (f64::INFINITY, 0.125));
        let rounded = paired_t(&[-0.1; 3]).unwrap();
        assert_eq!((rounded.t, rounded.p), (f64::NEG_INFINITY, 0.25));
        assert!((paired_t(&[0.5]).unwrap().p - 1.0).abs() < 1e-15);
        assert!(matches!(paired_t(&[]), Err(EvalError::NoUsers)));
        assert!(matches!(paired_t(&[0.0, f64::NAN]), Err(EvalError::NotFinite { at: 1, .. })));
    }
}
