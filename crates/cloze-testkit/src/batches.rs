//! Small batches of any shape.

use crate::splitmix::SplitMix;
use cloze_encoder::{EncoderConfig, Loss, Negatives, PackedBatch, Sharing};
use std::num::NonZeroUsize;

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
        if config.token_types > 0 {
            let types: Vec<u32> = (0..length).map(|_| below(config.token_types)).collect();
            batch.set_token_types(&types).unwrap();
        }
    }
    batch
}

/// Four negatives for each output row of `batch`, or for some of its sequences together, with drawn expectations; the first of each
/// list is the target of a row, which is no negative there, and one is drawn twice.
pub fn negatives(config: &EncoderConfig, batch: &PackedBatch, sharing: Sharing, seed: u64) -> Negatives {
    const COUNT: usize = 4;
    let mut generator = SplitMix::new(seed);
    let cu_outputs = batch.cu_outputs();
    let firsts: Vec<usize> = match sharing {
        Sharing::Row => (0..batch.outputs().len()).collect(),
        Sharing::Sequences(together) => {
            cu_outputs[..batch.sequences()].iter().step_by(together.get()).map(|&end| end as usize).collect()
        }
    };
    let (mut ids, mut log_expected) = (Vec::new(), Vec::new());
    for row in firsts {
        ids.push(batch.targets()[row]);
        ids.extend((2..COUNT).map(|_| (generator.next_u64() % config.outputs as u64) as u32));
        ids.push(ids[ids.len() - 1]);
        log_expected.extend((0..COUNT).map(|_| (generator.next_u64() % 1000) as f32 / 500.0 - 1.0));
    }
    Negatives::new(sharing, COUNT, ids, log_expected).unwrap()
}

/// Calls `check` with every loss there is, over `batch`.
pub fn every_loss(config: &EncoderConfig, batch: &PackedBatch, mut check: impl FnMut(&Loss<'_>)) {
    check(&Loss::Softmax);
    let together = [1, 3].map(|sequences| Sharing::Sequences(NonZeroUsize::new(sequences).unwrap()));
    for sharing in std::iter::once(Sharing::Row).chain(together) {
        let negatives = negatives(config, batch, sharing, 21);
        check(&Loss::SampledSoftmax(&negatives));
        check(&Loss::Binary { negatives: &negatives, power: 1.0 });
        check(&Loss::Binary { negatives: &negatives, power: 0.4 });
    }
}

/// The sequences of `batch` with every row an output row, without targets.
pub fn all_rows(batch: &PackedBatch) -> PackedBatch {
    let mut whole = PackedBatch::new();
    for ends in batch.cu_seqlens().windows(2) {
        let range = ends[0] as usize..ends[1] as usize;
        let outputs: Vec<u32> = (0..range.len() as u32).collect();
        whole.push(&batch.tokens()[range.clone()], batch.positions()[range.start], &outputs, &[]).unwrap();
        whole.set_token_types(&batch.token_types()[range]).unwrap();
    }
    whole
}
