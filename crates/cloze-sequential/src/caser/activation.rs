//! The elementwise functions φ of the paper.

use serde::{Deserialize, Serialize};

/// An elementwise function that never falls, so that it may come before or after a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaserActivation {
    /// `max(x, 0)`.
    Relu,
    /// `tanh x`.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `x`.
    Identity,
}

impl CaserActivation {
    /// φ(x).
    pub(super) fn of(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Identity => x,
        }
    }

    /// φ′(x), from y = φ(x).
    pub(super) fn slope(self, y: f32) -> f32 {
        match self {
            Self::Relu => f32::from(u8::from(y > 0.0)),
            Self::Tanh => 1.0 - y * y,
            Self::Sigmoid => y * (1.0 - y),
            Self::Identity => 1.0,
        }
    }
}
