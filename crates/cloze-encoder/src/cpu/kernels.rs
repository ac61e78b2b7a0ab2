//! Everything between two matrix products, row by row.
#![expect(clippy::inline_always, reason = "must be inlined into what is compiled for every level")]

use super::level::for_every_level;
use super::math::{dot, erf, exp, max, sum, tanh};
use crate::config::Activation;
use crate::dropout::{Dropout, TILE_QUERIES};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `√(2/π)`.
const ROOT_2_OVER_PI: f32 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// The cubic coefficient of GELU's tanh form.
const CUBIC: f32 = 0.044_715;

for_every_level! {
    /// `sums += Σ rows`.
    pub(super) fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            add(sums, row);
        }
    }
}

/// `a += b`.
#[inline(always)]
pub(super) fn add(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

for_every_level! {
    /// `a ← a · b`.
    pub(super) fn scale_by(a: &mut [f32], b: &[f32]) {
        scale(a, b);
    }
}

#[inline(always)]
fn scale(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a *= b;
    }
}

for_every_level! {
    /// `out = x̂ γ + β` with `x̂ = (x − mean) / √(variance + ε)`; x̂ and the inverse deviation are kept. `scale_bias` is γ
    /// and then β.
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
}

for_every_level! {
    /// From the gradient of [`layer_norm`]'s result to that of x, in place; γ's and β's gradients are added to.
    pub(super) fn layer_norm_backward(
        gradient: &mut [f32],
        scale_bias: &[f32],
        normalized: &[f32],
        inverse: &[f32],
        scale_bias_gradient: &mut [f32],
    ) {
        let width = scale_bias.len() / 2;
        let weight = &scale_bias[..width];
        let (scale_gradient, bias_gradient) = scale_bias_gradient.split_at_mut(width);
        let rows = gradient.chunks_exact_mut(width).zip(normalized.chunks_exact(width));
        for ((g, n), inverse) in rows.zip(inverse) {
            add(bias_gradient, g);
            for ((sum, g), n) in scale_gradient.iter_mut().zip(&*g).zip(n) {
                *sum += g * n;
            }
            scale(g, weight);
            let (mean, along) = (sum(g) / width as f32, dot(g, n) / width as f32);
            for (g, n) in g.iter_mut().zip(n) {
                *g = inverse * (*g - mean - n * along);
            }
        }
    }
}

for_every_level! {
    /// Softmax of each row over its first `visible(row)` columns; the rest becomes 0.
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
}

for_every_level! {
    /// Marks the probabilities that dropout takes by their sign: those of the queries from number `first` on, a
    /// multiple of the block's, `[.., keys]`.
    pub(super) fn mark_dropped(dropout: Dropout, site: u32, sequence_head: u32, first: usize, keys: usize, p: &mut [f32]) {
        let tile = first / TILE_QUERIES;
        dropout.attention_elements(site, sequence_head, tile, keys, p, |p, kept| {
            *p = f32::from_bits(p.to_bits() | if kept { 0 } else { 1 << 31 });
        });
    }
}

for_every_level! {
    /// Draws the factors of rows, `[.., width]`, whose numbers are `number(0)`, `number(1)` and so on.
    pub(super) fn draw_factors(dropout: Dropout, site: u32, number: impl Fn(usize) -> usize, width: usize, factors: &mut [f32]) {
        for (row, factors) in factors.chunks_exact_mut(width).enumerate() {
            dropout.hidden_row(site, number(row), factors);
        }
    }
}

for_every_level! {
    /// Probabilities that are not marked; 0 for the others.
    pub(super) fn unmarked(p: &[f32], out: &mut [f32]) {
        for (out, p) in out.iter_mut().zip(p) {
            *out = p.max(0.0);
        }
    }
}

for_every_level! {
    /// From the gradient of the dropped probabilities, unscaled, to that of the scores, in place: with
    /// `g' = scale · g` where p is not marked and 0 elsewhere, `|p| (g' − Σ |p| g')`.
    pub(super) fn softmax_backward(gradient: &mut [f32], probabilities: &[f32], columns: usize, scale: f32) {
        for (g, p) in gradient.chunks_exact_mut(columns).zip(probabilities.chunks_exact(columns)) {
            for (g, p) in g.iter_mut().zip(p) {
                *g = if p.is_sign_negative() { 0.0 } else { *g * scale };
            }
            // Where p is negative, g is 0.
            let along = dot(g, p);
            for (g, p) in g.iter_mut().zip(p) {
                *g = p.abs() * (*g - along);
            }
        }
    }
}

for_every_level! {
    /// The activation of x into `out`; x becomes its slope there.
    pub(super) fn activate_with_slope(x: &mut [f32], activation: Activation, out: &mut [f32]) {
        match activation {
            Activation::Relu => map(x, out, |x| (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 })),
            Activation::GeluErf => map(x, out, |x| {
                let share = normal_share(x);
                let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * exp(-0.5 * x * x);
                (x * share, share + x * density)
            }),
            Activation::GeluTanh => map(x, out, |x| {
                let t = bent(x);
                let slope = ROOT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
                (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)
            }),
        }
    }
}

for_every_level! {
    /// The activation alone.
    pub(super) fn activate(x: &[f32], activation: Activation, out: &mut [f32]) {
        match activation {
            Activation::Relu => each(x, out, |x| x.max(0.0)),
            Activation::GeluErf => each(x, out, |x| x * normal_share(x)),
            Activation::GeluTanh => each(x, out, |x| 0.5 * x * (1.0 + bent(x))),
        }
    }
}

/// The share of the normal distribution below x.
#[inline(always)]
fn normal_share(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// The tanh of GELU's other form.
#[inline(always)]
fn bent(x: f32) -> f32 {
    tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x))
}

#[inline(always)]
fn map(x: &mut [f32], out: &mut [f32], f: impl Fn(f32) -> (f32, f32)) {
    for (out, x) in out.iter_mut().zip(x) {
        (*out, *x) = f(*x);
    }
}

#[inline(always)]
fn each(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = f(*x);
    }
}

for_every_level! {
    /// Logits become `scale · (softmax − one-hot target)`; returns the sum of the cross-entropies.
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
}

for_every_level! {
    /// `out = t · E[id] + b[id]` for each id, rows of E as long as t.
    pub(super) fn dots(t: &[f32], table: &[f32], bias: &[f32], ids: &[u32], out: &mut [f32]) {
        for (out, &id) in out.iter_mut().zip(ids) {
            let id = id as usize;
            *out = dot(t, &table[id * t.len()..(id + 1) * t.len()]) + bias[id];
        }
    }
}

for_every_level! {
    /// The way back of [`dots`]: `upstream += Σ error · E[id]`, and `error · t` is added to E's gradient at each id.
    pub(super) fn add_multiples(
        ids: &[u32],
        errors: &[f32],
        table: &[f32],
        t: &[f32],
        upstream: &mut [f32],
        table_gradient: &mut [f32],
    ) {
        for (&id, error) in ids.iter().zip(errors) {
            let place = id as usize * t.len()..(id as usize + 1) * t.len();
            for (upstream, value) in upstream.iter_mut().zip(&table[place.clone()]) {
                *upstream += error * value;
            }
            for (sum, t) in table_gradient[place].iter_mut().zip(t) {
                *sum += error * t;
            }
        }
    }
}

/// A logit that counts for nothing, as a negative that is the target does.
const NOTHING: f32 = f32::NEG_INFINITY;

for_every_level! {
    /// A row of [`crate::Loss::SampledSoftmax`]: logits become gradients times `scale`; returns the loss.
    pub(super) fn sampled_cross_entropy(
        wanted: &mut f32,
        logits: &mut [f32],
        ids: &[u32],
        log_expected: &[f32],
        target: u32,
        scale: f32,
    ) -> f64 {
        for (logit, log_expected) in logits.iter_mut().zip(log_expected) {
            *logit -= log_expected;
        }
        for (logit, &id) in logits.iter_mut().zip(ids) {
            *logit = if id == target { NOTHING } else { *logit };
        }
        let highest = max(logits).max(*wanted);
        for logit in logits.iter_mut() {
            *logit = exp(*logit - highest);
        }
        let own = exp(*wanted - highest);
        let others = sum(logits);
        let total = own + others;
        let loss = f64::from(total).ln() - f64::from(*wanted - highest);
        let factor = scale / total;
        for logit in logits.iter_mut() {
            *logit *= factor;
        }
        *wanted = -others * factor;
        loss
    }
}

for_every_level! {
    /// A row of [`crate::Loss::Binary`]: logits become gradients times `scale`; returns the loss.
    pub(super) fn binary_cross_entropy(
        wanted: &mut f32,
        logits: &mut [f32],
        ids: &[u32],
        target: u32,
        power: f32,
        scale: f32,
    ) -> f64 {
        for (logit, &id) in logits.iter_mut().zip(ids) {
            *logit = if id == target { NOTHING } else { *logit };
        }
        let share = scale / (1 + logits.len()) as f32;
        // ln(1 + e⁻ˣ) for the target: its sign turned, it is one more negative.
        let mut own = [-*wanted];
        let own_loss = log_one_plus_exp(&mut own, share * power);
        *wanted = -own[0];
        let mut loss = f64::from(power) * own_loss;
        // Products of 64 factors from 1 to 2 keep within the range of floats.
        for part in logits.chunks_mut(16 * 64) {
            loss += log_one_plus_exp(part, share);
        }
        loss / (1 + logits.len()) as f64
    }
}

/// `Σ ln(1 + eˣ)` of at most 1,024 values; each becomes its derivative, σ(x), times `scale`. The logarithm is taken of
/// sixteen products instead of every factor.
#[inline(always)]
fn log_one_plus_exp(x: &mut [f32], scale: f32) -> f64 {
    let (mut products, mut above) = ([1.0f32; 16], [0.0f32; 16]);
    for block in x.chunks_mut(16) {
        for ((x, product), above) in block.iter_mut().zip(&mut products).zip(&mut above) {
            let e = exp(-x.abs());
            *product *= 1.0 + e;
            *above += x.max(0.0);
            *x = scale * if *x >= 0.0 { 1.0 } else { e } / (1.0 + e);
        }
    }
    products.iter().map(|&product| f64::from(product).ln()).sum::<f64>()
        + above.iter().map(|&above| f64::from(above)).sum::<f64>()
}
