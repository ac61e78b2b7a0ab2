//! Whether a split lets anything of the future through.

use crate::split::Split;
use crate::{DataError, Sequences};

/// Checks a split of `sequences`: for every user the training part is the beginning of the sequence, the part before the
/// test is no shorter and the beginning too, the item to predict is the very next one, and with
/// [`cuts`](Split::cuts) nothing known is at or after its cut and nothing to predict is before it.
///
/// # Errors
/// [`DataError::Leak`] with the first user for whom it does not hold.
pub fn check_leaks(sequences: &Sequences, split: &(impl Split + ?Sized)) -> Result<(), DataError> {
    let known = split.train_and_validation();
    let users = sequences.len();
    let leak = |user: usize, reason: &str| DataError::Leak { user, reason: reason.to_owned() };
    for found in [split.train().len(), known.len(), split.validation().len(), split.test().len()] {
        if found != users {
            return Err(leak(found.min(users), "the split has another number of users"));
        }
    }
    let (validation_cut, test_cut) = split.cuts().unzip();
    for user in 0..users {
        let stages = [
            ("train", split.train(), split.validation()[user], validation_cut),
            ("train and validation", &known, split.test()[user], test_cut),
        ];
        for (stage, part, target, cut) in stages {
            check_stage(sequences, user, part, target, cut)
                .map_err(|reason| leak(user, &format!("{stage}: {reason}")))?;
        }
        if split.train().get(user).len() > known.get(user).len() {
            return Err(leak(user, "train is longer than train and validation"));
        }
    }
    Ok(())
}

fn check_stage(
    sequences: &Sequences,
    user: usize,
    part: &Sequences,
    target: Option<u32>,
    cut: Option<i64>,
) -> Result<(), String> {
    let (all, known) = (sequences.get(user), part.get(user));
    if !all.starts_with(known) {
        return Err("is not the beginning of the user's sequence".to_owned());
    }
    let next = known.len();
    if let Some(item) = target
        && all.get(next) != Some(&item)
    {
        return Err(format!("the item to predict is {item}, not the next one of the user"));
    }
    let (Some(times), Some(cut)) = (sequences.times(user), cut) else { return Ok(()) };
    if let Some(time) = times[..next].last().filter(|time| **time >= cut) {
        return Err(format!("has an interaction at {time}, the cut is at {cut}"));
    }
    match times.get(next).filter(|time| target.is_some() && **time < cut) {
        Some(time) => Err(format!("the item to predict is at {time}, before the cut at {cut}")),
        None => Ok(()),
    }
}
