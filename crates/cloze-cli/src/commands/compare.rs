//! `cloze compare`: evaluations in one table, beside published figures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use cloze_eval::{
    Analysis, Bootstrap, Evaluation, Heading, Published, Question, ResultRow, analyse, answers, html,
    report_with, results_with, write_together,
};

use crate::output::{check_no_model, note, print, print_json};

const EXAMPLES: &str = "\
Examples:
  cloze compare runs/knn runs/popularity
  cloze compare runs/knn runs/popularity --baseline popularity
  cloze compare runs/hybrid runs/bert runs/sasrec \\
      --order hybridbert4rec,bert4rec,sasrec
  cloze compare runs/mf-s0 runs/mf-s1 runs/plain-s0 runs/plain-s1 \\
      --questions questions.json
  cloze compare runs/bert-s0 runs/bert-s1 runs/knn \\
      --published published.json --output runs/table";

/// The evaluation's own file: what tells its folder from a model folder.
pub(super) const EVALUATION_FILE: &str = "evaluation.json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Compare {
    /// Folders of evaluations, or model folders with an evaluation in them; several seeds of a model make one row
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Published figures: a JSON array of {dataset, model, protocol, metric, value, source, fit}, the value from 0 to 1; without fit
    /// (train or train+validation) a figure gets no verdict
    #[arg(long, value_name = "FILE")]
    published: Option<PathBuf>,
    /// Model that the others are tested against; without it the best by NDCG@10 under each protocol
    #[arg(long, value_name = "MODEL")]
    baseline: Option<String>,
    /// Models in an order that somebody claims, best first: each is tested against the next one
    #[arg(long, value_name = "MODEL,...", value_delimiter = ',')]
    order: Vec<String>,
    /// Questions that pairs of models answer: a JSON array of {question, pairs: [[MODEL, OTHER], ...]}
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Title of the report
    #[arg(long)]
    title: Option<String>,
    /// Text below the title (Markdown)
    #[arg(long)]
    note: Option<String>,
    /// Folder for results.json, analysis.json (paired tests, lists, breakdowns) report.md and report.html
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub(crate) fn run(self) -> Result<()> {
        self.output.as_deref().map_or(Ok(()), check_no_model)?;
        let evaluations = self.folders.iter().map(|folder| load(folder)).collect::<Result<Vec<_>>>()?;
        let published: Vec<Published> = read(self.published.as_deref(), "published figures")?;
        for (place, figure) in (1..).zip(&published) {
            let Published { dataset, model, metric, value, .. } = figure;
            ensure!(
                (0.0..=1.0).contains(value),
                "published figures, entry {place} ({dataset}, {model}, {metric}): value {value}: expected a number from 0 to 1, not \
                 percent"
            );
        }
        let questions: Vec<Question> = read(self.questions.as_deref(), "questions")?;
        let bootstrap = Bootstrap::default();
        let rows = results_with(&evaluations, &published, &bootstrap)?;
        for line in unmatched(&published, &rows) {
            note(&line);
        }
        let analysis = Analysis {
            questions: answers(&evaluations, &questions, &bootstrap)?,
            ..analyse(&evaluations, self.baseline.as_deref(), &self.order, &bootstrap)?
        };
        let text = self.headed(&report_with(&rows, &evaluations, &published, &bootstrap, &analysis));
        if let Some(output) = &self.output {
            let heading = Heading {
                title: self.title.as_deref().unwrap_or("Results"),
                note: self.note.as_deref().unwrap_or_default(),
            };
            let page = html(&heading, &rows, &evaluations, &published, &bootstrap, &analysis);
            let files = [
                ("report.md", text.clone().into_bytes()),
                ("report.html", page.into_bytes()),
                ("analysis.json", json(&analysis)?),
                ("results.json", json(&rows)?),
            ];
            write_together(output, &files)?;
        }
        if self.json { print_json(&rows) } else { print(&text) }
    }

    /// The report with the title and the note of the command line.
    fn headed(&self, report: &str) -> String {
        let (first, rest) = report.split_once('\n').unwrap_or((report, ""));
        // What the heading says of generated data stays.
        let head = match &self.title {
            Some(title) => first.replacen("Results", title, 1),
            None => first.to_owned(),
        };
        match &self.note {
            Some(note) => format!("{head}\n\n{}\n{rest}", note.trim()),
            None => format!("{head}\n{rest}"),
        }
    }
}

/// The evaluation of a folder, or of a model folder.
///
/// # Errors
/// If there is none, or it is damaged.
pub(super) fn load(folder: &Path) -> Result<Evaluation> {
    let inside = folder.join("evaluation");
    let is_model = !folder.join(EVALUATION_FILE).is_file() && inside.join(EVALUATION_FILE).is_file();
    let from = if is_model { &inside } else { folder };
    Evaluation::load(from).with_context(|| {
        format!("{} has no complete evaluation: `cloze evaluate` writes one", folder.display())
    })
}

/// What to say of published figures that stand beside none of ours though they seem meant to: of a data set or model that is here under
/// a name with other capitals or signs, or of one that is here without the protocol. Others may be of other tables.
fn unmatched(published: &[Published], rows: &[ResultRow]) -> Vec<String> {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let mut lines: Vec<String> = Vec::new();
    for figure in published {
        let Published { dataset, model, protocol, .. } = figure;
        let mut exact = rows.iter().filter(|row| (&row.dataset, &row.model) == (dataset, model)).peekable();
        let line = if exact.peek().is_some() {
            if exact.any(|row| row.protocol == *protocol) {
                continue;
            }
            format!("published figures of {model} under {protocol} are left out: no row has that protocol")
        } else {
            let near =
                |row: &&ResultRow| (plain(&row.dataset), plain(&row.model)) == (plain(dataset), plain(model));
            let Some(ours) = rows.iter().find(near) else { continue };
            format!(
                "published figures of {model} on {dataset} are left out: here they are {} on {}",
                ours.model, ours.dataset
            )
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The JSON array in a file, where one is given; `what` are its elements.
fn read<T: serde::de::DeserializeOwned>(path: Option<&Path>, what: &str) -> Result<Vec<T>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the {what} {shown}"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} is no JSON array of {what}"))
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).context("cannot write the results as JSON")?;
    bytes.push(b'\n');
    Ok(bytes)
}
