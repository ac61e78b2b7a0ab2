//! Differentiable operations from candle primitives.
//!
//! Candle's fused norms and softmaxes have no backward pass, and its GELU's derivative has six digits: none is used.

use crate::config::Activation;
use candle_core::{D, Result, Tensor};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

/// `x Wᵀ + b` for x `[n, in]`, W `[out, in]`, b `[out]`.
pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

/// `(x − mean) / √(variance + ε) · scale + bias` over the last dimension.
pub(super) fn layer_norm(x: &Tensor, scale: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let centered = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (centered.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    centered.broadcast_div(&deviation)?.broadcast_mul(scale)?.broadcast_add(bias)
}

/// `eˣ / Σ eˣ` over the last dimension. The maximum is a constant of the gradient.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    let exponentials = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)
}

/// `x − log Σ eˣ` over the last dimension.
pub(super) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// `1 / (1 + e⁻ˣ)`, element by element, without overflow.
pub(super) fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ((x * 0.5)?.tanh()? + 1.0)? * 0.5
}

/// The activation, element by element.
pub(super) fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let gate = match activation {
        Activation::Relu => return x.relu(),
        Activation::GeluErf => (x * FRAC_1_SQRT_2)?.erf()?,
        Activation::GeluTanh => {
            let inner = ((x.sqr()? * 0.044_715)? + 1.0)?.mul(x)?;
            (inner * FRAC_2_PI.sqrt())?.tanh()?
        }
    };
    ((gate + 1.0)? * x)? * 0.5
}

/// `log(1 + eˣ)`, element by element, without overflow.
pub(super) fn log_one_plus_exp(x: &Tensor) -> Result<Tensor> {
    x.relu()? + ((x.abs()?.neg()?.exp()? + 1.0)?).log()?
}
