//! Rows that were measured before and are kept in the repository: where each user's held-out item ranked, without the model.
//!
//! `xtask/measured/PAPER/DATASET/ROW` has what `runs/PAPER/rows/DATASET/ROW` has, less the model and with the evaluation
//! archived. So the tests of a table with many seeds can be made again by anyone, without the days of training.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use xshell::{Shell, cmd};

use super::{
    cloze::Cloze,
    plan::PlannedRow,
    rows::{Finished, write_json},
};
use crate::workspace;

const EVALUATION: &str = "evaluation";
/// By what a row was measured; written after the evaluation, and recorded last, so that a row that has it is complete.
const MEASURED: &str = "measured.json";

/// The recorded rows of one paper.
pub(crate) struct Record {
    folder: PathBuf,
}

/// By what a row was measured.
#[derive(Deserialize, Serialize)]
struct Measured {
    /// What [`source_code`] said when the model was trained, and when it was evaluated, if that was another time.
    commit: String,
    processor: String,
    cores: usize,
}

impl Record {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where a row's evaluation lies, if it is recorded.
    pub(crate) fn evaluation(&self, row: &PlannedRow) -> Option<PathBuf> {
        let folder = row.folder_in(&self.folder);
        folder.join(MEASURED).is_file().then(|| folder.join(EVALUATION))
    }

    /// Records rows that were trained here, in place of what is recorded of them, and returns how many.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a row was trained by a version that did not note by what it measures.
    pub(crate) fn keep(&self, cloze: &Cloze, finished: &[Finished<'_>], output: &Path) -> Result<usize> {
        let mut count = 0;
        for Finished { row, evaluation, .. } in finished.iter().filter(|row| !self.has(row)) {
            let measured = read(&row.folder(output))
                .with_context(|| format!("{} can't be recorded: train it again with --fresh", row.label()))?;
            let folder = row.folder_in(&self.folder);
            if folder.exists() {
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot replace {}", folder.display()))?;
            }
            cloze.archive(evaluation, &folder.join(EVALUATION))?;
            write_json(&folder.join("row.json"), &row.configuration)?;
            write_json(&folder.join(MEASURED), &measured)?;
            count += 1;
        }
        Ok(count)
    }

    fn has(&self, finished: &Finished<'_>) -> bool {
        finished.evaluation.starts_with(&self.folder)
    }

    /// A line for the report on the rows that come from here; none if there are none.
    ///
    /// # Errors
    /// If a row's `measured.json` cannot be read.
    pub(crate) fn note(&self, finished: &[Finished<'_>]) -> Result<Option<String>> {
        let mut by: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
        let recorded: Vec<_> = finished.iter().filter(|row| self.has(row)).collect();
        for row in &recorded {
            let measured = read(&row.row.folder_in(&self.folder))?;
            by.entry((measured.processor, measured.cores)).or_default().insert(measured.commit);
        }
        let machines: Vec<String> = by
            .iter()
            .map(|((processor, cores), commits)| {
                let commits: Vec<&str> = commits.iter().map(String::as_str).collect();
                format!("{cores} cores of {processor}, commit {}", commits.join(", "))
            })
            .collect();
        Ok((!recorded.is_empty()).then(|| {
            format!(
                "{} of {} rows were not trained now but measured before: {}.",
                recorded.len(),
                finished.len(),
                machines.join("; ")
            )
        }))
    }
}

/// A line for the report on the rows that an earlier run finished; none if there are none.
///
/// # Errors
/// If a row's `measured.json` cannot be read.
pub(crate) fn kept_note(finished: &[Finished<'_>], output: &Path) -> Result<Option<String>> {
    let kept: Vec<_> = finished.iter().filter(|row| row.kept).collect();
    let mut commits = BTreeSet::new();
    for row in &kept {
        let folder = row.row.folder(output);
        // Rows of versions that noted nothing have no such file.
        let noted = folder.join(MEASURED).is_file();
        commits.insert(if noted { read(&folder)?.commit } else { "unknown".to_owned() });
    }
    let commits: Vec<String> = commits.into_iter().collect();
    Ok((!kept.is_empty()).then(|| {
        format!(
            "{} of {} rows were kept from earlier runs, commit {}; --fresh trains them again.",
            kept.len(),
            finished.len(),
            commits.join(", ")
        )
    }))
}

/// Notes in a row's folder by what it was measured just now; `of_model` is the code that trained its model, where that is known.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn note_measured(folder: &Path, of_model: Option<&str>, code: &str) -> Result<()> {
    let commit = match of_model {
        Some(trained) if trained != code => format!("{trained}, evaluated by {code}"),
        _ => code.to_owned(),
    };
    write_json(&folder.join(MEASURED), &Measured::here(commit))
}

/// The commit of the source code that is built now, with a plus where files differ from it; of a program that was `given` it is
/// only that of the work tree, and says so.
pub(crate) fn source_code(given: bool) -> String {
    let commit = commit().unwrap_or_else(|_| "unknown".to_owned());
    if given { commit + " (binary given)" } else { commit }
}

fn read(folder: &Path) -> Result<Measured> {
    let path = folder.join(MEASURED);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

impl Measured {
    fn here(commit: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { commit, processor: processor(), cores }
    }
}

/// The source code may have come without its history.
fn commit() -> Result<String> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    let head = cmd!(shell, "git rev-parse --short=12 HEAD").quiet().ignore_stderr().read()?;
    let changed =
        cmd!(shell, "git status --porcelain --untracked-files=no").quiet().ignore_stderr().read()?;
    Ok(if changed.is_empty() { head } else { head + "+" })
}

/// What the processor calls itself, where the system says it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{experiment, plan},
        *,
    };

    /// The most seeds that a row has on record.
    const SEEDS: u64 = 5;

    /// The folders in the record that an experiment's rows would be taken from now; `values` says whether the data set has some.
    fn todays(paper: &str, dataset: &str, values: bool) -> Result<BTreeSet<PathBuf>> {
        let experiment = experiment::load(&workspace::root().join("xtask/experiments"), paper)?;
        let datasets = vec![dataset.to_owned()];
        let request = plan::Request {
            splits: experiment.splits.clone(),
            without: experiment.excluded(),
            without_values: if values { Vec::new() } else { datasets.clone() },
            datasets,
            fits: experiment.fits.clone(),
            seeds: 0..SEEDS,
            quick: false,
        };
        let version = concat!("cloze ", env!("CARGO_PKG_VERSION"));
        let rows = plan::plan(&experiment, &request, version)?;
        Ok(rows.iter().map(|row| row.folder_in(Path::new(""))).collect())
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// An option that is changed in an experiment, and the record is silently of another one: `--from-record` would train for days.
    #[test]
    fn every_row_on_record_is_complete_and_one_of_its_experiment() {
        let measured = workspace::root().join("xtask/measured");
        let mut count = 0;
        for paper in names_in(&measured) {
            for dataset in names_in(&measured.join(&paper)) {
                let mut known = todays(&paper, &dataset, true).unwrap();
                known.extend(todays(&paper, &dataset, false).unwrap());
                for row in names_in(&measured.join(&paper).join(&dataset)) {
                    let folder = measured.join(&paper).join(&dataset).join(&row);
                    assert!(
                        known.contains(&Path::new(&dataset).join(&row)),
                        "{} is a row that the experiment {paper} no longer has: change the experiment back, measure the row \
                         again and record it, or remove the folder",
                        folder.display()
                    );
                    read(&folder).unwrap();
                    assert!(folder.join(EVALUATION).is_dir() && folder.join("row.json").is_file());
                    count += 1;
                }
            }
        }
        assert!(count > 0, "nothing is on record in {}", measured.display());
    }
}
