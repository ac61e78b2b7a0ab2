//! Histories as sets of items: what was had, however often.

use cloze_data::{DataError, Sequences};

/// The distinct items of a history, ascending.
pub(crate) fn set(history: &[u32]) -> Vec<u32> {
    let mut items = history.to_vec();
    items.sort_unstable();
    items.dedup();
    items
}

/// The same for every sequence, without times.
pub(crate) fn sets(train: &Sequences) -> Result<Sequences, DataError> {
    Sequences::from_lists(&train.iter().map(set).collect::<Vec<_>>(), None)
}
