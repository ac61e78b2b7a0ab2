//! Exponentials of a row of scores, for softmaxes outside the engines.

use super::level::{Level, for_every_level};
use super::math::{exp, max, sum};

/// Scores s become `e^(s − m)`, with m the largest of them; returns m and the sum of what they became. By the best instructions
/// of the processor, or those that `CLOZE_CPU` asks for. A score of −∞ becomes 0.
pub fn exponentials(scores: &mut [f32]) -> (f32, f32) {
    // Whoever asks for instructions that are absent hears it from the engines.
    at_level(Level::chosen().unwrap_or_else(|_| Level::detect()), scores)
}

for_every_level! {
    fn at_level(scores: &mut [f32]) -> (f32, f32) {
        let highest = max(scores);
        for score in scores.iter_mut() {
            *score = exp(*score - highest);
        }
        (highest, sum(scores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_library_at_every_level() {
        let scores: Vec<f32> = (0..1000_u16).map(|i| (f32::from(i) * 0.7).sin() * 30.0).collect();
        for level in Level::present() {
            let mut found = scores.clone();
            found.push(f32::NEG_INFINITY);
            let (highest, total) = at_level(level, &mut found);
            assert_eq!(found.pop(), Some(0.0));
            let mut expected_total = 0.0;
            for (found, score) in found.iter().zip(&scores) {
                let expected = f64::from(score - highest).exp();
                expected_total += expected;
                assert!(
                    (f64::from(*found) - expected).abs() < 3e-7 * expected,
                    "{level:?}: {found} of {score}"
                );
            }
            assert!((f64::from(total) / expected_total - 1.0).abs() < 1e-6, "{level:?}");
        }
        assert_eq!(exponentials(&mut [3.0, 3.0]), (3.0, 2.0));
    }
}
