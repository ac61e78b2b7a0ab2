//! The command line: what there is and where it is done.

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use cloze_encoder::engine;

use crate::commands::{
    archive, compare, convert, data, doctor, evaluate, fine_tune, judge, pool, prepare, profiles, recommend,
    train,
};
use crate::output::note;

const EXAMPLES: &str = "\
Examples:
  cloze data list
  cloze prepare --input log.parquet --user U --item I --time T --output mydata
  cloze train item-knn --data ml-100k --output runs/knn
  cloze evaluate runs/knn
  cloze recommend runs/knn --history 'Toy Story (1995)' \\
      --history 'Aladdin (1992)'
  cloze train --help            # the models
  cloze train item-knn --help   # a model's options";

const DEVICE_HELP: &str = "\
What transformers compute on: the processor (cpu), the first NVIDIA GPU (cuda), or the GPU where one can be used and \
else the processor (auto) [default: the environment variable `CLOZE_ENGINE`, else cpu]";

/// Choices of `--device`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Device {
    Auto,
    Cpu,
    Cuda,
}

impl Device {
    fn engine(self) -> &'static str {
        match self {
            Self::Auto => engine::AUTO,
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// Sequential recommenders: train, evaluate, compare, recommend.
#[derive(Debug, Parser)]
#[command(name = "cloze", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What transformers compute on: the processor, the first NVIDIA GPU, or the GPU where one can be used
    #[arg(long, global = true, value_name = "DEVICE", help_heading = "Machine", long_help = DEVICE_HELP)]
    pub(crate) device: Option<Device>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List, obtain and prepare data sets
    Data(data::Data),
    /// Make a log of learners' answers of an export of Moodle or ILIAS
    Convert(convert::Convert),
    /// Make a data set of your own log
    Prepare(Box<prepare::Prepare>),
    /// Train a model and write its folder
    Train(train::Train),
    /// Let a pretrained BERT go on learning on the reviews of a data set
    FineTune(Box<fine_tune::FineTune>),
    /// Rank held-out items with a trained model
    Evaluate(evaluate::Evaluate),
    /// Put evaluations into one table, beside published figures
    Compare(compare::Compare),
    /// Keep of an evaluation what `cloze compare` needs
    Archive(archive::Archive),
    /// Put the best items of several models into a file for people to grade
    Pool(pool::Pool),
    /// Measure models by the grades of a pool
    Judge(judge::Judge),
    /// Recommend items for a user or a history
    Recommend(recommend::Recommend),
    /// Keep the profiles of a hybrid's users and items, and renew them with new interactions
    Profiles(profiles::Profiles),
    /// Show what this machine offers
    Doctor(doctor::Doctor),
}

impl Cli {
    pub(crate) fn run(self) -> Result<()> {
        if let Some(device) = self.device {
            engine::choose(device.engine());
        }
        if let Some(reason) = engine::fallback() {
            note(&format!("the processor computes: {reason}"));
        }
        self.command.run()
    }
}

impl Command {
    fn run(self) -> Result<()> {
        match self {
            Self::Data(command) => command.run(),
            Self::Convert(command) => command.run(),
            Self::Prepare(command) => command.run(),
            Self::Train(command) => command.run(),
            Self::FineTune(command) => command.run(),
            Self::Evaluate(command) => command.run(),
            Self::Compare(command) => command.run(),
            Self::Archive(command) => command.run(),
            Self::Pool(command) => command.run(),
            Self::Judge(command) => command.run(),
            Self::Recommend(command) => command.run(),
            Self::Profiles(command) => command.run(),
            Self::Doctor(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        // Also finds a model whose option has the name of a flag of `cloze train`.
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command) {
            let subcommands: Vec<_> = command.get_subcommands().collect();
            for subcommand in &subcommands {
                check(subcommand);
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no examples", command.get_name());
        }
        check(&Cli::command());
    }

    /// As a shell takes them, with comments and continued lines.
    #[test]
    fn examples_are_commands() {
        fn check(command: &clap::Command, checked: &mut usize) {
            for subcommand in command.get_subcommands() {
                check(subcommand, checked);
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "a terminal would break {line}");
            }
            for line in help.replace("\\\n", " ").lines().filter(|line| line.starts_with("  cloze ")) {
                let words = shlex::split(line).expect("quotes are closed");
                if let Err(error) = Cli::command().try_get_matches_from(words) {
                    assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{line}: {error}");
                }
                *checked += 1;
            }
        }
        let mut checked = 0;
        check(&Cli::command(), &mut checked);
        assert!(checked > 60, "{checked}: the examples begin otherwise");
    }
}
