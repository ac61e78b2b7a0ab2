//! Training batches: parts of sequences in drawn order, an example made of each.

use crate::epochs::Epochs;
use crate::objective::{Objective, Training, Windows};
use cloze_data::Sequences;
use cloze_encoder::{EncoderError, Negatives, PackedBatch};
use cloze_train::TrainError;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

const TOO_MANY: &str =
    "more than 4,294,967,295 prefixes to learn from: --windows random takes one of a sequence";

/// Draws training batches. Batch number n is a function of the seed and n alone, so a run can go on from any step.
#[derive(Debug, Clone)]
pub struct Sampler<O> {
    options: O,
    training: Training,
    sequences: Sequences,
    /// Sequences that are long enough.
    indices: Vec<u32>,
    /// An epoch's examples before each of these sequences, and all in the end: one a sequence, or of prefixes each.
    starts: Vec<u32>,
    epochs: Epochs,
    catalogue: usize,
}

impl<O: Objective> Sampler<O> {
    /// A sampler over `sequences` of tokens below `catalogue`.
    ///
    /// # Errors
    /// More than 2³² − 1 examples an epoch.
    pub fn new(sequences: Sequences, catalogue: usize, options: &O, seed: u64) -> Result<Self, TrainError> {
        let (options, training) = (options.clone(), options.training());
        let (mut indices, mut starts) = (Vec::new(), vec![0]);
        let mut examples = 0;
        for (index, sequence) in sequences.iter().enumerate().filter(|(_, of)| of.len() >= O::SHORTEST) {
            examples += if training.windows == Windows::Prefix { prefixes(sequence) } else { 1 };
            indices.push(index as u32);
            starts.push(u32::try_from(examples).map_err(|_| TrainError::Data(TOO_MANY.to_owned()))?);
        }
        let epochs = Epochs::new(starts[indices.len()], seed);
        Ok(Self { options, training, sequences, indices, starts, epochs, catalogue })
    }

    /// Whether there is nothing to draw from.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Batch number `step`: `batch` examples in the drawn order of their epoch, epochs one after the other.
    ///
    /// # Errors
    /// Those of [`Objective::push_example`].
    pub fn batch(&mut self, step: u64) -> Result<PackedBatch, EncoderError> {
        let mut generator = self.epochs.of_step(step);
        let mut batch = PackedBatch::new();
        for offset in 0..self.training.batch as u64 {
            let example = self.epochs.at(step * self.training.batch as u64 + offset);
            let window = self.cut(example, &mut generator);
            self.options.push_example(&mut batch, window, self.catalogue, &mut generator)?;
        }
        Ok(batch)
    }

    /// The negatives of batch number `step`, where the loss has any: a function of the seed and `step` alone.
    ///
    /// # Errors
    /// Those of the negatives.
    pub fn negatives(&self, step: u64, batch: &PackedBatch) -> Result<Option<Negatives>, EncoderError> {
        self.training.loss.draw(batch, self.catalogue, &mut self.epochs.of_negatives(step))
    }

    /// The part of a sequence that an example is made of.
    fn cut(&self, example: u32, generator: &mut ChaCha8Rng) -> &[u32] {
        let at = self.starts.partition_point(|&start| start <= example) - 1;
        let whole = self.sequences.get(self.indices[at] as usize);
        let window = self.options.window();
        let end = match self.training.windows {
            Windows::Last => whole.len(),
            Windows::Random => generator.random_range(window.min(whole.len())..=whole.len()),
            Windows::Prefix => whole.len() - (example - self.starts[at]) as usize,
        };
        &whole[end.saturating_sub(window)..end]
    }
}

/// How many prefixes of a sequence are examples: each that holds an item and what came before it, or a single item.
fn prefixes(sequence: &[u32]) -> u64 {
    (sequence.len() as u64).saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bert4RecOptions, SasRecOptions};
    use proptest::prelude::*;

    const CATALOGUE: usize = 50;

    fn sampler<O: Objective>(lists: &[Vec<u32>], options: &O) -> Sampler<O> {
        Sampler::new(Sequences::from_lists(lists, None).unwrap(), CATALOGUE, options, 3).unwrap()
    }

    fn windows() -> impl Strategy<Value = Windows> {
        prop::sample::select(vec![Windows::Last, Windows::Random, Windows::Prefix])
    }

    proptest! {
        /// Each target is the item right after its row in the sequence, and the input never holds the last target.
        #[test]
        fn causal_targets_are_the_next_items(
            lists in prop::collection::vec(prop::collection::vec(0u32..CATALOGUE as u32, 1..30), 1..8),
            windows in windows(),
            recency in prop::sample::select(vec![0.0, 0.6, 1.0]),
            step in 0u64..20,
        ) {
            prop_assume!(lists.iter().any(|list| list.len() > 1));
            let options = SasRecOptions { max_length: 10, batch: 5, windows, recency, ..SasRecOptions::default() };
            let batch = sampler(&lists, &options).batch(step).unwrap();
            let ends = batch.cu_outputs();
            for (tokens, outputs) in batch.cu_seqlens().windows(2).zip(ends.windows(2)) {
                let input = &batch.tokens()[tokens[0] as usize..tokens[1] as usize];
                let rows = &batch.outputs()[outputs[0] as usize..outputs[1] as usize];
                let targets = &batch.targets()[outputs[0] as usize..outputs[1] as usize];
                prop_assert!(input.len() <= 10 && rows.last() == Some(&(tokens[1] - 1)), "the last row is a target");
                prop_assert!(recency < 1.0 || rows.len() == input.len());
                prop_assert!(recency > 0.0 || rows.len() == 1);
                let follows = |window: &[u32]| {
                    window[..input.len()] == *input
                        && rows.iter().zip(targets).all(|(row, target)| window[(row - tokens[0]) as usize + 1] == *target)
                };
                let mut windows = lists.iter().flat_map(|list| list.windows(input.len() + 1));
                prop_assert!(windows.any(follows));
            }
        }

        /// Putting the targets back gives a window of the sequence that was drawn; only targets were hidden.
        #[test]
        fn targets_are_what_the_mask_hides(
            lists in prop::collection::vec(prop::collection::vec(0u32..CATALOGUE as u32, 1..30), 1..8),
            windows in windows(),
            step in 0u64..20,
        ) {
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
                let fits = |list: &Vec<u32>| match windows {
                    Windows::Last => list.ends_with(window) && window.len() == list.len().min(10),
                    Windows::Random => {
                        window.len() == list.len().min(10) && list.windows(window.len()).any(|part| part == window)
                    }
                    Windows::Prefix => (list.len().min(2)..=list.len())
                        .any(|end| list[..end].ends_with(window) && window.len() == end.min(10)),
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
    fn an_epoch_takes_every_prefix_once() {
        let lists: Vec<Vec<u32>> = vec![(0..31).collect(), vec![40, 41], vec![42], vec![]];
        let options =
            SasRecOptions { batch: 31, max_length: 9, windows: Windows::Prefix, ..SasRecOptions::default() };
        let mut sampler = sampler(&lists, &options);
        for epoch in 0..3 {
            let batch = sampler.batch(epoch).unwrap();
            let ends = batch.cu_outputs();
            let mut last: Vec<u32> =
                ends.windows(2).map(|ends| batch.targets()[ends[1] as usize - 1]).collect();
            last.sort_unstable();
            assert_eq!(
                last,
                (1..31).chain([41]).collect::<Vec<_>>(),
                "each item that has something before it"
            );
        }
        // BERT4Rec learns from a single item too.
        let options = Bert4RecOptions {
            batch: 32,
            max_length: 9,
            windows: Windows::Prefix,
            last_mask_share: 1.0,
            ..Bert4RecOptions::default()
        };
        let mut sampler = self::sampler(&lists, &options);
        let batch = sampler.batch(4).unwrap();
        let mut targets = batch.targets().to_vec();
        targets.sort_unstable();
        assert_eq!(targets, (1..31).chain([41, 42]).collect::<Vec<_>>());
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
