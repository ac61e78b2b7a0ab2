//! `cloze recommend`: the best items for a user of the data, or for a history typed on the command line.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::{Args, value_parser};
use cloze_data::Vocabulary;
use cloze_eval::{Explanation, Query, Recommender as _, explain, recommend};
use cloze_hybrid::{ProfileStore, Side};
use cloze_train::{ModelFolder, Reporter};
use serde_json::{Value, json};

use crate::data_args::DataArgs;
use crate::neighbours::{Near, nearest};
use crate::output::{print, print_json};
use crate::table::{Column, Table};
use crate::text::{WIDTH, count, wrap};
use crate::trained;

const EXAMPLES: &str = "\
Examples:
  cloze recommend runs/knn --user 196
  cloze recommend runs/knn --history 'Toy Story (1995)' --history 'Aladdin (1992)'
  cloze recommend runs/knn --history 1 95 --top 5 --json
  cloze recommend runs/hybrid --user 196 --explain
  cloze recommend runs/hybrid --user 196 --store profiles.redb   (see cloze profiles)";

/// How many items of the history are shown.
const SHOWN: usize = 5;
/// How many different items of the history, the latest, may explain a recommendation.
const TRIED: usize = 100;
/// How many of them are shown.
const REASONS: usize = 3;

const WHY: &str = "\
Why: what each term adds to the item's lead over the mean item, and what that lead loses when the history lacks an item.";

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
    /// Take the user's profile and history from this store, with what was added to it since training
    #[arg(long, value_name = "FILE", requires = "user", conflicts_with = "explain")]
    store: Option<PathBuf>,
    /// Say of each item what its score is made of, and which items of the history it rests on
    #[arg(long)]
    explain: bool,
    /// With --explain: also say which of this many nearest users had an item; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 20)]
    neighbours: usize,
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
        if let (Some(store), Some(user)) = (&self.store, &self.user) {
            return self.run_on_store(store, user);
        }
        let (folder, mut model) = trained::open(&self.model)?;
        let data =
            || trained::data(&folder, self.dataset.as_deref(), &self.data.options(), &mut Reporter::stderr());
        let (user, history, dataset) = match &self.user {
            Some(user) => {
                let dense = trained::known_user(user, &folder)?;
                let dataset = data()?.0;
                (Some(dense), dataset.sequences.get(dense as usize).to_vec(), Some(dataset))
            }
            None => (None, self.typed(&folder.vocabularies.items)?, None),
        };
        let query = Query { user, history: &history };
        let best = recommend(model.as_mut(), &query, self.top as usize, !self.keep_seen)?;
        let items: Vec<u32> = best.iter().map(|&(item, _)| item).collect();
        let why = if self.explain { explain(model.as_mut(), &query, &items, TRIED)? } else { Vec::new() };
        let near = if self.explain && self.neighbours > 0 {
            // A typed history needs no data; only this does.
            let dataset = dataset.map_or_else(|| data().map(|(dataset, _)| dataset), Ok);
            nearest(model.as_mut(), &query, dataset, self.neighbours)?
        } else {
            None
        };
        let answer = Answer {
            model: model.name(),
            folder: &folder,
            history: &history,
            best: &best,
            why: &why,
            near: near.as_ref(),
        };
        self.print(&answer)
    }

    /// Without a tower and without the data.
    fn run_on_store(&self, path: &Path, user: &str) -> Result<()> {
        let (folder, mut hybrid) = trained::hybrid(&self.model)?;
        let (dense, model) = (trained::known_user(user, &folder)?, hybrid.name());
        let mut store = ProfileStore::open(path, &mut hybrid)?;
        let best = store.recommend(dense, self.top as usize, self.keep_seen)?;
        let history = store.sequence(Side::User, dense)?;
        self.print(&Answer { model, folder: &folder, history: &history, best: &best, why: &[], near: None })
    }

    fn print(&self, answer: &Answer<'_>) -> Result<()> {
        if self.json {
            print_json(&answer.json(self.user.as_deref()))
        } else {
            print(&answer.text(self.user.as_deref()))
        }
    }

    fn typed(&self, items: &Vocabulary) -> Result<Vec<u32>> {
        let find = |text: &String| items.find(text).map_err(|error| anyhow!("--history: {error}"));
        self.history.iter().map(find).collect()
    }
}

/// The recommendations, with what they are based on.
struct Answer<'a> {
    model: String,
    folder: &'a ModelFolder,
    history: &'a [u32],
    best: &'a [(u32, f32)],
    /// Of each of the best items, where it was asked for.
    why: &'a [Explanation],
    /// The users who are nearest, where they were asked for and the model can tell.
    near: Option<&'a Near>,
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
        if !self.why.is_empty() {
            text.push_str(&self.reasons());
        }
        text
    }

    fn reasons(&self) -> String {
        let mut columns =
            vec![("rank", Column::Number), ("terms", Column::Text), ("because of", Column::Wrapped)];
        columns.extend(self.near.map(|_| ("near", Column::Number)));
        let mut table = Table::new(&columns);
        for (rank, why) in (1..).zip(self.why) {
            let rank: usize = rank;
            let terms: Vec<String> =
                why.parts.iter().map(|(name, lift)| format!("{name} {lift:+.2}")).collect();
            // What speaks against an item does not explain that it is here.
            let for_it = why.because.iter().filter(|(_, lost)| *lost > 0.0).take(REASONS);
            let because: Vec<String> =
                for_it.map(|&(item, lost)| format!("{} {lost:+.2}", self.named(item))).collect();
            let or = |list: &[String], none: &str| {
                if list.is_empty() { none.to_owned() } else { list.join(", ") }
            };
            let mut cells = vec![rank.to_string(), or(&terms, "-"), or(&because, "nothing in the history")];
            cells.extend(self.near.map(|near| near.who_had(why.item).count().to_string()));
            table.row(cells);
        }
        let near = self.near.map_or_else(String::new, |near| format!(" {}", near.legend()));
        format!("\n{}\n\n{}", wrap(&format!("{WHY}{near}"), WIDTH).join("\n"), table.render())
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
        format!("{} ({}{synthetic}) for {whom}, based on {of}", self.model, card.trained_on.dataset)
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
                let rank: usize = rank;
                let mut line =
                    json!({ "rank": rank, "id": items.id(item), "title": items.title(item), "score": score });
                if let Some(why) = self.why.get(rank - 1) {
                    let lost = |&(item, lost): &(u32, f32)| json!({ "id": items.id(item), "lift": lost });
                    line["terms"] =
                        why.parts.iter().map(|(name, lift)| ((*name).to_owned(), json!(lift))).collect();
                    line["because"] = why.because.iter().map(lost).collect();
                    if let Some(near) = self.near {
                        line["near"] = near.who_had(item).collect();
                    }
                }
                line
            })
            .collect();
        let trained_on = &self.folder.card.trained_on;
        json!({
            "model": self.model,
            "dataset": trained_on.dataset,
            "user": user,
            "history": history,
            "recommendations": best,
        })
    }
}
