//! Where data come from and where they are kept.

use std::path::PathBuf;

use crate::DataError;

/// The folders that [`load`](crate::load) uses. The default takes them from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOptions {
    /// A folder with raw files, searched first: `<dir>/ml-100k/u.data`, then `<dir>/u.data`.
    /// Default: the environment variable `CLOZE_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// The folder for downloads (`raw/`) and prepared data (`prepared/`).
    /// Default: the environment variable `CLOZE_CACHE`, else `cloze` in the platform's cache folder.
    pub cache: Option<PathBuf>,
    /// Never use the network. Default: false.
    pub offline: bool,
}

impl Default for DataOptions {
    fn default() -> Self {
        let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            data_dir: folder("CLOZE_DATA_DIR"),
            cache: folder("CLOZE_CACHE").or_else(|| dirs::cache_dir().map(|dir| dir.join("cloze"))),
            offline: false,
        }
    }
}

impl DataOptions {
    /// The cache folder.
    pub(crate) fn cache(&self) -> Result<&PathBuf, DataError> {
        self.cache.as_ref().ok_or(DataError::NoCache)
    }
}
