//! Profiles computed once: what the towers make of every user's items and every item's users, in one file.
//!
//! A profile is stored under a hash of all that it depends on: the model and the tokens that its tower sees. Users and items
//! refer to theirs by that key. So an interaction (u, v) renews p of u and q of v, and nothing else can change: no other
//! sequence did. Every change is one transaction of the database (redb), which is there whole or not at all, whatever moment
//! the process is killed at.

mod build;
mod error;
mod observe;
mod tables;

#[cfg(test)]
mod tests;

pub use error::StoreError;

use crate::hybrid::HybridBert4Rec;
use crate::product::Head;
use crate::search::ItemSearch;
pub(crate) use build::check_sizes;
use cloze_sequential::{Profile, Tower};
use cloze_train::{NamedTensor, TrainError, Values};
use redb::{Database, ReadTransaction, ReadableDatabase as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
pub(crate) use tables::Timed;
use tables::{ABOUT, FORMAT_KEY, Key, ORIGIN_KEY, Origin, PROFILES, decode_profile};

/// Version of the layout.
const FORMAT: &str = "1";

/// Whose profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A user's, p: the content tower's of the user's items.
    User,
    /// An item's, q: the collaborative tower's of the item's users.
    Item,
}

impl Side {
    const BOTH: [Self; 2] = [Self::User, Self::Item];
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Item => "item",
        })
    }
}

/// A model that has profiles to store: a tower for either side, and the head that joins two.
pub(crate) trait Profiled {
    /// The tower that makes the profiles of a side, with the vector that stands for a sequence; `None` where no tower does.
    fn tower(&mut self, side: Side) -> Option<(&mut Tower, Profile)>;

    /// The head that joins two profiles, where there is one.
    fn head(&self) -> Option<&Head>;

    /// Number of profiles of either side.
    fn sizes(&mut self) -> [usize; 2];

    /// Everything that decides what it makes of sequences: options and weights.
    ///
    /// # Errors
    /// A failure of the engine.
    fn identity(&self) -> Result<(String, Vec<NamedTensor<'static>>), TrainError>;
}

/// A file with the profiles of all users and items, and the model that makes them.
///
/// Scores from the store are those of the model for the same sequences, to the bit where one engine computes both. The model
/// folder's own item profiles are of the training part of the data; a store's are of all the interactions that it was
/// given.
pub struct ProfileStore<'m> {
    path: PathBuf,
    database: Database,
    model: &'m mut dyn Profiled,
    origin: Origin,
    /// Number of users and of items.
    sizes: [usize; 2],
    /// Made when it is first asked for.
    search: Option<ItemSearch>,
}

impl<'m> ProfileStore<'m> {
    /// Opens a finished store of this model.
    ///
    /// # Errors
    /// No store, one of another model or format, an unfinished or a damaged one, each with its own [`StoreError`].
    pub fn open(path: &Path, model: &'m mut HybridBert4Rec) -> Result<Self, StoreError> {
        Self::open_finished(path, model)
    }

    pub(crate) fn open_finished(path: &Path, model: &'m mut dyn Profiled) -> Result<Self, StoreError> {
        let store = Self::open_any(path, model)?;
        match store.origin.unfinished {
            Some(_) => Err(StoreError::Unfinished { path: store.path }),
            None => Ok(store),
        }
    }

    /// Whether the model has profiles to store.
    ///
    /// # Errors
    /// [`StoreError::NoProfiles`].
    pub fn check_model(model: &mut HybridBert4Rec) -> Result<(), StoreError> {
        Self::check(model)
    }

    fn check(model: &mut dyn Profiled) -> Result<(), StoreError> {
        let has = |side: &Side| model.tower(*side).is_some();
        if Side::BOTH.iter().all(has) { Ok(()) } else { Err(StoreError::NoProfiles) }
    }

    /// Opens a store that may be unfinished.
    pub(crate) fn open_any(path: &Path, model: &'m mut dyn Profiled) -> Result<Self, StoreError> {
        let fingerprint = fingerprint(model)?;
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let mut database = Database::open(path).map_err(|error| StoreError::of(path, error))?;
        // What was cut off mid-write is undone by now; this finds what something else did to the file.
        if !database.check_integrity().map_err(|error| StoreError::of(path, error))? {
            return Err(StoreError::damaged(path, "its checksums are not those of what it holds"));
        }
        let origin = read_origin(&database, path)?;
        if origin.model != fingerprint {
            return Err(StoreError::OtherModel { path: path.to_owned() });
        }
        let sizes = model.sizes();
        Ok(Self { path: path.to_owned(), database, model, origin, sizes, search: None })
    }

    /// The `k` best items for a user with their scores, best first, equal scores in the order of items; without those that the
    /// user had, unless `keep_seen`.
    ///
    /// # Errors
    /// An unknown user, or a damaged file.
    pub fn recommend(&mut self, user: u32, k: usize, keep_seen: bool) -> Result<Vec<(u32, f32)>, StoreError> {
        let reading = self.read()?;
        let profile = self.profile_in(&reading, Side::User, user)?;
        let seen = if keep_seen { Vec::new() } else { self.sequence_in(&reading, Side::User, user)? };
        let (query, bias) = self.head()?.query(&profile);
        if self.search.is_none() {
            self.search = Some(self.make_search()?);
        }
        let found = self.search.as_ref().map(|search| search.top(&query, bias, k, &seen));
        Ok(found.unwrap_or_default())
    }

    /// All items as the head sees them.
    fn make_search(&self) -> Result<ItemSearch, StoreError> {
        let head = self.head()?;
        let reading = self.read()?;
        let mut profiles = Vec::new();
        for item in 0..self.known(Side::Item) as u32 {
            profiles.extend(self.profile_in(&reading, Side::Item, item)?);
        }
        Ok(ItemSearch::new(head.map_items(&profiles), head.width()))
    }

    /// A user's or an item's profile, raw.
    ///
    /// # Errors
    /// An unknown number, or a damaged file.
    pub fn profile(&self, side: Side, number: u32) -> Result<Vec<f32>, StoreError> {
        self.profile_in(&self.read()?, side, number)
    }

    /// A user's items, or an item's users, oldest first.
    ///
    /// # Errors
    /// An unknown number, or a damaged file.
    pub fn sequence(&self, side: Side, number: u32) -> Result<Vec<u32>, StoreError> {
        self.sequence_in(&self.read()?, side, number)
    }

    /// The same with their times; 0 where the store's interactions have none.
    ///
    /// # Errors
    /// As of [`ProfileStore::sequence`].
    pub fn timed_sequence(&self, side: Side, number: u32) -> Result<Vec<(u32, i64)>, StoreError> {
        Ok(self.timed_in(&self.read()?, side, number)?.0)
    }

    pub(crate) fn sequence_in(
        &self,
        reading: &ReadTransaction,
        side: Side,
        number: u32,
    ) -> Result<Vec<u32>, StoreError> {
        Ok(self.timed_in(reading, side, number)?.ids())
    }

    fn timed_in(&self, reading: &ReadTransaction, side: Side, number: u32) -> Result<Timed, StoreError> {
        self.check_known(side, number)?;
        let table = reading.open_table(side.sequences()).map_err(|error| self.failed(error))?;
        let bytes = table.get(number).map_err(|error| self.failed(error))?;
        let found = bytes.and_then(|bytes| Timed::decode(bytes.value()));
        found.ok_or_else(|| self.lacks("sequence", side, number))
    }

    pub(crate) fn profile_in(
        &self,
        reading: &ReadTransaction,
        side: Side,
        number: u32,
    ) -> Result<Vec<f32>, StoreError> {
        self.check_known(side, number)?;
        let width = self.width();
        let keys = reading.open_table(side.keys()).map_err(|error| self.failed(error))?;
        let profiles = reading.open_table(PROFILES).map_err(|error| self.failed(error))?;
        let key = keys.get(number).map_err(|error| self.failed(error))?;
        let key: Key = key.ok_or_else(|| self.lacks("key", side, number))?.value();
        let bytes = profiles.get(key).map_err(|error| self.failed(error))?;
        let profile = bytes.and_then(|bytes| decode_profile(bytes.value(), width));
        profile.ok_or_else(|| self.lacks("profile", side, number))
    }

    pub(crate) fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.database.begin_read().map_err(|error| self.failed(error))
    }

    /// The head that joins two profiles.
    pub(crate) fn head(&self) -> Result<&Head, StoreError> {
        self.model.head().ok_or(StoreError::NoProfiles)
    }

    /// How many users or items the model has.
    fn known(&self, side: Side) -> usize {
        let [users, items] = self.sizes;
        if side == Side::User { users } else { items }
    }

    /// Width of a profile.
    fn width(&self) -> usize {
        self.model.head().map_or(0, Head::width)
    }

    pub(crate) fn check_known(&self, side: Side, number: u32) -> Result<(), StoreError> {
        let known = self.known(side);
        if (number as usize) < known { Ok(()) } else { Err(StoreError::Unknown { side, number, known }) }
    }

    fn tower(&mut self, side: Side) -> Result<(&mut Tower, Profile), StoreError> {
        self.model.tower(side).ok_or(StoreError::NoProfiles)
    }

    pub(crate) fn failed(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::of(&self.path, error)
    }

    fn lacks(&self, what: &str, side: Side, number: u32) -> StoreError {
        StoreError::damaged(&self.path, format!("{side} {number} has no {what}"))
    }
}

/// Everything that decides what the model makes of a sequence, and how it joins profiles: options and weights, in hexadecimal
/// digits.
fn fingerprint(model: &mut dyn Profiled) -> Result<String, StoreError> {
    ProfileStore::check(model)?;
    let (options, tensors) = model.identity()?;
    let mut hasher = Sha256::new();
    hasher.update(options);
    for tensor in tensors {
        hasher.update(&tensor.name);
        if let Values::F32(values) = &tensor.values {
            hasher.update((values.len() as u64).to_le_bytes());
            for value in values.iter() {
                hasher.update(value.to_le_bytes());
            }
        }
    }
    Ok(format!("{:x}", hasher.finalize()))
}

fn read_origin(database: &Database, path: &Path) -> Result<Origin, StoreError> {
    let reading = database.begin_read().map_err(|error| StoreError::of(path, error))?;
    let table = reading.open_table(ABOUT).map_err(|error| StoreError::of(path, error))?;
    let entry = |key| {
        let value = table.get(key).map_err(|error| StoreError::of(path, error))?;
        let value = value.ok_or_else(|| StoreError::damaged(path, format!("no {key}")))?;
        Ok::<_, StoreError>(String::from_utf8_lossy(value.value()).into_owned())
    };
    let found = entry(FORMAT_KEY)?;
    if found != FORMAT {
        return Err(StoreError::Format { path: path.to_owned(), found });
    }
    serde_json::from_str(&entry(ORIGIN_KEY)?)
        .map_err(|error| StoreError::damaged(path, format!("{ORIGIN_KEY}: {error}")))
}
