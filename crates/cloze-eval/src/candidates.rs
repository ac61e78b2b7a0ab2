//! Negatives of the sampled protocols.

use rand_chacha::ChaCha8Rng;

use crate::error::EvalError;
use crate::marks::Marks;
use crate::protocol::Protocol;
use crate::random::{below, generator};

/// Rejected draws in a row after which the remaining items are listed instead.
const PATIENCE: usize = 64;

/// Draws the negatives of one sampled protocol.
///
/// - never an item of the history that it is given, never the target, never the same item twice;
/// - a user's negatives depend only on (seed, protocol, user, history, target, training counts): not on the
///   model, on the order or batch of users, on threads or on the machine;
/// - [`Protocol::Popularity`] draws one after another in proportion to the training counts of what is left,
///   so an item that training never shows is never drawn;
/// - when fewer items can be drawn than asked, all of them are taken: the number of candidates is stored with
///   each user's rank.
#[derive(Debug, Clone)]
pub struct NegativeSampler {
    negatives: usize,
    seed: u64,
    catalogue: usize,
    weights: Weights,
}

#[derive(Debug, Clone)]
enum Weights {
    Equal,
    /// Running sums of the training counts, and the number of items that have any.
    Counts {
        sums: Vec<u64>,
        drawable: usize,
    },
}

impl NegativeSampler {
    /// A sampler for a protocol; `popularity` has the training count of each item. `None` for
    /// [`Protocol::Full`] and [`Protocol::WithinGenre`], which draw nothing.
    pub fn new(protocol: Protocol, seed: u64, popularity: &[u64]) -> Option<Self> {
        let (negatives, weights) = match protocol {
            Protocol::Full | Protocol::WithinGenre => return None,
            Protocol::Uniform(negatives) => (negatives, Weights::Equal),
            Protocol::Popularity(negatives) => {
                let running = popularity.iter().scan(0_u64, |sum, &count| {
                    *sum += count;
                    Some(*sum)
                });
                let drawable = popularity.iter().filter(|&&count| count > 0).count();
                (negatives, Weights::Counts { sums: running.collect(), drawable })
            }
        };
        Some(Self { negatives, seed, catalogue: popularity.len(), weights })
    }

    /// The negatives of one user, in the order drawn.
    ///
    /// # Errors
    /// [`EvalError::ItemOutOfRange`] when the target or a history item is outside the catalogue.
    pub fn sample(&self, user: u32, history: &[u32], target: u32) -> Result<Vec<u32>, EvalError> {
        let mut taken = Marks::new(self.catalogue);
        for (&item, place) in history.iter().map(|item| (item, "history")).chain([(&target, "target")]) {
            if item as usize >= self.catalogue {
                let catalogue = self.catalogue;
                return Err(EvalError::ItemOutOfRange { user: Some(user), item, place, catalogue });
            }
            taken.insert(item);
        }
        let before = taken.items().len();
        self.draw(user, &mut taken);
        Ok(taken.items()[before..].to_vec())
    }

    /// Draws around the items in `taken`, and adds what was drawn to them. Allocates only where nearly everything that
    /// could be drawn is taken.
    pub(crate) fn draw(&self, user: u32, taken: &mut Marks) {
        let blocked = taken.items().iter().filter(|&&item| self.weight(item) > 0).count();
        let drawable = match &self.weights {
            Weights::Equal => self.catalogue,
            Weights::Counts { drawable, .. } => *drawable,
        };
        if drawable - blocked <= self.negatives {
            for item in self.remaining(taken) {
                taken.insert(item);
            }
        } else {
            self.draw_some(user, taken);
        }
    }

    /// Adds exactly `negatives` items to `taken`; the caller knows that more than that can be drawn.
    fn draw_some(&self, user: u32, taken: &mut Marks) {
        let kind = match self.weights {
            Weights::Equal => 1,
            Weights::Counts { .. } => 2,
        };
        let mut rng = generator([self.seed, kind, self.negatives as u64, u64::from(user)]);
        let goal = taken.items().len() + self.negatives;
        let mut rejected = 0;
        while taken.items().len() < goal && rejected < PATIENCE {
            rejected = if taken.insert(self.draw_any(&mut rng)) { 0 } else { rejected + 1 };
        }
        if taken.items().len() < goal {
            self.draw_from_remaining(&mut rng, goal, taken);
        }
    }

    /// The same distribution without rejections: for a history that covers most of what could be drawn.
    fn draw_from_remaining(&self, rng: &mut ChaCha8Rng, goal: usize, taken: &mut Marks) {
        let mut remaining = self.remaining(taken);
        let mut total: u64 = remaining.iter().map(|&item| self.weight(item)).sum();
        while taken.items().len() < goal {
            let mut ticket = below(rng, total);
            let place = remaining.iter().position(|&item| {
                let weight = self.weight(item);
                let found = ticket < weight;
                ticket = ticket.saturating_sub(weight);
                found
            });
            let item = remaining.remove(place.expect("a ticket is below the sum of the weights"));
            total -= self.weight(item);
            taken.insert(item);
        }
    }

    /// Everything that can still be drawn, in the order of ids.
    fn remaining(&self, taken: &Marks) -> Vec<u32> {
        let all = 0..self.catalogue as u32;
        all.filter(|&item| self.weight(item) > 0 && !taken.contains(item)).collect()
    }

    fn draw_any(&self, rng: &mut ChaCha8Rng) -> u32 {
        match &self.weights {
            Weights::Equal => below(rng, self.catalogue as u64) as u32,
            Weights::Counts { sums, .. } => {
                let ticket = below(rng, sums.last().copied().unwrap_or(0));
                sums.partition_point(|&sum| sum <= ticket) as u32
            }
        }
    }

    fn weight(&self, item: u32) -> u64 {
        match &self.weights {
            Weights::Equal => 1,
            Weights::Counts { sums, .. } => {
                let item = item as usize;
                sums[item] - if item == 0 { 0 } else { sums[item - 1] }
            }
        }
    }
}
