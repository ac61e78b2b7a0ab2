//! Manifests: what a data set is, where to get it, how to read it and what it must then contain.

mod check;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::read::{Cutting, IdMapColumns, InteractionColumns, ItemColumns, Periods, Table};
use crate::synthetic::SyntheticOptions;
use crate::vocabulary::nearest;
use crate::{DataError, Dataset, Filters};

/// A data set as its manifest (`datasets/<name>.toml`) describes it. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Short name, as on the command line.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// What to cite.
    pub citation: String,
    /// The terms in one sentence.
    pub licence: String,
    /// Where the files and the full terms are.
    pub licence_url: String,
    /// Published numbers, checked after parsing.
    #[serde(default)]
    pub expected: Option<Expected>,
    /// Which interactions are kept.
    #[serde(default)]
    pub filters: Filters,
    /// Accepted sets of files, the preferred one first.
    #[serde(default)]
    pub forms: Vec<Form>,
    /// Where to look, in order.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Set for generated data, which have neither forms nor sources.
    #[serde(default)]
    pub synthetic: Option<SyntheticOptions>,
    /// The text of the manifest: part of the prepared data's key.
    #[serde(skip)]
    pub(crate) text: String,
    /// The folder of a manifest file, searched like the data folder.
    #[serde(skip)]
    pub(crate) folder: Option<PathBuf>,
}

/// Numbers that a data set must have after its filters; none where nothing reliable is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// Number of users.
    pub users: Option<u64>,
    /// Number of items.
    pub items: Option<u64>,
    /// Number of interactions.
    pub interactions: Option<u64>,
}

/// One accepted set of files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// What sources call it.
    pub name: String,
    /// The file with the interactions.
    pub interactions: FileSpec<InteractionColumns>,
    /// The file with titles, genres and texts of the items; data without it have none.
    #[serde(default)]
    pub items: Option<FileSpec<ItemColumns>>,
    /// From ids of the interactions to ids of the item file, where the two differ; without it there are no titles.
    #[serde(default)]
    pub item_ids: Option<FileSpec<IdMapColumns>>,
    /// The file with the names of genres that the item file has by number.
    #[serde(default)]
    pub genre_names: Option<GenreNames>,
    /// Set where times are days since the beginning of the item's period, such as a term that the item file names.
    #[serde(default)]
    pub periods: Option<Periods>,
}

/// A file with one JSON object from the name of each genre to its number: `{"Mean": 9, "Median": 10}`. A genre without a
/// name is an error; without the file itself genres go by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenreNames {
    /// Accepted names, as in [`FileSpec`].
    pub files: Vec<String>,
    /// sha256 of the content (unpacked, if the file is gzip).
    #[serde(default)]
    pub sha256: Option<String>,
}

/// A file and how to read it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec<C> {
    /// Accepted names, relative to the data folder; the last component alone is looked for too.
    pub files: Vec<String>,
    /// sha256 of the content (unpacked, if the file is gzip).
    #[serde(default)]
    pub sha256: Option<String>,
    /// How a text is cut into cells.
    #[serde(default)]
    pub table: Option<Table>,
    /// What the file is instead of a text.
    #[serde(default)]
    pub format: Option<FileFormat>,
    /// Which columns are what.
    pub columns: C,
}

/// Files that are no text tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// The data folder (`CLOZE_DATA_DIR`) and the manifest's own folder; all forms are looked for.
    Local,
    /// A download, verified by size and sha256.
    Https {
        /// The address.
        url: String,
        /// Size in bytes.
        size: u64,
        /// sha256 of the download.
        sha256: String,
        /// The form that the files make up.
        form: String,
        /// What to take out of the zip archive; empty if the download is the file itself.
        #[serde(default)]
        members: Vec<String>,
    },
    /// A file that has to be fetched by hand: it is behind a form, or nobody has published its checksum. Errors tell it.
    ByHand {
        /// The address of the file, or of the page that leads to it.
        url: String,
        /// What to do with the file, such as how to unpack it.
        #[serde(default)]
        note: Option<String>,
    },
    /// A wheel from the Python package index, fetched by `pip download --no-deps`.
    PythonPackage {
        /// Package name.
        package: String,
        /// Exact version.
        version: String,
        /// File name of the wheel.
        wheel: String,
        /// sha256 of the wheel.
        sha256: String,
        /// The form that the files make up.
        form: String,
        /// What to take out of the wheel.
        members: Vec<String>,
    },
}

static BUILT_IN: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
    let texts = [
        ("amazon-beauty", include_str!("../../../../datasets/amazon-beauty.toml")),
        ("amazon-books", include_str!("../../../../datasets/amazon-books.toml")),
        ("amazon-books-10k", include_str!("../../../../datasets/amazon-books-10k.toml")),
        ("amazon-musical-instruments", include_str!("../../../../datasets/amazon-musical-instruments.toml")),
        ("assistments-2009", include_str!("../../../../datasets/assistments-2009.toml")),
        ("assistments-2015", include_str!("../../../../datasets/assistments-2015.toml")),
        ("assistments-2015-runs", include_str!("../../../../datasets/assistments-2015-runs.toml")),
        ("goodreads-poetry", include_str!("../../../../datasets/goodreads-poetry.toml")),
        ("ml-100k", include_str!("../../../../datasets/ml-100k.toml")),
        ("ml-1m", include_str!("../../../../datasets/ml-1m.toml")),
        ("ml-20m", include_str!("../../../../datasets/ml-20m.toml")),
        ("ml-latest-small", include_str!("../../../../datasets/ml-latest-small.toml")),
        ("online-retail", include_str!("../../../../datasets/online-retail.toml")),
        ("oulad", include_str!("../../../../datasets/oulad.toml")),
        ("steam", include_str!("../../../../datasets/steam.toml")),
        ("synthetic", include_str!("../../../../datasets/synthetic.toml")),
        ("yelp", include_str!("../../../../datasets/yelp.toml")),
    ];
    let parse = |(name, text)| Manifest::parse(name, text).expect("built-in manifests are valid: tested");
    texts.into_iter().map(parse).collect()
});

/// The built-in manifests, compiled into the binary.
pub fn manifests() -> &'static [Manifest] {
    &BUILT_IN
}

/// The manifest of that name, or in the file of that path (`.toml`).
///
/// # Errors
/// [`DataError::UnknownDataset`] with the nearest known names; [`DataError::Manifest`] for a file that is no valid
/// manifest.
pub fn manifest(name: &str) -> Result<Manifest, DataError> {
    if let Some(known) = manifests().iter().find(|manifest| manifest.name == name) {
        return Ok(known.clone());
    }
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    if is_file {
        let text = std::fs::read_to_string(path).map_err(DataError::io("read the manifest", path))?;
        let mut manifest = Manifest::parse(name, &text)?;
        manifest.folder = path
            .parent()
            .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() });
        return Ok(manifest);
    }
    let known = || manifests().iter().map(|manifest| manifest.name.as_str());
    Err(DataError::UnknownDataset {
        name: name.to_owned(),
        nearest: nearest(name, known()),
        known: known().map(str::to_owned).collect(),
    })
}

impl Manifest {
    /// Parses and checks the text of a manifest; `file` is how errors call it.
    ///
    /// # Errors
    /// [`DataError::Manifest`] with line and column for unknown keys and wrong types, or with the rule that is broken.
    pub fn parse(file: &str, text: &str) -> Result<Self, DataError> {
        let error = |reason| DataError::Manifest { file: file.to_owned(), reason };
        let mut manifest: Self = toml::from_str(text).map_err(|source| error(source.to_string()))?;
        manifest.check().map_err(error)?;
        text.clone_into(&mut manifest.text);
        Ok(manifest)
    }

    /// The form of that name.
    pub fn form(&self, name: &str) -> Option<&Form> {
        self.forms.iter().find(|form| form.name == name)
    }

    /// The filters leave what is expected of the published file: where nothing is left, the file is not that.
    pub(crate) fn blame_file(&self, error: DataError, file: &Path) -> DataError {
        match (error, self.expected.and_then(|expected| expected.interactions)) {
            (DataError::NothingLeft { .. }, Some(expected)) => {
                let (name, file) = (self.name.clone(), file.to_owned());
                DataError::Counts { name, what: "interactions", expected, found: 0, file }
            }
            (error, _) => error,
        }
    }

    /// Compares a data set, read from `file`, with the expected numbers.
    pub(crate) fn check_counts(&self, dataset: &Dataset, file: &Path) -> Result<(), DataError> {
        let Some(expected) = self.expected else { return Ok(()) };
        let counts = [
            ("users", expected.users, dataset.users.len()),
            ("items", expected.items, dataset.items.len()),
            ("interactions", expected.interactions, dataset.sequences.interactions()),
        ];
        for (what, expected, found) in counts {
            let found = found as u64;
            if let Some(expected) = expected
                && found != expected
            {
                let (name, file) = (self.name.clone(), file.to_owned());
                return Err(DataError::Counts { name, what, expected, found, file });
            }
        }
        Ok(())
    }
}

impl<C> FileSpec<C> {
    /// How the rows of the file are written.
    pub(crate) fn cutting(&self) -> Cutting {
        match (self.format, &self.table) {
            (Some(FileFormat::JsonLines), _) => Cutting::JsonLines,
            (Some(FileFormat::Parquet), _) => Cutting::Parquet,
            // The check of the manifest refuses files with neither.
            (None, table) => Cutting::Table(table.clone().unwrap_or_else(Table::whitespace)),
        }
    }
}

/// The last component of a path with slashes.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
