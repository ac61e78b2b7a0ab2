//! What a run is: its resolved configuration, its data and the program's version.

use crate::folder::TrainedOn;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// `run.json`. Two runs with equal identities end with the same bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunIdentity {
    /// Kind of model.
    pub model: String,
    /// Its options, every one resolved.
    pub options: Value,
    /// Folder of a model whose parts are reused.
    pub reuse: Option<String>,
    /// Data, split and fit.
    pub trained_on: TrainedOn,
    /// Seed.
    pub seed: u64,
    /// Version of the program.
    pub version: String,
    /// Engine, instructions and threads.
    pub engine: String,
}

impl RunIdentity {
    /// In what `now` would be another run, each with both values; empty if it may go on with this one.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, there: &Value, here: &Value| {
            if there != here {
                found.push(format!("{what} is {there} there and {here} here"));
            }
        };
        compare("model", &self.model.clone().into(), &now.model.clone().into());
        let keys = |options: &Value| -> BTreeSet<String> {
            options.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
        };
        for key in keys(&self.options).union(&keys(&now.options)) {
            compare(key, &self.options[key.as_str()], &now.options[key.as_str()]);
        }
        compare("seed", &self.seed.into(), &now.seed.into());
        compare("reuse", &self.reuse.clone().into(), &now.reuse.clone().into());
        let (there, here) = (&self.trained_on, &now.trained_on);
        compare("data", &there.dataset.clone().into(), &here.dataset.clone().into());
        compare("split", &there.split.clone().into(), &here.split.clone().into());
        compare("split hash", &there.split_hash.clone().into(), &here.split_hash.clone().into());
        compare("fit", &there.fit.clone().into(), &here.fit.clone().into());
        found
    }

    /// What lets `now` go on, but not to the same bits.
    pub fn caution(&self, now: &Self) -> Option<String> {
        let mut parts = Vec::new();
        for (what, there, here) in
            [("version", &self.version, &now.version), ("engine", &self.engine, &now.engine)]
        {
            if there != here {
                parts.push(format!("{what} {there}, now {here}"));
            }
        }
        (!parts.is_empty()).then(|| {
            format!("the run was begun with {}: its result may differ in the last bits", parts.join("; "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity(options: Value) -> RunIdentity {
        RunIdentity {
            model: "bert4rec".to_owned(),
            options,
            reuse: None,
            trained_on: TrainedOn {
                dataset: "synthetic".to_owned(),
                synthetic: true,
                split: "leave-one-out".to_owned(),
                split_hash: "0".to_owned(),
                fit: "train".to_owned(),
                user_share: 1.0,
            },
            seed: 1,
            version: "0".to_owned(),
            engine: "cpu, 1 threads".to_owned(),
        }
    }

    #[test]
    fn differences_name_the_option_with_both_values() {
        let run = identity(json!({"steps": 5, "hidden": 8}));
        assert!(run.differences(&run).is_empty());
        let now = RunIdentity { seed: 2, ..identity(json!({"steps": 9, "hidden": 8})) };
        assert_eq!(
            run.differences(&now),
            ["steps is 5 there and 9 here".to_owned(), "seed is 1 there and 2 here".to_owned()]
        );
    }

    #[test]
    fn another_number_of_threads_is_no_other_run_but_worth_a_word() {
        let run = identity(json!({}));
        let now = RunIdentity { engine: "cpu, 2 threads".to_owned(), ..run.clone() };
        assert!(run.differences(&now).is_empty());
        assert!(run.caution(&now).unwrap().contains("cpu, 1 threads, now cpu, 2 threads"));
        assert_eq!(run.caution(&run), None);
    }
}
