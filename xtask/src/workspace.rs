//! Where the repository is, and what `cargo metadata` says about it.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use xshell::{Shell, cmd};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // At run time first: a binary in a shared target directory may have been built from another clone.
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map(Path::to_path_buf).expect("xtask lies in a folder of the repository")
}

/// The part of `cargo metadata --no-deps` that the checks read.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    /// The workspace's own packages.
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One declared dependency.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The version requirement, such as `^59.3`.
    pub(crate) req: String,
    /// `dev`, `build`, or nothing for an ordinary dependency.
    pub(crate) kind: Option<String>,
}

impl Dependency {
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Asks cargo for the workspace's packages.
pub(crate) fn metadata() -> Result<Metadata> {
    let shell = Shell::new()?;
    shell.change_dir(root());
    let json = cmd!(shell, "cargo metadata --format-version 1 --no-deps").quiet().read()?;
    serde_json::from_str(&json).context("cargo metadata did not print what was expected")
}
