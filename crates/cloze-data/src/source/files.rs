//! The files of a form: where they lie, verified.

use std::path::{Path, PathBuf};

use crate::DataError;
use crate::log::content_sha256;
use crate::manifest::{FileSpec, Form, base_name};

/// The files of a form that exist.
pub(crate) struct Located {
    interactions: PathBuf,
    items: Option<PathBuf>,
    item_ids: Option<PathBuf>,
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
}

/// Looks for the files of `form` in `folder`; `None` without the interactions.
pub(crate) fn locate(form: &Form, folder: &Path) -> Option<Located> {
    let interactions = find(&form.interactions, folder)?;
    let items = form.items.as_ref().and_then(|file| find(file, folder));
    let item_ids = form.item_ids.as_ref().and_then(|file| find(file, folder));
    Some(Located { interactions, items, item_ids })
}

fn find<C>(file: &FileSpec<C>, folder: &Path) -> Option<PathBuf> {
    let full = file.files.iter().map(|name| folder.join(name));
    let short = file.files.iter().map(|name| folder.join(base_name(name)));
    full.chain(short).find(|path| path.is_file())
}

impl Located {
    pub(crate) fn read(self, form: &Form) -> Result<Obtained<'_>, DataError> {
        Ok(Obtained {
            form,
            interactions: verified(self.interactions, &form.interactions)?,
            items: read_optional(self.items, form.items.as_ref())?,
            item_ids: read_optional(self.item_ids, form.item_ids.as_ref())?,
        })
    }
}

fn read_optional<C>(path: Option<PathBuf>, file: Option<&FileSpec<C>>) -> Result<Option<Raw>, DataError> {
    path.zip(file).map(|(path, file)| verified(path, file)).transpose()
}

fn verified<C>(path: PathBuf, file: &FileSpec<C>) -> Result<Raw, DataError> {
    let found = content_sha256(&path)?;
    match &file.sha256 {
        Some(expected) if *expected != found => {
            Err(DataError::Checksum { file: path, expected: expected.clone(), found })
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

    /// The files, interactions first.
    pub(crate) fn raw(&self) -> impl Iterator<Item = &Raw> {
        std::iter::once(&self.interactions).chain(&self.items).chain(&self.item_ids)
    }
}
