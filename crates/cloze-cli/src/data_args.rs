//! The flags that say where data come from, the same for every command.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use cloze_data::{DataOptions, manifests};

use crate::text::quoted;

#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Folder with raw files, searched first [default: the environment variable `CLOZE_DATA_DIR`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Folder for downloads and prepared data [default: `CLOZE_CACHE`, else the platform's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Never use the network
    #[arg(long)]
    offline: bool,
}

/// A data set's name as it is understood from any folder: paths become absolute.
pub(crate) fn lasting(name: &str) -> Result<String> {
    if manifests().iter().any(|manifest| manifest.name == name) {
        return Ok(name.to_owned());
    }
    let path = std::path::absolute(name).with_context(|| format!("no path: {name:?}"))?;
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(text.to_owned())
}

impl DataArgs {
    pub(crate) fn options(&self) -> DataOptions {
        if self.offline {
            // Text models are found where models are trained and loaded, far from any flag.
            cloze_review::stay_offline();
        }
        let default = DataOptions::default();
        DataOptions {
            data_dir: self.data_dir.clone().or(default.data_dir),
            cache: self.cache.clone().or(default.cache),
            offline: self.offline,
        }
    }

    /// The same flags once more, for a command that is suggested to the user.
    pub(crate) fn repeat(&self) -> String {
        let mut flags = String::new();
        for (flag, folder) in [("--data-dir", &self.data_dir), ("--cache", &self.cache)] {
            if let Some(folder) = folder {
                let _ = write!(flags, " {flag} {}", quoted(&folder.display().to_string()));
            }
        }
        flags
    }
}
