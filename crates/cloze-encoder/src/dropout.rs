//! Which random bits belong to which element: part of the contract between engines, so that two engines agree with
//! dropout on, and the backward pass can draw the same mask again instead of keeping it.
//!
//! All numbers come from Philox 4x32-10 with key [`key`]`(seed)`; counter words 2 and 3 are the optimizer step
//! and the site.
//!
//! **Sites.** 0: sum of the embeddings. Layer l: 3l+1 attention probabilities, 3l+2 output of the attention block,
//! 3l+3 output of the feed-forward block.
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

use crate::philox::{key, philox4x32};

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

    /// Site of the attention probabilities of `layer`.
    pub fn attention_site(layer: usize) -> u32 {
        3 * layer as u32 + 1
    }

    /// Site of the attention block's output in `layer`.
    pub fn attention_output_site(layer: usize) -> u32 {
        3 * layer as u32 + 2
    }

    /// Site of the feed-forward block's output in `layer`.
    pub fn output_site(layer: usize) -> u32 {
        3 * layer as u32 + 3
    }

    /// Factors of one row of a hidden tensor: 0 or the inverse of the keep probability.
    pub fn hidden_row(&self, site: u32, row: usize, factors: &mut [f32]) {
        let scale = 65536.0 / self.keep16 as f32;
        let first = row as u64 * factors.len().div_ceil(8) as u64;
        for (block, chunk) in factors.chunks_mut(8).enumerate() {
            let counter = first + block as u64;
            let words = philox4x32([counter as u32, (counter >> 32) as u32, self.step, site], self.key);
            for (column, factor) in chunk.iter_mut().enumerate() {
                let half = (words[column / 2] >> (16 * (column % 2))) & 0xFFFF;
                *factor = if half < self.keep16 { scale } else { 0.0 };
            }
        }
    }

    /// Factors of the attention probabilities of one sequence and head, `[queries, keys]` row-major.
    ///
    /// `sequence_head` is `sequence · heads + head`; queries and keys count within the sequence. In the block of query
    /// tile `query / 16` and key block `key / 32`, lane `4 · (query mod 8) + (key mod 8) / 2` makes the call with
    /// counter word 0 `lane + 32 · ((block mod 16) + 16 · tile) + (block / 16 << 27)` and word 1 `sequence_head`; word
    /// `(key mod 32) / 8` of the result holds the byte number `2 · ((query mod 16) / 8) + key mod 2`. It keeps the
    /// element if it is below `round(keep · 256)`.
    pub fn attention(&self, site: u32, sequence_head: u32, keys: usize, factors: &mut [f32]) {
        let queries = factors.len() / keys.max(1);
        let scale = 256.0 / self.keep8 as f32;
        for tile in 0..queries.div_ceil(16) as u32 {
            for block in 0..keys.div_ceil(32) as u32 {
                for lane in 0..32u32 {
                    let counter = lane + 32 * ((block % 16) + 16 * tile) + ((block / 16) << 27);
                    let words = philox4x32([counter, sequence_head, self.step, site], self.key);
                    let (query, key) = (16 * tile + lane / 4, 32 * block + 2 * (lane % 4));
                    for (query, half) in [(query as usize, 0), (query as usize + 8, 2)] {
                        for element in 0..8 {
                            let key = key as usize + 8 * (element / 2) + element % 2;
                            let bits = (words[element / 2] >> (8 * (half + element % 2))) & 0xFF;
                            if query < queries && key < keys {
                                factors[query * keys + key] = if bits < self.keep8 { scale } else { 0.0 };
                            }
                        }
                    }
                }
            }
        }
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
