//! The rows to train, with resolved options and the hash that says whether a kept result is still theirs.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;

use super::experiment::{Experiment, FITS, LEAVE_ONE_OUT, Options, Row, Success};

/// What one invocation asks for, with the experiment's defaults filled in.
pub(crate) struct Request {
    pub(crate) datasets: Vec<String>,
    pub(crate) splits: Vec<String>,
    /// Data sets with a split that they can't have.
    pub(crate) without: Vec<(String, String)>,
    /// Data sets without values: nothing says how likely an answer is right.
    pub(crate) without_values: Vec<String>,
    pub(crate) fits: Vec<String>,
    pub(crate) seeds: Range<u64>,
    pub(crate) quick: bool,
}

/// Everything that decides a row's result. Its canonical JSON is what is hashed and stored beside the result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Configuration {
    pub(crate) dataset: String,
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) variant: Option<String>,
    pub(crate) split: String,
    pub(crate) fit: String,
    pub(crate) seed: u64,
    pub(crate) options: Options,
    /// Candidate protocols, where they are not those of `cloze evaluate`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) protocols: Vec<String>,
    /// By which model, and against which target, the difficulty of its lists is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) success: Option<Success>,
    /// The hash of the row whose model is used: another tower is another row.
    pub(crate) uses: Option<String>,
    /// What `cloze --version` prints.
    pub(crate) cloze: String,
}

/// One row to train and evaluate.
#[derive(Debug)]
pub(crate) struct PlannedRow {
    pub(crate) configuration: Configuration,
    pub(crate) hash: String,
    /// Estimated cost in seconds.
    pub(crate) weight: f64,
    /// The place in the plan of the row whose model is used.
    pub(crate) uses: Option<usize>,
}

/// All rows of a request: by data set, then split, then fit, then seed, then in the experiment's order.
///
/// # Errors
/// If a configuration cannot be written as JSON.
pub(crate) fn plan(experiment: &Experiment, request: &Request, cloze: &str) -> Result<Vec<PlannedRow>> {
    let mut planned: Vec<PlannedRow> = Vec::new();
    for dataset in &request.datasets {
        let measured = !request.without_values.contains(dataset);
        let factor = experiment.dataset_weights.get(dataset).copied().unwrap_or(1.0);
        for (split, fit) in request.parts(dataset) {
            for seed in request.seeds.clone() {
                let first = planned.len();
                let included = |row: &&Row| row.includes(dataset, fit, seed, request.quick);
                for row in experiment.rows.iter().filter(included) {
                    let is_used = |other: &PlannedRow| Some(&other.configuration.name) == row.uses.as_ref();
                    let uses = planned[first..].iter().position(is_used).map(|place| first + place);
                    let configuration = Configuration {
                        dataset: dataset.clone(),
                        name: row.name().to_owned(),
                        model: row.model.clone(),
                        variant: row.variant.clone(),
                        split: split.clone(),
                        fit: fit.clone(),
                        seed,
                        options: row.resolve(dataset, request.quick),
                        protocols: experiment.protocols.clone(),
                        success: experiment
                            .success
                            .as_ref()
                            .filter(|_| measured)
                            .map(|success| success.on(dataset)),
                        uses: uses.map(|place| planned[place].hash.clone()),
                        cloze: cloze.to_owned(),
                    };
                    let weight = row.weight(request.quick) * factor;
                    planned.push(PlannedRow { hash: configuration.hash()?, configuration, weight, uses });
                }
            }
        }
    }
    Ok(planned)
}

impl Request {
    /// The splits and fits of a data set.
    fn parts<'a>(&'a self, dataset: &'a str) -> impl Iterator<Item = (&'a String, &'a String)> {
        let had = move |split: &&String| !self.without.iter().any(|(d, s)| d == dataset && s == *split);
        self.splits.iter().filter(had).flat_map(|split| self.fits.iter().map(move |fit| (split, fit)))
    }
}

impl Configuration {
    fn hash(&self) -> Result<String> {
        let json = serde_json::to_string(self).context("cannot write a row's configuration")?;
        Ok(format!("{:016x}", fnv1a(json.as_bytes())))
    }
}

impl PlannedRow {
    /// The model that the row is measured by, as a row that is only trained; the same for all rows of a data set, split and seed.
    ///
    /// # Errors
    /// If its configuration cannot be written as JSON.
    pub(crate) fn success_model(&self) -> Result<Option<Self>> {
        let own = &self.configuration;
        let Some(success) = &own.success else { return Ok(None) };
        let configuration = Configuration {
            dataset: own.dataset.clone(),
            name: format!("success-{}", success.model),
            model: success.model.clone(),
            variant: None,
            split: own.split.clone(),
            fit: FITS[0].to_owned(),
            seed: own.seed,
            options: success.options.clone(),
            protocols: Vec::new(),
            success: None,
            uses: None,
            cloze: own.cloze.clone(),
        };
        Ok(Some(Self { hash: configuration.hash()?, configuration, weight: 0.0, uses: None }))
    }

    /// Where the row's model, evaluation and markers are kept.
    pub(crate) fn folder(&self, output: &Path) -> PathBuf {
        self.folder_in(&output.join("rows"))
    }

    /// The row's own folder in one of rows.
    pub(crate) fn folder_in(&self, rows: &Path) -> PathBuf {
        let Configuration { dataset, name, split, fit, seed, .. } = &self.configuration;
        // A colon is no part of a file's name everywhere.
        let split = if split == LEAVE_ONE_OUT {
            String::new()
        } else {
            format!("{}-", split.replace([':', ','], "-"))
        };
        rows.join(dataset).join(format!("{name}-{split}{fit}-s{seed}-{}", self.hash))
    }

    /// How progress and failures name the row.
    pub(crate) fn label(&self) -> String {
        let Configuration { dataset, name, split, fit, seed, .. } = &self.configuration;
        let split = if split == LEAVE_ONE_OUT { String::new() } else { format!(" · {split}") };
        let fit = if fit == "train" { String::new() } else { format!(" · {fit}") };
        format!("{dataset} · {name}{split}{fit} · seed {seed}")
    }
}

/// 64-bit FNV-1a: the same on every platform and in every version, unlike the standard library's hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{super::experiment::parse, *};

    fn rows_of(bert: &str, version: &str) -> Vec<PlannedRow> {
        let text = format!(
            r#"
            title = "t"
            paper = "p"
            datasets = ["a"]
            fits = ["train"]
            seeds = 1
            dataset_weights = {{ b = 10 }}
            [[row]]
            model = "bert4rec"
            weight = 3
            options = {{ {bert} }}
            [[row]]
            model = "hybrid"
            uses = "bert4rec"
            weight = 1
            "#
        );
        let request = Request {
            datasets: vec!["a".to_owned(), "b".to_owned()],
            splits: vec![LEAVE_ONE_OUT.to_owned()],
            without: Vec::new(),
            without_values: Vec::new(),
            fits: vec!["train".to_owned()],
            seeds: 0..2,
            quick: false,
        };
        plan(&parse(&text).unwrap(), &request, version).unwrap()
    }

    fn hashes(bert: &str, version: &str) -> Vec<String> {
        rows_of(bert, version).into_iter().map(|row| row.hash).collect()
    }

    #[test]
    fn the_hash_changes_with_options_and_not_with_their_order() {
        let original = hashes("hidden = 64, steps = 100", "cloze 0.1.0");
        assert_eq!(original, hashes("steps = 100, hidden = 64", "cloze 0.1.0"));
        assert_ne!(original[0], hashes("hidden = 64, steps = 101", "cloze 0.1.0")[0]);
        assert_ne!(original[0], hashes("hidden = 64, steps = 100", "cloze 0.2.0")[0]);
    }

    #[test]
    fn a_row_changes_with_the_row_that_it_uses() {
        assert_ne!(hashes("steps = 100", "v")[1], hashes("steps = 101", "v")[1]);
    }

    #[test]
    fn every_split_has_its_rows_except_where_a_data_set_has_no_such_split() {
        let text = r#"
            title = "t"
            paper = "p"
            datasets = ["a", "b"]
            splits = ["leave-one-out", "global-time:0.8,0.9"]
            fits = ["train", "train+validation"]
            seeds = 1
            [without_splits]
            a = ["global-time:0.8,0.9"]
            [[row]]
            model = "m"
            weight = 1
        "#;
        let wrong = text.replace("a = [\"global-time:0.8,0.9\"]", "a = [\"global-time:0.8\"]");
        let error = format!("{:#}", parse(&wrong).unwrap_err());
        assert!(error.contains("without_splits") && error.contains("global-time:0.8"), "{error}");
        let experiment = parse(text).unwrap();
        let request = Request {
            datasets: experiment.datasets.clone(),
            splits: experiment.splits.clone(),
            without_values: Vec::new(),
            without: experiment.excluded(),
            fits: experiment.fits.clone(),
            seeds: 0..1,
            quick: false,
        };
        let rows = plan(&experiment, &request, "v").unwrap();
        let labels: Vec<String> = rows.iter().map(PlannedRow::label).collect();
        assert_eq!(
            labels,
            [
                "a · m · seed 0",
                "a · m · train+validation · seed 0",
                "b · m · seed 0",
                "b · m · train+validation · seed 0",
                "b · m · global-time:0.8,0.9 · seed 0",
                "b · m · global-time:0.8,0.9 · train+validation · seed 0",
            ]
        );
        let folders: std::collections::BTreeSet<_> =
            rows.iter().map(|row| row.folder(Path::new(""))).collect();
        assert_eq!(folders.len(), 6);
        let name = rows[4].folder(Path::new("")).file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("m-global-time-0.8-0.9-train-s0-"), "{name}");
    }

    #[test]
    fn hashes_are_stable_across_builds() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_data_set_and_seed_has_every_row_and_its_own_tower() {
        let rows = rows_of("steps = 100", "v");
        assert_eq!(rows.len(), 8);
        for (place, row) in rows.iter().enumerate() {
            let tower = (row.configuration.model == "hybrid").then(|| place - 1);
            assert_eq!(row.uses, tower);
        }
        assert!((rows[4].weight - 30.0).abs() < 1e-12, "the data set's weight counts");
        assert_eq!(rows[5].label(), "b · hybrid · seed 0");
        let distinct: std::collections::BTreeSet<_> = rows.iter().map(|row| &row.hash).collect();
        assert_eq!(distinct.len(), 8);
    }
}
