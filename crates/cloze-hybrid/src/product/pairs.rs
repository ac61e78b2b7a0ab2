//! Positives and sampled negatives that the head learns from.

use super::Draw;
use crate::options::HybridOptions;
use cloze_data::Sequences;
use cloze_train::{TrainError, TrainingData};
use rand::{Rng, SeedableRng as _, seq::index};
use rand_chacha::ChaCha8Rng;

/// Streams of the generator: cuts and steps never share numbers.
const CUT_STREAM: u64 = 1 << 62;

/// A positive: the item that follows, or stands in, a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Positive {
    /// Which profile represents the user.
    pub(crate) profile: u32,
    pub(crate) user: u32,
    pub(crate) item: u32,
}

/// The pairs of a training run.
pub(crate) struct Pairs<'a> {
    sequences: &'a Sequences,
    items: usize,
    positives: Vec<Positive>,
    negatives: usize,
    seed: u64,
}

impl<'a> Pairs<'a> {
    /// As the options have it, with the histories that the profiles are of.
    ///
    /// # Errors
    /// Data without a pair.
    pub(crate) fn of(
        data: &TrainingData<'a>,
        o: &HybridOptions,
        seed: u64,
    ) -> Result<(Self, Vec<&'a [u32]>), TrainError> {
        let (pairs, histories) = match o.cuts() {
            0 => Self::of_whole_histories(data.sequences, data.items, o.head_negatives, seed),
            cuts => Self::of_prefixes(data.sequences, data.items, cuts, o.head_negatives, seed),
        };
        if pairs.is_empty() {
            return Err(TrainError::Data(
                "no user has two interactions: there is nothing to predict".to_owned(),
            ));
        }
        Ok((pairs, histories))
    }

    /// Every training interaction of every user, the user represented by the profile of the whole history.
    pub(crate) fn of_whole_histories(
        sequences: &'a Sequences,
        items: usize,
        negatives: usize,
        seed: u64,
    ) -> (Self, Vec<&'a [u32]>) {
        let mut positives = Vec::with_capacity(sequences.interactions());
        for (user, sequence) in sequences.iter().enumerate() {
            let user = user as u32;
            positives.extend(sequence.iter().map(|&item| Positive { profile: user, user, item }));
        }
        (Self { sequences, items, positives, negatives, seed }, sequences.iter().collect())
    }

    /// At most `cuts` drawn places of each history: the item there, and what came before it.
    pub(crate) fn of_prefixes(
        sequences: &'a Sequences,
        items: usize,
        cuts: usize,
        negatives: usize,
        seed: u64,
    ) -> (Self, Vec<&'a [u32]>) {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(CUT_STREAM);
        let (mut positives, mut histories) = (Vec::new(), Vec::new());
        for (user, sequence) in sequences.iter().enumerate() {
            let places = sequence.len().saturating_sub(1);
            for place in index::sample(&mut generator, places, cuts.min(places)) {
                let profile = histories.len() as u32;
                positives.push(Positive { profile, user: user as u32, item: sequence[place + 1] });
                histories.push(&sequence[..=place]);
            }
        }
        (Self { sequences, items, positives, negatives, seed }, histories)
    }

    /// Whether there is nothing to learn from.
    pub(crate) fn is_empty(&self) -> bool {
        self.positives.is_empty()
    }

    /// How often each item is asked for.
    pub(crate) fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.items];
        for positive in &self.positives {
            counts[positive.item as usize] += 1;
        }
        counts
    }

    /// `count` positives drawn for step `step`.
    pub(crate) fn positives(&self, step: u64, count: usize) -> Vec<Positive> {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(step);
        (0..count).map(|_| self.positives[generator.random_range(0..self.positives.len())]).collect()
    }

    /// `count` positives drawn for step `step`, each with its item and then its negatives: items that the user has
    /// not in training, or, for the user who has them all, none.
    pub(crate) fn drawn(&self, step: u64, count: usize) -> Vec<(Positive, Vec<u32>)> {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(step);
        (0..count)
            .map(|_| {
                let positive = self.positives[generator.random_range(0..self.positives.len())];
                let mut items = vec![positive.item];
                self.push_negatives(positive.user, &mut items, &mut generator);
                (positive, items)
            })
            .collect()
    }

    fn push_negatives(&self, user: u32, items: &mut Vec<u32>, generator: &mut ChaCha8Rng) {
        let seen = self.sequences.get(user as usize);
        // A user who has nearly everything: so many draws find a free item if a hundredth of all is free.
        let mut draws = self.negatives.saturating_mul(1000);
        while items.len() <= self.negatives && draws > 0 {
            draws -= 1;
            let item = generator.random_range(0..self.items as u32);
            if !seen.contains(&item) {
                items.push(item);
            }
        }
    }
}

impl Draw for Pairs<'_> {
    fn batch(&self, step: u64, count: usize) -> Vec<(u32, Vec<u32>)> {
        self.drawn(step, count).into_iter().map(|(positive, items)| (positive.profile, items)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences() -> Sequences {
        Sequences::from_lists(&[vec![0, 1, 2, 3], vec![4], vec![5, 6, 5]], None).unwrap()
    }

    #[test]
    fn prefixes_end_right_before_their_positive() {
        let sequences = sequences();
        let (pairs, histories) = Pairs::of_prefixes(&sequences, 9, 2, 1, 5);
        assert_eq!(
            pairs.positives.len(),
            4,
            "two cuts of the first user, none of the second, two of the third"
        );
        for positive in &pairs.positives {
            let (history, whole) =
                (histories[positive.profile as usize], sequences.get(positive.user as usize));
            assert!(whole.starts_with(history));
            assert_eq!(whole[history.len()], positive.item);
        }
    }

    #[test]
    fn negatives_are_not_in_the_history_and_batches_are_seeded() {
        let sequences = sequences();
        let (pairs, histories) = Pairs::of_whole_histories(&sequences, 9, 3, 5);
        assert_eq!((pairs.positives.len(), histories.len()), (8, 3));
        for (profile, items) in pairs.batch(7, 50) {
            let history = histories[profile as usize];
            assert!(history.contains(&items[0]));
            assert_eq!(items.len(), 4);
            assert!(items[1..].iter().all(|item| !history.contains(item) && *item < 9));
        }
        assert_eq!(pairs.batch(7, 5), pairs.batch(7, 5));
        assert_ne!(pairs.batch(7, 5), pairs.batch(8, 5));
    }

    #[test]
    fn a_user_with_the_whole_catalogue_has_no_negatives() {
        let all = Sequences::from_lists(&[vec![0, 1, 2]], None).unwrap();
        let (pairs, _) = Pairs::of_whole_histories(&all, 3, 2, 1);
        assert!(pairs.batch(0, 4).iter().all(|(_, items)| items.len() == 1));
    }
}
