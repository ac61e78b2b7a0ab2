//! The options of iALS.

use serde::{Deserialize, Serialize};

use crate::error::CfError;

/// How the best vectors of one side are found in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IalsSolver {
    /// By Cholesky's factorization: the best ones.
    Exact,
    /// By a few steps of conjugate gradients from the last epoch's: better ones, in time that grows with the width, not its square
    /// (Takács et al. 2011, "Applications of the conjugate gradient method for implicit feedback collaborative filtering").
    ConjugateGradient,
}

/// Options of [`Ials`](crate::Ials).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct IalsOptions {
    /// Width of the vectors, at least 1. Default 64.
    pub hidden: usize,
    /// Passes over both sides. Default 16.
    pub epochs: u64,
    /// Weight of all pairs of a user and an item against that of an observed one, α₀ above 0. Default 0.1.
    pub unobserved_weight: f64,
    /// Weight of the squared norms, above 0. Default 0.003.
    pub lambda: f64,
    /// How the weight of a vector's norm grows with its interactions, ν from 0 to 1. Default 1: in proportion.
    pub frequency_exponent: f64,
    /// Standard deviation of the first vectors' length. Default 0.1.
    pub initial_scale: f64,
    /// How the vectors of a side are found in training. Default conjugate gradients: the same quality on MovieLens 1M, in less time.
    pub solver: IalsSolver,
    /// Steps of the conjugate gradients, from 1 to 1000. Default 3.
    pub solver_steps: u64,
}

impl Default for IalsOptions {
    fn default() -> Self {
        Self {
            hidden: 64,
            epochs: 16,
            unobserved_weight: 0.1,
            lambda: 0.003,
            frequency_exponent: 1.0,
            initial_scale: 0.1,
            solver: IalsSolver::ConjugateGradient,
            solver_steps: 3,
        }
    }
}

impl IalsOptions {
    pub(super) fn check(&self) -> Result<(), CfError> {
        let positive = [
            ("unobserved-weight", self.unobserved_weight),
            ("lambda", self.lambda),
            ("initial-scale", self.initial_scale),
        ];
        for (option, value) in positive {
            if !value.is_finite() || value <= 0.0 {
                let value = value.to_string();
                return Err(CfError::Option { option, value, expected: "a number above 0" });
            }
        }
        if !(0.0..=1.0).contains(&self.frequency_exponent) {
            let (option, value) = ("frequency-exponent", self.frequency_exponent.to_string());
            return Err(CfError::Option { option, value, expected: "from 0 to 1" });
        }
        let counts = [
            ("hidden", self.hidden as u64, 4096, "from 1 to 4096"),
            ("epochs", self.epochs, u64::MAX, "at least 1"),
            ("solver-steps", self.solver_steps, 1000, "from 1 to 1000"),
        ];
        match counts.into_iter().find(|(_, value, most, _)| !(1..=*most).contains(value)) {
            Some((option, value, _, expected)) => {
                Err(CfError::Option { option, value: value.to_string(), expected })
            }
            None => Ok(()),
        }
    }
}
