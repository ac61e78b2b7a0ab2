//! What is asked at a look at the validation items.

use crate::model::TrainError;
use cloze_data::Sequences;
use cloze_eval::Cases;

/// The users whose validation item is new to them, each with the whole training sequence as history; `None` where no user has one.
///
/// # Errors
/// No such user, or an item beyond the catalogue.
pub fn validation_cases<'a>(
    sequences: &'a Sequences,
    validation: Option<&[Option<u32>]>,
    catalogue: usize,
) -> Result<Option<Cases<'a>>, TrainError> {
    let targets = validation.into_iter().flatten().enumerate();
    let new = |user: usize, target: u32| !sequences.get(user).contains(&target);
    let held: Vec<(u32, u32)> = targets
        .filter_map(|(user, target)| Some((user, (*target)?)))
        .filter(|&(user, target)| new(user, target))
        .map(|(user, target)| (user as u32, target))
        .collect();
    if held.is_empty() {
        return Ok(None);
    }
    let histories = held.iter().map(|&(user, _)| sequences.get(user as usize)).collect();
    let (users, targets) = held.into_iter().unzip();
    Ok(Some(Cases::new(users, histories, targets, sequences.counts(catalogue))?))
}
