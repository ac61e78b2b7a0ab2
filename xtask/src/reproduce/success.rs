//! The models that say how likely an answer is right: each is trained before the first row that is measured by it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{
    cloze::Cloze,
    plan::PlannedRow,
    rows::{make, write_json},
};

/// What became of those that were needed so far.
#[derive(Default)]
pub(crate) struct SuccessModels {
    /// Why one could not be trained, by its hash: it is not tried again for every row.
    failed: BTreeMap<String, String>,
}

impl SuccessModels {
    /// The folder of the model that a row is measured by, trained now unless it is kept; none where the row is not measured.
    pub(crate) fn of(&mut self, cloze: &Cloze, row: &PlannedRow, output: &Path) -> Result<Option<PathBuf>> {
        let Some(needed) = row.success_model()? else { return Ok(None) };
        let refuse = |reason: &str| format!("{}: {reason}", needed.label());
        if let Some(reason) = self.failed.get(&needed.hash) {
            bail!(refuse(reason));
        }
        match train(cloze, &needed, output) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) => {
                let reason = format!("{error:#}");
                let message = refuse(&reason);
                self.failed.insert(needed.hash, reason);
                bail!(message)
            }
        }
    }
}

fn train(cloze: &Cloze, needed: &PlannedRow, output: &Path) -> Result<PathBuf> {
    let folder = needed.folder(output);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    write_json(&folder.join("row.json"), &needed.configuration)?;
    make(&folder, "model", &cloze.code, |model| cloze.train(needed, model, None))?;
    Ok(folder.join("model"))
}

#[cfg(test)]
mod tests {
    use super::super::{
        experiment::parse,
        plan::{PlannedRow, Request, plan},
    };

    #[test]
    fn a_changed_target_is_another_evaluation_by_the_same_success_model() {
        let plan_of = |success: &str, without_values: &[&str]| {
            let text = format!(
                "title = \"t\"\npaper = \"p\"\ndatasets = [\"a\", \"b\"]\nfits = [\"train\", \"train+validation\"]\nseeds = 2\n\
                 {success}\n[[row]]\nmodel = \"m\"\nweight = 1\n"
            );
            let experiment = parse(&text).unwrap();
            let request = Request {
                datasets: experiment.datasets.clone(),
                splits: experiment.splits.clone(),
                without: Vec::new(),
                without_values: without_values.iter().map(ToString::to_string).collect(),
                fits: experiment.fits.clone(),
                seeds: 0..2,
                quick: false,
            };
            plan(&experiment, &request, "v").unwrap()
        };
        let hash = |row: &PlannedRow| row.success_model().unwrap().map(|model| model.hash);
        let seven = plan_of("success = { model = \"pfa\", target = 0.7 }", &[]);
        let eight = plan_of("success = { model = \"pfa\", target = 0.8 }", &[]);
        for (seven, eight) in seven.iter().zip(&eight) {
            assert_ne!(seven.hash, eight.hash, "the evaluation is another");
            assert_eq!(hash(seven), hash(eight), "the success model is not");
        }
        // One for each data set and seed, whatever the fit.
        let distinct: std::collections::BTreeSet<_> = seven.iter().map(hash).collect();
        assert_eq!((seven.len(), distinct.len()), (8, 4));
        let longer = plan_of("success = { model = \"pfa\", target = 0.7, options = { epochs = 9 } }", &[]);
        assert_ne!(hash(&seven[0]), hash(&longer[0]));
        let (none, without) =
            (plan_of("", &[]), plan_of("success = { model = \"pfa\", target = 0.7 }", &["a"]));
        assert_eq!(none[0].hash, without[0].hash, "a data set without values is evaluated as ever");
        assert!(hash(&without[0]).is_none() && hash(&without[7]).is_some());
    }
}
