//! `cargo xtask reproduce <paper>`: every row of a paper's table, trained, evaluated and compared with what was published.

mod clock;
mod cloze;
mod costs;
mod experiment;
mod plan;
mod record;
mod report;
mod rows;
mod success;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use self::{
    cloze::Cloze,
    experiment::{Experiment, FITS, LEAVE_ONE_OUT},
    plan::{PlannedRow, Request},
    record::Record,
};
use crate::workspace;

/// Options of `cargo xtask reproduce`.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Arguments {
    /// Name of a file in xtask/experiments, without .toml
    paper: String,
    /// Run on this data set instead of the experiment's own; several: comma-separated, or the option again
    #[arg(long = "dataset", value_name = "NAME", value_delimiter = ',', value_parser = dataset)]
    datasets: Vec<String>,
    /// Run only this row of the table, and those whose models it uses; several: comma-separated, or the option again
    #[arg(long = "row", value_name = "NAME", value_delimiter = ',')]
    rows: Vec<String>,
    /// Fit on this part of the data alone: train or train+validation
    #[arg(long, value_name = "FIT", value_parser = FITS)]
    fit: Option<String>,
    /// The experiment's small settings: a first look in minutes, no measurement
    #[arg(long)]
    quick: bool,
    /// Train every row with this many seeds, 0 to N - 1, or with some of them: 3..5 has 3 and 4
    ///
    /// Several machines can share the work so: what is under `rows` in their outputs goes into one folder, and a run with all
    /// seeds keeps it.
    #[arg(long, value_name = "N|A..B", value_parser = seeds)]
    seeds: Option<Range<u64>>,
    /// Folder with raw data files, tried before any download [default: the variable `CLOZE_DATA_DIR`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The BERT of the rows that read texts, instead of the experiment's: a folder, or an id of the model hub
    #[arg(long, value_name = "DIR|ID")]
    text_model: Option<String>,
    /// Where rows and report are kept [default: `runs/PAPER` in the repository]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Train every row anew, even where a finished one of the same configuration is kept
    ///
    /// A configuration is the row's options, data set, split, fit, seed and the version of cloze. Changed source code of the
    /// same version does not change it.
    #[arg(long)]
    fresh: bool,
    /// Take rows of the same configuration from the record, `xtask/measured`, instead of training them
    ///
    /// The record has where each user's held-out item ranked when rows were measured before, and no difficulties: the tables and
    /// tests of many seeds in seconds.
    #[arg(long, conflicts_with = "fresh")]
    from_record: bool,
    /// Put the rows that were trained here into the record
    #[arg(long)]
    record: bool,
    /// Where the record is
    #[arg(long, value_name = "DIR", hide = true)]
    measured: Option<PathBuf>,
    /// Use this program instead of building cloze
    #[arg(long, value_name = "PATH", hide = true)]
    cloze: Option<PathBuf>,
}

/// Runs an experiment.
///
/// # Errors
/// If the experiment is unknown or invalid, no data set can be obtained, a row fails, or the comparison fails.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = workspace::root();
    let mut experiment = experiment::load(&root.join("xtask/experiments"), &arguments.paper)?;
    experiment.keep_rows(&arguments.rows)?;
    if let Some(text_model) = &arguments.text_model {
        experiment.read_by(&text_model_of(text_model)?)?;
    }
    let output = arguments.output.clone().unwrap_or_else(|| root.join("runs").join(&arguments.paper));
    let output = absolute(&output)?;
    let cloze = arguments.cloze()?;
    fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    report::remove_old(&output)?;

    let mut request = arguments.request(&experiment);
    let mut missing = keep_obtainable(&cloze, &mut request.datasets)?;
    missing.extend(leave_out_splits(&cloze, &mut request)?);
    if request.datasets.is_empty() {
        bail!("nothing could be run\n{}", missing.join("\n"));
    }
    missing.extend(leave_out_values(&cloze, &experiment, &mut request)?);
    let plan = plan::plan(&experiment, &request, &cloze.version()?)?;
    if plan.is_empty() {
        missing.push("no row of the experiment has these data sets and this fit".to_owned());
        bail!("nothing could be run\n{}", missing.join("\n"));
    }
    if arguments.fresh {
        remove_kept(&plan, &output)?;
    }
    let measured = arguments.measured.clone().unwrap_or_else(|| root.join("xtask/measured"));
    let record = Record::new(absolute(&measured)?.join(&arguments.paper));
    let outcome = rows::run_all(&cloze, &plan, Some(&record).filter(|_| arguments.from_record), &output);
    missing.extend(record.note(&outcome.finished)?);
    missing.extend(record::kept_note(&outcome.finished, &output)?);
    let costs = experiment.costs.filter(|_| arguments.measures_costs());
    missing.extend(costs.map(|costs| costs.paragraph(&output, arguments.fresh)));
    let notes: Vec<String> = missing.into_iter().chain(outcome.failures.iter().cloned()).collect();
    report::write(&cloze, &experiment, &request, &output, &outcome.finished, &notes)?;
    for note in &notes {
        eprintln!("{note}");
    }
    if arguments.record {
        let count = record.keep(&cloze, &outcome.finished, &output)?;
        eprintln!("{count} rows recorded in {}", measured.display());
    }
    match outcome.failures.len() {
        0 => Ok(()),
        count => bail!("{count} of {} rows failed; finished rows are kept for the next run", plan.len()),
    }
}

impl Arguments {
    fn cloze(&self) -> Result<Cloze> {
        // Before it is built: the work tree may have changed when the rows are done.
        let code = record::source_code(self.cloze.is_some());
        let program = match &self.cloze {
            Some(program) => absolute(program)?,
            None => cloze::build()?,
        };
        let data_dir = self.data_dir.as_deref().map(absolute).transpose()?;
        Ok(Cloze { program, code, data_dir })
    }

    /// Of the whole experiment, trained here: a part of it, or a table of what was measured before, is asked for in a hurry.
    const fn measures_costs(&self) -> bool {
        let part = self.quick || !self.rows.is_empty() || !self.datasets.is_empty();
        !part && !self.from_record && self.cloze.is_none()
    }

    fn request(&self, experiment: &Experiment) -> Request {
        let quick = Some(&experiment.quick).filter(|_| self.quick);
        let own_datasets = quick.and_then(|quick| quick.datasets.as_ref()).unwrap_or(&experiment.datasets);
        let mut datasets: Vec<String> = Vec::new();
        for dataset in if self.datasets.is_empty() { own_datasets } else { &self.datasets } {
            if !datasets.contains(dataset) {
                datasets.push(dataset.clone());
            }
        }
        let own_fits = quick.and_then(|quick| quick.fits.as_ref()).unwrap_or(&experiment.fits);
        Request {
            datasets,
            splits: quick.and_then(|quick| quick.splits.as_ref()).unwrap_or(&experiment.splits).clone(),
            without: experiment.excluded(),
            without_values: Vec::new(),
            fits: self.fit.as_ref().map_or_else(|| own_fits.clone(), |fit| vec![fit.clone()]),
            seeds: self
                .seeds
                .clone()
                .unwrap_or_else(|| 0..quick.and_then(|quick| quick.seeds).unwrap_or(experiment.seeds)),
            quick: self.quick,
        }
    }
}

/// The name of a data set. Rows are kept under it, and found by it again in what is compared.
fn dataset(text: &str) -> Result<String, String> {
    if text.contains(['/', '\\']) || Path::new(text).exists() {
        return Err("expected the name of a data set that `cloze data list` shows, not a path: train and evaluate on a folder of \
                    your own with `cloze train`, `cloze evaluate` and `cloze compare`"
            .to_owned());
    }
    Ok(text.to_owned())
}

/// `5` is `0..5`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").unwrap_or(("0", text));
    match (first.trim().parse(), end.trim().parse()) {
        (Ok(first), Ok(end)) if first < end => Ok(first..end),
        _ => Err(
            "expected a number of seeds, at least 1, or a range such as 3..5, which has the seeds 3 and 4"
                .to_owned(),
        ),
    }
}

/// A folder from wherever rows are run; an id as it is.
fn text_model_of(given: &str) -> Result<String> {
    if !Path::new(given).is_dir() {
        return Ok(given.to_owned());
    }
    let path = absolute(Path::new(given))?;
    path.into_os_string().into_string().map_err(|path| anyhow!("{} is no text", path.display()))
}

/// Keeps the data sets that can be obtained, and returns a line for each of the others that says why not.
fn keep_obtainable(cloze: &Cloze, datasets: &mut Vec<String>) -> Result<Vec<String>> {
    let mut obtained = Vec::new();
    let mut missing = Vec::new();
    for dataset in datasets.drain(..) {
        eprintln!("[data] {dataset}");
        if let Err(reason) = cloze.fetch(&dataset)? {
            missing.push(format!("{dataset}: not run, the data set could not be obtained: {reason}"));
        } else {
            obtained.push(dataset);
        }
    }
    *datasets = obtained;
    Ok(missing)
}

/// Leaves out the splits that a data set can't have, such as one by time where there are no times, and returns a line
/// for each that says why.
fn leave_out_splits(cloze: &Cloze, request: &mut Request) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for split in request.splits.iter().filter(|split| *split != LEAVE_ONE_OUT) {
        for dataset in &request.datasets {
            if request.without.contains(&(dataset.clone(), split.clone())) {
                continue;
            }
            if let Err(reason) = cloze.prepare(dataset, split)? {
                missing.push(format!("{dataset} under {split}: not run: {reason}"));
                request.without.push((dataset.clone(), split.clone()));
            }
        }
    }
    Ok(missing)
}

/// Finds the data sets whose interactions have no values, so that nothing can say how likely an answer is right, and returns a
/// line for each.
fn leave_out_values(cloze: &Cloze, experiment: &Experiment, request: &mut Request) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for dataset in request.datasets.iter().filter(|_| experiment.success.is_some()) {
        if !cloze.has_values(dataset)? {
            missing.push(format!(
                "{dataset}: its interactions have no values: the difficulty of lists is not measured"
            ));
            request.without_values.push(dataset.clone());
        }
    }
    Ok(missing)
}

fn remove_kept(plan: &[PlannedRow], output: &Path) -> Result<()> {
    let success = plan.iter().map(PlannedRow::success_model).collect::<Result<Vec<_>>>()?;
    let folders = plan.iter().chain(success.iter().flatten()).map(|row| row.folder(output));
    for folder in folders.filter(|folder| folder.exists()) {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!((seeds("5"), seeds("3..5")), (Ok(0..5), Ok(3..5)));
        for wrong in ["0", "5..5", "5..3", "-1", "3..", "3..=5", "a"] {
            assert!(seeds(wrong).unwrap_err().contains("a range such as 3..5"), "{wrong}");
        }
    }

    #[test]
    fn only_a_whole_experiment_that_is_trained_here_measures_costs() {
        let measures = |options: &[&str]| {
            let words = ["reproduce", "elearning"].iter().chain(options);
            let matches = Arguments::augment_args(Command::new("reproduce")).get_matches_from(words);
            Arguments::from_arg_matches(&matches).unwrap().measures_costs()
        };
        assert!(measures(&[]) && measures(&["--seeds", "1"]) && measures(&["--record"]));
        let refused = Arguments::augment_args(Command::new("reproduce"))
            .try_get_matches_from(["reproduce", "elearning", "--dataset", "../mydata"])
            .unwrap_err();
        assert!(refused.to_string().contains("not a path"), "{refused}");
        for part in [&["--quick"][..], &["--row", "slit"], &["--dataset", "oulad"], &["--from-record"]] {
            assert!(!measures(part), "{part:?}");
        }
    }
}
