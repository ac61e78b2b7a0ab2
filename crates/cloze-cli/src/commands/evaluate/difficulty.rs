//! `cloze evaluate --success`: how difficult the recommended exercises are.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use cloze_eval::{
    EvaluationOptions, Fit, Protocol, ProtocolRanks, Recommender, Success as Measured, difficulties,
};

use super::{Setting, named};
use crate::success::{Asked, open, target};
use crate::trained::{check_order, fit};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Difficulty of the recommended exercises")]
pub(super) struct SuccessArgs {
    /// Model folder of a pfa of the same data and split: report how likely the learners answer the exercises of their
    /// top-10 lists right, and how far that is from the target
    #[arg(long, value_name = "DIR")]
    success: Option<PathBuf>,
    /// With --success: the probability of a right answer that is aimed at
    #[arg(long, value_name = "P", requires = "success", default_value_t = 0.7, value_parser = target)]
    success_target: f64,
}

/// The model that measures, and against what.
pub(super) struct Success {
    model: Box<dyn Recommender>,
    pub(super) measured: Measured,
}

impl SuccessArgs {
    /// Opens the model before anything else is computed.
    pub(super) fn open(
        &self,
        setting: &Setting<'_>,
        options: &EvaluationOptions,
        of_validation: bool,
    ) -> Result<Option<Success>> {
        let Some(path) = &self.success else { return Ok(None) };
        ensure!(
            options.protocols.contains(&Protocol::Full),
            "--success measures the top-10 lists of the whole catalogue: add full to --protocols"
        );
        let Setting { dataset, spec, split, .. } = setting;
        let (hash, spec) = (split.hash(), spec.to_string());
        let asked = Asked { dataset: &dataset.name, split: &spec, split_hash: &hash };
        let (folder, model) = open(path, &asked)?;
        check_order("items", &folder.vocabularies.items, &dataset.items)
            .and_then(|()| check_order("users", &folder.vocabularies.users, &dataset.users))
            .with_context(|| {
                format!("--success {}: other data than {}: train again", path.display(), dataset.name)
            })?;
        let fit = fit(&folder)?;
        ensure!(
            !of_validation || fit == Fit::Train,
            "--success {}: fitted on train+validation, it has seen the answers to the validation items. Use --target \
             test, or train it with --fit train",
            path.display()
        );
        let measured = Measured {
            model: named(&folder, model.as_ref()),
            fit,
            seed: folder.card.seed,
            options: folder.card.options.to_string(),
            target: self.success_target,
        };
        Ok(Some(Success { model, measured }))
    }
}

impl Success {
    /// Adds the difficulties of the lists to the full ranking.
    pub(super) fn measure(
        &mut self,
        setting: &Setting<'_>,
        options: &EvaluationOptions,
        lists: &[Vec<u32>],
        protocols: &mut [ProtocolRanks],
    ) -> Result<()> {
        let (target, exclude) = (self.measured.target, options.exclude_seen);
        let found = difficulties(self.model.as_mut(), target, setting.cases, lists, exclude, options.batch)?;
        for ranks in protocols.iter_mut().filter(|ranks| ranks.protocol == Protocol::Full) {
            ranks.difficulties.clone_from(&found);
        }
        Ok(())
    }
}
