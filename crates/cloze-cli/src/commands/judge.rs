//! `cloze judge`: models measured by what people said of their items.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, value_parser};
use cloze_data::Dataset;
use cloze_eval::{Bootstrap, Interval, JudgedMean, Measure, Query, judge, judged_means, recommend};
use serde_json::{Value, json};

use crate::beside::{self, Named};
use crate::data_args::DataArgs;
use crate::output::{print, print_json};
use crate::pool_file::{self, Judgements};
use crate::table::{Column, Table};
use crate::text::{WIDTH, count, wrap};

const EXAMPLES: &str = "\
Examples:
  cloze judge pool.csv runs/hybrid runs/knn
  # runs/new was not in the pool: see its share judged
  cloze judge pool.csv runs/hybrid runs/knn runs/new --top 5 --json
`cloze pool` writes the file.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Judge {
    /// File of `cloze pool` with grades in its column `relevant`: 0 to 3, above 0 is relevant; empty: not judged
    #[arg(value_name = "FILE")]
    pool: PathBuf,
    /// Model folders, all of the same data and split; they need not have been in the pool
    #[arg(value_name = "DIR", required = true)]
    models: Vec<PathBuf>,
    /// Length of a list: k of P@k, R@k and NDCG@k
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    top: u32,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Data set, where it is no longer found under the name that it was trained by; must give the same split
    #[arg(long = "data", value_name = "NAME")]
    dataset: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

impl Judge {
    pub(crate) fn run(self) -> Result<()> {
        let (mut models, dataset) =
            beside::open(&self.models, self.dataset.as_deref(), &self.data.options(), "judged together")?;
        let judgements = pool_file::read(&self.pool, &dataset)?;
        let mut measured = Vec::with_capacity(models.len());
        for one in &mut models {
            measured.push(self.measure(one, &judgements, &dataset)?);
        }
        if self.json {
            let all: Vec<Value> =
                models.iter().zip(&measured).map(|(one, means)| self.as_json(one, means)).collect();
            return print_json(&all);
        }
        print(&self.text(&models, &measured, &judgements))
    }

    fn measure(
        &self,
        one: &mut Named,
        judgements: &Judgements,
        dataset: &Dataset,
    ) -> Result<Vec<JudgedMean>> {
        let mut users = Vec::with_capacity(judgements.grades.len());
        for (&user, grades) in &judgements.grades {
            let query = Query { user: Some(user), history: dataset.sequences.get(user as usize) };
            let all = one.model.catalogue();
            let ranking = recommend(one.model.as_mut(), &query, all, true)?;
            let ranking: Vec<u32> = ranking.into_iter().map(|(item, _)| item).collect();
            users.push(judge(&ranking, grades, self.top as usize));
        }
        Ok(judged_means(&users, &Bootstrap::default())?)
    }

    fn text(&self, models: &[Named], measured: &[Vec<JudgedMean>], judgements: &Judgements) -> String {
        let titles = Measure::ALL.map(|measure| measure.title(self.top as usize));
        let mut columns = vec![("model", Column::Wrapped)];
        columns.extend(titles.iter().map(|title| (title.as_str(), Column::Number)));
        let mut table = Table::new(&columns);
        for (one, means) in models.iter().zip(measured) {
            let cells = means.iter().map(|mean| mean.mean.map_or_else(|| "-".to_owned(), interval));
            table.row([one.name.clone()].into_iter().chain(cells).collect::<Vec<_>>());
        }
        let users = judgements.grades.len();
        let has_relevant =
            |grades: &std::collections::BTreeMap<u32, u8>| grades.values().any(|&grade| grade > 0);
        let relevant = judgements.grades.values().filter(|grades| has_relevant(grades)).count();
        let head = format!(
            "{}: {} of {} rows judged, of {} users; {} of them have a relevant item, and R, MAP and N are means over these.",
            self.pool.display(),
            count(judgements.graded),
            count(judgements.rows),
            count(users),
            count(relevant)
        );
        let foot = format!(
            "P, R, N (NDCG): precision, recall of the relevant items of the file, and gain 2^grade - 1, of the first {}. MAP: of \
             the whole ranking. judged: share of the first {} that has a grade. An item without one counts as not relevant, so a \
             model with a small share, such as one that was not in the pool, gets too little. In brackets: 95 % bootstrap interval \
             over users.",
            self.top, self.top
        );
        let wrapped = |text: &str| wrap(text, WIDTH).join("\n");
        format!("{}\n\n{}\n{}\n", wrapped(&head), table.render(), wrapped(&foot))
    }

    fn as_json(&self, one: &Named, means: &[JudgedMean]) -> Value {
        json!({ "model": one.name, "folder": one.path, "k": self.top, "means": means })
    }
}

/// `.285 [.271, .299]`; a whole as `1.00`, so that five columns fit.
fn interval(of: Interval) -> String {
    let short = |value: f64| {
        let text = format!("{value:.3}");
        text.strip_prefix('0').unwrap_or(&text[..4]).to_owned()
    };
    format!("{} [{}, {}]", short(of.value), short(of.low), short(of.high))
}
