//! Functions that the compiler can turn into vector instructions: no branches, no calls.
#![expect(clippy::inline_always, reason = "must be inlined into what is compiled for every level")]

/// `eˣ`, relative error below 2⁻²²; 0 below −87, where the result would leave the normal numbers (denormals make
/// every later product slow), and the value at 88 above it.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding and subtracting it rounds to an integer
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    // ln 2 in two parts, the first exact in few bits, so that the difference loses nothing.
    let r = clamped - power * 0.693_359_4 + power * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let fraction = p * r * r + r + 1.0;
    // The integer stands in the low bits of `shifted`; moved to the exponent field.
    let scale = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { fraction * scale }
}

/// The error function, absolute error below 4e-7: a rational approximation on [−4, 4], constant beyond.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut p = -2.726_142_3e-10;
    p = p * s + 2.770_681_4e-8;
    p = p * s - 2.101_024e-6;
    p = p * s - 5.692_506_4e-5;
    p = p * s - 7.349_906_3e-4;
    p = p * s - 2.954_6e-3;
    p = p * s - 1.609_603_3e-2;
    let mut q = -1.456_607_2e-5;
    q = q * s - 2.133_740_5e-4;
    q = q * s - 1.682_827e-3;
    q = q * s - 7.373_329_2e-3;
    q = q * s - 1.426_473_9e-2;
    x * p / q
}

/// `tanh x`, absolute error below 2e-7.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x.clamp(-20.0, 20.0)) + 1.0)
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sum with sixteen partial sums side by side.
#[inline(always)]
pub(super) fn sum(x: &[f32]) -> f32 {
    let (blocks, rest) = x.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += x;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// `Σ a b` with sixteen partial sums side by side.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Largest element.
#[inline(always)]
pub(super) fn max(x: &[f32]) -> f32 {
    let (blocks, rest) = x.as_chunks::<16>();
    let mut highest = [f32::MIN; 16];
    for block in blocks {
        for (highest, &x) in highest.iter_mut().zip(block) {
            *highest = if x > *highest { x } else { *highest };
        }
    }
    highest.iter().chain(rest).fold(f32::MIN, |a, &b| a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(from: f64, to: f64) -> impl Iterator<Item = f32> {
        (0..=200_000).map(move |i| (from + (to - from) * f64::from(i) / 200_000.0) as f32)
    }

    #[test]
    fn exp_keeps_its_bound() {
        for x in grid(-86.9, 87.9) {
            let truth = f64::from(x).exp();
            let error = (f64::from(exp(x)) - truth).abs() / truth;
            assert!(error < 2.4e-7, "exp({x}): {error:.2e}");
        }
        assert_eq!(exp(-88.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn tanh_keeps_its_bound() {
        for x in grid(-30.0, 30.0) {
            let error = (f64::from(tanh(x)) - f64::from(x).tanh()).abs();
            assert!(error < 2e-7, "tanh({x}): {error:.2e}");
        }
    }

    #[test]
    fn sigmoid_keeps_its_bound() {
        for x in grid(-100.0, 100.0) {
            let error = (f64::from(sigmoid(x)) - 1.0 / (1.0 + (-f64::from(x)).exp())).abs();
            assert!(error < 2e-7, "sigmoid({x}): {error:.2e}");
        }
    }

    /// Against the integral itself, by Simpson's rule: 2/√π ∫₀ˣ e^(−t²) dt.
    #[test]
    fn erf_keeps_its_bound() {
        let density = |t: f64| (-t * t).exp() * std::f64::consts::FRAC_2_SQRT_PI;
        let (step, mut truth) = (1.0 / 512.0, 0.0f64);
        for i in 0..(5 * 512) {
            let x = f64::from(i) * step;
            for signed in [x as f32, -x as f32] {
                let error = (f64::from(erf(signed)) - truth.copysign(f64::from(signed))).abs();
                assert!(error < 4e-7, "erf({signed}): {error:.2e}");
            }
            truth += step / 6.0 * (density(x) + 4.0 * density(x + step / 2.0) + density(x + step));
        }
    }

    #[test]
    fn reductions_take_every_element() {
        for n in [0, 1, 15, 16, 17, 100] {
            let x: Vec<f32> = (1..=n).map(|i| i as f32).collect();
            let n = n as f32;
            assert_eq!(sum(&x), n * (n + 1.0) / 2.0);
            assert_eq!(dot(&x, &x), n * (n + 1.0) * (2.0 * n + 1.0) / 6.0);
            assert_eq!(max(&x), if x.is_empty() { f32::MIN } else { n });
        }
    }
}
