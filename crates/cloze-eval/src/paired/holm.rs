//! The correction for several tests.

/// p-values adjusted by Holm's step-down method, in the order given.
///
/// With `m` values in ascending order, the adjusted value of the i-th (from 1) is
/// `max over j <= i of min(1, (m - j + 1) * p_j)`. Rejecting what is below alpha keeps the chance of any false
/// rejection in the family below alpha, whatever the dependence between the tests (Holm 1979, "A Simple
/// Sequentially Rejective Multiple Test Procedure").
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        largest = largest.max((p[at] * (p.len() - rank) as f64).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn each_value_is_multiplied_by_the_tests_left_and_never_decreases() {
        // Ascending .005, .01, .03, .04 times 4, 3, 2, 1: .02, .03, .06, and .04 is lifted to .06.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.7, 0.8]), [1.0, 1.0]);
        assert_eq!(holm(&[0.2]), [0.2]);
        assert!(holm(&[]).is_empty());
    }
}
