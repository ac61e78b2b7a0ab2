//! What a run is: its resolved configuration, its data and the program's version.

use crate::folder::{TrainedOn, WEIGHTS_FILE};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

/// Stands between a folder and the hash of its weights.
const WEIGHTS: &str = ", weights ";

/// `run.json`. Two runs with equal identities end with the same bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunIdentity {
    /// Kind of model.
    pub model: String,
    /// Its options, every one resolved.
    pub options: Value,
    /// Model whose parts are reused, as [`RunIdentity::reused`] has it.
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
    /// A folder with the hash of its weights, for another model may take its place while a run waits to go on; the folder alone where
    /// they cannot be read: a finished run needs them no more, and one that does says what is wrong with them.
    pub fn reused(folder: &Path) -> String {
        let mut hasher = Sha256::new();
        let read =
            File::open(folder.join(WEIGHTS_FILE)).and_then(|mut file| io::copy(&mut file, &mut hasher));
        let hash = read.map_or_else(|_| String::new(), |_| format!("{WEIGHTS}{:x}", hasher.finalize()));
        format!("{}{hash}", folder.display())
    }

    /// In what `now` would be another run, each with both values; empty if it may go on with this one.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        // All fields by name, so that a new one can't be forgotten. The last two are what `caution` is for.
        let Self { model, options, reuse, trained_on, seed, version: _, engine: _ } = self;
        let mut found = Vec::new();
        let mut compare = |what: &str, there: &Value, here: &Value| {
            if there != here {
                found.push(format!("{what} is {there} there and {here} here"));
            }
        };
        compare("model", &model.clone().into(), &now.model.clone().into());
        let keys = |options: &Value| -> BTreeSet<String> {
            options.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
        };
        for key in keys(options).union(&keys(&now.options)) {
            compare(key, &options[key.as_str()], &now.options[key.as_str()]);
        }
        compare("seed", &(*seed).into(), &now.seed.into());
        let (there, here) = (folder_and_weights(reuse.as_deref()), folder_and_weights(now.reuse.as_deref()));
        compare("reuse", &there.0.into(), &here.0.into());
        let here = &now.trained_on;
        let TrainedOn { dataset, synthetic, split, split_hash, fit, user_share } = trained_on;
        compare("data", &dataset.clone().into(), &here.dataset.clone().into());
        compare("generated data", &(*synthetic).into(), &here.synthetic.into());
        compare("split", &split.clone().into(), &here.split.clone().into());
        compare("split hash", &split_hash.clone().into(), &here.split_hash.clone().into());
        compare("fit", &fit.clone().into(), &here.fit.clone().into());
        compare("user-share", &(*user_share).into(), &here.user_share.into());
        found.extend(exchanged(reuse.as_deref(), now.reuse.as_deref()));
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

/// The two halves of what [`RunIdentity::reused`] gave; versions before this one kept no hash.
fn folder_and_weights(reuse: Option<&str>) -> (Option<&str>, Option<&str>) {
    match reuse.and_then(|reuse| reuse.rsplit_once(WEIGHTS)) {
        Some((folder, weights)) => (Some(folder), Some(weights)),
        None => (reuse, None),
    }
}

/// What is to be said where a folder has other weights now.
fn exchanged(there: Option<&str>, here: Option<&str>) -> Option<String> {
    let (there, here) = (folder_and_weights(there), folder_and_weights(here));
    let both = there.0.filter(|folder| here.0 == Some(*folder))?;
    (there.1? != here.1?).then(|| {
        format!(
            "the model in {both} was replaced since: its weights are not those that the run was begun with"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reused_model_that_was_replaced_meanwhile_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let put = |weights: &str| std::fs::write(folder.path().join(WEIGHTS_FILE), weights).unwrap();
        let reusing = |reuse: String| RunIdentity { reuse: Some(reuse), ..identity(json!({})) };
        let before = reusing(folder.path().display().to_string());
        let now = || reusing(RunIdentity::reused(folder.path()));
        assert_eq!(now(), before, "there are no weights");
        put("one");
        let run = now();
        assert!(run.differences(&now()).is_empty() && before.differences(&run).is_empty());
        put("two");
        let found = run.differences(&now());
        assert!(found.len() == 1 && found[0].contains("was replaced since"), "{found:?}");
        let other = run.differences(&reusing("elsewhere".to_owned()));
        assert!(other.len() == 1 && other[0].contains("here") && !other[0].contains(WEIGHTS), "{other:?}");
        assert_eq!(run.differences(&identity(json!({}))).len(), 1);
    }

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
    fn every_part_of_what_is_trained_on_tells_runs_apart() {
        let run = identity(json!({}));
        let on = || run.trained_on.clone();
        let other = || "other".to_owned();
        for (trained_on, told) in [
            (TrainedOn { dataset: other(), ..on() }, "data is \"synthetic\" there and \"other\" here"),
            (TrainedOn { synthetic: false, ..on() }, "generated data is true there and false here"),
            (TrainedOn { split: other(), ..on() }, "split is \"leave-one-out\""),
            (TrainedOn { split_hash: other(), ..on() }, "split hash is \"0\""),
            (TrainedOn { fit: other(), ..on() }, "fit is \"train\""),
            (TrainedOn { user_share: 0.5, ..on() }, "user-share is 1.0 there and 0.5 here"),
        ] {
            let found = run.differences(&RunIdentity { trained_on, ..run.clone() });
            assert!(found.len() == 1 && found[0].starts_with(told), "{found:?}");
        }
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
