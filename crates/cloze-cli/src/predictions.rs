//! The scores of another system, from a file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use cloze_data::log::{LogOptions, ScoreRow, Scores, read_scores};
use cloze_data::read::Column;
use cloze_data::{Dataset, Vocabulary};
use cloze_eval::{EvalError, Fit, Predictions};
use cloze_train::Reporter;

use crate::commands::train::FitArg;
use crate::text::{count, did_you_mean};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Scores of another system")]
pub(crate) struct PredictionArgs {
    /// File of user, item and score, a higher score being better: .parquet, .csv, .tsv, .jsonl or .txt, with or without
    /// .gz or .zst. An item without a score ranks below every item with one
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Column of user ids: its name, or its place counted from 1 in a file without a header
    #[arg(long, value_name = "COLUMN", default_value = "user", value_parser = column, conflicts_with = "model")]
    user_column: Column,
    /// Column of item ids
    #[arg(long, value_name = "COLUMN", default_value = "item", value_parser = column, conflicts_with = "model")]
    item_column: Column,
    /// Column of scores
    #[arg(long, value_name = "COLUMN", default_value = "score", value_parser = column, conflicts_with = "model")]
    score_column: Column,
    /// What to do with rows whose user or item the data set does not have: refuse the file, or leave them out and say
    /// how many they are
    #[arg(long, value_enum, default_value_t = UnknownIds::Error, conflicts_with = "model")]
    unknown_ids: UnknownIds,
    /// The name in results [default: the model's; the file's name without its extensions]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What the system learned from: train, or train+validation
    #[arg(long, value_enum, default_value_t = FitArg::Train, conflicts_with = "model")]
    fitted_on: FitArg,
    /// Seed of the system's training: several seeds of one name make one row of `cloze compare`
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "model")]
    run_seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum UnknownIds {
    Error,
    Skip,
}

// Clap takes an error only.
#[allow(clippy::unnecessary_wraps, reason = "the form of a value parser")]
fn column(text: &str) -> Result<Column, String> {
    Ok(text.parse().map_or_else(|_| Column::Name(text.to_owned()), Column::Position))
}

impl PredictionArgs {
    fn path(&self) -> &Path {
        self.predictions.as_deref().unwrap_or(Path::new(""))
    }

    pub(crate) fn shown(&self) -> String {
        self.path().display().to_string()
    }

    pub(crate) fn fit(&self) -> Fit {
        self.fitted_on.into()
    }

    pub(crate) fn run_seed(&self) -> u64 {
        self.run_seed
    }

    /// A folder beside the file.
    pub(crate) fn output(&self, kind: &str) -> PathBuf {
        self.path().with_file_name(format!("{}-{kind}", stem(self.path())))
    }

    /// Reads the file; the number is that of the rows left out.
    pub(crate) fn load(&self, dataset: &Dataset, reporter: &mut Reporter) -> Result<(Predictions, u64)> {
        let mut options = LogOptions::new(self.path(), self.user_column.clone(), self.item_column.clone());
        options.value = Some(self.score_column.clone());
        let scores = read_scores(&options, reporter).context("cannot read the predictions")?;
        let users: Vec<Option<u32>> = scores.users.iter().map(|id| dataset.users.get(id)).collect();
        let items: Vec<Option<u32>> = scores.items.iter().map(|id| dataset.items.get(id)).collect();
        let mut triples = Vec::with_capacity(scores.rows.len());
        for row in &scores.rows {
            match (users[row.user as usize], items[row.item as usize]) {
                (Some(user), Some(item)) => triples.push((user, item, row.score)),
                _ if self.unknown_ids == UnknownIds::Skip => {}
                (None, _) => {
                    bail!(self.unknown(row, "user", &scores.users[row.user as usize], &dataset.users))
                }
                (_, None) => {
                    bail!(self.unknown(row, "item", &scores.items[row.item as usize], &dataset.items))
                }
            }
        }
        let unknown = (scores.rows.len() - triples.len()) as u64;
        if triples.is_empty() {
            bail!(
                "{}: none of the {} rows has a user and an item of {}: are these its ids?",
                self.shown(),
                count(scores.rows.len()),
                dataset.name
            );
        }
        let name = self.name.clone().unwrap_or_else(|| stem(self.path()));
        let predictions = Predictions::new(&name, dataset.users.len(), dataset.items.len(), &triples);
        let predictions = predictions.map_err(|error| match error {
            EvalError::DuplicateScore { user, item } => self.twice(&scores, (user, item), (&users, &items)),
            error => error.into(),
        })?;
        Ok((predictions, unknown))
    }

    fn unknown(&self, row: &ScoreRow, what: &str, id: &str, known: &Vocabulary) -> String {
        let hint = did_you_mean(id, known.ids().iter().map(String::as_str));
        format!(
            "{}, line {}: unknown {what} {id:?}{hint}; the data set has {} {what}s. Leave such rows out with \
             --unknown-ids skip",
            self.shown(),
            row.line,
            count(known.len())
        )
    }

    /// A pair that stands twice, with its lines.
    fn twice(
        &self,
        scores: &Scores,
        pair: (u32, u32),
        (users, items): (&[Option<u32>], &[Option<u32>]),
    ) -> anyhow::Error {
        let same = |row: &&ScoreRow| {
            (users[row.user as usize], items[row.item as usize]) == (Some(pair.0), Some(pair.1))
        };
        let rows: Vec<&ScoreRow> = scores.rows.iter().filter(same).collect();
        let lines: Vec<String> = rows.iter().map(|row| row.line.to_string()).collect();
        let id = |ids: &[String], place: fn(&ScoreRow) -> u32| {
            rows.first().and_then(|row| ids.get(place(row) as usize)).cloned().unwrap_or_default()
        };
        anyhow!(
            "{}, lines {}: user {:?} has several scores for item {:?}: keep one",
            self.shown(),
            lines.join(" and "),
            id(&scores.users, |row| row.user),
            id(&scores.items, |row| row.item)
        )
    }
}

/// The file's name without the extensions that a reader knows: what else has a point tells runs apart.
fn stem(path: &Path) -> String {
    const KNOWN: [&str; 8] = [".gz", ".zst", ".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet"];
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut stem = name.as_str();
    while let Some(shorter) = KNOWN.iter().find_map(|ending| stem.strip_suffix(ending)) {
        stem = shorter;
    }
    if stem.is_empty() { "predictions".to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_different_runs_have_different_names() {
        for (file, name) in [
            ("a/b.v1.csv.gz", "b.v1"),
            ("b.v2.csv", "b.v2"),
            ("0.5-mix.parquet", "0.5-mix"),
            (".csv", "predictions"),
        ] {
            assert_eq!(stem(Path::new(file)), name, "{file}");
        }
    }
}
