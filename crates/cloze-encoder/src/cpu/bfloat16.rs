//! Matrices rounded to bfloat16 (to the nearest, ties to even) for products that sum in float32. Two neighbours of the
//! inner dimension share a word of 32 bits, the first in its lower half, as AVX-512 BF16 and AMX take them. Words are
//! handled as floats that nobody computes with.

use super::level::Level;
use super::matrix::{Matrix, Words};
#[cfg(not(target_arch = "x86_64"))]
use plain::{interleave, round_row};
use std::ops::Range;
#[cfg(target_arch = "x86_64")]
use x86::{interleave, round_row};

/// Columns that are turned together.
const STRIP: usize = 16;

/// Words of the inner dimension: whole tiles for AMX.
pub(super) fn depth(level: Level, inner: usize) -> usize {
    let words = inner.div_ceil(2);
    if level == Level::Amx { words.next_multiple_of(STRIP) } else { words }
}

/// The left side of a product, rounded.
#[derive(Default)]
pub(super) struct Left {
    words: Words,
    rows: usize,
    depth: usize,
    /// Whether a word's neighbour is the next row's, and not the next of the inner dimension.
    by_depth: bool,
}

impl Left {
    /// Becomes a copy of `matrix`: in its own order, which needs no turning, but for AMX row by row and in whole tiles.
    pub(super) fn fill(&mut self, matrix: Matrix<'_>, level: Level) {
        let (tiles, turned) = (level == Level::Amx, matrix.column_stride != 1);
        (self.rows, self.depth) = (matrix.rows, depth(level, matrix.columns));
        self.by_depth = turned && !tiles;
        let rows = if tiles { matrix.rows.next_multiple_of(level.panel()) } else { matrix.rows };
        self.words.resize(rows * self.depth);
        let words = &mut self.words.values_mut()[..rows * self.depth];
        if words.is_empty() {
            return;
        }
        if tiles {
            words.fill(0.0);
        }
        if self.by_depth {
            fill_panel(matrix.t(), 0..matrix.rows, words, matrix.rows);
        } else if turned {
            turn(matrix, words, self.depth);
        } else {
            for (row, words) in words.chunks_exact_mut(self.depth).take(matrix.rows).enumerate() {
                let from = row * matrix.row_stride;
                round_row(&matrix.data[from..from + matrix.columns], words);
            }
        }
    }

    /// The words as a matrix of `rows × depth`.
    pub(super) fn words(&self) -> Matrix<'_> {
        let (row_stride, column_stride) = if self.by_depth { (1, self.rows) } else { (self.depth, 1) };
        let data = self.words.values();
        Matrix { data, rows: self.rows, columns: self.depth, row_stride, column_stride }
    }
}

/// A matrix whose columns are contiguous becomes rows of `depth` words.
fn turn(matrix: Matrix<'_>, words: &mut [f32], depth: usize) {
    let mut strip = [0.0; STRIP];
    for first in (0..matrix.rows).step_by(STRIP) {
        let width = STRIP.min(matrix.rows - first);
        for word in 0..matrix.columns.div_ceil(2) {
            let (even, odd) = pair(matrix.t(), 2 * word, &(first..first + width));
            interleave(even, odd, &mut strip[..width]);
            for (row, value) in strip[..width].iter().enumerate() {
                words[(first + row) * depth + word] = *value;
            }
        }
    }
}

/// Columns `columns` of the right side `matrix` become words, a row of the panel for two of the matrix; the rest of the
/// panel is 0.
pub(super) fn fill_panel(matrix: Matrix<'_>, columns: Range<usize>, to: &mut [f32], panel: usize) {
    let width = columns.len();
    let (filled, rest) = to.split_at_mut(matrix.rows.div_ceil(2) * panel);
    rest.fill(0.0);
    if matrix.column_stride == 1 {
        for (word, to) in filled.chunks_exact_mut(panel).enumerate() {
            let (even, odd) = pair(matrix, 2 * word, &columns);
            interleave(even, odd, &mut to[..width]);
            to[width..].fill(0.0);
        }
        return;
    }
    if width < panel {
        filled.fill(0.0);
    }
    let mut strip = [0.0; STRIP];
    for (number, column) in columns.enumerate() {
        let from = column * matrix.column_stride;
        let from = &matrix.data[from..from + matrix.rows];
        for (values, to) in from.chunks(2 * STRIP).zip(filled.chunks_mut(STRIP * panel)) {
            round_row(values, &mut strip);
            for (to, word) in to[number..].iter_mut().step_by(panel).zip(strip) {
                *to = word;
            }
        }
    }
}

/// Rows `row` and `row + 1` of a row-major matrix at `columns`; no second one behind the last.
fn pair<'a>(matrix: Matrix<'a>, row: usize, columns: &Range<usize>) -> (&'a [f32], Option<&'a [f32]>) {
    let at = |row: usize| {
        let start = row * matrix.row_stride;
        &matrix.data[start + columns.start..start + columns.end]
    };
    (at(row), (row + 1 < matrix.rows).then(|| at(row + 1)))
}

/// By the definition: what other processors run, and what the vector forms are tested against.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) mod plain {
    /// The nearest bfloat16.
    pub(in super::super) fn round(value: f32) -> u32 {
        let bits = value.to_bits();
        // A NaN stays one: rounding up its bits could carry into the exponent.
        if value.is_nan() { (bits >> 16) | 0x40 } else { (bits + 0x7fff + ((bits >> 16) & 1)) >> 16 }
    }

    pub(super) fn word(even: f32, odd: f32) -> f32 {
        f32::from_bits(round(even) | (round(odd) << 16))
    }

    pub(super) fn round_row(from: &[f32], to: &mut [f32]) {
        let (filled, rest) = to.split_at_mut(from.len().div_ceil(2));
        for (to, pair) in filled.iter_mut().zip(from.chunks(2)) {
            *to = word(pair[0], pair.get(1).copied().unwrap_or(0.0));
        }
        rest.fill(0.0);
    }

    pub(super) fn interleave(even: &[f32], odd: Option<&[f32]>, to: &mut [f32]) {
        for (column, to) in to.iter_mut().enumerate() {
            *to = word(even[column], odd.map_or(0.0, |odd| odd[column]));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports, reason = "the processor's instructions")]
    use std::arch::x86_64::*;

    /// Neighbours of `from` become the words of `to`; what is behind them becomes 0.
    pub(super) fn round_row(from: &[f32], to: &mut [f32]) {
        assert!(from.len() <= 2 * to.len(), "words for every value");
        // SAFETY: only levels that round get here, and an engine is only made with a level that the processor has.
        unsafe { round_row_bf16(from, to) }
    }

    /// The words of `even` and `odd`, column by column; without `odd`, of `even` and 0.
    pub(super) fn interleave(even: &[f32], odd: Option<&[f32]>, to: &mut [f32]) {
        assert!(even.len() == to.len() && odd.is_none_or(|odd| odd.len() == to.len()), "rows of one length");
        // SAFETY: as above.
        unsafe { interleave_bf16(even, odd, to) }
    }

    fn mask(count: usize) -> __mmask16 {
        if count >= 16 { u16::MAX } else { (1 << count) - 1 }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn round_row_bf16(from: &[f32], to: &mut [f32]) {
        for (number, to) in to.chunks_mut(16).enumerate() {
            let from = &from[(32 * number).min(from.len())..];
            // SAFETY: masked loads and stores stay within their slices; the types are vectors of 512 bits.
            unsafe {
                let low = _mm512_maskz_loadu_ps(mask(from.len()), from.as_ptr());
                let high = from.get(16..).unwrap_or_default();
                let high = _mm512_maskz_loadu_ps(mask(high.len()), high.as_ptr());
                let words: __m512 = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
                _mm512_mask_storeu_ps(to.as_mut_ptr(), mask(to.len()), words);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn interleave_bf16(even: &[f32], odd: Option<&[f32]>, to: &mut [f32]) {
        let mut order = [0u16; 32];
        for (place, from) in order.iter_mut().enumerate() {
            *from = (place / 2 + 16 * (place % 2)) as u16;
        }
        for (number, to) in to.chunks_mut(16).enumerate() {
            let part = mask(to.len());
            // SAFETY: as above.
            unsafe {
                let order = _mm512_loadu_epi16(order.as_ptr().cast());
                let even = _mm512_maskz_loadu_ps(part, even.as_ptr().add(16 * number));
                let odd = match odd {
                    Some(odd) => _mm512_maskz_loadu_ps(part, odd.as_ptr().add(16 * number)),
                    None => _mm512_setzero_ps(),
                };
                let halves: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(odd, even));
                let words = _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, halves));
                _mm512_mask_storeu_ps(to.as_mut_ptr(), part, words);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn bits(words: &[f32]) -> Vec<u32> {
        words.iter().map(|word| word.to_bits()).collect()
    }

    fn values(len: usize) -> Vec<f32> {
        let special = [0.0, -0.0, 1.0, f32::INFINITY, f32::MAX, 1.003_906_3, 1.011_718_8, 3e-30];
        (0..len).map(|i| if i % 3 == 0 { special[i / 3 % 8] } else { (i as f32 * 0.37).sin() }).collect()
    }

    #[test]
    fn vectors_round_as_the_definition() {
        if !Level::Avx512Bf16.is_present() {
            let _ = writeln!(std::io::stderr(), "skipped: this processor has no AVX-512 BF16");
            return;
        }
        for len in [1, 2, 15, 16, 17, 31, 32, 33, 70, 200] {
            let (even, odd) = (values(len), values(len + 5)[5..].to_vec());
            let (mut found, mut expected) = (vec![9.0; len], vec![8.0; len]);
            round_row(&even, &mut found);
            plain::round_row(&even, &mut expected);
            assert_eq!(bits(&found), bits(&expected), "{len} in a row");
            for odd in [None, Some(&odd[..])] {
                interleave(&even, odd, &mut found);
                plain::interleave(&even, odd, &mut expected);
                assert_eq!(bits(&found), bits(&expected), "{len} interleaved");
            }
        }
        let mut word = [0.0];
        round_row(&[f32::NAN, -f32::NAN], &mut word);
        for half in [word[0].to_bits() << 16, word[0].to_bits() & 0xffff_0000] {
            assert!(f32::from_bits(half).is_nan(), "a NaN stays one");
        }
    }
}
