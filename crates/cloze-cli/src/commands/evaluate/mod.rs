//! `cloze evaluate`: ranks held-out items with a trained model, or with the scores of any other system.

mod curve;
mod difficulty;
mod measures;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use cloze_data::{Dataset, Sequences, Split, SplitSpec, load};
use cloze_eval::{
    Bootstrap, Cases, Categories, Coverage, CurvePoint, Evaluation, EvaluationOptions, Fit, Meta, Protocol,
    Recommender, Target, analyse, report_with, results,
};
use cloze_train::{ModelFolder, Reporter};

use crate::data_args::DataArgs;
use crate::output::{check_no_model, note, print, print_json};
use crate::predictions::PredictionArgs;
use crate::text::count;
use crate::trained;
use curve::curve;
use difficulty::SuccessArgs;
use measures::{rank, rating_error, within_genre};

const EXAMPLES: &str = "\
Examples:
  cloze evaluate runs/knn
  cloze evaluate runs/knn --target validation --protocols full
  cloze evaluate runs/knn --protocols full,uniform-1000 --json
  # what a learner did for the objective alone
  cloze evaluate runs/next --protocols within-genre --history-within-genre
  # are exercises neither too easy nor too hard?
  cloze evaluate runs/next --success runs/pfa --success-target 0.7
  cloze evaluate --predictions theirs.parquet --data ml-100k
  cloze evaluate --predictions theirs.csv --score-column prediction \\
      --data ml-100k --split global-time";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Evaluate {
    /// Model folder, as `cloze train` wrote it
    #[arg(value_name = "DIR", required_unless_present = "predictions", conflicts_with = "predictions")]
    model: Option<PathBuf>,
    /// Data set, where it is no longer found under the name that the model was trained by (it must give the same
    /// split); always needed with --predictions
    #[arg(long = "data", value_name = "NAME", required_unless_present = "model")]
    dataset: Option<String>,
    /// Split of the data, as `cloze train --split` takes it [default: the model's own; leave-one-out with --predictions]
    #[arg(long, value_name = "SPLIT", value_parser = split)]
    split: Option<SplitSpec>,
    /// Which held-out item to look for, from everything before it
    #[arg(long, value_enum, default_value_t = TargetArg::Test)]
    target: TargetArg,
    /// What to rank it against: full, uniform-N, popularity-N, within-genre (all items that share a genre with it) [default:
    /// full,uniform-100,popularity-100]
    #[arg(long, value_delimiter = ',')]
    protocols: Vec<Protocol>,
    /// Score from those items of the history alone that share a genre with the target; with --protocols within-genre
    #[arg(long)]
    history_within_genre: bool,
    /// Users scored at a time
    #[arg(long, default_value_t = EvaluationOptions::default().batch)]
    batch: usize,
    /// Seed of the sampled candidates; the same for all models that are compared
    #[arg(long, default_value_t = EvaluationOptions::default().seed)]
    seed: u64,
    /// Rank among all items, those that the user had before too. Otherwise users whose held-out item is one of these are left
    /// out
    #[arg(long)]
    keep_seen: bool,
    /// Folder for the evaluation [default: evaluation, or evaluation-validation, in the model folder; beside the file
    /// of --predictions]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    success: SuccessArgs,
    #[command(flatten)]
    predictions: PredictionArgs,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TargetArg {
    Test,
    Validation,
}

/// A split; the names of held-out items once stood here.
fn split(text: &str) -> Result<SplitSpec, String> {
    if TargetArg::from_str(text, false).is_ok() {
        return Err(format!(
            "this option is the kind of split: which held-out item to look for is --target {text}"
        ));
    }
    text.parse().map_err(|error: cloze_data::DataError| error.to_string())
}

/// What is evaluated, apart from its scores.
struct Subject {
    split: SplitSpec,
    fit: Fit,
    name: String,
    seed: u64,
    options: Option<serde_json::Value>,
    /// Seconds that it has taken so far.
    seconds: f64,
    coverage: Option<Coverage>,
    curve: Vec<CurvePoint>,
    output: PathBuf,
}

/// What it is evaluated on.
struct Setting<'a> {
    dataset: &'a Dataset,
    spec: SplitSpec,
    split: &'a dyn Split,
    cases: &'a Cases<'a>,
    /// Users who are left out: their held-out item is not new to them.
    repeats: usize,
}

/// The model's name, with the share of users that it has learned from, unless they are all.
fn named(folder: &ModelFolder, model: &dyn Recommender) -> String {
    let share = folder.card.trained_on.user_share;
    if share < 1.0 { format!("{} ({share} of users)", model.name()) } else { model.name() }
}

impl Evaluate {
    pub(crate) fn run(self) -> Result<()> {
        self.output.as_deref().map_or(Ok(()), check_no_model)?;
        let mut reporter = Reporter::stderr();
        match &self.model {
            Some(folder) => self.of_model(folder, &mut reporter),
            None => self.of_file(&mut reporter),
        }
    }

    fn of_model(&self, path: &Path, reporter: &mut Reporter) -> Result<()> {
        let (folder, mut model) = trained::open(path)?;
        let fit = self.fit(&folder)?;
        let split = trained::split(&folder)?;
        if let Some(asked) = self.split.as_ref().filter(|asked| **asked != split) {
            anyhow::bail!(
                "{} was trained on the split {split}, not on {asked}: what {asked} holds out may have been trained \
                 on. Leave --split out, or train with --split {asked}",
                path.display()
            );
        }
        let (dataset, parts) =
            trained::data(&folder, self.dataset.as_deref(), &self.data.options(), reporter)?;
        let subject = Subject {
            split,
            fit,
            name: self.predictions.name.clone().unwrap_or_else(|| named(&folder, model.as_ref())),
            seed: folder.card.seed,
            options: Some(folder.card.options.clone()),
            seconds: folder.card.seconds,
            coverage: None,
            curve: curve(&folder.records()?),
            output: path.join(self.default_name()),
        };
        let histories = self.histories(parts.as_ref(), &dataset)?;
        let categories = dataset.details.genres.as_deref().map(Categories::new);
        let (cases, repeats) = self.cases(parts.as_ref(), &histories, &dataset, categories.as_ref())?;
        let (spec, split) = (subject.split.clone(), parts.as_ref());
        let setting = Setting { dataset: &dataset, spec, split, cases: &cases, repeats };
        self.evaluate(&self.options(), model.as_mut(), subject, &setting, reporter)
    }

    fn of_file(&self, reporter: &mut Reporter) -> Result<()> {
        let name = self.dataset.as_deref().context("--predictions needs --data")?;
        ensure!(
            self.target == TargetArg::Test || self.predictions.fit() == Fit::Train,
            "--fitted-on train+validation: the system has seen the validation items, so that finding them says nothing. Use \
             --target test"
        );
        let dataset = load(name, &self.data.options(), reporter)?;
        let split = self.split.clone().unwrap_or_default();
        let parts = split.of(&dataset.sequences)?;
        let histories = self.histories(parts.as_ref(), &dataset)?;
        let categories = dataset.details.genres.as_deref().map(Categories::new);
        let (cases, repeats) = self.cases(parts.as_ref(), &histories, &dataset, categories.as_ref())?;
        let began = Instant::now();
        let (mut predictions, unknown) = self.predictions.load(&dataset, reporter)?;
        let coverage = Coverage { unknown, ..predictions.coverage(&cases) };
        ensure!(
            coverage.scores > 0,
            "{} has scores for none of the {} evaluated users: nothing could be ranked",
            self.predictions.shown(),
            count(cases.len())
        );
        let subject = Subject {
            split,
            fit: self.predictions.fit(),
            name: predictions.name(),
            seed: self.predictions.run_seed(),
            options: None,
            seconds: began.elapsed().as_secs_f64(),
            coverage: Some(coverage),
            curve: Vec::new(),
            output: self.predictions.output(self.default_name()),
        };
        let mut options = self.options();
        if self.protocols.is_empty() && !predictions.is_complete(&cases, options.exclude_seen) {
            note(
                "Not all candidates have scores, so that sampled candidates would mostly rank the absence of scores: \
                 full catalogue only. Ask for more with --protocols",
            );
            options.protocols = vec![Protocol::Full];
        }
        let (spec, split) = (subject.split.clone(), parts.as_ref());
        let setting = Setting { dataset: &dataset, spec, split, cases: &cases, repeats };
        self.evaluate(&options, &mut predictions, subject, &setting, reporter)
    }

    fn default_name(&self) -> &'static str {
        match self.target {
            TargetArg::Test => "evaluation",
            TargetArg::Validation => "evaluation-validation",
        }
    }

    /// For the test item the validation item is part of the history, whatever the model was fitted on.
    fn histories(&self, split: &dyn Split, dataset: &Dataset) -> Result<Sequences> {
        let (histories, targets) = match self.target {
            TargetArg::Test => (split.train_and_validation(), split.test()),
            TargetArg::Validation => (split.train().clone(), split.validation()),
        };
        if !self.history_within_genre {
            return Ok(histories);
        }
        // The history would tell the genre of the target from all other items.
        ensure!(
            self.protocols == [Protocol::WithinGenre],
            "--history-within-genre says what the target is of: give --protocols within-genre with it"
        );
        let genres = dataset.details.genres.as_deref();
        let genres = genres.context("--history-within-genre: the items have no genres")?;
        Ok(within_genre(&histories, targets, genres)?)
    }

    /// The users who are held out, with the popularity of items in the training part; and how many are left out.
    fn cases<'a>(
        &self,
        split: &dyn Split,
        histories: &'a Sequences,
        dataset: &Dataset,
        categories: Option<&'a Categories>,
    ) -> Result<(Cases<'a>, usize)> {
        let targets = match self.target {
            TargetArg::Test => split.test(),
            TargetArg::Validation => split.validation(),
        };
        let held =
            || targets.iter().enumerate().filter_map(|(user, target)| target.map(|target| (user, target)));
        let cases = Cases::new(
            held().map(|(user, _)| user as u32).collect(),
            held().map(|(user, _)| histories.get(user)).collect(),
            held().map(|(_, target)| target).collect(),
            split.train().counts(dataset.items.len()),
        )?;
        let cases = match categories {
            Some(categories) => cases.with_categories(categories)?,
            None => cases,
        };
        if self.keep_seen {
            return Ok((cases, 0));
        }
        let (cases, repeats) = cases.without_repeats()?;
        if repeats > 0 {
            note(&format!(
                "{} of {} users are left out: their held-out item is one that they had before, and what they had is not ranked \
                 (--keep-seen ranks it)",
                count(repeats),
                count(repeats + cases.len())
            ));
        }
        Ok((cases, repeats))
    }

    /// What the model was fitted on; refuses to look for items that it was fitted on.
    fn fit(&self, folder: &ModelFolder) -> Result<Fit> {
        let (path, fit) = (folder.path().display(), trained::fit(folder)?);
        ensure!(
            self.target == TargetArg::Test || fit == Fit::Train,
            "{path} was fitted on train+validation: it has seen the validation items, so that finding them says \
             nothing. Use --target test, or train with --fit train"
        );
        Ok(fit)
    }

    fn options(&self) -> EvaluationOptions {
        let asked = Some(self.protocols.clone()).filter(|protocols| !protocols.is_empty());
        EvaluationOptions {
            protocols: asked.unwrap_or_else(|| Protocol::STANDARD.to_vec()),
            seed: self.seed,
            batch: self.batch,
            exclude_seen: !self.keep_seen,
            partial_histories: self.history_within_genre,
        }
    }

    fn evaluate(
        &self,
        options: &EvaluationOptions,
        model: &mut dyn Recommender,
        subject: Subject,
        setting: &Setting<'_>,
        reporter: &mut Reporter,
    ) -> Result<()> {
        let Setting { dataset, split, cases, repeats, .. } = setting;
        let of_validation = self.target == TargetArg::Validation;
        let mut success = self.success.open(setting, options, of_validation)?;
        let began = Instant::now();
        let (mut protocols, lists) = rank(options, model, setting, success.is_some(), reporter)?;
        let seconds = subject.seconds + began.elapsed().as_secs_f64();
        if let Some(success) = &mut success {
            success.measure(setting, options, &lists, &mut protocols)?;
        }
        // The place of an answer is known from a whole history.
        let rating_error = if self.history_within_genre { None } else { rating_error(model, setting)? };
        let meta = Meta {
            dataset: dataset.name.clone(),
            synthetic: dataset.synthetic,
            split: subject.split.to_string(),
            target: match self.target {
                TargetArg::Test => Target::Test,
                TargetArg::Validation => Target::Validation,
            },
            split_hash: split.hash(),
            fit: subject.fit,
            model: if self.history_within_genre {
                format!("{} (history within genre)", subject.name)
            } else {
                subject.name
            },
            seed: subject.seed,
            options: subject.options,
            seconds,
            users: cases.len(),
            repeats: *repeats,
            coverage: subject.coverage,
            rating_error,
            success: success.map(|success| success.measured),
            curve: subject.curve,
        };
        let output = self.output.clone().unwrap_or(subject.output);
        let evaluation = Evaluation { meta, protocols };
        evaluation.save_with_ids(&output, dataset.users.ids())?;
        note(&format!("saved: {}", output.display()));
        let evaluations = [evaluation];
        let rows = results(&evaluations, &[])?;
        if self.json {
            return print_json(&rows);
        }
        let bootstrap = Bootstrap::default();
        let analysis = analyse(&evaluations, None, &[], &bootstrap)?;
        print(&report_with(&rows, &evaluations, &[], &bootstrap, &analysis))
    }
}
