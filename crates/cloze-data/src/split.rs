//! Leave-one-out: the last interaction of each user is the test, the one before it the validation.

use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::{DataError, Sequences};

/// Fewest interactions of a user who is held out: one to train on, one to validate with, one to test with.
const FEWEST: usize = 3;

/// What all splits of sequences have: one training sequence, and at most one validation and one test item, for each user.
pub trait Split {
    /// What may be learnt from while models are chosen.
    fn train(&self) -> &Sequences;
    /// What is known before the test: the histories to predict the test items from.
    fn train_and_validation(&self) -> Sequences;
    /// The item that follows on `train`, by user.
    fn validation(&self) -> &[Option<u32>];
    /// The item that follows on `train_and_validation`, by user.
    fn test(&self) -> &[Option<u32>];
    /// The times at which validation and test begin, if they are the same for all users.
    fn cuts(&self) -> Option<(i64, i64)> {
        None
    }
    /// A hash of the whole split.
    fn hash(&self) -> String;
}

/// The leave-one-out split of sequences: of each user with at least 3 interactions the last is the test item and the
/// second last the validation item. Shorter sequences stay whole in `train`.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaveOneOut {
    /// What may be learnt from, one sequence for each user, with times where the data have them.
    pub train: Sequences,
    /// The second last item of each user, `None` for users who are not held out.
    pub validation: Vec<Option<u32>>,
    /// The last item of each user, `None` for users who are not held out.
    pub test: Vec<Option<u32>>,
    /// The times of the validation items, so that they can be appended to `train`.
    validation_times: Option<Vec<i64>>,
}

impl LeaveOneOut {
    /// Splits `sequences`, whose order is that of time.
    ///
    /// # Errors
    /// [`DataError::NothingToHoldOut`] if no user has 3 interactions.
    pub fn new(sequences: &Sequences) -> Result<Self, DataError> {
        let users = sequences.len();
        let mut parts = Parts::with_capacity(users, sequences);
        let mut validation = Vec::with_capacity(users);
        let mut test = Vec::with_capacity(users);
        let mut validation_times = sequences.has_times().then(|| Vec::with_capacity(users));
        for (user, items) in sequences.iter().enumerate() {
            let times = sequences.times(user);
            let held = items.len() >= FEWEST;
            let kept = if held { items.len() - 2 } else { items.len() };
            parts.extend(&items[..kept], times.map(|times| &times[..kept]));
            parts.close();
            validation.push(held.then(|| items[kept]));
            test.push(held.then(|| items[kept + 1]));
            if let Some(all) = &mut validation_times {
                all.push(times.filter(|_| held).map_or(0, |times| times[kept]));
            }
        }
        if test.iter().all(Option::is_none) {
            return Err(DataError::NothingToHoldOut { users });
        }
        Ok(Self { train: parts.finish()?, validation, test, validation_times })
    }

    /// The sequences for the fit "train+validation": `train` with the validation item appended.
    pub fn train_and_validation(&self) -> Sequences {
        let mut parts = Parts::with_capacity(self.train.len(), &self.train);
        for (user, items) in self.train.iter().enumerate() {
            parts.extend(items, self.train.times(user));
            if let Some(item) = self.validation[user] {
                let time = self.validation_times.as_ref().map(|times| &times[user..=user]);
                parts.extend(&[item], time);
            }
            parts.close();
        }
        parts.finish().expect("offsets are counted here, and every item is pushed with its time")
    }

    /// Number of users who are held out.
    pub fn held_out(&self) -> usize {
        self.test.iter().flatten().count()
    }

    /// A hash of the split: sha256 over the hash of `train` (its hexadecimal digits), then for each user the
    /// validation item and for each user the test item, as one byte 0 for none or 1 and 32 bits, little endian.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.train.hash());
        hash_targets(&mut hasher, self.validation.iter().chain(&self.test));
        hex(&hasher.finalize())
    }
}

impl Split for LeaveOneOut {
    fn train(&self) -> &Sequences {
        &self.train
    }

    fn train_and_validation(&self) -> Sequences {
        Self::train_and_validation(self)
    }

    fn validation(&self) -> &[Option<u32>] {
        &self.validation
    }

    fn test(&self) -> &[Option<u32>] {
        &self.test
    }

    fn hash(&self) -> String {
        Self::hash(self)
    }
}

/// One byte 0 for none, or 1 and 32 bits, little endian, for each item.
pub(crate) fn hash_targets<'a>(hasher: &mut Sha256, targets: impl Iterator<Item = &'a Option<u32>>) {
    for item in targets {
        match item {
            None => hasher.update([0]),
            Some(item) => {
                hasher.update([1]);
                hasher.update(item.to_le_bytes());
            }
        }
    }
}

/// Buffers of sequences under construction.
pub(crate) struct Parts {
    offsets: Vec<i64>,
    values: Vec<u32>,
    times: Option<Vec<i64>>,
}

impl Parts {
    pub(crate) fn with_capacity(users: usize, like: &Sequences) -> Self {
        let mut offsets = Vec::with_capacity(users + 1);
        offsets.push(0);
        let room = like.interactions();
        Self {
            offsets,
            values: Vec::with_capacity(room),
            times: like.has_times().then(|| Vec::with_capacity(room)),
        }
    }

    pub(crate) fn extend(&mut self, items: &[u32], times: Option<&[i64]>) {
        self.values.extend_from_slice(items);
        if let (Some(all), Some(times)) = (&mut self.times, times) {
            all.extend_from_slice(times);
        }
    }

    pub(crate) fn close(&mut self) {
        self.offsets.push(self.values.len() as i64);
    }

    pub(crate) fn finish(self) -> Result<Sequences, DataError> {
        Sequences::from_parts(self.offsets, self.values, self.times)
    }
}
