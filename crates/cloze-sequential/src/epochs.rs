//! The order in which examples come: epoch after epoch, each in an order of its own.

use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

/// Streams of the generator: orders of epochs and draws of steps never share numbers.
const ORDER_STREAM: u64 = 1 << 62;
const NEGATIVE_STREAM: u64 = 1 << 61;

/// An endless succession of epochs over so many examples, and the generators of steps. What is drawn is a function of the seed and the
/// number alone, so a run can go on from any step.
#[derive(Debug, Clone)]
pub(crate) struct Epochs {
    size: u32,
    seed: u64,
    /// The order of one epoch, kept until another is asked for.
    order: Option<(u64, Vec<u32>)>,
}

impl Epochs {
    pub(crate) fn new(size: u32, seed: u64) -> Self {
        Self { size, seed, order: None }
    }

    /// The example at place `number`; 0 where there is none.
    pub(crate) fn at(&mut self, number: u64) -> u32 {
        let size = u64::from(self.size.max(1));
        let (epoch, place) = (number / size, (number % size) as usize);
        if self.order.as_ref().is_none_or(|(drawn, _)| *drawn != epoch) {
            let mut order: Vec<u32> = (0..self.size).collect();
            order.shuffle(&mut self.generator(ORDER_STREAM + epoch));
            self.order = Some((epoch, order));
        }
        self.order.as_ref().and_then(|(_, order)| order.get(place)).copied().unwrap_or(0)
    }

    /// For what is drawn of a step's examples.
    pub(crate) fn of_step(&self, step: u64) -> ChaCha8Rng {
        self.generator(step)
    }

    /// For a step's negatives.
    pub(crate) fn of_negatives(&self, step: u64) -> ChaCha8Rng {
        self.generator(NEGATIVE_STREAM + step)
    }

    fn generator(&self, stream: u64) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(stream);
        generator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_every_example_once_and_any_place_can_be_asked_first() {
        let mut epochs = Epochs::new(50, 3);
        let all: Vec<u32> = (0..150).map(|number| epochs.at(number)).collect();
        for epoch in all.chunks(50) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..50));
        }
        assert_ne!(all[..50], all[50..100]);
        for number in [149, 3, 77] {
            assert_eq!(Epochs::new(50, 3).at(number), all[number as usize]);
        }
        assert_eq!(Epochs::new(0, 3).at(7), 0);
    }
}
