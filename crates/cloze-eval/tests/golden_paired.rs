//! The paired tests against scipy; `golden/paired.py` makes the file.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

use cloze_eval::{Zeros, paired_t, wilcoxon};
use serde_json::Value;

/// Relative: p-values span many orders of magnitude. The incomplete beta function of some hundred degrees of
/// freedom loses three to four digits to the logarithm of the gamma function.
const BOUND: f64 = 1e-10;

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= BOUND * expected.abs(), "{what}: {found}, scipy {expected}");
}

#[test]
fn the_paired_tests_agree_with_scipy() {
    let golden: Value = serde_json::from_str(include_str!("golden/paired.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let values = case["differences"].as_array().unwrap();
        let differences: Vec<f64> = values.iter().map(|value| value.as_f64().unwrap()).collect();
        for (key, zeros) in [("pratt", Zeros::Pratt), ("wilcox", Zeros::Drop)] {
            let test = wilcoxon(&differences, zeros).unwrap();
            let expected = &case[key];
            assert_eq!(Value::from(test.exact), expected["exact"], "{name}, {key}");
            close(test.positive, &expected["positive"], &format!("{name}, {key}, positive"));
            close(test.negative, &expected["negative"], &format!("{name}, {key}, negative"));
            close(test.p, &expected["p"], &format!("{name}, {key}, p"));
        }
        let t = paired_t(&differences).unwrap();
        close(t.t, &case["t"]["t"], &format!("{name}, t"));
        close(t.p, &case["t"]["p"], &format!("{name}, p of t"));
    }
}
