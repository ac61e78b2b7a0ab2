//! An experiment file: the rows of a paper's table, their settings, and the published figures.

mod row;
mod success;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use super::costs::Costs;
use crate::nearest;
pub(crate) use row::{OptionValue, Options, Row};
pub(crate) use success::Success;

/// The usual candidate protocols, to suggest one.
const PROTOCOLS: [&str; 3] = ["full", "uniform-100", "popularity-100"];
/// Parts of the data that a model can be fitted on.
pub(crate) const FITS: [&str; 2] = ["train", "train+validation"];
/// A candidate protocol that `cloze evaluate` knows: `full`, `uniform-N`, `popularity-N` or `within-genre`.
fn is_protocol(text: &str) -> bool {
    let counted = text.split_once('-').filter(|(kind, _)| ["uniform", "popularity"].contains(kind));
    ["full", "within-genre"].contains(&text)
        || counted.is_some_and(|(_, count)| count.parse::<u32>().is_ok_and(|count| count > 0))
}

/// The split of an experiment that names none; every data set has it.
pub(crate) const LEAVE_ONE_OUT: &str = "leave-one-out";

/// `xtask/experiments/<paper>.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Experiment {
    /// Title of the report.
    pub(crate) title: String,
    /// The paper's reference.
    pub(crate) paper: String,
    /// What the paper claims, in words, where it publishes no figures.
    pub(crate) claim: Option<String>,
    /// What else a reader of the report must know.
    pub(crate) note: Option<String>,
    /// Data sets that are run unless others are asked for.
    pub(crate) datasets: Vec<String>,
    /// Splits that every row is trained and evaluated on, as `cloze train --split` takes them.
    #[serde(default = "leave_one_out")]
    pub(crate) splits: Vec<String>,
    /// Splits that mean nothing on a data set.
    #[serde(default)]
    pub(crate) without_splits: BTreeMap<String, Vec<String>>,
    /// Candidate protocols of the evaluation; without it the three of `cloze evaluate`.
    #[serde(default)]
    pub(crate) protocols: Vec<String>,
    /// By which model the difficulty of recommended exercises is measured, on data sets with values.
    pub(crate) success: Option<Success>,
    /// Which benchmark the report has beside the tables, where the whole experiment is trained.
    pub(crate) costs: Option<Costs>,
    /// Parts of the data that every row is fitted on.
    pub(crate) fits: Vec<String>,
    /// Number of seeds: 0, 1, …
    pub(crate) seeds: u64,
    /// What `--quick` replaces.
    #[serde(default)]
    pub(crate) quick: Quick,
    /// Cost of a data set, as a factor on the rows' weights; 1 where it is not named.
    #[serde(default)]
    pub(crate) dataset_weights: BTreeMap<String, f64>,
    /// The models, in the order in which they are trained.
    #[serde(rename = "row")]
    pub(crate) rows: Vec<Row>,
    /// The row that the others are tested against; without it the best of each table.
    pub(crate) baseline: Option<String>,
    /// Rows in the order that the paper claims, best first: each is tested against the next one.
    #[serde(default)]
    pub(crate) order: Vec<String>,
    /// What the report answers by pairs of rows: the first of a pair is tested against the second.
    #[serde(default, rename = "question")]
    pub(crate) questions: Vec<Question>,
    /// Figures to compare with, the most trusted source of a figure first.
    #[serde(default)]
    pub(crate) published: Vec<Published>,
}

/// The settings that `--quick` replaces.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quick {
    pub(crate) datasets: Option<Vec<String>>,
    pub(crate) splits: Option<Vec<String>>,
    pub(crate) fits: Option<Vec<String>>,
    pub(crate) seeds: Option<u64>,
}

/// A question with the pairs of rows that answer it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) question: String,
    pub(crate) pairs: Vec<(String, String)>,
}

/// One published figure.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    pub(crate) dataset: String,
    pub(crate) model: String,
    pub(crate) protocol: String,
    /// Such as `recall@10`, `ndcg@10`, `mrr`.
    pub(crate) metric: String,
    pub(crate) value: f64,
    /// Who published it, and where.
    pub(crate) source: String,
    /// Quoted from memory and not read again: shown, but no verdict hangs on it.
    #[serde(default)]
    pub(crate) from_memory: bool,
    /// Whether split, candidates and preparation are those of our evaluation; no verdict hangs on others.
    #[serde(default = "yes")]
    pub(crate) comparable: bool,
    /// What the model of the figure was fitted on: no verdict on models of another fit. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fit: Option<String>,
    /// What a reader has to know about the figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

fn leave_one_out() -> Vec<String> {
    vec![LEAVE_ONE_OUT.to_owned()]
}

const fn yes() -> bool {
    true
}

/// Reads the experiment of a paper.
///
/// # Errors
/// If there is no such experiment (the message names the nearest), or the file is not a valid one.
pub(crate) fn load(folder: &Path, paper: &str) -> Result<Experiment> {
    let known = papers(folder)?;
    if !known.iter().any(|name| name == paper) {
        let hint = nearest::hint(paper, known.iter().map(String::as_str));
        bail!("no experiment \"{paper}\"{hint}; there is: {}", known.join(", "));
    }
    let path = folder.join(format!("{paper}.toml"));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

/// The papers that have an experiment file.
fn papers(folder: &Path) -> Result<Vec<String>> {
    let mut papers = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            papers.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    Ok(papers.into_iter().collect())
}

/// Parses and validates an experiment file's text.
pub(crate) fn parse(text: &str) -> Result<Experiment> {
    let mut experiment: Experiment = toml::from_str(text).map_err(|error| {
        let hint = unknown_key_hint(error.message());
        anyhow!("{}{hint}", error.to_string().trim_end())
    })?;
    for place in 0..experiment.rows.len() {
        let (earlier, rest) = experiment.rows.split_at_mut(place);
        rest[0].inherit(earlier)?;
    }
    experiment.validate()?;
    Ok(experiment)
}

/// For "unknown field `modle`, expected one of `model`, …": the nearest of the expected ones.
fn unknown_key_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(key) if message.starts_with("unknown field") => nearest::hint(key, quoted),
        _ => String::new(),
    }
}

impl Experiment {
    /// Data sets with the splits that mean nothing there.
    pub(crate) fn excluded(&self) -> Vec<(String, String)> {
        let all = self.without_splits.iter();
        all.flat_map(|(dataset, splits)| splits.iter().map(|split| (dataset.clone(), split.clone())))
            .collect()
    }

    /// Keeps the named rows and those whose models they use. A named row is run wherever it is asked for.
    ///
    /// # Errors
    /// If there is no such row; the message names the nearest.
    pub(crate) fn keep_rows(&mut self, wanted: &[String]) -> Result<()> {
        let known: Vec<String> = self.rows.iter().map(|row| row.name().to_owned()).collect();
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
            let hint = nearest::hint(unknown, known.iter().map(String::as_str));
            bail!("no row \"{unknown}\"{hint}; there is: {}", known.join(", "));
        }
        let mut kept: BTreeSet<String> = wanted.iter().cloned().collect();
        // A used row is an earlier one: backwards, each is known to be needed before its turn comes.
        for row in self.rows.iter().rev().filter(|_| !wanted.is_empty()) {
            if kept.contains(row.name()) {
                kept.extend(row.uses.clone());
            }
        }
        self.rows.retain(|row| wanted.is_empty() || kept.contains(row.name()));
        for row in self.rows.iter_mut().filter(|_| !wanted.is_empty()) {
            row.without.clear();
            row.quick = true;
        }
        Ok(())
    }

    /// Lets the rows that read texts read them by this model.
    ///
    /// # Errors
    /// If there is no such row.
    pub(crate) fn read_by(&mut self, text_model: &str) -> Result<()> {
        const OPTION: &str = "text-model";
        let reading = self.rows.iter_mut().filter_map(|row| row.options.get_mut(OPTION));
        let count = reading.map(|value| *value = OptionValue::Text(text_model.to_owned())).count();
        ensure!(count > 0, "--text-model: no row of the experiment reads texts");
        Ok(())
    }

    fn validate(&self) -> Result<()> {
        ensure!(!self.datasets.is_empty(), "`datasets` is empty");
        ensure!(!self.splits.is_empty(), "`splits` is empty");
        ensure!(self.seeds > 0 && self.quick.seeds != Some(0), "`seeds` is 0");
        ensure!(!self.rows.is_empty(), "there is no [[row]]");
        let mut names = BTreeSet::new();
        for (place, row) in self.rows.iter().enumerate() {
            let name = row.name();
            for weight in [Some(row.weight), row.quick_weight].into_iter().flatten() {
                ensure!(
                    weight.is_finite() && weight > 0.0,
                    "row \"{name}\": weight {weight} is not positive"
                );
            }
            if let Some(used) = &row.uses {
                let earlier = self.rows.iter().take(place).find(|other| other.name() == used);
                ensure!(earlier.is_some(), "row \"{name}\" uses \"{used}\", which is no earlier row");
                ensure!(
                    earlier.is_some_and(|earlier| earlier.is_wherever(row)),
                    "row \"{name}\" uses \"{used}\", which is not run wherever it is: compare `without`, `fits`, `seeds`, `quick`"
                );
            }
            ensure!(row.seeds != Some(0), "row \"{name}\": `seeds` is 0");
            ensure!(names.insert(name), "two rows are named \"{name}\"");
        }
        let asked = self.questions.iter().flat_map(|question| &question.pairs).flat_map(|(a, b)| [a, b]);
        for name in self.baseline.iter().chain(&self.order).chain(asked) {
            let hint = nearest::hint(name, names.iter().copied());
            ensure!(
                names.contains(name.as_str()),
                "`baseline`, `order` or a question names \"{name}\", which is no row{hint}"
            );
        }
        for split in self.splits.iter().chain(self.quick.splits.iter().flatten()) {
            let known = split == LEAVE_ONE_OUT || split.starts_with("global-time");
            ensure!(known, "split \"{split}\" is neither {LEAVE_ONE_OUT} nor global-time:VALIDATION,TEST");
        }
        for (dataset, split) in self.excluded() {
            let known = self.splits.contains(&split);
            ensure!(known, "`without_splits` names \"{split}\" for {dataset}, which is none of `splits`");
        }
        for protocol in &self.protocols {
            ensure!(
                is_protocol(protocol),
                "protocol \"{protocol}\" is none of full, uniform-N, popularity-N and within-genre"
            );
        }
        let row_fits = self.rows.iter().filter_map(|row| row.fits.as_ref()).flatten();
        for fit in self.fits.iter().chain(self.quick.fits.iter().flatten()).chain(row_fits) {
            ensure!(FITS.contains(&fit.as_str()), "fit \"{fit}\" is none of {}", FITS.join(", "));
        }
        self.success.iter().try_for_each(Success::validate)?;
        self.published.iter().try_for_each(Published::validate)
    }
}

impl Published {
    fn validate(&self) -> Result<()> {
        let Self { dataset, model, protocol, metric, value, fit, .. } = self;
        let hint = nearest::hint(protocol, PROTOCOLS);
        if let Some(fit) = fit {
            ensure!(FITS.contains(&fit.as_str()), "published: fit \"{fit}\" is none of {}", FITS.join(", "));
        }
        ensure!(is_protocol(protocol), "published: unknown protocol \"{protocol}\"{hint}");
        ensure!(
            (0.0..=1.0).contains(value),
            "published: {dataset} {model} {metric} is {value}, outside 0 to 1"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests;
