//! The observed pairs in a new order every epoch, each with its negatives.

use cloze_data::Sequences;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Streams of the generator: orders of epochs and negatives of steps never share numbers, nor do phases.
const ORDER_STREAM: u64 = 1 << 62;
const PHASE_STREAM: u64 = 1 << 48;

/// Observed pairs of a step with their negatives.
pub(super) struct Batch {
    /// The user of each group.
    pub(super) users: Vec<u32>,
    /// The rating of each observed pair; 1 where nothing is rated.
    pub(super) ratings: Vec<f32>,
    /// The items of all groups, in each the observed one first.
    pub(super) items: Vec<u32>,
    /// Items of a group.
    pub(super) stride: usize,
}

/// An observed pair.
#[derive(Clone, Copy)]
struct Pair {
    user: u32,
    item: u32,
    rating: f32,
}

/// Where batches come from.
pub(super) struct Draws<'a> {
    /// Items of each user; where others are drawn, distinct and ascending.
    sets: &'a Sequences,
    items: u32,
    negatives: usize,
    batch: usize,
    seed: u64,
    /// First stream of the phase.
    phase: u64,
    pairs: Vec<Pair>,
    /// Numbers of the pairs, in the order of `epoch`.
    order: Vec<u32>,
    epoch: u64,
}

impl<'a> Draws<'a> {
    /// Pairs of all users but those who have every item, of whom nothing can be learned here.
    pub(super) fn new(sets: &'a Sequences, items: usize, negatives: usize, batch: usize, seed: u64) -> Self {
        let pairs = sets.iter().enumerate().filter(|(_, set)| set.len() < items);
        let pairs = pairs.flat_map(|(user, set)| {
            set.iter().map(move |&item| Pair { user: user as u32, item, rating: 1.0 })
        });
        Self::of(sets, pairs.collect(), items, negatives, batch, seed)
    }

    /// All interactions with their ratings, and nothing that is drawn; none without ratings.
    pub(super) fn rated(sequences: &'a Sequences, batch: usize, seed: u64) -> Self {
        let pairs = (0..sequences.len()).flat_map(|user| {
            let rated = sequences.get(user).iter().zip(sequences.ratings(user).unwrap_or_default());
            rated.map(move |(&item, &rating)| Pair { user: user as u32, item, rating })
        });
        Self::of(sequences, pairs.collect(), 0, 0, batch, seed)
    }

    fn of(
        sets: &'a Sequences,
        pairs: Vec<Pair>,
        items: usize,
        negatives: usize,
        batch: usize,
        seed: u64,
    ) -> Self {
        Self {
            sets,
            items: items as u32,
            negatives,
            batch,
            seed,
            phase: 0,
            pairs,
            order: Vec::new(),
            epoch: u64::MAX,
        }
    }

    /// The same pairs, drawn in another order and with other negatives; 0 is how they are made.
    pub(super) fn of_phase(mut self, number: u64) -> Self {
        self.phase = number * PHASE_STREAM;
        self
    }

    /// Mean of the ratings.
    pub(super) fn mean(&self) -> f64 {
        self.pairs.iter().map(|pair| f64::from(pair.rating)).sum::<f64>() / self.pairs.len() as f64
    }

    /// Whether all ratings are equal.
    pub(super) fn is_constant(&self) -> bool {
        self.pairs.windows(2).all(|pair| pair[0].rating.total_cmp(&pair[1].rating).is_eq())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Steps of an epoch; the last of them is shorter.
    pub(super) fn steps(&self) -> u64 {
        self.pairs.len().div_ceil(self.batch) as u64
    }

    /// The batch of a step: it depends on the seed and the number only, not on earlier ones.
    pub(super) fn batch(&mut self, step: u64) -> Batch {
        let (epoch, place) = (step / self.steps(), step % self.steps());
        if epoch != self.epoch {
            let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
            generator.set_stream(ORDER_STREAM + self.phase + epoch);
            // From the same order every time: an epoch that is gone on with is the one that was left.
            self.order = (0..self.pairs.len() as u32).collect();
            self.order.shuffle(&mut generator);
            self.epoch = epoch;
        }
        let start = place as usize * self.batch;
        let numbers = &self.order[start..self.pairs.len().min(start + self.batch)];
        let pairs: Vec<Pair> = numbers.iter().map(|&number| self.pairs[number as usize]).collect();
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(self.phase + step);
        let mut items = Vec::with_capacity(pairs.len() * (1 + self.negatives));
        for &Pair { user, item, .. } in &pairs {
            items.push(item);
            let set = self.sets.get(user as usize);
            for _ in 0..self.negatives {
                items.push(draw_other(set, self.items, &mut generator));
            }
        }
        Batch {
            users: pairs.iter().map(|pair| pair.user).collect(),
            ratings: pairs.iter().map(|pair| pair.rating).collect(),
            items,
            stride: 1 + self.negatives,
        }
    }
}

/// Draws an item that is not in an ascending list, which does not hold all.
pub(super) fn draw_other(set: &[u32], items: u32, generator: &mut ChaCha8Rng) -> u32 {
    // Few draws where few items are taken; else the n-th of the others is looked for.
    for _ in 0..8 {
        let item = generator.random_range(0..items);
        if set.binary_search(&item).is_err() {
            return item;
        }
    }
    let nth = generator.random_range(0..items - set.len() as u32);
    // Before the others' n-th stand as many of the list as there are entries with fewer than n others before them.
    let before = set.iter().enumerate().filter(|(place, item)| **item - *place as u32 <= nth).count();
    nth + before as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_pair_comes_once_an_epoch_with_items_that_the_user_has_not() {
        let sets = Sequences::from_lists(&[vec![0, 1, 2], vec![3], vec![0, 1, 2, 3, 4]], None).unwrap();
        let mut draws = Draws::new(&sets, 5, 3, 3, 9);
        assert_eq!(draws.steps(), 2, "a user with every item is left out");
        for epoch in 0..3 {
            let mut pairs = Vec::new();
            for step in 0..2 {
                let batch = draws.batch(epoch * 2 + step);
                for (&user, items) in batch.users.iter().zip(batch.items.chunks(batch.stride)) {
                    pairs.push((user, items[0]));
                    let set = sets.get(user as usize);
                    assert!(items[1..].iter().all(|item| !set.contains(item) && *item < 5));
                }
            }
            pairs.sort_unstable();
            assert_eq!(pairs, [(0, 0), (0, 1), (0, 2), (1, 3)]);
        }
    }

    #[test]
    fn a_batch_depends_on_its_number_only() {
        let sets = Sequences::from_lists(&[vec![0, 1, 2, 7], vec![3, 5]], None).unwrap();
        let mut draws = Draws::new(&sets, 9, 2, 2, 4);
        let first: Vec<Vec<u32>> = (0..9).map(|step| draws.batch(step).items).collect();
        let mut again = Draws::new(&sets, 9, 2, 2, 4);
        for step in [7, 2, 8, 0, 1] {
            assert_eq!(again.batch(step).items, first[step as usize]);
        }
    }

    #[test]
    fn phases_draw_differently() {
        let sets = Sequences::from_lists(&[(0..40).collect(), (20..60).collect()], None).unwrap();
        let all = |phase| -> Vec<Vec<u32>> {
            let mut draws = Draws::new(&sets, 90, 2, 16, 4).of_phase(phase);
            (0..draws.steps()).map(|step| draws.batch(step).items).collect()
        };
        let first = all(0);
        for phase in 1..3 {
            let same =
                first.iter().flatten().zip(all(phase).iter().flatten()).filter(|(a, b)| a == b).count();
            // One in 80 pairs stands where it stood, one in 50 negatives is the same.
            assert!(same < 24, "{same} of 240");
        }
    }

    #[test]
    fn others_are_drawn_evenly_however_few() {
        let set: Vec<u32> = (0..200).filter(|item| ![0, 77, 199].contains(item)).collect();
        let mut generator = ChaCha8Rng::seed_from_u64(3);
        let mut counts = BTreeMap::new();
        for _ in 0..3000 {
            *counts.entry(draw_other(&set, 200, &mut generator)).or_insert(0) += 1;
        }
        assert_eq!(counts.keys().copied().collect::<Vec<u32>>(), [0, 77, 199]);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
