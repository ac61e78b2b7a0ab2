//! `cloze fine-tune`: a pretrained BERT goes on learning on the reviews of a data set.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use cloze_data::read::ReviewColumns;
use cloze_data::{SplitSpec, load};
use cloze_encoder::Body;
use cloze_eval::Fit;
use cloze_review::{FineTuned, FineTuningOptions, Provenance, Reviews, TextOptions, fine_tune, fine_tuned};
use cloze_train::{Checkpoints, Reporter, Run, RunIdentity, TrainedOn};

use crate::data_args::{DataArgs, lasting};
use crate::interruption;
use crate::output::{note, print};
use crate::table::{Column, Table};
use crate::text::{WIDTH, count, quoted, wrap};

const EXAMPLES: &str = "\
Examples:
  cloze fine-tune --data amazon-musical-instruments \\
      --reviews amazon-musical-instruments \\
      --text-model bert-base-uncased --output runs/bert-music
  cloze train bert-rs --data amazon-musical-instruments \\
      --reviews amazon-musical-instruments \\
      --text-model runs/bert-music --output runs/bert-rs
  # goes on after Ctrl-C
  cloze fine-tune --data mydata --reviews reviews.jsonl.gz --text-model DIR \\
      --output DIR --resume

Only reviews of the training part are read. One in twenty is not learned from:
perplexity and pairs are measured on these.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FineTune {
    /// Data set whose training part says which reviews may be read
    #[arg(long = "data", value_name = "NAME")]
    dataset: String,
    /// What is held out, as in `cloze train`
    #[arg(long, value_name = "SPLIT", default_value_t = SplitSpec::default())]
    split: SplitSpec,
    /// What users wrote about items: a file (.jsonl, .json.gz, .csv, .parquet), or a data set whose file has texts
    #[arg(long, value_name = "FILE")]
    reviews: String,
    /// Its columns USER,ITEM,TEXT [default: those of well-known collections]
    #[arg(long, value_name = "COLUMNS", default_value = "", hide_default_value = true)]
    review_columns: String,
    /// The BERT to start from: a folder, or an id of the model hub
    #[arg(long, value_name = "DIR|ID")]
    text_model: String,
    /// Folder for the fine-tuned model
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Passes over the reviews
    #[arg(long, default_value_t = FineTuningOptions::default().epochs)]
    epochs: u64,
    /// Reviews a step
    #[arg(long, default_value_t = FineTuningOptions::default().batch)]
    batch: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = FineTuningOptions::default().learning_rate)]
    learning_rate: f64,
    /// Word pieces of an example at most
    #[arg(long, default_value_t = FineTuningOptions::default().text_length)]
    text_length: usize,
    /// Share of the word pieces that are asked for
    #[arg(long, default_value_t = FineTuningOptions::default().mask_probability)]
    mask_probability: f64,
    /// Seed of everything drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Go on with an interrupted run
    #[arg(long)]
    resume: bool,
    /// Replace the fine-tuned model in --output once the new one is done
    #[arg(long, conflicts_with = "resume")]
    replace: bool,
    /// Seconds between two checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    checkpoint_every: u64,
    #[command(flatten)]
    data: DataArgs,
}

impl FineTune {
    pub(crate) fn run(self) -> Result<()> {
        let output = &self.output;
        let (finished, unfinished) = (fine_tuned(output)?.is_some(), Checkpoints::refusal(output).is_some());
        let ours = finished || unfinished;
        let empty = std::fs::read_dir(output).map_or(true, |mut entries| entries.next().is_none());
        ensure!(
            ours || empty,
            "{} is there and no fine-tuned model: give another --output, or remove it",
            output.display()
        );
        if let Some(refusal) = Checkpoints::refusal(output).filter(|_| !self.resume) {
            return Err(refusal.into());
        }
        ensure!(
            self.resume || self.replace || !finished || unfinished,
            "{} holds a fine-tuned model: choose another --output, or --replace it when the new one is done",
            output.display()
        );
        let mut reporter = Reporter::stderr();
        let dataset = load(&self.dataset, &self.data.options(), &mut reporter)?;
        let split = self.split.of(&dataset.sequences)?;
        let trained_on = TrainedOn {
            dataset: lasting(&self.dataset)?,
            synthetic: dataset.synthetic,
            split: self.split.to_string(),
            split_hash: split.hash(),
            fit: Fit::Train.to_string(),
            user_share: 1.0,
        };
        let columns = TextOptions { review_columns: self.review_columns.clone(), ..TextOptions::default() };
        let columns: Option<ReviewColumns> = columns.columns()?;
        let mut reviews = Reviews::read(&self.reviews, columns.as_ref(), &dataset.users, &dataset.items)?;
        reviews.retain(|user, item| split.train().get(user as usize).contains(&item));
        note(&format!("{} reviews of the training part of {}", count(reviews.texts().len()), dataset.name));
        let options = self.options();
        let identity = RunIdentity {
            model: "fine-tune".to_owned(),
            options: serde_json::to_value(&options)?,
            reuse: None,
            trained_on: trained_on.clone(),
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: cloze_encoder::engine::description(Some(Body::Transformer)),
        };
        if self.resume && Checkpoints::is_finished(output, &identity)? {
            note("This run is finished: nothing was trained.");
            let done = fine_tuned(output)?.context("the record fine_tuning.json is not there")?;
            return self.print(&done, 0.0);
        }
        let checkpoints = Checkpoints::open(output, identity, self.resume)?;
        checkpoints.notes().iter().for_each(|text| note(&format!("note: {text}")));
        let every = Duration::from_secs(self.checkpoint_every);
        let checkpoints = checkpoints.every(every).interruptible(interruption::heed()?);
        let (earlier, began) = (checkpoints.earlier_seconds(), Instant::now());
        let mut run = Run { checkpoints: Some(checkpoints), ..Run::new(self.seed, &mut reporter) };
        let texts: Vec<&str> = reviews.texts().iter().map(String::as_str).collect();
        let from = Provenance { dataset: &trained_on.dataset, split_hash: &trained_on.split_hash };
        let done = fine_tune(&texts, from, &options, output, &mut run).context("cannot fine-tune")?;
        self.print(&done, earlier + began.elapsed().as_secs_f64())
    }

    fn options(&self) -> FineTuningOptions {
        FineTuningOptions {
            text_model: self.text_model.clone(),
            text_length: self.text_length,
            mask_probability: self.mask_probability,
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
        }
    }

    fn print(&self, done: &FineTuned, seconds: f64) -> Result<()> {
        let mut table = Table::new(&[
            ("", Column::Text),
            ("perplexity of masked word pieces", Column::Number),
            ("pairs told right", Column::Number),
        ]);
        for (when, quality) in [("before", done.before), ("after", done.after)] {
            let (perplexity, pairs) =
                (format!("{:.2}", quality.perplexity), format!("{:.3}", quality.next_sentence));
            table.row(vec![when.to_owned(), perplexity, pairs]);
        }
        let head = if done.had_head {
            ""
        } else {
            " It had no head for masked word pieces: that started from nothing."
        };
        let text = format!(
            "Fine-tuned {} on {} reviews in {seconds:.1} s, measured on {} others.{head}",
            done.options.text_model,
            count(done.learned),
            count(done.measured)
        );
        let folder = quoted(&self.output.display().to_string());
        print(&format!(
            "{}\n\n{}\nNext:\n  cloze train bert-rs --data {} --reviews {} --text-model {folder} --output DIR\n",
            wrap(&text, WIDTH).join("\n"),
            table.render(),
            quoted(&self.dataset),
            quoted(&self.reviews),
        ))
    }
}
