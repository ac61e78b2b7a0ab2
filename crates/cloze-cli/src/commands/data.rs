//! `cloze data`: which data sets there are, obtaining them, preparing them, describing them.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use cloze_data::{SplitSpec, fetch, load, manifests};
use cloze_train::Reporter;

use crate::commands::describe::{Describe, known};
use crate::data_args::DataArgs;
use crate::output::{note, print};
use crate::table::{Column, Table};
use crate::text::count;

const EXAMPLES: &str = "\
Examples:
  cloze data list
  cloze data fetch ml-100k
  cloze data prepare my-data.toml
  cloze data describe ml-100k";

const LIST_EXAMPLES: &str = "Example:\n  cloze data list";

const FETCH_EXAMPLES: &str = "\
Examples:
  cloze data fetch ml-100k
  cloze data fetch ml-1m --data-dir ~/datasets --offline";

const PREPARE_EXAMPLES: &str = "\
Examples:
  cloze data prepare ml-100k
  cloze data prepare ml-100k --split global-time:0.8,0.9
  cloze data prepare my-data.toml";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the built-in data sets
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Obtain the raw files of a data set and print their paths
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(Named),
    /// Obtain, read and check a data set, and print its numbers
    #[command(after_help = PREPARE_EXAMPLES)]
    Prepare(Prepare),
    /// Show what a data set is like: sizes, distributions, and whether its order means anything
    Describe(Describe),
}

#[derive(Debug, Args)]
struct Named {
    /// A built-in data set, a prepared folder, or the path of a manifest (.toml)
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct Prepare {
    #[command(flatten)]
    named: Named,
    /// The split whose numbers are printed, as `cloze train --split` takes it
    #[arg(long, value_name = "SPLIT", default_value_t = SplitSpec::default())]
    split: SplitSpec,
}

impl Data {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::List => list(),
            Command::Fetch(named) => named.fetch(),
            Command::Prepare(prepare) => prepare.run(),
            Command::Describe(describe) => describe.run(),
        }
    }
}

fn list() -> Result<()> {
    let mut table = Table::new(&[
        ("name", Column::Text),
        ("title", Column::Wrapped),
        ("users", Column::Number),
        ("items", Column::Number),
        ("interactions", Column::Number),
    ]);
    let mut licences = Table::new(&[("name", Column::Text), ("licence", Column::Wrapped)]);
    for manifest in manifests() {
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| count(number as usize));
        table.row([
            manifest.name.clone(),
            manifest.title.clone(),
            number(manifest.expected.and_then(|expected| expected.users)),
            number(manifest.expected.and_then(|expected| expected.items)),
            number(manifest.expected.and_then(|expected| expected.interactions)),
        ]);
        licences.row([manifest.name.clone(), manifest.licence.clone()]);
    }
    print(&format!("{}\n{}", table.render(), licences.render()))
}

impl Named {
    fn fetch(&self) -> Result<()> {
        let files = fetch(&self.name, &self.data.options(), &mut Reporter::stderr())?;
        if files.is_empty() {
            note(&format!("{}: there are no files: the data are generated or prepared already", self.name));
        }
        let mut text = String::new();
        for file in &files {
            let _ = writeln!(text, "{}", file.display());
        }
        print(&text)
    }
}

impl Prepare {
    fn run(&self) -> Result<()> {
        let Named { name, data } = &self.named;
        let dataset = load(name, &data.options(), &mut Reporter::stderr())?;
        let split = self.split.of(&dataset.sequences).with_context(|| format!("{name}, {}", self.split))?;
        let cuts = split.cuts().map_or_else(String::new, |(validation, test)| {
            format!(", validation from time {validation}, test from time {test}")
        });
        let mut rows = vec![
            ("data set", dataset.name.clone()),
            ("title", dataset.title.clone()),
            ("users", count(dataset.users.len())),
            ("items", count(dataset.items.len())),
            ("interactions", count(dataset.sequences.interactions())),
            ("titles", if dataset.items.has_titles() { "yes" } else { "no" }.to_owned()),
            ("times", if dataset.sequences.has_times() { "yes" } else { "no" }.to_owned()),
            ("split", format!("{}{cuts}", self.split)),
            ("users held out", count(split.test().iter().flatten().count())),
            ("split hash", split.hash()),
        ];
        if let Some(manifest) = known(name)? {
            rows.extend([("licence", manifest.licence), ("citation", manifest.citation)]);
        }
        let mut table = Table::new(&[("", Column::Text), ("", Column::Wrapped)]);
        for (name, value) in rows {
            table.row([name.to_owned(), value]);
        }
        print(&table.render())
    }
}
