//! Generated data with known structure, for tests, demos and runs of any size.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{DataError, Dataset, ItemDetails, Sequences, Vocabulary};

/// Size and structure of generated data.
///
/// Items belong to groups; those of a group form a ring in random order. A user has a first and a second group.
/// The next item is, with probability `follow`, a step on the ring from the last one: one place, or two if the item
/// before the last has an odd number, so the last *two* items decide. Else it is drawn from the user's group, the
/// first items of a ring more often than the last; and the share of the second group grows along the sequence from
/// 0 to `drift`. A user never meets an item twice: an item already seen gives way to the next unseen one on its ring.
///
/// Lengths are uniform from half to one and a half times `mean_length`, at most half the catalogue. Times are Unix
/// seconds that strictly grow within a user. The same options give the same data on every machine (`ChaCha8`, and
/// no function of the platform's mathematics library).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyntheticOptions {
    /// Number of users. Default: 300.
    pub users: u32,
    /// Number of items. Default: 200.
    pub items: u32,
    /// Number of groups; each has at least four items. Default: 5.
    pub groups: u32,
    /// Mean number of interactions of a user. Default: 30.
    pub mean_length: u32,
    /// Probability that the last two items decide on the next. Default: 0.8.
    pub follow: f64,
    /// Share of the second group at the end of a sequence. Default: 0.3.
    pub drift: f64,
    /// Seed of the generator. Default: 1.
    pub seed: u64,
}

impl Default for SyntheticOptions {
    fn default() -> Self {
        Self { users: 300, items: 200, groups: 5, mean_length: 30, follow: 0.8, drift: 0.3, seed: 1 }
    }
}

impl SyntheticOptions {
    /// Generates the data set `synthetic`. Every item is in the vocabulary, whether or not somebody met it.
    ///
    /// # Errors
    /// [`DataError::Synthetic`] for options that make no sense.
    pub fn generate(&self) -> Result<Dataset, DataError> {
        self.check()?;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let rings = Rings::new(self, &mut random);
        // The last user who met an item: one number an item, not one set a user.
        let mut met_by = vec![u32::MAX; self.items as usize];
        let (mut offsets, mut values, mut times) = (vec![0_i64], Vec::new(), Vec::new());
        for user in 0..self.users {
            let begin = values.len();
            let mut walk = Walk { options: self, rings: &rings, met_by: &mut met_by, user };
            walk.run(&mut random, &mut values);
            let mut time = 1_000_000_000 + random.random_range(0..31_536_000_i64);
            for _ in begin..values.len() {
                times.push(time);
                time += random.random_range(1..7_200_i64);
            }
            offsets.push(values.len() as i64);
        }
        let title = |item: u32| format!("Synthetic item {item} (group {})", rings.group(item));
        let titles = (0..self.items).map(|item| Some(title(item))).collect();
        Ok(Dataset {
            name: "synthetic".to_owned(),
            title: format!(
                "Synthetic data (generated, not real): {} users, {} items, {} groups, seed {}",
                self.users, self.items, self.groups, self.seed
            ),
            synthetic: true,
            users: Vocabulary::new((0..self.users).map(|user| format!("u{user}")).collect(), None)?,
            items: Vocabulary::new((0..self.items).map(|item| format!("i{item}")).collect(), Some(titles))?,
            sequences: Sequences::from_parts(offsets, values, Some(times))?,
            details: ItemDetails::default(),
        })
    }

    fn check(&self) -> Result<(), DataError> {
        let error = |option, value: String, expected: &str| {
            Err(DataError::Synthetic { option, value, expected: expected.to_owned() })
        };
        // u32::MAX marks an item that nobody has met.
        if self.users == 0 || self.users == u32::MAX {
            return error("users", self.users.to_string(), "1 to 4294967294");
        }
        if self.groups == 0 || self.items / 4 < self.groups {
            return error(
                "groups",
                self.groups.to_string(),
                "at least 1, and at most a quarter of the items",
            );
        }
        if self.mean_length < 2 {
            return error("mean_length", self.mean_length.to_string(), "at least 2");
        }
        for (option, value) in [("follow", self.follow), ("drift", self.drift)] {
            if !(0.0..=1.0).contains(&value) {
                return error(option, value.to_string(), "a probability, 0 to 1");
            }
        }
        Ok(())
    }
}

/// The items of each group, in the order of its ring. Item `i` is in group `i % groups`.
struct Rings {
    rings: Vec<Vec<u32>>,
    /// The place of each item on its ring.
    place: Vec<u32>,
}

impl Rings {
    fn new(options: &SyntheticOptions, random: &mut ChaCha8Rng) -> Self {
        let mut rings = vec![Vec::new(); options.groups as usize];
        for item in 0..options.items {
            rings[(item % options.groups) as usize].push(item);
        }
        let mut place = vec![0; options.items as usize];
        for ring in &mut rings {
            for last in (1..ring.len()).rev() {
                // Drawn as u32: draws of usize differ between 32 and 64 bit machines.
                ring.swap(last, random.random_range(0..=last as u32) as usize);
            }
            for (position, item) in ring.iter().enumerate() {
                place[*item as usize] = position as u32;
            }
        }
        Self { rings, place }
    }

    fn group(&self, item: u32) -> u32 {
        item % self.rings.len() as u32
    }

    /// The item `steps` places after `item`.
    fn after(&self, item: u32, steps: usize) -> u32 {
        let ring = &self.rings[self.group(item) as usize];
        ring[(self.place[item as usize] as usize + steps) % ring.len()]
    }
}

/// One user's way through the items.
struct Walk<'a> {
    options: &'a SyntheticOptions,
    rings: &'a Rings,
    met_by: &'a mut [u32],
    user: u32,
}

impl Walk<'_> {
    fn run(&mut self, random: &mut ChaCha8Rng, values: &mut Vec<u32>) {
        let mean = self.options.mean_length;
        let length = random.random_range(mean - mean / 2..=mean.saturating_add(mean / 2));
        let length = length.min(self.options.items / 2);
        let groups = self.options.groups;
        let first = random.random_range(0..groups);
        let second = (first + random.random_range(0..groups)) % groups;
        let (mut before, mut last) = (None, None);
        for step in 0..length {
            let share = self.options.drift * f64::from(step) / f64::from(length);
            // Always the same number of draws, so that a changed share moves no other draw.
            let (follow, away) = (random.random::<f64>(), random.random::<f64>());
            let group = if away < share { second } else { first };
            let drawn = self.draw(group, random);
            let wanted = match last {
                Some(last) if follow < self.options.follow => {
                    let odd = before.is_some_and(|item: u32| item % 2 == 1);
                    self.rings.after(last, if odd { 2 } else { 1 })
                }
                _ => drawn,
            };
            let item = self.unseen(wanted);
            self.met_by[item as usize] = self.user;
            values.push(item);
            (before, last) = (last, Some(item));
        }
    }

    /// An item of a group: the square of a uniform number favours the beginning of the ring.
    fn draw(&self, group: u32, random: &mut ChaCha8Rng) -> u32 {
        let ring = &self.rings.rings[group as usize];
        let uniform = random.random::<f64>();
        let place = (uniform * uniform * ring.len() as f64) as usize;
        ring[place.min(ring.len() - 1)]
    }

    /// `item`, or the next one on its ring that this user has not met, or else of the groups after it.
    fn unseen(&self, item: u32) -> u32 {
        let groups = self.options.groups;
        let group = self.rings.group(item);
        let same = &self.rings.rings[group as usize];
        let here = (0..same.len()).map(|steps| self.rings.after(item, steps));
        let others = (1..groups).flat_map(|k| &self.rings.rings[((group + k) % groups) as usize]).copied();
        // A user meets at most half of the items, so there is an unseen one.
        here.chain(others).find(|item| self.met_by[*item as usize] != self.user).unwrap_or(item)
    }
}
