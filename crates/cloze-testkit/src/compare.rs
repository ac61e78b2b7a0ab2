//! Differences as relative norms.

use cloze_encoder::ParameterLayout;

/// Euclidean norm.
pub fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// `‖found − expected‖ / ‖expected‖`.
pub fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(expected).max(f64::MIN_POSITIVE)
}

/// Asserts a bound on the relative error.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], bound: f64) {
    let error = relative_error(found, expected);
    assert!(error < bound, "{what}: relative error {error:.2e}, bound {bound:.0e}");
}

/// Whether a parameter's gradient is zero by the mathematics: a key bias adds the same amount to all scores of a
/// query, which softmax does not see.
pub fn gradient_is_zero(name: &str) -> bool {
    name.ends_with("attention.self.key.bias")
}

/// Asserts that two flat gradients agree tensor by tensor. Where the true gradient is zero, the bound is relative to
/// the query bias's gradient of the same layer instead.
#[track_caller]
pub fn assert_gradients_close(layout: &ParameterLayout, found: &[f32], expected: &[f32], bound: f64) {
    for entry in layout.entries() {
        let (found, truth) = (&found[entry.range()], &expected[entry.range()]);
        if gradient_is_zero(&entry.name) {
            let query = layout.get(&entry.name.replace("key", "query")).unwrap();
            let scale = norm(&expected[query.range()]);
            assert!(
                norm(found) < bound.max(1e-6) * scale,
                "{}: {:.2e} of {scale:.2e}",
                entry.name,
                norm(found)
            );
        } else {
            assert_close(&entry.name, found, truth, bound);
        }
    }
}
