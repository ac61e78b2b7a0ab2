//! Batches of one size: a training step's list of launches is recorded for its sizes, so batches are filled up to a few of
//! them. What fills up stands behind the real sequences, has output rows that count nothing, and so changes no gradient.

use crate::batch::PackedBatch;
use crate::error::Result;

/// Tokens, output rows and sequences are filled up to multiples of these: about 1/16 of the number, at least the last.
const PARTS: usize = 16;
const LEAST: usize = 64;

/// A batch, filled up.
pub(super) struct Padded {
    pub(super) batch: PackedBatch,
    /// Sequences with the empty ones behind the batch's.
    pub(super) sequences: usize,
}

impl Padded {
    /// Fills a batch with targets up with sequences of at most `max_length` tokens.
    ///
    /// # Errors
    /// None for a valid batch.
    pub(super) fn new(batch: &PackedBatch, max_length: usize) -> Result<Self> {
        let outputs = batch.outputs().len();
        let more_outputs = filled(outputs) - outputs;
        // Every output row that fills up needs a token of its own.
        let mut tokens = filled(batch.tokens().len() + more_outputs) - batch.tokens().len();
        let mut left = more_outputs;
        let mut padded = batch.clone();
        let length = batch.longest().min(max_length);
        while tokens > 0 {
            let own = tokens.min(length);
            let rows: Vec<u32> = (0..own.min(left) as u32).collect();
            padded.push(&vec![0; own], 0, &rows, &vec![0; rows.len()])?;
            tokens -= own;
            left -= rows.len();
        }
        let sequences = filled(padded.sequences());
        Ok(Self { batch: padded, sequences })
    }
}

/// The next size that batches are filled up to.
fn filled(count: usize) -> usize {
    count.next_multiple_of((count / PARTS).next_power_of_two().max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_filled_up_behind_their_own_sequences() {
        let mut batch = PackedBatch::new();
        for length in [3, 50, 7] {
            batch.push(&vec![5; length], 1, &[0, 2], &[4, 4]).unwrap();
        }
        let padded = Padded::new(&batch, 51).unwrap();
        assert_eq!(padded.batch.outputs().len(), 64);
        assert_eq!(padded.batch.tokens().len(), 128);
        assert_eq!(padded.sequences, 64);
        assert_eq!(padded.batch.tokens()[..60], batch.tokens()[..]);
        assert_eq!(padded.batch.cu_seqlens(), [0, 3, 53, 60, 110, 128]);
        assert!(padded.batch.targets()[6..].iter().all(|&target| target == 0));
    }

    #[test]
    fn few_sizes_serve_many_batches() {
        let sizes: std::collections::BTreeSet<usize> = (20_000..30_000).map(filled).collect();
        assert!(sizes.len() <= 8, "{sizes:?}");
        assert!(
            (1..100_000).all(|count| filled(count) >= count && filled(count) < count + 64.max(count / 7))
        );
    }
}
