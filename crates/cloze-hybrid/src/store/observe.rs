//! A new interaction: what it renews, and nothing else.

use super::tables::{Key, PROFILES, Timed, decode_profile, encode_profile};
use super::{ProfileStore, Side, StoreError};
use redb::{ReadableTable as _, WriteTransaction};
use std::collections::BTreeMap;

/// New keys of some users or items, and the profiles that are not stored yet.
pub(super) struct Change {
    pub(super) side: Side,
    pub(super) keys: Vec<(u32, Key)>,
    /// As bytes.
    pub(super) profiles: BTreeMap<Key, Vec<u8>>,
}

impl ProfileStore<'_> {
    /// Takes down that a user had an item, and renews exactly two profiles, in one transaction: the user's and the item's. The
    /// interaction stands in both sequences where a store built from all interactions would have it: behind those of the same
    /// time, an item's users of the same time by number.
    ///
    /// # Errors
    /// An unknown user or item, a time that is missing or should be, or a failure to write; the store is then as it was.
    pub fn observe(&mut self, user: u32, item: u32, time: Option<i64>) -> Result<(), StoreError> {
        let time = self.time(time)?;
        self.check_known(Side::User, user)?;
        self.check_known(Side::Item, item)?;
        let renewed = self.transaction(|store, writing| {
            store.append(Side::User, user, item, time, writing)?;
            store.append(Side::Item, item, user, time, writing)
        })?;
        if let (Some(search), Some(head)) = (&mut self.search, self.model.head()) {
            search.replace(item, &head.map_items(&renewed));
        }
        Ok(())
    }

    /// The time of an interaction as sequences have it: 0 where they have none.
    pub(crate) fn time(&self, time: Option<i64>) -> Result<i64, StoreError> {
        match (time, self.origin.times) {
            (Some(_), false) => Err(StoreError::HasNoTimes),
            (None, true) => Err(StoreError::NeedsTime),
            (time, _) => Ok(time.unwrap_or(0)),
        }
    }

    /// Adds `other` to the sequence of `number`, and returns the profile that this makes.
    pub(crate) fn append(
        &mut self,
        side: Side,
        number: u32,
        other: u32,
        time: i64,
        writing: &WriteTransaction,
    ) -> Result<Vec<f32>, StoreError> {
        self.rewrite(side, number, writing, |sequence| sequence.insert(side, other, time))
    }

    /// Changes the sequence of `number`, and returns the profile that this makes.
    pub(crate) fn rewrite(
        &mut self,
        side: Side,
        number: u32,
        writing: &WriteTransaction,
        change: impl FnOnce(&mut Timed),
    ) -> Result<Vec<f32>, StoreError> {
        let history = {
            let mut table = writing.open_table(side.sequences()).map_err(|error| self.failed(error))?;
            let bytes = table.get(number).map_err(|error| self.failed(error))?;
            let timed = bytes.and_then(|bytes| Timed::decode(bytes.value()));
            let mut timed = timed.ok_or_else(|| self.lacks("sequence", side, number))?;
            change(&mut timed);
            table.insert(number, timed.encode().as_slice()).map_err(|error| self.failed(error))?;
            timed.ids()
        };
        let change = self.change(side, &[number], &[&history], writing)?;
        self.write(&change, writing)?;
        let profiles = writing.open_table(PROFILES).map_err(|error| self.failed(error))?;
        let bytes = profiles.get(change.keys[0].1).map_err(|error| self.failed(error))?;
        let width = self.width();
        let profile = bytes.and_then(|bytes| decode_profile(bytes.value(), width));
        profile.ok_or_else(|| self.lacks("profile", side, number))
    }

    /// The keys of these sequences, with the profiles of those that have none yet: each computed once.
    pub(super) fn change(
        &mut self,
        side: Side,
        numbers: &[u32],
        histories: &[&[u32]],
        writing: &WriteTransaction,
    ) -> Result<Change, StoreError> {
        let stored = writing.open_table(PROFILES).map_err(|error| self.failed(error))?;
        let model = self.origin.model.clone();
        let (mut keys, mut missing) = (Vec::with_capacity(numbers.len()), BTreeMap::new());
        for (&number, &history) in numbers.iter().zip(histories) {
            let key = side.key(&model, &self.tower(side)?.0.input(history));
            if stored.get(key).map_err(|error| self.failed(error))?.is_none() {
                missing.entry(key).or_insert(history);
            }
            keys.push((number, key));
        }
        let asked: Vec<&[u32]> = missing.values().copied().collect();
        let (tower, profile) = self.tower(side)?;
        let found = tower.profiles(&asked, profile)?;
        let width = found.len() / asked.len().max(1);
        let bytes = found.chunks(width.max(1)).map(encode_profile);
        Ok(Change { side, keys, profiles: missing.into_keys().zip(bytes).collect() })
    }
}
