//! `cloze recommend`: the best items for a user of the data, or for a history typed on the command line.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, value_parser};
use cloze_data::{Dataset, Vocabulary};
use cloze_eval::{Query, Recommender, recommend};
use cloze_train::{ModelFolder, Reporter};
use serde_json::{Value, json};

use crate::data_args::DataArgs;
use crate::output::{print, print_json};
use crate::table::{Column, Table};
use crate::text::{WIDTH, count, did_you_mean, wrap};
use crate::trained;

const EXAMPLES: &str = "\
Examples:
  cloze recommend runs/knn --user 196
  cloze recommend runs/knn --history 'Toy Story (1995)' --history 'Aladdin (1992)'
  cloze recommend runs/knn --history 1 95 --top 5 --json";

/// How many items of the history are shown.
const SHOWN: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Recommend {
    /// Model folder, as `cloze train` wrote it
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// A user of the data set that the model was trained on
    #[arg(long, value_name = "ID", required_unless_present = "history", conflicts_with = "history")]
    user: Option<String>,
    /// An item that the user had, as id or title, oldest first; may be repeated
    #[arg(long, value_name = "ITEM", num_args = 1..)]
    history: Vec<String>,
    /// Number of items to recommend
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    top: u32,
    /// Recommend items of the history too
    #[arg(long)]
    keep_seen: bool,
    /// Print the recommendations as JSON
    #[arg(long)]
    json: bool,
    /// Data set, where it is no longer found under the name that it was trained by; must give the same split
    #[arg(long = "data", value_name = "NAME")]
    dataset: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

impl Recommend {
    pub(crate) fn run(self) -> Result<()> {
        let (folder, mut model) = trained::open(&self.model)?;
        let (user, history) = match &self.user {
            Some(user) => self.of_user(user, &folder)?,
            None => (None, self.typed(&folder.vocabularies.items)?),
        };
        let query = Query { user, history: &history };
        let best = recommend(model.as_mut(), &query, self.top as usize, !self.keep_seen)?;
        let answer = Answer { model: model.as_ref(), folder: &folder, history: &history, best: &best };
        if self.json {
            print_json(&answer.json(self.user.as_deref()))
        } else {
            print(&answer.text(self.user.as_deref()))
        }
    }

    /// A user's whole sequence.
    fn of_user(&self, user: &str, folder: &ModelFolder) -> Result<(Option<u32>, Vec<u32>)> {
        // Before the data are loaded: the model knows its users.
        let known = &folder.vocabularies.users;
        let Some(dense) = known.get(user) else {
            let hint = did_you_mean(user, known.ids().iter().map(String::as_str));
            let total = count(known.len());
            bail!("unknown user {user:?}{hint}; {} has {total} users", folder.card.trained_on.dataset);
        };
        let data: (Dataset, _) =
            trained::data(folder, self.dataset.as_deref(), &self.data.options(), &mut Reporter::stderr())?;
        Ok((Some(dense), data.0.sequences.get(dense as usize).to_vec()))
    }

    fn typed(&self, items: &Vocabulary) -> Result<Vec<u32>> {
        let find = |text: &String| items.find(text).map_err(|error| anyhow!("--history: {error}"));
        self.history.iter().map(find).collect()
    }
}

/// The recommendations, with what they are based on.
struct Answer<'a> {
    model: &'a dyn Recommender,
    folder: &'a ModelFolder,
    history: &'a [u32],
    best: &'a [(u32, f32)],
}

impl Answer<'_> {
    fn text(&self, user: Option<&str>) -> String {
        let mut text = wrap(&self.basis(user), WIDTH).join("\n") + "\n\n";
        if self.best.is_empty() {
            return text + "Nothing to recommend: every item is in the history, or the model excludes it.\n";
        }
        let mut table =
            Table::new(&[("rank", Column::Number), ("item", Column::Wrapped), ("score", Column::Number)]);
        for (rank, &(item, score)) in (1..).zip(self.best) {
            let rank: usize = rank;
            table.row([rank.to_string(), self.named(item), format!("{score:.4}")]);
        }
        text.push_str(&table.render());
        text
    }

    /// One sentence: which model, for whom, from which items.
    fn basis(&self, user: Option<&str>) -> String {
        let card = &self.folder.card;
        let synthetic = if card.trained_on.synthetic { ", generated data" } else { "" };
        let whom = user.map_or_else(|| "a typed history".to_owned(), |user| format!("user {user}"));
        let last: Vec<String> = self.history[self.history.len().saturating_sub(SHOWN)..]
            .iter()
            .map(|&item| self.named(item))
            .collect();
        let of = match self.history.len() {
            0 => "no item".to_owned(),
            1 => format!("1 item: {}", last.join("; ")),
            n if n <= SHOWN => format!("{n} items: {}", last.join("; ")),
            n => format!("{} items, the last of them: {}", count(n), last.join("; ")),
        };
        format!("{} ({}{synthetic}) for {whom}, based on {of}", self.model.name(), card.trained_on.dataset)
    }

    /// `title (id)`, or the id alone.
    fn named(&self, item: u32) -> String {
        let items = &self.folder.vocabularies.items;
        match (items.title(item), items.id(item)) {
            (Some(title), Some(id)) => format!("{title} ({id})"),
            _ => items.label(item),
        }
    }

    fn json(&self, user: Option<&str>) -> Value {
        let items = &self.folder.vocabularies.items;
        let history: Vec<Value> = self
            .history
            .iter()
            .map(|&item| json!({ "id": items.id(item), "title": items.title(item) }))
            .collect();
        let best: Vec<Value> = (1..)
            .zip(self.best)
            .map(|(rank, &(item, score))| {
                let rank: u32 = rank;
                json!({ "rank": rank, "id": items.id(item), "title": items.title(item), "score": score })
            })
            .collect();
        let trained_on = &self.folder.card.trained_on;
        json!({
            "model": self.model.name(),
            "dataset": trained_on.dataset,
            "user": user,
            "history": history,
            "recommendations": best,
        })
    }
}
