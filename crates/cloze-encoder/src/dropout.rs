//! Which random bits belong to which element: part of the contract between engines, so that two engines agree with
//! dropout on, and the backward pass can draw the same mask again instead of keeping it.
//!
//! All numbers come from Philox 4x32-10 with key [`key`]`(seed)`; counter words 2 and 3 are the optimizer step
//! and the site.
//!
//! **Sites.** 0: sum of the embeddings. Layer l: 3l+1 attention probabilities, 3l+2 output of the attention block,
//! 3l+3 output of the feed-forward block. Of a recurrent layer l: 3l+3 what it hands up, to the layer above or to the head;
//! the state that goes on in time is whole.
//!
//! **Rows.** A row is a row of the tensor that the site sees: a token of the packed batch in all layers but the last,
//! an output row (by its number in `PackedBatch::outputs`) in the last, which is computed for those rows only. In the
//! same way a query is numbered within its sequence, among the rows that the layer computes.
//!
//! **Hidden states**, 16 bits an element: element (row, column) of a `[rows, hidden]` tensor takes half-word
//! `column mod 8` (low half first) of the call with counter `b = row · ⌈hidden/8⌉ + ⌊column/8⌋` in words 0 and 1. It is
//! kept if the half-word is below `round(keep · 2¹⁶)`, and scaled by the inverse of the probability so quantized.
//!
//! **Attention probabilities**, 8 bits an element, in blocks of 16 queries × 32 keys that suit tensor-core tiles: see
//! [`Dropout::attention`].

#![expect(clippy::inline_always, reason = "compiled for the caller's instructions")]

use crate::philox::{key, philox4x32, philox4x32_lanes};

/// Queries of a block of attention elements.
pub(crate) const TILE_QUERIES: usize = 16;
/// Its keys.
const BLOCK_KEYS: usize = 32;
/// Calls that are made together for hidden states.
const CALLS: usize = 16;

/// The dropout of one training step.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    key: [u32; 2],
    step: u32,
    keep16: u32,
    keep8: u32,
}

impl Dropout {
    /// Dropout with probability `dropout` of run `seed` at optimizer step `step` (its low 32 bits count).
    pub fn new(dropout: f64, seed: u64, step: u64) -> Self {
        let keep = 1.0 - dropout;
        Self {
            key: key(seed),
            step: step as u32,
            keep16: (keep * 65536.0).round() as u32,
            // At least one chance in 256, so that the inverse exists.
            keep8: ((keep * 256.0).round() as u32).max(1),
        }
    }

    /// Whether nothing is dropped.
    pub fn is_off(&self) -> bool {
        self.keep16 >= 65536
    }

    /// What a kernel needs: for hidden states and for attention probabilities the bound and the factor, and the key.
    pub(crate) fn bounds(&self) -> [(u32, f32); 2] {
        [(self.keep16, self.hidden_scale()), (self.keep8, self.attention_scale())]
    }

    /// Key of the generator.
    pub(crate) fn key(&self) -> [u32; 2] {
        self.key
    }

    /// Site of the attention probabilities of `layer`.
    pub fn attention_site(layer: usize) -> u32 {
        3 * layer as u32 + 1
    }

    /// Site of the attention block's output in `layer`.
    pub fn attention_output_site(layer: usize) -> u32 {
        3 * layer as u32 + 2
    }

    /// Site of the feed-forward block's output in `layer`, or of what a recurrent layer hands up.
    pub fn output_site(layer: usize) -> u32 {
        3 * layer as u32 + 3
    }

    /// The factor of a hidden element that is kept.
    pub(crate) fn hidden_scale(&self) -> f32 {
        65536.0 / self.keep16 as f32
    }

    /// The factor of an attention probability that is kept.
    pub(crate) fn attention_scale(&self) -> f32 {
        256.0 / self.keep8 as f32
    }

    /// Factors of one row of a hidden tensor: 0 or the inverse of the keep probability.
    #[inline(always)]
    pub fn hidden_row(&self, site: u32, row: usize, factors: &mut [f32]) {
        let scale = self.hidden_scale();
        let first = row as u64 * factors.len().div_ceil(8) as u64;
        for (group, chunk) in factors.chunks_mut(8 * CALLS).enumerate() {
            let start = first + (group * CALLS) as u64;
            let halves = self.hidden_halves(site, start);
            for (factor, half) in chunk.iter_mut().zip(halves.as_flattened().as_flattened()) {
                *factor = if u32::from(*half) < self.keep16 { scale } else { 0.0 };
            }
        }
    }

    /// Half-words of the calls with counters `start..start + CALLS`.
    #[inline(always)]
    fn hidden_halves(&self, site: u32, start: u64) -> [[[u16; 2]; 4]; CALLS] {
        let low = start as u32;
        if low.checked_add(CALLS as u32).is_some() {
            let counters = std::array::from_fn(|call| low + call as u32);
            let words =
                philox4x32_lanes::<CALLS>(counters, [(start >> 32) as u32, self.step, site], self.key);
            return std::array::from_fn(|call| {
                words.map(|word| [word[call] as u16, (word[call] >> 16) as u16])
            });
        }
        std::array::from_fn(|call| {
            let counter = start + call as u64;
            let words = philox4x32([counter as u32, (counter >> 32) as u32, self.step, site], self.key);
            words.map(|word| [word as u16, (word >> 16) as u16])
        })
    }

    /// Factors of the attention probabilities of one sequence and head, `[queries, keys]` row-major.
    ///
    /// `sequence_head` is `sequence · heads + head`; queries and keys count within the sequence. In the block of query
    /// tile `query / 16` and key block `key / 32`, lane `4 · (query mod 8) + (key mod 8) / 2` makes the call with
    /// counter word 0 `lane + 32 · ((block mod 16) + 16 · tile) + (block / 16 << 27)` and word 1 `sequence_head`; word
    /// `(key mod 32) / 8` of the result holds the byte number `2 · ((query mod 16) / 8) + key mod 2`. It keeps the
    /// element if it is below `round(keep · 256)`.
    pub fn attention(&self, site: u32, sequence_head: u32, keys: usize, factors: &mut [f32]) {
        let scale = self.attention_scale();
        self.attention_elements(site, sequence_head, 0, keys, factors, |factor, kept| {
            *factor = if kept { scale } else { 0.0 };
        });
    }

    /// Calls `each` with every element of the rows that begin with query tile `first_tile`, `[.., keys]`, and whether
    /// it is kept: see [`Self::attention`].
    #[inline(always)]
    pub(crate) fn attention_elements(
        &self,
        site: u32,
        sequence_head: u32,
        first_tile: usize,
        keys: usize,
        rows: &mut [f32],
        each: impl Fn(&mut f32, bool),
    ) {
        let keep = self.keep8 as u16;
        for (tile, rows) in rows.chunks_mut(TILE_QUERIES * keys.max(1)).enumerate() {
            for block in 0..keys.div_ceil(BLOCK_KEYS) {
                let bytes =
                    self.attention_bytes(site, sequence_head, (first_tile + tile) as u32, block as u32);
                for (row, bytes) in rows.chunks_exact_mut(keys).zip(&bytes) {
                    let end = keys.min((block + 1) * BLOCK_KEYS);
                    for (element, byte) in row[block * BLOCK_KEYS..end].iter_mut().zip(bytes) {
                        each(element, u16::from(*byte) < keep);
                    }
                }
            }
        }
    }

    /// The random bytes of a block of attention elements.
    #[inline(always)]
    fn attention_bytes(
        &self,
        site: u32,
        sequence_head: u32,
        tile: u32,
        block: u32,
    ) -> [[u8; BLOCK_KEYS]; TILE_QUERIES] {
        let base = 32 * ((block % 16) + 16 * tile) + ((block / 16) << 27);
        let counters = std::array::from_fn(|lane| base.wrapping_add(lane as u32));
        let words = philox4x32_lanes::<32>(counters, [sequence_head, self.step, site], self.key);
        let mut bytes = [[0; BLOCK_KEYS]; TILE_QUERIES];
        for (query, bytes) in bytes.iter_mut().enumerate() {
            for (quad, bytes) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                for (lane, pair) in bytes.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    let word = words[quad][4 * (query % 8) + lane] >> (16 * (query / 8));
                    *pair = (word as u16).to_le_bytes();
                }
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_keeps_everything() {
        let dropout = Dropout::new(0.0, 1, 0);
        assert!(dropout.is_off());
        let mut row = [0.0; 13];
        dropout.hidden_row(0, 5, &mut row);
        assert!(row.iter().all(|&factor| factor == 1.0));
    }

    #[test]
    fn kept_share_and_mean_are_right() {
        let dropout = Dropout::new(0.2, 42, 7);
        let mut row = vec![0.0; 64];
        let (mut kept, mut sum, rows) = (0usize, 0.0f64, 2000);
        for index in 0..rows {
            dropout.hidden_row(3, index, &mut row);
            kept += row.iter().filter(|&&factor| factor > 0.0).count();
            sum += row.iter().map(|&factor| f64::from(factor)).sum::<f64>();
        }
        let n = (rows * 64) as f64;
        // Five standard errors of a share: 5·√(0.2·0.8/n).
        let bound = 5.0 * (0.16 / n).sqrt();
        assert!((kept as f64 / n - 0.8).abs() < bound);
        assert!((sum / n - 1.0).abs() < bound / 0.8);
        let mut plane = vec![0.0; 256 * 300];
        dropout.attention(1, 9, 300, &mut plane);
        let n = plane.len() as f64;
        let mean = plane.iter().map(|&factor| f64::from(factor)).sum::<f64>() / n;
        assert!((mean - 1.0).abs() < 5.0 * (0.25 / n).sqrt(), "{mean}");
    }

    /// The mapping, element by element as the documentation states it, apart from the code that draws whole lanes.
    #[test]
    fn attention_follows_the_documented_mapping() {
        let (queries, keys, step, site, plane) = (37, 600, 5, 4, 3);
        let dropout = Dropout::new(0.3, 11, step);
        let mut factors = vec![-1.0; queries * keys];
        dropout.attention(site, plane, keys, &mut factors);
        for query in 0..queries {
            for key in 0..keys {
                let (tile, block) = (query as u32 / 16, key as u32 / 32);
                let lane = 4 * (query as u32 % 8) + (key as u32 % 8) / 2;
                let counter = lane + 32 * ((block % 16) + 16 * tile) + ((block / 16) << 27);
                let words = philox4x32([counter, plane, step as u32, site], super::key(11));
                let byte = 2 * ((query % 16) / 8) + key % 2;
                let kept = words[(key % 32) / 8].to_le_bytes()[byte] < 179;
                assert_eq!(factors[query * keys + key] > 0.0, kept, "query {query} key {key}");
            }
        }
    }

    #[test]
    fn attention_elements_use_distinct_bytes() {
        // Every element of a 16 × 32 block has its own (call, word, byte).
        let mut seen = std::collections::HashSet::new();
        for query in 0..16u32 {
            for key in 0..32u32 {
                let lane = 4 * (query % 8) + (key % 8) / 2;
                assert!(seen.insert((lane, key / 8, 2 * (query / 8) + key % 2)));
            }
        }
        assert_eq!(seen.len(), 512);
    }

    #[test]
    fn draws_depend_on_step_site_and_seed() {
        let draw = |seed, step, site| {
            let mut row = vec![0.0; 64];
            Dropout::new(0.5, seed, step).hidden_row(site, 0, &mut row);
            row
        };
        assert_eq!(draw(1, 1, 1), draw(1, 1, 1));
        assert_ne!(draw(1, 1, 1), draw(2, 1, 1));
        assert_ne!(draw(1, 1, 1), draw(1, 2, 1));
        assert_ne!(draw(1, 1, 1), draw(1, 1, 2));
    }
}
