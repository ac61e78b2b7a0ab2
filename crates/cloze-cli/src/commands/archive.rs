//! `cloze archive`: an evaluation in a fraction of its space.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use crate::commands::compare;
use crate::output::{check_no_model, note};

const EXAMPLES: &str = "\
Examples:
  cloze archive runs/bert/evaluation --output supplement/bert
  # the same table and tests as of the evaluations
  cloze compare supplement/bert supplement/knn";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Archive {
    /// Folder of an evaluation, or a model folder with one in it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder for the ranks of all users: what `cloze compare` needs, without what follows from them, external ids and
    /// difficulties
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

impl Archive {
    pub(crate) fn run(self) -> Result<()> {
        // It may be the one that is to be archived, which has more than its archive.
        ensure!(
            !self.output.join(compare::EVALUATION_FILE).exists(),
            "{} has an evaluation already: name another folder",
            self.output.display()
        );
        check_no_model(&self.output)?;
        compare::load(&self.folder)?.archive(&self.output)?;
        note(&format!("saved: {}", self.output.display()));
        Ok(())
    }
}
