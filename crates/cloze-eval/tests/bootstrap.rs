//! Intervals: cases with known answers. `golden_draws.rs` has the comparison value by value.

use cloze_eval::{Bootstrap, EvalError, quantile};

#[test]
fn quantiles_interpolate_as_numpy_does() {
    // numpy.quantile([1, 2, 4, 8], q)
    let values = [1.0, 2.0, 4.0, 8.0];
    for (q, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
        assert!((quantile(&values, q) - expected).abs() < 1e-12, "q {q}");
    }
    assert!(quantile(&[], 0.5).is_nan());
}

#[test]
fn equal_values_have_an_interval_of_no_width() {
    let interval = Bootstrap::default().interval(&[0.25; 40]).unwrap();
    for end in [interval.value, interval.low, interval.high] {
        assert!((end - 0.25).abs() < 1e-15);
    }
}

#[test]
fn a_hit_rate_has_about_the_normal_interval() {
    let values: Vec<f64> = (0..4000).map(|user| f64::from(u8::from(user % 5 == 0))).collect();
    let interval = Bootstrap::default().interval(&values).unwrap();
    let half = 1.96 * (0.2_f64 * 0.8 / 4000.0).sqrt();
    // The 2.5 % quantile of 1,000 resamples has a standard error of about 7 % of the half width.
    assert!((interval.value - 0.2).abs() < 1e-12);
    assert!((interval.low - (0.2 - half)).abs() < 0.25 * half, "{interval:?}");
    assert!((interval.high - (0.2 + half)).abs() < 0.25 * half, "{interval:?}");
}

#[test]
fn metrics_of_the_same_users_share_their_resamples() {
    let values: Vec<f64> = (0..97).map(|user| f64::from(user % 7) / 7.0).collect();
    let doubled: Vec<f64> = values.iter().map(|value| 2.0 * value).collect();
    let both = Bootstrap::default().intervals(&[values.clone(), doubled]).unwrap();
    assert_eq!(both[0], Bootstrap::default().interval(&values).unwrap());
    assert!((2.0 * both[0].low - both[1].low).abs() < 1e-12);
    assert!((2.0 * both[0].high - both[1].high).abs() < 1e-12);
}

#[test]
fn bad_input_is_refused() {
    let bootstrap = Bootstrap::default();
    assert!(matches!(bootstrap.interval(&[]), Err(EvalError::NoUsers)));
    assert!(matches!(bootstrap.intervals(&[]), Err(EvalError::NoUsers)));
    let uneven = bootstrap.intervals(&[vec![1.0], vec![1.0, 0.0]]);
    assert!(matches!(uneven, Err(EvalError::LengthMismatch { found: 2, expected: 1, .. })));
    for bad in [
        Bootstrap { resamples: 0, ..Bootstrap::default() },
        Bootstrap { confidence: 1.0, ..Bootstrap::default() },
        Bootstrap { confidence: f64::NAN, ..Bootstrap::default() },
    ] {
        assert!(matches!(bad.interval(&[1.0]), Err(EvalError::Option { .. })));
    }
}
