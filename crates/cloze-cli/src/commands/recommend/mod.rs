//! `cloze recommend`: the best items for a user of the data, or for a history typed on the command line.

mod answer;
mod beside;
pub(crate) mod genre;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::{ArgGroup, Args, value_parser};
use cloze_data::{Dataset, Split, Vocabulary};
use cloze_eval::{Query, explain, recommend};
use cloze_train::{ModelFolder, Reporter};

use crate::beside::check_same;
use crate::data_args::DataArgs;
use crate::neighbours::nearest;
use crate::output::{note, print, print_json};
use crate::stored::Stored;
use crate::{success, trained};
use answer::{Answer, HeldOut};

const EXAMPLES: &str = "\
Examples:
  cloze recommend runs/knn --user 196
  cloze recommend runs/knn --history 'Toy Story (1995)' \\
      --history 'Aladdin (1992)'
  cloze recommend runs/knn --history 1 95 --top 5 --json
  cloze recommend runs/hybrid --user 196 --explain
  cloze recommend runs/hybrid --user 196 --genre Animation
  cloze recommend runs/hybrid --learner 123 \\
      --objective 'Pythagorean theorem' --success runs/pfa --explain
  # beside each other, against what the user took next
  cloze recommend runs/bert runs/knn --user 196 --held-out --top 5
  # see cloze profiles
  cloze recommend runs/hybrid --user 196 --store profiles.redb
  cloze recommend runs/learners --learner 123 \\
      --objective 'Pythagorean theorem' --store profiles.redb";

/// How many different items of the history, the latest, may explain a recommendation.
const TRIED: usize = 100;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = EXAMPLES, group = ArgGroup::new("whom").args(["user", "history"]).required(true))]
pub(crate) struct Recommend {
    /// Model folders, as `cloze train` wrote them; several of the same data are asked beside each other
    #[arg(value_name = "DIR", required = true)]
    models: Vec<PathBuf>,
    /// A user of the data set that the model was trained on
    #[arg(long, visible_alias = "learner", value_name = "ID")]
    user: Option<String>,
    /// An item that the user had, as id or title, oldest first; may be repeated
    #[arg(long, value_name = "ITEM", num_args = 1..)]
    history: Vec<String>,
    /// Number of items to recommend
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    top: u32,
    /// Recommend items of this genre only; of learners' data, exercises of this learning objective
    #[arg(long, visible_alias = "objective", value_name = "NAME")]
    genre: Option<String>,
    /// With --genre: recommend from those items of the history alone that are of it
    #[arg(long, requires = "genre", conflicts_with = "store")]
    history_within_genre: bool,
    /// Model folder of a pfa of the same data: say how likely the learner answers each exercise right
    #[arg(long, value_name = "DIR", requires = "user", conflicts_with = "store")]
    success: Option<PathBuf>,
    /// With --success: recommend only what the learner answers right with a probability from A to B, such as 0.5,0.8
    #[arg(long, value_name = "A,B", requires = "success", value_parser = success::range)]
    success_range: Option<(f32, f32)>,
    /// Recommend items of the history too
    #[arg(long)]
    keep_seen: bool,
    /// Hide the user's test item, recommend from what came before it, and say at which rank it stands
    #[arg(long, requires = "user", conflicts_with_all = ["history", "store", "keep_seen"])]
    held_out: bool,
    /// Take the user's profile and history from this store, with what was added to it since training
    #[arg(long, value_name = "FILE", requires = "user", conflicts_with = "explain")]
    store: Option<PathBuf>,
    /// Say of each item what its score is made of, and which items of the history it rests on
    #[arg(long)]
    explain: bool,
    /// With --explain: also say which of this many nearest users had an item; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 20, requires = "explain")]
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

/// For whom something is recommended.
struct Whom {
    user: Option<u32>,
    history: Vec<u32>,
    /// Where it was read.
    dataset: Option<Dataset>,
    /// The hidden item, where one was to be hidden.
    target: Option<u32>,
}

impl Recommend {
    pub(crate) fn run(self) -> Result<()> {
        let answers = match (&self.store, &self.user) {
            (Some(store), Some(user)) => vec![self.kept_answer(store, user)?],
            _ => self.answers()?,
        };
        let user = self.user.as_deref();
        match &answers[..] {
            [one] if self.json => print_json(&one.json(user)),
            [one] => print(&one.text(user)),
            all if self.json => print_json(&all.iter().map(|one| one.json(user)).collect::<Vec<_>>()),
            all => print(&beside::text(all, user)),
        }
    }

    /// What every model says.
    fn answers(&self) -> Result<Vec<Answer>> {
        let mut answers: Vec<Answer> = Vec::new();
        for path in &self.models {
            let answer = self.answer(path)?;
            if let Some(first) = answers.first() {
                check_same(&first.folder, &answer.folder, "asked beside each other")?;
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    fn answer(&self, path: &Path) -> Result<Answer> {
        let (folder, mut model) = trained::open(path)?;
        let data =
            || trained::data(&folder, self.dataset.as_deref(), &self.data.options(), &mut Reporter::stderr());
        let Whom { user, mut history, mut dataset, target } = self.whom(&folder, &data)?;
        if self.genre.is_some() && dataset.is_none() {
            dataset = Some(data()?.0);
        }
        let genre = match (&self.genre, &dataset) {
            (Some(name), Some(dataset)) => Some(genre::find(dataset, name)?),
            _ => None,
        };
        if let Some(genre) = genre.as_ref().filter(|_| self.history_within_genre) {
            history.retain(|&item| genre.items[item as usize]);
        }
        // A model that knows its users by heart would answer from the whole history.
        let told = !self.history_within_genre || model.joins_user_and_history();
        let query = Query { user: user.filter(|_| told), history: &history };
        let success = self.success.as_ref().map(|path| success::of(path, &folder, user)).transpose()?;
        // The held-out item may stand anywhere.
        let all = target.is_some() || self.genre.is_some() || self.success_range.is_some();
        let asked = if all { model.catalogue() } else { self.top as usize };
        let mut best = recommend(model.as_mut(), &query, asked, !self.keep_seen)?;
        if let Some(genre) = &genre {
            best.retain(|(item, _)| genre.items[*item as usize]);
        }
        if let (Some(success), Some((low, high))) = (&success, self.success_range) {
            best.retain(|(item, _)| (low..=high).contains(&success[*item as usize]));
        }
        let held_out = target.map(|item| HeldOut::among(&best, item));
        best.truncate(self.top as usize);
        let genres = dataset.as_ref().and_then(|dataset| dataset.details.genres.clone());
        let (mut why, mut remarks, mut quotations, mut near) = (Vec::new(), Vec::new(), Vec::new(), None);
        if self.explain {
            let items: Vec<u32> = best.iter().map(|&(item, _)| item).collect();
            why = explain(model.as_mut(), &query, &items, TRIED)?;
            remarks = model.remarks(&query, &items).map_err(|error| anyhow!(error))?;
            // Reviews and text model may be gone or elsewhere: no reason to withhold the rest.
            quotations = model.quotations(&query, &items).unwrap_or_else(|error| {
                note(&format!("note: no reviews are quoted: {error}"));
                Vec::new()
            });
            if self.neighbours > 0 {
                // A typed history needs no data; only this does.
                let dataset = dataset.map_or_else(|| data().map(|(dataset, _)| dataset), Ok);
                let asker = Query { user, history: &history };
                near = nearest(model.as_mut(), &asker, dataset, self.neighbours)?;
            }
        }
        let model = model.name();
        Ok(Answer { model, folder, history, best, why, remarks, quotations, near, genres, success, held_out })
    }

    /// The user of the data, or the typed history; `data` reads the data.
    fn whom(
        &self,
        folder: &ModelFolder,
        data: &dyn Fn() -> Result<(Dataset, Box<dyn Split>)>,
    ) -> Result<Whom> {
        let Some(name) = &self.user else {
            let history = self.typed(&folder.vocabularies.items)?;
            return Ok(Whom { user: None, history, dataset: None, target: None });
        };
        let dense = trained::known_user(name, folder)?;
        let (dataset, split) = data()?;
        let mut target = None;
        if self.held_out {
            let held_out = split.test().get(dense as usize).copied().flatten();
            let nothing =
                || format!("nothing of user {name:?} is held out ({})", folder.card.trained_on.split);
            target = Some(held_out.with_context(nothing)?);
        }
        let history = match target {
            Some(_) => split.train_and_validation().get(dense as usize).to_vec(),
            None => dataset.sequences.get(dense as usize).to_vec(),
        };
        Ok(Whom { user: Some(dense), history, dataset: Some(dataset), target })
    }

    /// Without a tower, and without the data unless for its genres.
    fn kept_answer(&self, path: &Path, user: &str) -> Result<Answer> {
        let [model] = &self.models[..] else {
            return Err(anyhow!("--store is that of one model: {} are given", self.models.len()));
        };
        let (folder, mut stored) = Stored::open(model)?;
        let dense = trained::known_user(user, &folder)?;
        let mut genres = None;
        let genre = match &self.genre {
            Some(name) => {
                let (dataset, _) = trained::data(
                    &folder,
                    self.dataset.as_deref(),
                    &self.data.options(),
                    &mut Reporter::stderr(),
                )?;
                let genre = genre::find(&dataset, name)?;
                genres = dataset.details.genres;
                Some(genre)
            }
            None => None,
        };
        let (best, history) =
            stored.recommend(path, dense, genre.as_ref(), self.top as usize, self.keep_seen)?;
        let model = stored.name();
        let (why, remarks, quotations) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Answer {
            model,
            folder,
            history,
            best,
            why,
            remarks,
            quotations,
            near: None,
            genres,
            success: None,
            held_out: None,
        })
    }

    fn typed(&self, items: &Vocabulary) -> Result<Vec<u32>> {
        let find = |text: &String| items.find(text).map_err(|error| anyhow!("--history: {error}"));
        self.history.iter().map(find).collect()
    }
}
