//! The options of SLIT.

use serde::{Deserialize, Serialize};

use crate::decay;
use crate::error::CfError;

/// Options of [`Slit`](crate::Slit).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SlitOptions {
    /// Weight of the squared norm of B, above 0. Default 300.
    pub lambda: f64,
    /// Weight of an item of the past relative to that of the next one, above 0 and at most 1, in training and in a history.
    /// Default 0.8.
    pub decay: f64,
    /// How many items are modelled, the most popular ones in training; 0, the default, for all. For a catalogue whose
    /// square matrices do not fit: the other items score 0.
    pub max_items: usize,
    /// GiB that the two square matrices of a fit may take (16 bytes times the square of the number of items that are modelled).
    /// Default 8, enough for 23,170 items.
    pub memory_limit: f64,
}

impl Default for SlitOptions {
    fn default() -> Self {
        Self { lambda: 300.0, decay: 0.8, max_items: 0, memory_limit: 8.0 }
    }
}

impl SlitOptions {
    pub(super) fn check(&self) -> Result<(), CfError> {
        for (option, value) in [("lambda", self.lambda), ("memory-limit", self.memory_limit)] {
            if !value.is_finite() || value <= 0.0 {
                let value = value.to_string();
                return Err(CfError::Option { option, value, expected: "a number above 0" });
            }
        }
        decay::check("decay", self.decay)
    }
}
