//! The command line: what there is and where it is done.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands::{compare, data, doctor, evaluate, prepare, recommend, train};

const EXAMPLES: &str = "\
Examples:
  cloze data list
  cloze prepare --input log.parquet --user U --item I --time T --output mydata
  cloze train item-knn --data ml-100k --output runs/knn
  cloze evaluate runs/knn
  cloze recommend runs/knn --history 'Toy Story (1995)' --history 'Aladdin (1992)'
  cloze train --help            the models
  cloze train item-knn --help   a model's options";

/// Sequential recommenders: train, evaluate, compare, recommend.
#[derive(Debug, Parser)]
#[command(name = "cloze", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List, obtain and prepare data sets
    Data(data::Data),
    /// Make a data set of your own log
    Prepare(Box<prepare::Prepare>),
    /// Train a model and write its folder
    Train(train::Train),
    /// Rank held-out items with a trained model
    Evaluate(evaluate::Evaluate),
    /// Put evaluations into one table, beside published figures
    Compare(compare::Compare),
    /// Recommend items for a user or a history
    Recommend(recommend::Recommend),
    /// Show what this machine offers
    Doctor(doctor::Doctor),
}

impl Command {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Data(command) => command.run(),
            Self::Prepare(command) => command.run(),
            Self::Train(command) => command.run(),
            Self::Evaluate(command) => command.run(),
            Self::Compare(command) => command.run(),
            Self::Recommend(command) => command.run(),
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
}
