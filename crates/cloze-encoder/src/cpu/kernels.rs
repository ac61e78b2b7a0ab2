//! Everything between two matrix products, row by row. Called inside [`super::level::Level::run`].
#![expect(
    clippy::inline_always,
    reason = "what `Level::run` calls must be inlined to be compiled for its instructions"
)]

use super::math::{dot, erf, exp, max, sum, tanh};
use crate::config::Activation;
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `√(2/π)`.
const ROOT_2_OVER_PI: f32 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// The cubic coefficient of GELU's tanh form.
const CUBIC: f32 = 0.044_715;

/// Every row becomes `bias`.
#[inline(always)]
pub(super) fn fill_rows(out: &mut [f32], bias: &[f32]) {
    for row in out.chunks_exact_mut(bias.len()) {
        row.copy_from_slice(bias);
    }
}

/// `sums += Σ rows`.
#[inline(always)]
pub(super) fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
    for row in rows.chunks_exact(sums.len()) {
        add(sums, row);
    }
}

/// `a += b`.
#[inline(always)]
pub(super) fn add(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// `a ← a · b`.
#[inline(always)]
pub(super) fn scale_by(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a *= b;
    }
}

/// `out = x̂ γ + β` with `x̂ = (x − mean) / √(variance + ε)`; x̂ and the inverse deviation are kept. `scale_bias` is γ
/// and then β.
#[inline(always)]
pub(super) fn layer_norm(
    x: &[f32],
    scale_bias: &[f32],
    epsilon: f32,
    normalized: &mut [f32],
    inverse: &mut [f32],
    out: &mut [f32],
) {
    let width = scale_bias.len() / 2;
    let (scale, bias) = scale_bias.split_at(width);
    let rows = x.chunks_exact(width).zip(normalized.chunks_exact_mut(width)).zip(out.chunks_exact_mut(width));
    for (((x, normalized), out), inverse) in rows.zip(inverse) {
        let mean = sum(x) / width as f32;
        for (n, x) in normalized.iter_mut().zip(x) {
            *n = x - mean;
        }
        *inverse = 1.0 / (dot(normalized, normalized) / width as f32 + epsilon).sqrt();
        for (((n, out), scale), bias) in normalized.iter_mut().zip(out).zip(scale).zip(bias) {
            *n *= *inverse;
            *out = *n * scale + bias;
        }
    }
}

/// From the gradient of [`layer_norm`]'s result to that of x, in place; γ's and β's gradients are added to.
#[inline(always)]
pub(super) fn layer_norm_backward(
    gradient: &mut [f32],
    scale_bias: &[f32],
    normalized: &[f32],
    inverse: &[f32],
    scale_bias_gradient: &mut [f32],
) {
    let width = scale_bias.len() / 2;
    let scale = &scale_bias[..width];
    let (scale_gradient, bias_gradient) = scale_bias_gradient.split_at_mut(width);
    let rows = gradient.chunks_exact_mut(width).zip(normalized.chunks_exact(width));
    for ((g, n), inverse) in rows.zip(inverse) {
        add(bias_gradient, g);
        for ((sum, g), n) in scale_gradient.iter_mut().zip(&*g).zip(n) {
            *sum += g * n;
        }
        scale_by(g, scale);
        let (mean, along) = (sum(g) / width as f32, dot(g, n) / width as f32);
        for (g, n) in g.iter_mut().zip(n) {
            *g = inverse * (*g - mean - n * along);
        }
    }
}

/// Softmax of each row over its first `visible(row)` columns; the rest becomes 0.
#[inline(always)]
pub(super) fn softmax(scores: &mut [f32], columns: usize, visible: impl Fn(usize) -> usize) {
    for (row, scores) in scores.chunks_exact_mut(columns).enumerate() {
        let (seen, unseen) = scores.split_at_mut(visible(row));
        let highest = max(seen);
        for score in seen.iter_mut() {
            *score = exp(*score - highest);
        }
        let inverse = 1.0 / sum(seen);
        for score in seen.iter_mut() {
            *score *= inverse;
        }
        unseen.fill(0.0);
    }
}

/// From the gradient of softmax's result to that of the scores, in place: `p (g − Σ p g)`.
#[inline(always)]
pub(super) fn softmax_backward(gradient: &mut [f32], probabilities: &[f32], columns: usize) {
    for (g, p) in gradient.chunks_exact_mut(columns).zip(probabilities.chunks_exact(columns)) {
        let along = dot(g, p);
        for (g, p) in g.iter_mut().zip(p) {
            *g = p * (*g - along);
        }
    }
}

/// The activation of x into `out`.
#[inline(always)]
pub(super) fn activate(x: &[f32], activation: Activation, out: &mut [f32]) {
    match activation {
        Activation::Relu => map(x, out, |x| x.max(0.0)),
        Activation::GeluErf => map(x, out, |x| 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))),
        Activation::GeluTanh => {
            map(x, out, |x| 0.5 * x * (1.0 + tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x))));
        }
    }
}

/// The gradient of the activation's result becomes that of x.
#[inline(always)]
pub(super) fn activate_backward(gradient: &mut [f32], x: &[f32], activation: Activation) {
    match activation {
        Activation::Relu => scale_map(gradient, x, |x| if x > 0.0 { 1.0 } else { 0.0 }),
        Activation::GeluErf => scale_map(gradient, x, |x| {
            let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * exp(-0.5 * x * x);
            0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * density
        }),
        Activation::GeluTanh => scale_map(gradient, x, |x| {
            let t = tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x));
            let slope = ROOT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope
        }),
    }
}

#[inline(always)]
fn map(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = f(x);
    }
}

#[inline(always)]
fn scale_map(gradient: &mut [f32], x: &[f32], f: impl Fn(f32) -> f32) {
    for (g, &x) in gradient.iter_mut().zip(x) {
        *g *= f(x);
    }
}

/// Logits become `scale · (softmax − one-hot target)`; returns the sum of the cross-entropies.
#[inline(always)]
pub(super) fn cross_entropy(logits: &mut [f32], columns: usize, targets: &[u32], scale: f32) -> f64 {
    let mut loss = 0.0;
    for (row, &target) in logits.chunks_exact_mut(columns).zip(targets) {
        let highest = max(row);
        let wanted = row[target as usize] - highest;
        for logit in row.iter_mut() {
            *logit = exp(*logit - highest);
        }
        let total = sum(row);
        loss += f64::from(total).ln() - f64::from(wanted);
        let factor = scale / total;
        for logit in row.iter_mut() {
            *logit *= factor;
        }
        row[target as usize] -= scale;
    }
    loss
}
