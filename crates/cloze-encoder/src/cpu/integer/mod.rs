//! Products of 8-bit integers, for inference. A weight matrix is rounded once, each output's row by a scale of its own; the
//! left side is rounded row by row when it comes, from its lowest value to its highest:
//!
//! `C[i, j] = s_i t_j Σ_k (a[i, k] + z_i) w[j, k] + bias[j]`, where `A[i, k] ≈ s_i (a[i, k] + z_i)` with a from 0 to 255, and
//! `W[j, k] ≈ t_j w[j, k]` with w from −127 to 127.
//!
//! The sums are exact in 32 bits, whatever the instructions.

mod kernel;
mod round;

use super::level::Level;
use super::matrix::Words;
use kernel::Product;
use round::{Step, round_to_bytes, round_to_halves, round_weights};
use std::cell::RefCell;

/// Length of a sum at most: 65,536 products of 255 and 127 fit 32 bits.
pub(super) const LONGEST: usize = 1 << 16;

/// The instructions that multiply, with the form in which they take their factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    /// None in particular: two factors of 16 bits in a word.
    Plain,
    /// The same: AVX2.
    Avx2,
    /// Four factors of 8 bits in a word: AVX-512 VNNI.
    Vnni,
}

impl Instructions {
    /// The best that go with a level.
    fn of(level: Level) -> Self {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 | Level::Amx if is_x86_feature_detected!("avx512vnni") => {
                Self::Vnni
            }
            Level::Baseline => Self::Plain,
            _ => Self::Avx2,
        }
    }

    /// Factors in a word.
    fn factors(self) -> usize {
        if self == Self::Vnni { 4 } else { 2 }
    }

    /// Columns of a panel.
    fn panel(self) -> usize {
        match self {
            Self::Plain => 8,
            Self::Avx2 => 16,
            Self::Vnni => 64,
        }
    }
}

/// A weight matrix `[out, in]`, rounded, as the right side of `x Wᵀ`.
pub(super) struct Integers {
    instructions: Instructions,
    /// Panels of columns of Wᵀ; within a panel one row of words after the other, filled up with zeros.
    words: Words,
    /// Rows of words in a panel.
    depth: usize,
    inner: usize,
    /// The outputs' scales.
    scales: Vec<f32>,
    /// The sums of the outputs' integers.
    sums: Vec<i32>,
}

thread_local! {
    static LEFT: RefCell<Left> = RefCell::default();
}

impl Integers {
    /// Rounds `weight`, `[out, in]` with `out` rows, for products at `level`.
    pub(super) fn new(weight: &[f32], out: usize, level: Level) -> Self {
        Self::with(weight, out, Instructions::of(level))
    }

    fn with(weight: &[f32], out: usize, instructions: Instructions) -> Self {
        let (inner, panel) = (weight.len() / out, instructions.panel());
        assert!(inner <= LONGEST, "sums of {inner} products");
        let depth = inner.div_ceil(instructions.factors());
        let mut words = Words::default();
        words.resize(out.div_ceil(panel) * panel * depth);
        let (mut scales, mut sums) = (Vec::with_capacity(out), Vec::with_capacity(out));
        let mut halves = vec![0; depth * instructions.factors()];
        for (output, row) in weight.chunks_exact(inner).enumerate() {
            scales.push(round_weights(row, &mut halves));
            sums.push(halves.iter().map(|&value| i32::from(value)).sum());
            let first = output / panel * panel * depth + output % panel;
            let column = words.values_mut()[first..].iter_mut().step_by(panel);
            for (word, factors) in column.zip(halves.chunks_exact(instructions.factors())) {
                *word = f32::from_bits(match *factors {
                    [a, b] => pair(a, b),
                    [a, b, c, d] => u32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]),
                    _ => unreachable!("two or four factors"),
                });
            }
        }
        Self { instructions, words, depth, inner, scales, sums }
    }

    /// `out ← x Wᵀ + bias` for x of rows as long as W's.
    pub(super) fn multiply(&self, level: Level, x: &[f32], bias: &[f32], out: &mut Vec<f32>) {
        assert_eq!(bias.len(), self.scales.len(), "length of the bias");
        assert_eq!(x.len() % self.inner, 0, "inner dimensions");
        let rows = x.len() / self.inner;
        out.resize(rows * bias.len(), 0.0);
        LEFT.with_borrow_mut(|left| {
            left.fill(level, x, self);
            let product = Product {
                left: left.words(self.instructions),
                left_len: left.len(self.instructions),
                steps: &left.steps,
                right: self.words.values(),
                depth: self.depth,
                scales: &self.scales,
                sums: &self.sums,
                bias,
            };
            kernel::run(self.instructions, &product, out);
        });
    }
}

/// A word of two halves, in the order in which they stand in memory on the left side.
fn pair(first: i16, second: i16) -> u32 {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u32::from_ne_bytes([a, b, c, d])
}

/// The left side of a product, rounded, row by row.
#[derive(Default)]
struct Left {
    bytes: Vec<u8>,
    halves: Vec<i16>,
    steps: Vec<Step>,
}

impl Left {
    fn fill(&mut self, level: Level, x: &[f32], right: &Integers) {
        let (inner, length) = (right.inner, right.depth * right.instructions.factors());
        let rows = x.len() / inner;
        self.steps.clear();
        let rows_of_x = x.chunks_exact(inner);
        if right.instructions == Instructions::Vnni {
            self.bytes.resize(rows * length, 0);
            let rows = rows_of_x.zip(self.bytes.chunks_exact_mut(length));
            self.steps.extend(rows.map(|(x, to)| round_to_bytes(level, x, to)));
        } else {
            self.halves.resize(rows * length, 0);
            let rows = rows_of_x.zip(self.halves.chunks_exact_mut(length));
            self.steps.extend(rows.map(|(x, to)| round_to_halves(level, x, to)));
        }
    }

    /// How many words there are.
    fn len(&self, instructions: Instructions) -> usize {
        if instructions == Instructions::Vnni { self.bytes.len() / 4 } else { self.halves.len() / 2 }
    }

    /// The rows' words, which may lie at any address.
    fn words(&self, instructions: Instructions) -> *const i32 {
        if instructions == Instructions::Vnni {
            self.bytes.as_ptr().cast()
        } else {
            self.halves.as_ptr().cast()
        }
    }
}

#[cfg(test)]
mod tests;
