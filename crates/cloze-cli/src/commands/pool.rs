//! `cloze pool`: the best items of several models in one file, for people to grade without knowing whose they are.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, value_parser};
use cloze_eval::{Query, pool, recommend, sample_users, write_together};

use crate::beside;
use crate::data_args::DataArgs;
use crate::output::print;
use crate::pool_file;
use crate::text::{count, quoted};

const EXAMPLES: &str = "\
Examples:
  cloze pool runs/hybrid runs/knn --output pool.csv
  cloze pool runs/hybrid runs/knn runs/random --output pool.csv --top 10 \\
      --users 50 --seed 1
Then fill in the column `relevant` (1 relevant, 0 not, or grades from 0 to 3;
empty: not judged), and:
  cloze judge pool.csv runs/hybrid runs/knn runs/random";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Pool {
    /// Model folders, as `cloze train` wrote them, all of the same data and split
    #[arg(value_name = "DIR", required = true)]
    models: Vec<PathBuf>,
    /// File to write: user,item,title,genres,relevant, the last column empty
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Items of each model and user that come into the pool
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    top: u32,
    /// Users to draw; all where the data have no more
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    users: u32,
    /// Seed of the users and of the order of each one's items
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Data set, where it is no longer found under the name that it was trained by; must give the same split
    #[arg(long = "data", value_name = "NAME")]
    dataset: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

impl Pool {
    pub(crate) fn run(self) -> Result<()> {
        let shown = self.output.display();
        // Hours of annotators' work may be in it.
        ensure!(
            !self.output.exists(),
            "{shown} exists, and grades in it would be lost: give another --output, or remove it"
        );
        let name = self.output.file_name().and_then(|name| name.to_str());
        let Some(name) = name else { anyhow::bail!("--output {shown} names no file") };
        let (mut models, dataset) =
            beside::open(&self.models, self.dataset.as_deref(), &self.data.options(), "pooled")?;
        let users = sample_users(dataset.users.len() as u32, self.users as usize, self.seed);
        let mut pools = Vec::with_capacity(users.len());
        for &user in &users {
            let query = Query { user: Some(user), history: dataset.sequences.get(user as usize) };
            let mut lists = Vec::with_capacity(models.len());
            for one in &mut models {
                let best = recommend(one.model.as_mut(), &query, self.top as usize, true)?;
                lists.push(best.into_iter().map(|(item, _)| item).collect::<Vec<u32>>());
            }
            pools.push((user, pool(&lists, user, self.seed)));
        }
        let rows: usize = pools.iter().map(|(_, items)| items.len()).sum();
        ensure!(
            rows > 0,
            "the models recommend nothing to the {} users: there is no pool",
            count(users.len())
        );
        let folder = self.output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(std::path::Path::new("."));
        write_together(folder, &[(name, pool_file::text(&pools, &dataset).into_bytes())])?;
        let models: Vec<String> =
            self.models.iter().map(|path| quoted(&path.display().to_string())).collect();
        print(&format!(
            "{shown}: {} items of {} users, the top {} of {} models.\nFill in the column `relevant` (1 relevant, 0 not, or grades \
             from 0 to 3; empty: not judged), then:\n  cloze judge {} {}\n",
            count(rows),
            count(users.len()),
            self.top,
            self.models.len(),
            quoted(&shown.to_string()),
            models.join(" ")
        ))
    }
}
