//! From interactions to a data set: filter, number, order.

use std::collections::HashMap;

use arrow::array::StringArray;

use crate::log::{Grouped, Keep, Maps, Numbers, Part, TimeUnit, group};
use crate::read::ItemRecord;
use crate::{DataError, Filters, Interactions, ItemDetails, Sequences, Vocabulary};

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
    /// Genres and text of the items, where the data have them.
    pub details: ItemDetails,
}

impl Dataset {
    /// Filters interactions, numbers users and items by first appearance among the rows kept, and orders each user's
    /// rows by time. The sort is stable: rows with equal times, or without times, keep the order of the file.
    ///
    /// # Errors
    /// [`DataError::NothingLeft`] if the filters drop everything, [`DataError::FilterNeeds`] for a filter on a column
    /// that is not there, [`DataError::TooManyIds`] and [`DataError::TooManyRows`] beyond 32 bits.
    pub fn from_interactions(
        name: &str,
        title: &str,
        interactions: &Interactions,
        records: Option<&HashMap<String, ItemRecord>>,
        filters: &Filters,
    ) -> Result<Self, DataError> {
        let times = interactions.times();
        filters.check(times.is_some(), interactions.values().is_some())?;
        let (part, numbers) = numbered(interactions, filters)?;
        let ratings = ratings(std::slice::from_ref(&part), interactions.values().is_some());
        let one = |count: usize| vec![(0..count as u32).collect()];
        let (user_count, item_count) = (numbers.users.len(), numbers.items.len());
        let maps = Maps { users: one(user_count), items: one(item_count), user_count, item_count };
        let latest = times.and_then(|times| times.iter().copied().max());
        let unit = latest.map(TimeUnit::of);
        let window = filters.window(|moment| moment.at(unit.unwrap_or(TimeUnit::Seconds)));
        let mut rows = group(&[part], &maps, times.is_some(), 1, |time| window.has(time), 1)?;
        filters.apply(&mut rows);
        Self::assemble(name, title, &rows, unit, ratings.as_deref(), &numbers, records)?
            .ok_or_else(|| DataError::NothingLeft { rows: interactions.len(), filters: filters.to_string() })
    }

    /// Numbers users and items by first appearance among the rows that are left. `ratings` are by number of the row. `None` if no row
    /// is left.
    pub(crate) fn assemble(
        name: &str,
        title: &str,
        rows: &Grouped,
        unit: Option<TimeUnit>,
        ratings: Option<&[f32]>,
        numbers: &Numbers,
        records: Option<&HashMap<String, ItemRecord>>,
    ) -> Result<Option<Self>, DataError> {
        let (mut user_first, mut item_first) =
            (vec![u32::MAX; rows.users()], vec![u32::MAX; rows.item_count]);
        for (user, first) in user_first.iter_mut().enumerate() {
            for entry in rows.get(user) {
                *first = entry.row.min(*first);
                let item = &mut item_first[entry.item as usize];
                *item = entry.row.min(*item);
            }
        }
        let (users, items) = (by_appearance(&user_first), by_appearance(&item_first));
        if users.is_empty() {
            return Ok(None);
        }
        let mut dense = item_first;
        for (number, item) in items.iter().enumerate() {
            dense[*item as usize] = number as u32;
        }
        let text = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
        let user_ids = users.iter().map(|user| text(numbers.users.get(*user))).collect();
        let item_ids: Vec<String> = items.iter().map(|item| text(numbers.items.get(*item))).collect();
        let (titles, details) = records.map_or_else(Default::default, |all| ItemDetails::of(&item_ids, all));
        Ok(Some(Self {
            name: name.to_owned(),
            title: title.to_owned(),
            synthetic: false,
            sequences: sequences(rows, &users, &dense, ratings)?.with_time_unit(unit),
            users: Vocabulary::new(user_ids, None)?,
            items: Vocabulary::new(item_ids, titles)?,
            details,
        }))
    }
}

/// Those with a row, by their first one.
fn by_appearance(first: &[u32]) -> Vec<u32> {
    let mut seen: Vec<u32> =
        (0..first.len() as u32).filter(|number| first[*number as usize] != u32::MAX).collect();
    // A user has a row of its own; so has an item: no two are equal.
    seen.sort_unstable_by_key(|number| first[*number as usize]);
    seen
}

/// The values of all rows that were kept in reading, by number of the row.
pub(crate) fn ratings(parts: &[Part], has_values: bool) -> Option<Vec<f32>> {
    has_values.then(|| parts.iter().flat_map(|part| &part.ratings).copied().collect())
}

fn sequences(
    rows: &Grouped,
    users: &[u32],
    dense: &[u32],
    ratings: Option<&[f32]>,
) -> Result<Sequences, DataError> {
    let room = rows.rows();
    let mut offsets = Vec::with_capacity(users.len() + 1);
    offsets.push(0_i64);
    let mut values = Vec::with_capacity(room);
    let mut times = rows.has_times.then(|| Vec::with_capacity(room));
    for user in users {
        let sequence = rows.get(*user as usize);
        values.extend(sequence.iter().map(|entry| dense[entry.item as usize]));
        if let Some(times) = &mut times {
            times.extend(sequence.iter().map(|entry| entry.time));
        }
        offsets.push(values.len() as i64);
    }
    let entries = || users.iter().flat_map(|user| rows.get(*user as usize));
    let ratings = ratings.map(|all| entries().map(|entry| all[entry.row as usize]).collect::<Vec<f32>>());
    Sequences::from_parts(offsets, values, times)?.with_ratings(ratings)
}

/// The rows with a sufficient value, as numbers.
fn numbered(interactions: &Interactions, filters: &Filters) -> Result<(Part, Numbers), DataError> {
    let (mut part, mut numbers) = (Part::new(0), Numbers::default());
    let (users, items): (&StringArray, &StringArray) = (interactions.users(), interactions.items());
    for row in 0..interactions.len() {
        let value = interactions.values().map(|values| values[row]);
        if let (Some(least), Some(value)) = (filters.min_value, value)
            && value < least
        {
            continue;
        }
        let time = interactions.times().map(|times| crate::log::Time::number(times[row]));
        let (user, item) = (users.value(row).as_bytes(), items.value(row).as_bytes());
        let room = part.push(&mut numbers, user, item, time);
        room.ok_or(DataError::TooManyIds { found: u32::MAX as usize })?;
        part.keep(row, value.map(f64::from), Keep::Ratings);
    }
    Ok((part, numbers))
}
