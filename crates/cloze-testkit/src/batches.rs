//! Small batches of any shape.

use crate::splitmix::SplitMix;
use cloze_encoder::{EncoderConfig, PackedBatch};

/// Sequences of the given lengths, aligned at the last position, tokens drawn from the whole table. Every third row and
/// the last of each sequence is an output row with a drawn target.
pub fn drawn(config: &EncoderConfig, lengths: &[usize], seed: u64) -> PackedBatch {
    let mut generator = SplitMix::new(seed);
    let mut below = |n: usize| (generator.next_u64() % n as u64) as u32;
    let mut batch = PackedBatch::new();
    for &length in lengths {
        let tokens: Vec<u32> = (0..length).map(|_| below(config.vocabulary)).collect();
        let outputs: Vec<u32> =
            (0..length as u32).filter(|row| row % 3 == 0 || *row as usize == length - 1).collect();
        let targets: Vec<u32> = outputs.iter().map(|_| below(config.outputs)).collect();
        batch.push(&tokens, (config.max_length - length) as u32, &outputs, &targets).unwrap();
    }
    batch
}

/// The sequences of `batch` with every row an output row, without targets.
pub fn all_rows(batch: &PackedBatch) -> PackedBatch {
    let mut whole = PackedBatch::new();
    for ends in batch.cu_seqlens().windows(2) {
        let range = ends[0] as usize..ends[1] as usize;
        let outputs: Vec<u32> = (0..range.len() as u32).collect();
        whole.push(&batch.tokens()[range.clone()], batch.positions()[range.start], &outputs, &[]).unwrap();
    }
    whole
}
