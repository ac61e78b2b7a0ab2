//! Paired tests of two models on the same users, and the correction for testing several.

mod holm;
mod t;
mod wilcoxon;

pub use holm::holm;
pub use t::{PairedT, paired_t};
pub use wilcoxon::{Wilcoxon, Zeros, wilcoxon};

use crate::error::EvalError;

/// Refuses differences that no test can order.
fn check(differences: &[f64]) -> Result<(), EvalError> {
    if differences.is_empty() {
        return Err(EvalError::NoUsers);
    }
    match differences.iter().position(|difference| !difference.is_finite()) {
        Some(at) => Err(EvalError::NotFinite { what: "difference", at, value: differences[at] }),
        None => Ok(()),
    }
}
