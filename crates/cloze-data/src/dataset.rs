//! From interactions to a data set: filter, number, order.

use std::collections::HashMap;

use arrow::array::StringArray;
use serde::{Deserialize, Serialize};

use crate::{DataError, Interactions, Sequences, Vocabulary};

/// A data set ready for training: who, what, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Short name, as on the command line.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Whether the data were generated: reports say so.
    pub synthetic: bool,
    /// Users; dense id `u` is the number of the sequence `u`.
    pub users: Vocabulary,
    /// Items; dense ids are the values of the sequences.
    pub items: Vocabulary,
    /// One sequence of items for each user, oldest first.
    pub sequences: Sequences,
}

/// Which interactions are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// Drops items with fewer interactions than this: counted once, not repeated until nothing changes.
    /// Repeated pairs of a user and an item count each time, and stay. Default: keep all.
    #[serde(default)]
    pub min_item_interactions: u64,
}

impl Dataset {
    /// Filters interactions, numbers users and items by first appearance among the rows kept, and orders each user's
    /// rows by time. The sort is stable: rows with equal times, or without times, keep the order of the file.
    ///
    /// # Errors
    /// [`DataError::NothingLeft`] if the filters drop everything, [`DataError::TooManyIds`] beyond 32 bits.
    pub fn from_interactions(
        name: &str,
        title: &str,
        interactions: &Interactions,
        titles: Option<&HashMap<String, String>>,
        filters: &Filters,
    ) -> Result<Self, DataError> {
        let kept = kept_rows(interactions, filters);
        if kept.is_empty() {
            let rows = interactions.len();
            return Err(DataError::NothingLeft {
                rows,
                min_item_interactions: filters.min_item_interactions,
            });
        }
        let (user_ids, users) = number(interactions.users(), &kept)?;
        let (item_ids, items) = number(interactions.items(), &kept)?;
        let titles = titles.map(|titles| item_ids.iter().map(|id| titles.get(id).cloned()).collect());
        let times = interactions.times().map(|times| kept.iter().map(|&row| times[row]).collect::<Vec<_>>());
        Ok(Self {
            name: name.to_owned(),
            title: title.to_owned(),
            synthetic: false,
            sequences: group(user_ids.len(), &users, &items, times.as_deref())?,
            users: Vocabulary::new(user_ids, None)?,
            items: Vocabulary::new(item_ids, titles)?,
        })
    }
}

/// The rows whose item has enough interactions.
fn kept_rows(interactions: &Interactions, filters: &Filters) -> Vec<usize> {
    let rows = 0..interactions.len();
    if filters.min_item_interactions <= 1 {
        return rows.collect();
    }
    let items = interactions.items();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for row in rows.clone() {
        *counts.entry(items.value(row)).or_default() += 1;
    }
    rows.filter(|&row| counts[items.value(row)] >= filters.min_item_interactions).collect()
}

/// Distinct ids by first appearance, and for each row the number of its id.
fn number(column: &StringArray, rows: &[usize]) -> Result<(Vec<String>, Vec<u32>), DataError> {
    let mut index: HashMap<&str, u32> = HashMap::new();
    let mut ids = Vec::new();
    let mut numbers = Vec::with_capacity(rows.len());
    for &row in rows {
        let id = column.value(row);
        let next = u32::try_from(ids.len()).map_err(|_| DataError::TooManyIds { found: ids.len() })?;
        let number = *index.entry(id).or_insert(next);
        if number == next {
            ids.push(id.to_owned());
        }
        numbers.push(number);
    }
    Ok((ids, numbers))
}

/// Sequences of items by user, each in the order of time, ties in the order of rows.
fn group(
    user_count: usize,
    users: &[u32],
    items: &[u32],
    times: Option<&[i64]>,
) -> Result<Sequences, DataError> {
    let mut order: Vec<usize> = (0..users.len()).collect();
    // One stable sort does both: by user, then by time, then by row.
    match times {
        Some(times) => order.sort_by_key(|&row| (users[row], times[row])),
        None => order.sort_by_key(|&row| users[row]),
    }
    let mut offsets = vec![0_i64; user_count + 1];
    for &user in users {
        offsets[user as usize + 1] += 1;
    }
    for i in 0..user_count {
        offsets[i + 1] += offsets[i];
    }
    let values: Vec<u32> = order.iter().map(|&row| items[row]).collect();
    let times: Option<Vec<i64>> = times.map(|times| order.iter().map(|&row| times[row]).collect());
    Sequences::from_parts(offsets, values, times)
}
