//! A split at points in time, the same for all users.

use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::split::{Split, hash_targets};
use crate::{DataError, Sequences};

/// Where the past ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// At the time before which this share of all interactions lies (fewer, where times are equal).
    Share(f64),
    /// At this time.
    Time(i64),
}

/// The global temporal split: what happened before a moment is known, what comes at or after it is to be predicted.
///
/// Two moments, `validation_cut <= test_cut`. `train` is everything before `validation_cut`. A user's validation item is
/// the first one in `validation_cut..test_cut`, after a history before `validation_cut`; the test item is the first one
/// at or after `test_cut`, after a history before `test_cut`. Later items of a user are not used. Unlike leave-one-out
/// nobody's future tells of anybody else's.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalTime {
    /// What may be learnt from, one sequence for each user: all before `validation_cut`.
    pub train: Sequences,
    /// The validation item of each user, `None` without history before it or without an item.
    pub validation: Vec<Option<u32>>,
    /// The test item of each user, `None` without history before it or without an item.
    pub test: Vec<Option<u32>>,
    /// Nothing at or after this time is in `train`.
    pub validation_cut: i64,
    /// Nothing at or after this time is in [`train_and_validation`](Split::train_and_validation).
    pub test_cut: i64,
    /// All before `test_cut`.
    history: Sequences,
    /// All that was split.
    whole: Sequences,
}

impl GlobalTime {
    /// Splits `sequences`, whose order is that of time.
    ///
    /// # Errors
    /// [`DataError::NoTimes`] for data without times, [`DataError::Cut`] for a share that is none or cuts in the wrong
    /// order, [`DataError::NobodyToTest`] if no user has a history before and an item after the cut of the test.
    pub fn new(sequences: &Sequences, validation: Cut, test: Cut) -> Result<Self, DataError> {
        let times = sequences.all_times().ok_or(DataError::NoTimes)?;
        let mut sorted = None;
        let mut moment = |cut: Cut| match cut {
            Cut::Time(time) => Ok(time),
            Cut::Share(share) if share > 0.0 && share < 1.0 => {
                let sorted: &Vec<i64> = sorted.get_or_insert_with(|| {
                    let mut times = times.to_vec();
                    times.sort_unstable();
                    times
                });
                let place = (share * sorted.len() as f64) as usize;
                sorted.get(place).copied().ok_or(DataError::NoTimes)
            }
            Cut::Share(share) => {
                Err(DataError::Cut { reason: format!("share {share}, expected one above 0 and below 1") })
            }
        };
        let (validation_cut, test_cut) = (moment(validation)?, moment(test)?);
        if validation_cut > test_cut {
            let reason = format!("validation begins at {validation_cut}, after the test at {test_cut}");
            return Err(DataError::Cut { reason });
        }
        let (train, history) = (before(sequences, validation_cut), before(sequences, test_cut));
        let next = |user: usize, known: &Sequences, end: usize| {
            let place = known.get(user).len();
            (place > 0 && place < end).then(|| sequences.get(user)[place])
        };
        let users = 0..sequences.len();
        let validation = users.clone().map(|user| next(user, &train, history.get(user).len())).collect();
        let test: Vec<_> = users.map(|user| next(user, &history, sequences.get(user).len())).collect();
        if test.iter().all(Option::is_none) {
            return Err(DataError::NobodyToTest { users: sequences.len(), cut: test_cut });
        }
        Ok(Self { train, validation, test, validation_cut, test_cut, history, whole: sequences.clone() })
    }
}

/// The beginning of each sequence, before a time.
fn before(sequences: &Sequences, cut: i64) -> Sequences {
    sequences.beginnings(|user| sequences.times(user).unwrap_or_default().partition_point(|time| *time < cut))
}

impl Split for GlobalTime {
    fn train(&self) -> &Sequences {
        &self.train
    }

    fn train_and_validation(&self) -> Sequences {
        self.history.clone()
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

    fn cuts(&self) -> Option<(i64, i64)> {
        Some((self.validation_cut, self.test_cut))
    }

    /// sha256 over the hashes of `train` and of all before the test (their hexadecimal digits), then the items as
    /// [`LeaveOneOut::hash`](crate::LeaveOneOut::hash) has them.
    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.train.hash());
        hasher.update(self.history.hash());
        hash_targets(&mut hasher, self.validation.iter().chain(&self.test));
        hex(&hasher.finalize())
    }
}
