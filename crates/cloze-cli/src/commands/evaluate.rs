//! `cloze evaluate`: ranks held-out items with a trained model.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use cloze_data::{LeaveOneOut, Sequences};
use cloze_eval::{
    Bootstrap, Cases, Evaluation, EvaluationOptions, Fit, ItemDistances, Meta, Protocol, ProtocolRanks,
    Recommender, Target, analyse, evaluate_with, report_with, results,
};
use cloze_train::{ModelFolder, Reporter};
use serde_json::Value;

use crate::data_args::DataArgs;
use crate::output::{note, print, print_json};
use crate::text::count;
use crate::trained;

const EXAMPLES: &str = "\
Examples:
  cloze evaluate runs/knn
  cloze evaluate runs/knn --split validation --protocols full
  cloze evaluate runs/knn --protocols full,uniform-1000 --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Evaluate {
    /// Model folder, as `cloze train` wrote it
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Data set, where it is no longer found under the name that it was trained by; must give the same split
    #[arg(long = "data", value_name = "NAME")]
    dataset: Option<String>,
    /// Which held-out item to look for: each user's last or second last, from everything before it
    #[arg(long, value_enum, default_value_t = SplitArg::Test)]
    split: SplitArg,
    /// What to rank it against: full, uniform-N, popularity-N [default: full,uniform-100,popularity-100]
    #[arg(long, value_delimiter = ',', default_values_t = Protocol::STANDARD, hide_default_value = true)]
    protocols: Vec<Protocol>,
    /// Users scored at a time
    #[arg(long, default_value_t = EvaluationOptions::default().batch)]
    batch: usize,
    /// Seed of the sampled candidates; the same for all models that are compared
    #[arg(long, default_value_t = EvaluationOptions::default().seed)]
    seed: u64,
    /// Also rank items that the user had before (full catalogue only)
    #[arg(long)]
    keep_seen: bool,
    /// Folder for the evaluation [default: evaluation, or evaluation-validation, in the model folder]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SplitArg {
    Test,
    Validation,
}

impl Evaluate {
    pub(crate) fn run(self) -> Result<()> {
        let (folder, mut model) = trained::open(&self.model)?;
        let fit = self.fit(&folder)?;
        let mut reporter = Reporter::stderr();
        let (dataset, split) =
            trained::data(&folder, self.dataset.as_deref(), &self.data.options(), &mut reporter)?;

        // For the test item the validation item is part of the history, whatever the model was fitted on.
        let (histories, targets, target) = match self.split {
            SplitArg::Test => (split.train_and_validation(), &split.test, Target::Test),
            SplitArg::Validation => (split.train.clone(), &split.validation, Target::Validation),
        };
        let cases = cases(&split, &histories, targets, dataset.items.len())?;
        let began = Instant::now();
        let distances = ItemDistances::co_occurrence(dataset.items.len(), split.train.iter())?;
        let protocols = self.rank(model.as_mut(), &cases, &distances, &mut reporter)?;
        let meta = Meta {
            dataset: dataset.name,
            synthetic: dataset.synthetic,
            split: trained::SPLIT.to_owned(),
            target,
            split_hash: folder.card.trained_on.split_hash.clone(),
            fit,
            model: model.name(),
            seed: folder.card.seed,
            seconds: folder.card.seconds + began.elapsed().as_secs_f64(),
            users: cases.len(),
        };
        self.finish(Evaluation { meta, protocols }, dataset.users.ids())
    }

    /// What the model was fitted on; refuses to look for items that it was fitted on.
    fn fit(&self, folder: &ModelFolder) -> Result<Fit> {
        let (path, name) = (self.model.display(), &folder.card.trained_on.fit);
        let fit = serde_json::from_value(Value::String(name.clone())).with_context(|| {
            format!("{path}/config.json: fit {name:?} is neither train nor train+validation")
        })?;
        ensure!(
            self.split == SplitArg::Test || fit == Fit::Train,
            "{path} was fitted on train+validation: it has seen the validation items, so that finding them says \
             nothing. Use --split test, or train with --fit train"
        );
        Ok(fit)
    }

    fn rank(
        &self,
        model: &mut dyn Recommender,
        cases: &Cases<'_>,
        distances: &ItemDistances,
        reporter: &mut Reporter,
    ) -> Result<Vec<ProtocolRanks>> {
        let options = EvaluationOptions {
            protocols: self.protocols.clone(),
            seed: self.seed,
            batch: self.batch,
            exclude_seen: !self.keep_seen,
        };
        reporter.start("evaluation", cases.len() as u64, "users");
        let ranks = evaluate_with(model, cases, &options, Some(distances), &mut |done, _| {
            reporter.advance_to(done as u64, String::new);
        })?;
        reporter.finish(&format!("{} users", count(cases.len())));
        Ok(ranks)
    }

    fn finish(&self, evaluation: Evaluation, user_ids: &[String]) -> Result<()> {
        let default = match self.split {
            SplitArg::Test => "evaluation",
            SplitArg::Validation => "evaluation-validation",
        };
        let output = self.output.clone().unwrap_or_else(|| self.model.join(default));
        evaluation.save_with_ids(&output, user_ids)?;
        note(&format!("saved: {}", output.display()));
        let evaluations = [evaluation];
        let rows = results(&evaluations, &[])?;
        if self.json {
            return print_json(&rows);
        }
        let bootstrap = Bootstrap::default();
        let analysis = analyse(&evaluations, None, &bootstrap)?;
        print(&report_with(&rows, &evaluations, &[], &bootstrap, &analysis))
    }
}

/// The users who are held out, with the popularity of items in the training part.
fn cases<'a>(
    split: &LeaveOneOut,
    histories: &'a Sequences,
    targets: &[Option<u32>],
    items: usize,
) -> Result<Cases<'a>> {
    let held = || targets.iter().enumerate().filter_map(|(user, target)| target.map(|target| (user, target)));
    Ok(Cases::new(
        held().map(|(user, _)| user as u32).collect(),
        held().map(|(user, _)| histories.get(user)).collect(),
        held().map(|(_, target)| target).collect(),
        split.train.counts(items),
    )?)
}
