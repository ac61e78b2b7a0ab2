//! The files of a form: where they lie, verified.

use std::path::{Path, PathBuf};

use crate::DataError;
use crate::log::content_sha256;
use crate::manifest::{Form, base_name};

/// The files of a form that exist.
pub(crate) struct Located {
    interactions: PathBuf,
    items: Option<PathBuf>,
    item_ids: Option<PathBuf>,
    genre_names: Option<PathBuf>,
}

/// A verified file.
pub(crate) struct Raw {
    pub(crate) path: PathBuf,
    /// Of the unpacked content.
    pub(crate) sha256: String,
}

/// The verified files of a form.
pub(crate) struct Obtained<'m> {
    pub(crate) form: &'m Form,
    pub(crate) interactions: Raw,
    pub(crate) items: Option<Raw>,
    pub(crate) item_ids: Option<Raw>,
    pub(crate) genre_names: Option<Raw>,
}

/// Looks for the files of `form` in `folder`; `None` without the interactions.
pub(crate) fn locate(form: &Form, folder: &Path) -> Option<Located> {
    let interactions = find(&form.interactions.files, folder)?;
    let items = form.items.as_ref().and_then(|file| find(&file.files, folder));
    let item_ids = form.item_ids.as_ref().and_then(|file| find(&file.files, folder));
    let genre_names = form.genre_names.as_ref().and_then(|file| find(&file.files, folder));
    Some(Located { interactions, items, item_ids, genre_names })
}

fn find(files: &[String], folder: &Path) -> Option<PathBuf> {
    let full = files.iter().map(|name| folder.join(name));
    let short = files.iter().map(|name| folder.join(base_name(name)));
    full.chain(short).find(|path| path.is_file())
}

impl Located {
    pub(crate) fn read(self, form: &Form) -> Result<Obtained<'_>, DataError> {
        let (items, item_ids) = (form.items.as_ref(), form.item_ids.as_ref());
        let names = form.genre_names.as_ref();
        Ok(Obtained {
            form,
            interactions: verified(self.interactions, form.interactions.sha256.as_deref())?,
            items: optional(self.items, items.and_then(|file| file.sha256.as_deref()))?,
            item_ids: optional(self.item_ids, item_ids.and_then(|file| file.sha256.as_deref()))?,
            genre_names: optional(self.genre_names, names.and_then(|file| file.sha256.as_deref()))?,
        })
    }
}

fn optional(path: Option<PathBuf>, sha256: Option<&str>) -> Result<Option<Raw>, DataError> {
    path.map(|path| verified(path, sha256)).transpose()
}

fn verified(path: PathBuf, sha256: Option<&str>) -> Result<Raw, DataError> {
    let found = content_sha256(&path)?;
    match sha256 {
        Some(expected) if expected != found => {
            Err(DataError::Checksum { file: path, expected: expected.to_owned(), found })
        }
        _ => Ok(Raw { path, sha256: found }),
    }
}

impl Obtained<'_> {
    /// The file of item names that the form has and the folder has not.
    pub(crate) fn absent(&self) -> Option<&str> {
        let items = self.form.items.as_ref().filter(|_| self.items.is_none()).map(|spec| &spec.files);
        let ids = self.form.item_ids.as_ref().filter(|_| self.item_ids.is_none()).map(|spec| &spec.files);
        items.or(ids)?.first().map(|file| base_name(file))
    }

    /// The file of genres' names that the form has and the folder has not.
    pub(crate) fn absent_names(&self) -> Option<&str> {
        let names = self.form.genre_names.as_ref().filter(|_| self.genre_names.is_none())?;
        names.files.first().map(|file| base_name(file))
    }

    /// The files, interactions first.
    pub(crate) fn raw(&self) -> impl Iterator<Item = &Raw> {
        let items = std::iter::once(&self.interactions).chain(&self.items).chain(&self.item_ids);
        items.chain(&self.genre_names)
    }
}
