//! The table of credit in a learners' store.

use crate::learning::difficulty::Difficulty;
use crate::store::{ProfileStore, StoreError};
use redb::{TableDefinition, WriteTransaction};

/// Credit, and number of answers, of a learner in an objective: what the model's file has is of training.
const CREDIT: TableDefinition<'_, (u32, u32), (f32, u32)> = TableDefinition::new("credit");

/// Writes what these pairs of a learner and an objective have.
pub(super) fn write(
    store: &ProfileStore<'_>,
    difficulty: &Difficulty,
    pairs: impl Iterator<Item = (u32, u32)>,
    writing: &WriteTransaction,
) -> Result<(), StoreError> {
    let mut table = writing.open_table(CREDIT).map_err(|error| store.failed(error))?;
    for (learner, objective) in pairs {
        let value = difficulty.get(learner, objective);
        table.insert((learner, objective), value).map_err(|error| store.failed(error))?;
    }
    Ok(())
}

/// Replaces the answers by those of the store.
pub(super) fn read(store: &ProfileStore<'_>, difficulty: &mut Difficulty) -> Result<(), StoreError> {
    difficulty.forget_answers();
    let reading = store.read()?;
    let table = reading.open_table(CREDIT).map_err(|error| store.failed(error))?;
    for entry in table.range::<(u32, u32)>(..).map_err(|error| store.failed(error))? {
        let (key, value) = entry.map_err(|error| store.failed(error))?;
        let ((learner, objective), (credit, answers)) = (key.value(), value.value());
        difficulty.set(learner, objective, credit, answers);
    }
    Ok(())
}
