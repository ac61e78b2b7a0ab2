//! From a name to a data set.

use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::log::{BadRows, Known, LogFormat, LogOptions, read_log_with, read_table};
use crate::manifest::{Manifest, manifest, manifests};
use crate::prepared::{FORMAT, METADATA, STAGED, read_prepared, write_prepared};
use crate::read::{Cutting, ItemRecord, Starts, read_id_map, read_items, read_starts, rename_genres};
use crate::source::{Obtained, obtain};
use crate::staging::recover;
use crate::{DataError, DataOptions, Dataset, Progress};

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Loads a data set: a built-in one by name, or any other by the path of its manifest (`.toml`) or of its prepared
/// folder (see [`prepare`](crate::prepare); the path of its `metadata.json` does as well).
///
/// The raw files are obtained and verified, read, filtered and checked against the expected numbers; the result is kept
/// in `<cache>/prepared/<name>-<key>/` (nothing is kept without a cache folder), and taken from there the next time.
/// The key covers the manifest and the content of the files, so a change of either is a new preparation; a damaged
/// preparation is rebuilt. Dense ids are numbered by first appearance in the file, after filters.
///
/// # Errors
/// [`DataError::UnknownDataset`], [`DataError::Manifest`], [`DataError::Unobtainable`] with every source tried,
/// [`DataError::Counts`], and the errors of readers, which name file, line and column.
pub fn load(name: &str, options: &DataOptions, progress: &mut dyn Progress) -> Result<Dataset, DataError> {
    if let Some(folder) = prepared_folder(name) {
        return read_prepared(&folder);
    }
    let manifest = manifest(name)?;
    if let Some(synthetic) = &manifest.synthetic {
        let mut dataset = synthetic.generate()?;
        dataset.name.clone_from(&manifest.name);
        manifest.check_counts(&dataset, &PathBuf::from("the generator"))?;
        return Ok(dataset);
    }
    let obtained = obtain(&manifest, options, progress)?;
    let Ok(cache) = options.cache() else { return build(&manifest, &obtained, progress) };
    let folder = cache.join("prepared").join(format!("{}-{}", manifest.name, key(&manifest, &obtained)));
    if folder.exists() {
        match read_prepared(&folder) {
            Ok(dataset) => return Ok(dataset),
            Err(error) => progress.note(&format!("{error}: preparing again")),
        }
    }
    let dataset = build(&manifest, &obtained, progress)?;
    write_prepared(&folder, &dataset)?;
    // The mapped file, not the copy in memory: the first run behaves like all others.
    read_prepared(&folder)
}

/// Obtains the raw files of a data set without reading them into a data set: the paths, interactions first. Generated
/// data and prepared folders have none.
///
/// # Errors
/// As [`load`], without the errors of readers.
pub fn fetch(
    name: &str,
    options: &DataOptions,
    progress: &mut dyn Progress,
) -> Result<Vec<PathBuf>, DataError> {
    if prepared_folder(name).is_some() {
        return Ok(Vec::new());
    }
    let manifest = manifest(name)?;
    if manifest.synthetic.is_some() {
        return Ok(Vec::new());
    }
    let obtained = obtain(&manifest, options, progress)?;
    Ok(obtained.raw().map(|raw| raw.path.clone()).collect())
}

/// The folder that `name` means, if it is no built-in data set and no manifest. One that a killed preparation had put aside
/// for a new one comes back.
pub(crate) fn prepared_folder(name: &str) -> Option<PathBuf> {
    if manifests().iter().any(|manifest| manifest.name == name) {
        return None;
    }
    let path = Path::new(name);
    if path.file_name().is_some_and(|file| file == METADATA) && path.is_file() {
        return Some(path.parent().unwrap_or(Path::new("")).to_owned());
    }
    if !path.exists() {
        recover(STAGED, path);
    }
    path.is_dir().then(|| path.to_owned())
}

fn build(
    manifest: &Manifest,
    obtained: &Obtained<'_>,
    progress: &mut dyn Progress,
) -> Result<Dataset, DataError> {
    if let Some(absent) = obtained.absent() {
        progress.note(&format!(
            "{}: without {absent} beside it items have no titles: they go by their ids",
            obtained.interactions.path.display()
        ));
    }
    if let Some(absent) = obtained.absent_names() {
        progress.note(&format!(
            "{}: without {absent} beside it genres go by their numbers",
            obtained.interactions.path.display()
        ));
    }
    let file = &obtained.interactions.path;
    let dataset = read(manifest, obtained, progress).map_err(|error| manifest.blame_file(error, file))?;
    manifest.check_counts(&dataset, file)?;
    Ok(dataset)
}

fn read(
    manifest: &Manifest,
    obtained: &Obtained<'_>,
    progress: &mut dyn Progress,
) -> Result<Dataset, DataError> {
    let (raw, spec) = (&obtained.interactions, &obtained.form.interactions);
    let (items, starts) = (items(obtained)?, starts(obtained)?);
    let known = Known { title: &manifest.title, items: items.as_ref(), starts: starts.as_ref() };
    let mut log = LogOptions::new(&raw.path, spec.columns.user.clone(), spec.columns.item.clone());
    log.name = Some(manifest.name.clone());
    log.time.clone_from(&spec.columns.time);
    log.value.clone_from(&spec.columns.value);
    log.format = match spec.cutting() {
        Cutting::Table(table) => {
            return read_table(&log, &table, &manifest.filters, known, progress);
        }
        Cutting::JsonLines => Some(LogFormat::JsonLines),
        Cutting::Parquet => Some(LogFormat::Parquet),
    };
    Ok(read_log_with(&log, &manifest.filters, &BadRows::Error, known, progress)?.0)
}

/// Item records by the ids of the interactions; none if a file that they need is absent.
fn items(obtained: &Obtained<'_>) -> Result<Option<HashMap<String, ItemRecord>>, DataError> {
    let (Some(raw), Some(spec)) = (&obtained.items, &obtained.form.items) else { return Ok(None) };
    let mut items = read_items(&raw.path, &spec.cutting(), &spec.columns)?;
    if let Some(names) = &obtained.genre_names {
        rename_genres(&names.path, &mut items)?;
    }
    let Some(spec) = &obtained.form.item_ids else { return Ok(Some(items)) };
    let Some(raw) = &obtained.item_ids else { return Ok(None) };
    let map = read_id_map(&raw.path, &spec.cutting(), &spec.columns)?;
    let record = |(id, original)| Some((id, items.get(&original)?.clone()));
    Ok(Some(map.into_iter().filter_map(record).collect()))
}

/// When the period of each item begins, if times count from there.
fn starts(obtained: &Obtained<'_>) -> Result<Option<Starts>, DataError> {
    let (Some(periods), Some(spec)) = (&obtained.form.periods, &obtained.form.items) else { return Ok(None) };
    let Some(raw) = &obtained.items else {
        let absent = obtained.absent().unwrap_or_default();
        let reason = format!("its times count from periods that {absent} names: put that file beside it");
        return Err(DataError::Malformed { file: obtained.interactions.path.clone(), reason });
    };
    read_starts(&raw.path, &spec.cutting(), &spec.columns.id, periods).map(Some)
}

/// What a preparation depends on.
fn key(manifest: &Manifest, obtained: &Obtained<'_>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(FORMAT.to_le_bytes());
    hasher.update(manifest.text.as_bytes());
    hasher.update(&obtained.form.name);
    for raw in obtained.raw() {
        hasher.update(&raw.sha256);
    }
    hex(&hasher.finalize()[..8])
}
