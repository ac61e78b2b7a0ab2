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
    /// All that was split: behind `train` and `train_and_validation` stand the held-out items, with their ratings.
    fn whole(&self) -> &Sequences;
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
    /// All that was split.
    whole: Sequences,
}

impl LeaveOneOut {
    /// Splits `sequences`, whose order is that of time.
    ///
    /// # Errors
    /// [`DataError::NothingToHoldOut`] if no user has 3 interactions.
    pub fn new(sequences: &Sequences) -> Result<Self, DataError> {
        let users = sequences.len();
        let held = |user: usize| sequences.get(user).len() >= FEWEST;
        let from_end = |place: usize| {
            let item = |user| sequences.get(user).iter().rev().nth(place).copied().filter(|_| held(user));
            (0..users).map(item).collect::<Vec<_>>()
        };
        let (validation, test) = (from_end(1), from_end(0));
        if test.iter().all(Option::is_none) {
            return Err(DataError::NothingToHoldOut { users });
        }
        let train = sequences.beginnings(|user| sequences.get(user).len() - if held(user) { 2 } else { 0 });
        Ok(Self { train, validation, test, whole: sequences.clone() })
    }

    /// The sequences for the fit "train+validation": `train` with the validation item appended.
    pub fn train_and_validation(&self) -> Sequences {
        self.whole
            .beginnings(|user| self.train.get(user).len() + usize::from(self.validation[user].is_some()))
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

    fn whole(&self) -> &Sequences {
        &self.whole
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
