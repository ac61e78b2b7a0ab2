//! A row of an experiment, with the options that it is trained with.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Training options by their command line names, without the leading dashes.
pub(crate) type Options = BTreeMap<String, OptionValue>;

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
    pub(super) without: Vec<String>,
    /// The only fits of the row.
    pub(super) fits: Option<Vec<String>>,
    /// At most so many seeds.
    pub(super) seeds: Option<u64>,
    /// Whether `--quick` runs the row too, unless it is named.
    #[serde(default = "super::yes")]
    pub(super) quick: bool,
    /// Rough cost in seconds, on a data set of weight 1; the remaining time is estimated from it.
    pub(super) weight: f64,
    /// The same with `--quick`.
    pub(super) quick_weight: Option<f64>,
    #[serde(default)]
    pub(super) options: Options,
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
    pub(super) fn inherit(&mut self, earlier: &[Self]) -> Result<()> {
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

    /// Whether the row is run wherever `other` is.
    pub(super) fn is_wherever(&self, other: &Self) -> bool {
        let within = |ours: &[String], theirs: &[String]| ours.iter().all(|one| theirs.contains(one));
        within(&self.without, &other.without)
            && (self.quick || !other.quick)
            && self
                .fits
                .as_ref()
                .is_none_or(|ours| other.fits.as_ref().is_some_and(|theirs| within(theirs, ours)))
            && self.seeds.is_none_or(|ours| other.seeds.is_some_and(|theirs| theirs <= ours))
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
