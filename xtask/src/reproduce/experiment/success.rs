//! The model by which the difficulty of recommended exercises is measured.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::row::Options;

/// `success = { model = "pfa", target = 0.7 }`: every row's lists are measured by this model, which is trained once for each
/// data set, split and seed, on the training part whatever the rows are fitted on: one yardstick for all of them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Success {
    /// What `cloze train` calls the model that says how likely an answer is right.
    pub(crate) model: String,
    /// The probability of a right answer that is aimed at.
    pub(crate) target: f64,
    /// Options of its training.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub(crate) options: Options,
    /// More of them on a data set: its answers may be points and not right or wrong.
    #[serde(default, skip_serializing)]
    dataset_options: BTreeMap<String, Options>,
}

impl Success {
    /// With the options for one data set, and no others.
    pub(crate) fn on(&self, dataset: &str) -> Self {
        let mut options = self.options.clone();
        options.extend(self.dataset_options.get(dataset).cloned().unwrap_or_default());
        Self { options, dataset_options: BTreeMap::new(), ..self.clone() }
    }

    pub(super) fn validate(&self) -> Result<()> {
        ensure!((0.0..=1.0).contains(&self.target), "`success`: target {} is outside 0 to 1", self.target);
        ensure!(!self.model.is_empty(), "`success`: `model` is empty");
        Ok(())
    }
}
