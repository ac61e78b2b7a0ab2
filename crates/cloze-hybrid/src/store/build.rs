//! A store from the data: first all sequences, then the profiles that are missing.

use super::observe::Change;
use super::tables::{ABOUT, FORMAT_KEY, ORIGIN_KEY, OWNERS, Origin, PROFILES, Timed};
use super::{FORMAT, ProfileStore, Profiled, Side, StoreError, fingerprint};
use crate::hybrid::HybridBert4Rec;
use cloze_data::Sequences;
use cloze_data::staging::{place, sync_folder};
use cloze_train::{Reporter, TrainError};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, WriteTransaction};
use std::path::Path;
use std::{fs, io};

/// Profiles that one transaction adds, and that are computed together.
const TOGETHER: usize = 1024;

/// # Errors
/// Another number of users than the model's, or an item that it does not know.
pub(crate) fn check_sizes(
    path: &Path,
    sequences: &Sequences,
    users: usize,
    items: usize,
) -> Result<(), StoreError> {
    let path = path.display();
    let problem = match sequences.values().iter().find(|item| **item as usize >= items) {
        Some(item) => format!("{path}: item number {item}, and the model knows {items}"),
        None if sequences.len() != users => {
            format!("{path}: {} sequences for the {users} users of the model", sequences.len())
        }
        None => return Ok(()),
    };
    Err(TrainError::Data(problem).into())
}

impl<'m> ProfileStore<'m> {
    /// Makes the store of these users' items, or goes on with one whose making was stopped.
    ///
    /// # Errors
    /// A store that is finished, or of another model or other data; users or items that the model does not know; a failure to
    /// write, after which the same call goes on.
    pub fn build(
        path: &Path,
        model: &'m mut HybridBert4Rec,
        sequences: &Sequences,
        reporter: &mut Reporter,
    ) -> Result<Self, StoreError> {
        let [users, items] = model.sizes();
        check_sizes(path, sequences, users, items)?;
        let users_of = sequences.transpose(items).map_err(TrainError::from)?;
        Self::build_of(path, model, [sequences, &users_of], reporter, |_, _| Ok(()))
    }

    /// The same of the sequences of both sides; what `finish` writes is there when the store is finished, and not before.
    pub(crate) fn build_of(
        path: &Path,
        model: &'m mut dyn Profiled,
        sequences: [&Sequences; 2],
        reporter: &mut Reporter,
        finish: impl FnOnce(&mut Self, &WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let fingerprint = fingerprint(model)?;
        let data = data_hash(sequences);
        if is_blank(path)? {
            let origin = Origin {
                model: fingerprint,
                times: sequences[0].has_times(),
                unfinished: Some(data.clone()),
            };
            begin(path, &origin, sequences)?;
        }
        let mut store = Self::open_any(path, model)?;
        match &store.origin.unfinished {
            None => return Err(StoreError::Exists { path: store.path }),
            Some(of) if *of != data => return Err(StoreError::OtherData { path: store.path }),
            Some(_) => {}
        }
        for (side, sequences) in Side::BOTH.into_iter().zip(sequences) {
            store.add_missing(side, sequences, reporter)?;
        }
        store.origin.unfinished = None;
        store.transaction(|store, writing| {
            finish(store, writing)?;
            store.write_origin(writing)
        })?;
        Ok(store)
    }

    fn add_missing(
        &mut self,
        side: Side,
        sequences: &Sequences,
        reporter: &mut Reporter,
    ) -> Result<(), StoreError> {
        let reading = self.read()?;
        let keys = reading.open_table(side.keys()).map_err(|error| self.failed(error))?;
        let mut missing = Vec::new();
        for number in 0..sequences.len() as u32 {
            if keys.get(number).map_err(|error| self.failed(error))?.is_none() {
                missing.push(number);
            }
        }
        drop((keys, reading));
        reporter.start(&format!("{side} profiles"), missing.len() as u64, &format!("{side}s"));
        for (done, chunk) in missing.chunks(TOGETHER).enumerate() {
            let histories: Vec<&[u32]> = chunk.iter().map(|&number| sequences.get(number as usize)).collect();
            self.transaction(|store, writing| {
                let change = store.change(side, chunk, &histories, writing)?;
                store.write(&change, writing)
            })?;
            reporter.advance_to((done * TOGETHER + chunk.len()) as u64, String::new);
        }
        reporter.finish(&format!("{} {side} profiles", missing.len()));
        Ok(())
    }

    /// Everything that `work` writes, or, if it fails, nothing.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let writing = self.database.begin_write().map_err(|error| self.failed(error))?;
        // Dropped without a commit, a transaction leaves nothing.
        let done = work(self, &writing)?;
        writing.commit().map_err(|error| self.failed(error))?;
        Ok(done)
    }

    fn write_origin(&self, writing: &WriteTransaction) -> Result<(), StoreError> {
        write_about(writing, &self.origin, &self.path)
    }

    /// Writes what was computed, and forgets the profiles that nobody has any more.
    pub(super) fn write(&self, change: &Change, writing: &WriteTransaction) -> Result<(), StoreError> {
        write_change(change, writing).map_err(|error| self.failed(error))
    }
}

fn write_change(change: &Change, writing: &WriteTransaction) -> Result<(), redb::Error> {
    let mut keys = writing.open_table(change.side.keys())?;
    let mut profiles = writing.open_table(PROFILES)?;
    let mut owners = writing.open_table(OWNERS)?;
    for (key, bytes) in &change.profiles {
        profiles.insert(key, bytes.as_slice())?;
    }
    for (number, key) in &change.keys {
        let old = keys.insert(number, key)?.map(|old| old.value());
        if old == Some(*key) {
            continue;
        }
        let count = owners.get(key)?.map_or(0, |count| count.value());
        owners.insert(key, count + 1)?;
        let Some(old) = old else { continue };
        let left = owners.get(old)?.map_or(0, |count| count.value()).saturating_sub(1);
        if left > 0 {
            owners.insert(old, left)?;
        } else {
            owners.remove(old)?;
            profiles.remove(old)?;
        }
    }
    Ok(())
}

/// Whether nothing was stored at `path` yet.
fn is_blank(path: &Path) -> Result<bool, StoreError> {
    if !path.exists() {
        return Ok(true);
    }
    let database = Database::open(path).map_err(|error| StoreError::of(path, error))?;
    let reading = database.begin_read().map_err(|error| StoreError::of(path, error))?;
    let mut tables = reading.list_tables().map_err(|error| StoreError::of(path, error))?;
    Ok(tables.next().is_none())
}

/// Makes the file, with its first transaction, beside its place: until redb has laid a file out, it is no database, and a build
/// that was killed then could not go on.
fn begin(path: &Path, origin: &Origin, sequences: [&Sequences; 2]) -> Result<(), StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let failed = |error: io::Error| StoreError::of(&beside, error);
    // What stands there was left by a build that was killed, unless one is at it.
    let opened = Database::open(&beside).map(drop).map_err(|error| StoreError::of(path, error));
    if let Err(busy @ StoreError::Busy { .. }) = opened {
        return Err(busy);
    }
    remove(&beside).map_err(failed)?;
    if let Err(error) = write_sequences(&beside, origin, sequences) {
        // Half a store only takes room.
        let _ = remove(&beside);
        return Err(error);
    }
    // Another build may have been faster.
    if !is_blank(path)? {
        return remove(&beside).map_err(failed);
    }
    fs::rename(&beside, path).and_then(|()| sync_folder_of(path)).map_err(failed)
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until a file's name is on the disk.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    place(path).map_or(Ok(()), |(folder, _)| sync_folder(&folder))
}

/// The first transaction: whom the store is for, and all sequences.
pub(super) fn write_sequences(
    path: &Path,
    origin: &Origin,
    sequences: [&Sequences; 2],
) -> Result<(), StoreError> {
    let write = || -> Result<(), redb::Error> {
        let database = Database::create(path)?;
        let writing = database.begin_write()?;
        for (side, sequences) in Side::BOTH.into_iter().zip(sequences) {
            let mut table = writing.open_table(side.sequences())?;
            writing.open_table(side.keys())?;
            for number in 0..sequences.len() {
                let ids = sequences.get(number).iter().copied();
                let times = sequences.times(number);
                let timed = ids.enumerate().map(|(i, id)| (id, times.map_or(0, |times| times[i])));
                table.insert(number as u32, Timed(timed.collect()).encode().as_slice())?;
            }
        }
        writing.open_table(PROFILES)?;
        writing.open_table(OWNERS)?;
        insert_about(&writing, origin)?;
        Ok(writing.commit()?)
    };
    write().map_err(|error| StoreError::of(path, error))
}

fn write_about(writing: &WriteTransaction, origin: &Origin, path: &Path) -> Result<(), StoreError> {
    insert_about(writing, origin).map_err(|error| StoreError::of(path, error))
}

fn insert_about(writing: &WriteTransaction, origin: &Origin) -> Result<(), redb::Error> {
    let mut about = writing.open_table(ABOUT)?;
    about.insert(FORMAT_KEY, FORMAT.as_bytes())?;
    let text = serde_json::to_vec(origin).map_err(std::io::Error::from)?;
    about.insert(ORIGIN_KEY, text.as_slice())?;
    Ok(())
}

/// Of users' items and items' users: together they tell the order in time as well.
pub(super) fn data_hash([sequences, users_of]: [&Sequences; 2]) -> String {
    format!("{} {}", sequences.hash(), users_of.hash())
}
