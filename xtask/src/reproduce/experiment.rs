//! An experiment file: the rows of a paper's table, their settings, and the published figures.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::nearest;

/// Training options by their command line names, without the leading dashes.
pub(crate) type Options = BTreeMap<String, OptionValue>;

/// The usual candidate protocols, to suggest one.
const PROTOCOLS: [&str; 3] = ["full", "uniform-100", "popularity-100"];
/// Parts of the data that a model can be fitted on.
pub(crate) const FITS: [&str; 2] = ["train", "train+validation"];
/// A candidate protocol that `cloze evaluate` knows: `full`, `uniform-N` or `popularity-N`.
fn is_protocol(text: &str) -> bool {
    let counted = text.split_once('-').filter(|(kind, _)| ["uniform", "popularity"].contains(kind));
    text == "full" || counted.is_some_and(|(_, count)| count.parse::<u32>().is_ok_and(|count| count > 0))
}

/// The split of an experiment that names none; every data set has it.
pub(crate) const LEAVE_ONE_OUT: &str = "leave-one-out";

/// The value of one option.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum OptionValue {
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    List(Vec<OptionValue>),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Real(value) => value.fmt(formatter),
            Self::Text(value) => value.fmt(formatter),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(formatter, "[{}]", values.join(", "))
            }
        }
    }
}

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
    /// Candidate protocols of the evaluation; without it the three of `cloze evaluate`.
    #[serde(default)]
    pub(crate) protocols: Vec<String>,
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

/// One model of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// What `cloze train` calls the model.
    pub(crate) model: String,
    /// Passed as `--variant`.
    pub(crate) variant: Option<String>,
    /// What the results call the row; the model's name unless given.
    name: Option<String>,
    /// An earlier row whose options are taken where this one has none of its own.
    like: Option<String>,
    /// An earlier row whose trained model is passed as `--reuse`: same data set, fit and seed.
    pub(crate) uses: Option<String>,
    /// Data sets on which the row is not run unless it is named, where all of the experiment's would be too much.
    #[serde(default)]
    without: Vec<String>,
    /// The only fits of the row.
    fits: Option<Vec<String>>,
    /// At most so many seeds.
    seeds: Option<u64>,
    /// Whether `--quick` runs the row too, unless it is named.
    #[serde(default = "yes")]
    quick: bool,
    /// Rough cost in seconds, on a data set of weight 1; the remaining time is estimated from it.
    weight: f64,
    /// The same with `--quick`.
    quick_weight: Option<f64>,
    #[serde(default)]
    options: Options,
    #[serde(default)]
    dataset_options: BTreeMap<String, Options>,
    #[serde(default)]
    quick_options: Options,
    #[serde(default)]
    quick_dataset_options: BTreeMap<String, Options>,
}

impl Row {
    /// What the results call the row.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.model)
    }

    /// Whether the row is run on this data set with this fit and seed.
    pub(crate) fn includes(&self, dataset: &str, fit: &str, seed: u64, quick: bool) -> bool {
        (self.quick || !quick)
            && !self.without.iter().any(|name| name == dataset)
            && self.fits.as_ref().is_none_or(|fits| fits.iter().any(|one| one == fit))
            && self.seeds.is_none_or(|seeds| seed < seeds)
    }

    /// Takes over the options of the row that it is like.
    fn inherit(&mut self, earlier: &[Self]) -> Result<()> {
        let Some(like) = &self.like else { return Ok(()) };
        let found = earlier.iter().find(|row| row.name() == like);
        let other = found.with_context(|| {
            format!("row \"{}\" is like \"{like}\", which is no earlier row", self.name())
        })?;
        fill(&mut self.options, &other.options);
        fill(&mut self.quick_options, &other.quick_options);
        let maps = [
            (&mut self.dataset_options, &other.dataset_options),
            (&mut self.quick_dataset_options, &other.quick_dataset_options),
        ];
        for (ours, theirs) in maps {
            for (dataset, options) in theirs {
                fill(ours.entry(dataset.clone()).or_default(), options);
            }
        }
        Ok(())
    }

    fn is_everywhere(&self) -> bool {
        self.without.is_empty() && self.fits.is_none() && self.seeds.is_none() && self.quick
    }

    pub(crate) fn weight(&self, quick: bool) -> f64 {
        self.quick_weight.filter(|_| quick).unwrap_or(self.weight)
    }

    /// The options for one data set. The more special setting wins: `options`, then `dataset_options`, then
    /// `quick_options`, then `quick_dataset_options`.
    pub(crate) fn resolve(&self, dataset: &str, quick: bool) -> Options {
        let mut resolved = self.options.clone();
        let mut merge = |options: Option<&Options>| resolved.extend(options.into_iter().flatten().map(own));
        merge(self.dataset_options.get(dataset));
        if quick {
            merge(Some(&self.quick_options));
            merge(self.quick_dataset_options.get(dataset));
        }
        resolved
    }
}

/// Adds what is not there.
fn fill(options: &mut Options, others: &Options) {
    for (key, value) in others {
        options.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn own((key, value): (&String, &OptionValue)) -> (String, OptionValue) {
    (key.clone(), value.clone())
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
        for row in self.rows.iter_mut().filter(|row| wanted.iter().any(|name| name == row.name())) {
            row.without.clear();
            row.quick = true;
        }
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
                    earlier.is_some_and(Row::is_everywhere),
                    "row \"{name}\" uses \"{used}\", which is not run everywhere"
                );
            }
            ensure!(row.seeds != Some(0), "row \"{name}\": `seeds` is 0");
            ensure!(names.insert(name), "two rows are named \"{name}\"");
        }
        for name in self.baseline.iter().chain(&self.order) {
            let hint = nearest::hint(name, names.iter().copied());
            ensure!(
                names.contains(name.as_str()),
                "`baseline` or `order` names \"{name}\", which is no row{hint}"
            );
        }
        for split in self.splits.iter().chain(self.quick.splits.iter().flatten()) {
            let known = split == LEAVE_ONE_OUT || split.starts_with("global-time");
            ensure!(known, "split \"{split}\" is neither {LEAVE_ONE_OUT} nor global-time:VALIDATION,TEST");
        }
        for protocol in &self.protocols {
            ensure!(
                is_protocol(protocol),
                "protocol \"{protocol}\" is none of full, uniform-N and popularity-N"
            );
        }
        let row_fits = self.rows.iter().filter_map(|row| row.fits.as_ref()).flatten();
        for fit in self.fits.iter().chain(self.quick.fits.iter().flatten()).chain(row_fits) {
            ensure!(FITS.contains(&fit.as_str()), "fit \"{fit}\" is none of {}", FITS.join(", "));
        }
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
