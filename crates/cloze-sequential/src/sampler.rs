//! Cloze batches: sequences in drawn order, positions masked at random.

use crate::options::{Bert4RecOptions, Windows};
use cloze_data::Sequences;
use cloze_encoder::{EncoderError, PackedBatch};
use rand::{Rng, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

/// Streams of the generator: orders of epochs and masks of steps never share numbers.
const ORDER_STREAM: u64 = 1 << 62;

/// Draws training batches. Batch number n is a function of the seed and n alone, so a run can go on from any step.
#[derive(Debug, Clone)]
pub struct ClozeSampler {
    sequences: Sequences,
    /// Sequences that are not empty.
    indices: Vec<u32>,
    /// The order of one epoch, kept until another is asked for.
    epoch: Option<(u64, Vec<u32>)>,
    mask_token: u32,
    max_length: usize,
    batch: usize,
    mask_probability: f64,
    last_mask_share: f64,
    windows: Windows,
    seed: u64,
}

impl ClozeSampler {
    /// A sampler over `sequences` of tokens below `catalogue`; \[MASK\] is token number `catalogue`.
    pub fn new(sequences: Sequences, catalogue: usize, options: &Bert4RecOptions, seed: u64) -> Self {
        let indices =
            (0..sequences.len() as u32).filter(|&i| !sequences.get(i as usize).is_empty()).collect();
        Self {
            sequences,
            indices,
            epoch: None,
            mask_token: catalogue as u32,
            max_length: options.max_length,
            batch: options.batch,
            mask_probability: options.mask_probability,
            last_mask_share: options.last_mask_share,
            windows: options.windows,
            seed,
        }
    }

    /// Whether there is nothing to draw from.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Batch number `step`: `batch` sequences in the drawn order of their epoch, epochs one after the other.
    ///
    /// # Errors
    /// None for sequences of this type; the packed batch's otherwise.
    pub fn batch(&mut self, step: u64) -> Result<PackedBatch, EncoderError> {
        let mut generator = self.generator(step);
        let mut batch = PackedBatch::new();
        for offset in 0..self.batch as u64 {
            let sequence = self.drawn(step * self.batch as u64 + offset);
            self.push_masked(&mut batch, sequence as usize, &mut generator)?;
        }
        Ok(batch)
    }

    fn generator(&self, stream: u64) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(stream);
        generator
    }

    /// The sequence at place `number` of the endless succession of epochs.
    fn drawn(&mut self, number: u64) -> u32 {
        let size = self.indices.len() as u64;
        let (epoch, place) = (number / size, (number % size) as usize);
        if self.epoch.as_ref().is_none_or(|(drawn, _)| *drawn != epoch) {
            let mut order = self.indices.clone();
            order.shuffle(&mut self.generator(ORDER_STREAM + epoch));
            self.epoch = Some((epoch, order));
        }
        self.epoch.as_ref().map_or(0, |(_, order)| order[place])
    }

    fn push_masked(
        &self,
        batch: &mut PackedBatch,
        sequence: usize,
        generator: &mut ChaCha8Rng,
    ) -> Result<(), EncoderError> {
        let whole = self.sequences.get(sequence);
        let spare = whole.len().saturating_sub(self.max_length);
        let start = match self.windows {
            Windows::Last => spare,
            Windows::Random => generator.random_range(0..=spare),
        };
        let mut tokens = whole[start..(start + self.max_length).min(whole.len())].to_vec();
        let rows = self.masked_rows(tokens.len(), generator);
        let targets: Vec<u32> = rows.iter().map(|&row| tokens[row as usize]).collect();
        for &row in &rows {
            tokens[row as usize] = self.mask_token;
        }
        let first_position = (self.max_length - tokens.len()) as u32;
        batch.push(&tokens, first_position, &rows, &targets)
    }

    /// Rows to mask: the last only, or each with the mask probability and at least one.
    fn masked_rows(&self, length: usize, generator: &mut ChaCha8Rng) -> Vec<u32> {
        let last = length as u32 - 1;
        if generator.random_bool(self.last_mask_share) {
            return vec![last];
        }
        let mut rows: Vec<u32> =
            (0..=last).filter(|_| generator.random_bool(self.mask_probability)).collect();
        if rows.is_empty() {
            rows.push(generator.random_range(0..=last));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CATALOGUE: usize = 50;

    fn sampler(lists: &[Vec<u32>], options: &Bert4RecOptions) -> ClozeSampler {
        ClozeSampler::new(Sequences::from_lists(lists, None).unwrap(), CATALOGUE, options, 3)
    }

    proptest! {
        /// Putting the targets back gives a window of the sequence that was drawn; only targets were hidden.
        #[test]
        fn targets_are_what_the_mask_hides(
            lists in prop::collection::vec(prop::collection::vec(0u32..CATALOGUE as u32, 1..30), 1..8),
            random in any::<bool>(),
            step in 0u64..20,
        ) {
            let windows = if random { Windows::Random } else { Windows::Last };
            let options = Bert4RecOptions { max_length: 10, batch: 5, windows, ..Bert4RecOptions::default() };
            let mut sampler = sampler(&lists, &options);
            let batch = sampler.batch(step).unwrap();
            prop_assert_eq!(&batch, &sampler.clone().batch(step).unwrap());
            let mut tokens = batch.tokens().to_vec();
            for (&row, &target) in batch.outputs().iter().zip(batch.targets()) {
                prop_assert_eq!(tokens[row as usize], CATALOGUE as u32);
                tokens[row as usize] = target;
            }
            for ends in batch.cu_seqlens().windows(2) {
                let window = &tokens[ends[0] as usize..ends[1] as usize];
                prop_assert!(window.len() <= 10);
                prop_assert_eq!(batch.positions()[ends[1] as usize - 1], 9, "aligned at the end");
                let fits = |list: &Vec<u32>| if random {
                    window.len() == list.len().min(10) && list.windows(window.len()).any(|part| part == window)
                } else {
                    list.ends_with(window) && window.len() == list.len().min(10)
                };
                prop_assert!(lists.iter().any(fits));
            }
        }
    }

    #[test]
    fn every_epoch_takes_every_sequence_once_in_another_order() {
        let lists: Vec<Vec<u32>> = (0..12).map(|i| if i == 5 { vec![] } else { vec![i] }).collect();
        let options = Bert4RecOptions { batch: 11, ..Bert4RecOptions::default() };
        let mut sampler = sampler(&lists, &options);
        let epochs: Vec<Vec<u32>> =
            (0..3).map(|step| sampler.batch(step).unwrap().targets().to_vec()).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
        }
        assert_ne!(epochs[0], epochs[1]);
    }

    #[test]
    fn shares_of_masks_are_as_asked() {
        let options = Bert4RecOptions { batch: 4000, max_length: 20, ..Bert4RecOptions::default() };
        let mut sampler = sampler(&[(0..20).collect()], &options);
        let batch = sampler.batch(0).unwrap();
        // 0.9 · 20 · 0.3 masks a sequence and 0.1 of the last alone; five standard errors.
        let mean = batch.outputs().len() as f64 / 4000.0;
        let expected = 0.9 * 6.0 + 0.1;
        assert!((mean - expected).abs() < 5.0 * (7.0f64 / 4000.0).sqrt(), "{mean} for {expected}");
    }
}
