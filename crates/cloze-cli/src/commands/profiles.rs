//! `cloze profiles`: profiles of users and items, computed once and kept up with new interactions.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use cloze_train::Reporter;

use crate::data_args::DataArgs;
use crate::output::print;
use crate::stored::{Interaction, Stored};
use crate::text::count;
use crate::trained;

const EXAMPLES: &str = "\
Examples:
  cloze train hybridbert4rec --variant trained-projections --data ml-100k \\
      --output runs/hybrid
  cloze profiles build runs/hybrid --store profiles.redb
  cloze recommend runs/hybrid --store profiles.redb --user 196
  cloze profiles update runs/hybrid --store profiles.redb --user 196 \\
      --item 'Toy Story (1995)' --time 893286638";

const BUILD_EXAMPLES: &str = "\
Example:
  cloze profiles build runs/hybrid --store profiles.redb

The store has all interactions of the data, held-out ones too: it is for
recommending, not for evaluation. A build that was stopped goes on where it was.";

const UPDATE_EXAMPLES: &str = "\
Examples:
  cloze profiles update runs/hybrid --store profiles.redb --user 196 \\
      --item 1 --time 893286638
  cloze profiles update runs/hybrid --store profiles.redb --user 196 \\
      --item 'Toy Story (1995)' --time 893286638
  cloze profiles update runs/learners --store profiles.redb --user 123 \\
      --item 4711 --time 89 --score 1

Renews the profiles of that user and that item and no other, or, if it fails,
nothing. Where the model is of learners, an answer can make an objective easier
or harder for the learner: then the exercises of it that the learner took are
renewed too.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Profiles {
    #[command(subcommand)]
    command: Command,
}

fn time(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "expected a whole number, in the unit of the data's times".to_owned())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compute the profiles of all users and items of the model's data
    #[command(after_help = BUILD_EXAMPLES)]
    Build(Build),
    /// Take down that a user had an item, and renew the profiles that it touches
    #[command(after_help = UPDATE_EXAMPLES)]
    Update(Update),
}

#[derive(Debug, Args)]
struct Place {
    /// Model folder of a hybridbert4rec or hybridbert4rec-learners whose variant has profiles
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// File of the profile store
    #[arg(long, value_name = "FILE")]
    store: PathBuf,
}

#[derive(Debug, Args)]
struct Build {
    #[command(flatten)]
    place: Place,
    /// Data set, where it is no longer found under the name that it was trained by; must give the same split
    #[arg(long = "data", value_name = "NAME")]
    dataset: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct Update {
    #[command(flatten)]
    place: Place,
    /// A user of the data set that the model was trained on
    #[arg(long, value_name = "ID")]
    user: String,
    /// The item that the user had, as id or title
    #[arg(long)]
    item: String,
    /// When, in the unit of the data's times (ml-100k: Unix seconds); left out where the data have no times
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = time)]
    time: Option<i64>,
    /// Of a hybridbert4rec-learners: the score of the answer, as the data have it
    #[arg(long, value_name = "SCORE")]
    score: Option<f32>,
}

impl Profiles {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Build(command) => command.run(),
            Command::Update(command) => command.run(),
        }
    }
}

impl Build {
    fn run(self) -> Result<()> {
        // Before the data are loaded.
        let (folder, mut model) = Stored::open(&self.place.model)?;
        let mut reporter = Reporter::stderr();
        let (dataset, _) =
            trained::data(&folder, self.dataset.as_deref(), &self.data.options(), &mut reporter)?;
        let path = &self.place.store;
        model.build(path, &dataset.sequences, &mut reporter)?;
        let (users, items) = (count(dataset.users.len()), count(dataset.items.len()));
        print(&format!(
            "profiles of {users} users and {items} items of {} in {}\n",
            dataset.name,
            path.display()
        ))
    }
}

impl Update {
    fn run(self) -> Result<()> {
        let (folder, mut model) = Stored::open(&self.place.model)?;
        let user = trained::known_user(&self.user, &folder)?;
        let items = &folder.vocabularies.items;
        let item = items.find(&self.item).map_err(|error| anyhow!("--item: {error}"))?;
        let one = Interaction { user, item, time: self.time, score: self.score };
        let (said, took) = model.update(&self.place.store, one)?;
        let milliseconds = took.as_secs_f64() * 1e3;
        let (user, item) = (&self.user, items.label(item));
        print(&format!("user {user} had {item}: {said} in {milliseconds:.1} ms\n"))
    }
}
