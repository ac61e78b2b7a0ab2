//! Rows of floats rounded to integers, and what leads back.
#![expect(clippy::inline_always, reason = "must be inlined into what is compiled for every level")]

use super::super::level::for_every_level;

/// The largest magnitude of a weight's integer.
const MOST: f32 = 127.0;
/// Steps from the lowest value of a row to its highest: one less than a byte has, because both ends are rounded.
const STEPS: f32 = 254.0;
/// 1.5 · 2²³: adding it rounds to an integer (ties to even), which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// A row's value x is `scale · (integer + offset)`, up to half a scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) scale: f32,
    /// From −254 to 0.
    pub(super) offset: i32,
}

/// `to ← round(weights / scale)`, from −127 to 127, and zeros behind; returns the scale.
pub(super) fn round_weights(weights: &[f32], to: &mut [i16]) -> f32 {
    let (lowest, highest) = range(weights);
    let (scale, inverse) = scale(highest.max(-lowest), MOST);
    to.fill(0);
    if inverse > 0.0 {
        for (to, weight) in to.iter_mut().zip(weights) {
            *to = nearest(weight * inverse) as i16;
        }
    }
    scale
}

for_every_level! {
    /// `to ← round(x / scale) − offset`, from 0 to 255, and zeros behind.
    pub(super) fn round_to_bytes(x: &[f32], to: &mut [u8]) -> Step {
        let (step, inverse) = step(x);
        let (filled, rest) = to.split_at_mut(x.len());
        for (to, x) in filled.iter_mut().zip(x) {
            *to = (nearest(x * inverse) - step.offset) as u8;
        }
        rest.fill(0);
        step
    }
}

for_every_level! {
    /// The same integers, two bytes each.
    pub(super) fn round_to_halves(x: &[f32], to: &mut [i16]) -> Step {
        let (step, inverse) = step(x);
        let (filled, rest) = to.split_at_mut(x.len());
        for (to, x) in filled.iter_mut().zip(x) {
            *to = i16::from((nearest(x * inverse) - step.offset) as u8);
        }
        rest.fill(0);
        step
    }
}

/// The nearest integer, of values below 2²² in magnitude; any for NaN.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    (x + ROUND).to_bits() as i32 - ROUND.to_bits() as i32
}

#[inline(always)]
fn step(x: &[f32]) -> (Step, f32) {
    let (lowest, highest) = range(x);
    let (scale, inverse) = scale(highest - lowest, STEPS);
    (Step { scale, offset: if inverse > 0.0 { nearest(lowest * inverse) } else { 0 } }, inverse)
}

/// From 0 or the lowest value to 0 or the highest one; NaN if a value is not finite.
#[inline(always)]
#[expect(clippy::eq_op, reason = "the difference tells what is not finite")]
fn range(x: &[f32]) -> (f32, f32) {
    let (blocks, rest) = x.as_chunks::<16>();
    let (mut lowest, mut highest, mut strange) = ([0.0f32; 16], [0.0f32; 16], [0.0f32; 16]);
    let mut widen = |block: &[f32; 16]| {
        let lanes = lowest.iter_mut().zip(&mut highest).zip(&mut strange);
        for (((lowest, highest), strange), &x) in lanes.zip(block) {
            *lowest = if x < *lowest { x } else { *lowest };
            *highest = if x > *highest { x } else { *highest };
            // 0, but NaN for what is not finite.
            *strange += x - x;
        }
    };
    blocks.iter().for_each(&mut widen);
    let mut last = [0.0; 16];
    last[..rest.len()].copy_from_slice(rest);
    widen(&last);
    let strange: f32 = strange.iter().sum();
    (lowest.into_iter().fold(0.0, f32::min) + strange, highest.into_iter().fold(0.0, f32::max) + strange)
}

/// The scale that takes `width` to this many integers, and its inverse. What is not finite makes the scale NaN, and so all that
/// is computed with it.
#[inline(always)]
fn scale(width: f32, integers: f32) -> (f32, f32) {
    if !width.is_finite() {
        (f32::NAN, 0.0)
    } else if width < f32::MIN_POSITIVE * integers {
        // Its inverse would leave the range of floats.
        (0.0, 0.0)
    } else {
        (width / integers, integers / width)
    }
}
