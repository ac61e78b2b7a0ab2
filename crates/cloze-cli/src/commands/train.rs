//! `cloze train`: a subcommand for each model, made from the registry.

mod lessons;
mod overruled;
mod unread;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::error::{Error, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueEnum, value_parser};
use cloze_data::{SplitSpec, load};
use cloze_eval::Fit;
use cloze_train::folder::FORMAT;
use cloze_train::{
    Card, Checkpoints, ModelFolder, Reporter, Run, RunIdentity, TrainedOn, TrainingData, Vocabularies,
};
use serde_json::Value;

use crate::data_args::{DataArgs, lasting};
use crate::interruption;
use crate::models::{Entry, MODELS, Trained};
use crate::options::{self, Options};
use crate::output::{note, print};
use crate::text::{count, quoted};
use lessons::{Lessons, Source};

const EXAMPLES: &str = "\
Examples:
  cloze train item-knn --data ml-100k --output runs/knn
  cloze train item-knn --data ml-100k --output runs/knn --neighbours 50
  cloze train item-knn --data ml-100k --output runs/knn-time \\
      --split global-time:0.8,0.9
  # goes on after Ctrl-C or a crash
  cloze train bert4rec --data ml-1m --output runs/bert --resume
  cloze train item-knn --data ml-100k --output runs/knn --neighbours 20 \\
      --replace
  cloze train item-knn --help   # the model's options";

/// Columns of a terminal, at which a line would break that could not be copied then.
const TERMINAL: usize = 80;

/// The flag that names a trained model to reuse.
const REUSE: &str = "reuse";

/// A model to train, with its options.
#[derive(Debug)]
pub(crate) struct Train {
    entry: &'static Entry,
    common: Common,
    flags: Options,
    reuse: Option<PathBuf>,
}

// What every model needs. No doc comment: it would become the description of each model.
#[derive(Debug, Args)]
struct Common {
    /// Data set: a built-in name (see `cloze data list`), a prepared folder, or the path of a manifest (.toml)
    #[arg(long = "data", value_name = "NAME")]
    dataset: String,
    /// Folder for the trained model; one that is there stays, unless --replace is given
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Replace the finished model in --output, and its evaluation, once the new one is done
    #[arg(long, conflicts_with = "resume")]
    replace: bool,
    /// What is held out: each user's last two items (leave-one-out), or what comes after a point in time, the same for
    /// all users: global-time (the last two tenths of the interactions), global-time:0.7,0.85 (0.85 alone is the same: a validation
    /// part as large as the test part), global-time:2000-11-01,2001-01-01
    #[arg(long, value_name = "SPLIT", default_value_t = SplitSpec::default())]
    split: SplitSpec,
    /// What to learn from: the training part alone, or the validation part too
    #[arg(long, value_enum, default_value_t = FitArg::Train)]
    fit: FitArg,
    /// Learn from this share of the users alone, drawn by the seed; all are evaluated. What are fewer data worth?
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    user_share: f64,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File with model options, `option = value` (TOML); flags go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on with the unfinished run in --output, to the same result; start it if there is none
    #[arg(long)]
    resume: bool,
    /// Seconds between two checkpoints, besides those at each validation
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    checkpoint_every: Duration,
    #[command(flatten)]
    data: DataArgs,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed.ok_or_else(|| "expected a number of seconds, 0 or more".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    parsed.ok_or_else(|| "expected a share above 0 and at most 1, such as 0.1".to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FitArg {
    #[value(name = "train")]
    Train,
    #[value(name = "train+validation")]
    TrainAndValidation,
}

impl From<FitArg> for Fit {
    fn from(fit: FitArg) -> Self {
        match fit {
            FitArg::Train => Self::Train,
            FitArg::TrainAndValidation => Self::TrainAndValidation,
        }
    }
}

impl Args for Train {
    fn augment_args(command: Command) -> Command {
        command
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("MODEL")
            .subcommand_help_heading("Models")
            .subcommands(MODELS.iter().map(subcommand))
            .after_help(EXAMPLES)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The subcommand of a model: the common flags, then a flag for each of its options.
fn subcommand(entry: &'static Entry) -> Command {
    let defaults = entry.defaults();
    let options = entry.help.iter().map(|&(name, help)| {
        let default = shown(defaults.get(name));
        Arg::new(name)
            .long(name)
            .value_name("VALUE")
            .help(format!("{help} [default: {default}]"))
            .help_heading("Model options (also keys of --config)")
            .allow_negative_numbers(true)
            .value_parser(move |text: &str| typed(entry, name, text))
    });
    let reuse = entry.reuse.map(|help| {
        Arg::new(REUSE).long(REUSE).value_name("DIR").help(help).value_parser(value_parser!(PathBuf))
    });
    let name = entry.name;
    let first = || {
        let (option, _) = entry.help.first()?;
        Some(format!(" --{option} {}", shown(defaults.get(*option))))
    };
    let flags = match entry.example {
        Some(flags) => flags.to_owned(),
        None => format!("--data ml-100k{}", first().unwrap_or_default()),
    };
    let example = format!("  cloze train {name} --output runs/{name} {flags}");
    let broken = || format!("  cloze train {name} --output runs/{name} \\\n      {flags}");
    let examples = format!("Examples:\n{}", if example.len() > TERMINAL { broken() } else { example });
    Common::augment_args(Command::new(name)).about(entry.about).args(options).args(reuse).after_help(examples)
}

/// The value that a flag's text stands for; `none`, where that is the default, takes back what a configuration file has.
fn typed(entry: &Entry, name: &str, text: &str) -> Result<Value, String> {
    let is_none = text == "none" && entry.defaults().get(name).is_some_and(Value::is_null);
    if is_none { Ok(Value::Null) } else { options::from_flag(entry, name, text) }
}

/// A default value as one would type it.
fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "none".to_owned(),
        Some(value) => value.to_string(),
    }
}

impl FromArgMatches for Train {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let missing = || Error::raw(ErrorKind::MissingSubcommand, "no model was named\n");
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let entry = MODELS.iter().find(|entry| entry.name == name).ok_or_else(missing)?;
        let value = |name: &str| matches.get_one::<Value>(name).map(|value| (name.to_owned(), value.clone()));
        Ok(Self {
            entry,
            common: Common::from_arg_matches(matches)?,
            flags: entry.help.iter().filter_map(|(name, _)| value(name)).collect(),
            reuse: entry.reuse.and_then(|_| matches.get_one::<PathBuf>(REUSE).cloned()),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Train {
    pub(crate) fn run(self) -> Result<()> {
        // All that can be refused is refused before the long work.
        let options = options::resolve(self.entry, self.common.config.as_deref(), &self.flags)?;
        let output = &self.common.output;
        // A finished run that is gone on with is left as it is, whatever else lies beside it.
        if !(self.common.resume && ModelFolder::is_of_finished_run(output)) {
            ModelFolder::check_free(output)?;
        }
        if let Some(refusal) = Checkpoints::refusal(output).filter(|_| !self.common.resume) {
            return Err(refusal.into());
        }
        self.check_kept()?;
        let mut reporter = Reporter::stderr();
        let dataset = load(&self.common.dataset, &self.common.data.options(), &mut reporter)?;
        let split = self.common.split.of(&dataset.sequences)?;
        let trained_on = TrainedOn {
            dataset: lasting(&self.common.dataset)?,
            synthetic: dataset.synthetic,
            split: self.common.split.to_string(),
            split_hash: split.hash(),
            fit: Fit::from(self.common.fit).to_string(),
            user_share: self.common.user_share,
        };
        let example = dataset.users.id(0).unwrap_or_default().to_owned();
        let identity = self.identity(&options, &trained_on);
        if self.common.resume && Checkpoints::is_finished(output, &identity)? {
            note("This run is finished: nothing was trained.");
            return self.print_next(&ModelFolder::open(output)?.card, &example);
        }
        for text in unread::said(self.entry, &self.flags, &options) {
            note(&text);
        }
        let checkpoints = self.checkpoints(identity.clone())?;
        let earlier = checkpoints.earlier_seconds();
        let began = Instant::now();
        let data = Source { dataset: &dataset, split: split.as_ref(), origin: &trained_on };
        let trained = self.fit(&data, options.clone(), &mut reporter, checkpoints)?;
        if self.reuse.is_some() {
            for text in overruled::said(self.entry, &self.flags, &options, &trained.options) {
                note(&text);
            }
        }
        let card = Card {
            format: FORMAT,
            model: self.entry.name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            options: trained.options,
            trained_on,
            seed: self.common.seed,
            seconds: earlier + began.elapsed().as_secs_f64(),
            notes: reporter.notes().to_vec(),
        };
        let vocabularies = Vocabularies { items: dataset.items, users: dataset.users };
        ModelFolder::write(
            output,
            &card,
            &vocabularies,
            &trained.tensors,
            reporter.records(),
            Some(&identity),
        )?;
        self.print_next(&card, &example)
    }

    /// That no model is lost which nobody gave up.
    fn check_kept(&self) -> Result<()> {
        let output = &self.common.output;
        if let Some(reuse) = &self.reuse {
            let same = reuse
                .canonicalize()
                .is_ok_and(|reuse| output.canonicalize().is_ok_and(|output| output == reuse));
            ensure!(
                !same,
                "--output {} is the model that is reused: choose another folder",
                output.display()
            );
        }
        // Whether the finished run is this one is known once the data are.
        let may_be_this = self.common.resume && ModelFolder::is_of_finished_run(output);
        if !(self.common.replace || may_be_this) {
            ModelFolder::check_no_model(output)?;
        }
        Ok(())
    }

    fn identity(&self, options: &Options, trained_on: &TrainedOn) -> RunIdentity {
        RunIdentity {
            model: self.entry.name.to_owned(),
            options: Value::Object(options.clone()),
            reuse: self.reuse.as_deref().map(RunIdentity::reused),
            trained_on: trained_on.clone(),
            seed: self.common.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: cloze_encoder::engine::description(self.entry.body),
        }
    }

    fn checkpoints(&self, identity: RunIdentity) -> Result<Checkpoints> {
        let checkpoints = Checkpoints::open(&self.common.output, identity, self.common.resume)?;
        checkpoints.notes().iter().for_each(|text| note(&format!("note: {text}")));
        Ok(checkpoints.every(self.common.checkpoint_every).interruptible(interruption::heed()?))
    }

    fn fit(
        &self,
        data: &Source<'_>,
        options: Options,
        reporter: &mut Reporter,
        checkpoints: Checkpoints,
    ) -> Result<Trained> {
        let Source { dataset, origin, .. } = *data;
        let Common { fit, user_share, seed, .. } = self.common;
        let Lessons { sequences, validation, leak } = Lessons::of(data, fit, user_share, seed);
        let users = sequences.iter().filter(|list| !list.is_empty()).count();
        note(&format!(
            "Training {} on {}{}, split {}: {} users, {} items, {} interactions",
            self.entry.name,
            dataset.name,
            if dataset.synthetic { " (generated data)" } else { "" },
            origin.split,
            count(users),
            count(dataset.items.len()),
            count(sequences.interactions()),
        ));
        let data = TrainingData {
            names: Some(&dataset.items),
            users: Some(&dataset.users),
            details: Some(&dataset.details),
            validation: validation.as_deref(),
            leak: Some(leak.as_ref().unwrap_or(&dataset.sequences)),
            ..TrainingData::new(&sequences, dataset.items.len(), origin)
        };
        let mut run = Run {
            seed: self.common.seed,
            reporter,
            reuse: self.reuse.clone(),
            checkpoints: Some(checkpoints),
        };
        let name = self.entry.name;
        self.entry.train(&data, options, &mut run).with_context(|| format!("cannot train {name}"))
    }

    fn print_next(&self, card: &Card, user: &str) -> Result<()> {
        let folder = quoted(&self.common.output.display().to_string());
        let data = self.common.data.repeat();
        print(&format!(
            "Trained {} in {:.1} s: {}\nNext:\n  cloze evaluate {folder}{data}\n  cloze recommend {folder} --user {}{data}\n",
            card.model,
            card.seconds,
            self.common.output.display(),
            quoted(user),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::find;

    #[test]
    fn none_as_the_help_shows_it_takes_back_what_a_file_has() {
        let hybrid = find("hybridbert4rec").unwrap();
        for name in ["alpha", "prefixes"] {
            assert_eq!(shown(hybrid.defaults().get(name)), "none");
            assert_eq!(typed(hybrid, name, "none"), Ok(Value::Null));
        }
        assert!(typed(hybrid, "hidden", "none").is_err() && typed(hybrid, "alpha", "nothing").is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "alpha = [1, 2, 3]\nprefixes = 4\n").unwrap();
        let flags = Options::from_iter([("alpha".to_owned(), typed(hybrid, "alpha", "none").unwrap())]);
        let options = options::resolve(hybrid, Some(file.path()), &flags).unwrap();
        assert_eq!((&options["alpha"], &options["prefixes"]), (&Value::Null, &Value::from(4)));
    }
}
