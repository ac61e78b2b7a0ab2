//! Runs rows one after the other, and keeps what is finished.
//!
//! A row's folder has `row.json` (its configuration), `model/` and `evaluation/`. A marker beside each of the two is
//! written when it is complete. Training that was interrupted goes on; an evaluation without a marker is made again.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{
    clock::{Clock, clock_time},
    cloze::Cloze,
    plan::PlannedRow,
    record::{self, Record},
    success::SuccessModels,
};

/// What became of the planned rows.
pub(crate) struct Outcome<'a> {
    pub(crate) finished: Vec<Finished<'a>>,
    /// One line for each row that failed.
    pub(crate) failures: Vec<String>,
}

/// A row with a complete evaluation, and where that lies.
pub(crate) struct Finished<'a> {
    pub(crate) row: &'a PlannedRow,
    pub(crate) evaluation: PathBuf,
    /// Whether an earlier run finished it.
    pub(crate) kept: bool,
}

/// What a marker file holds.
#[derive(Deserialize, Serialize)]
struct Marker {
    seconds: f64,
    /// The source code of the program that made the part.
    #[serde(default)]
    code: Option<String>,
}

/// Trains and evaluates all rows, but for those that are recorded, where there is a record to take them from. A row that
/// fails does not stop the others, except those that use its model.
pub(crate) fn run_all<'a>(
    cloze: &Cloze,
    plan: &'a [PlannedRow],
    record: Option<&Record>,
    output: &Path,
) -> Outcome<'a> {
    let recorded = recorded(plan, record);
    let mut clock = Clock::start(plan.iter().map(|row| row.weight));
    let mut outcome = Outcome { finished: Vec::new(), failures: Vec::new() };
    let (mut failed, mut success) = (vec![false; plan.len()], SuccessModels::default());
    for (place, row) in plan.iter().enumerate() {
        let head = format!("[{}/{}] {}", place + 1, plan.len(), row.label());
        if let Some(evaluation) = recorded[place].clone() {
            eprintln!("{head}: from the record");
            clock.drop_row(row.weight);
            outcome.finished.push(Finished { row, evaluation, kept: false });
            continue;
        }
        let tower = row.uses.map(|used| &plan[used]);
        if let Some(tower) = tower.filter(|_| row.uses.is_some_and(|used| failed[used])) {
            failed[place] = true;
            outcome.failures.push(format!("{}: not run, because {} failed", row.label(), tower.label()));
            clock.drop_row(row.weight);
            continue;
        }
        match run_or_keep(cloze, row, tower, &mut success, output, (&head, &clock)) {
            Ok((seconds, kept)) => {
                clock.finish(row.weight, seconds);
                let evaluation = row.folder(output).join("evaluation");
                outcome.finished.push(Finished { row, evaluation, kept });
            }
            Err(error) => {
                failed[place] = true;
                eprintln!("{head}: FAILED: {error:#}");
                outcome.failures.push(format!("{}: failed: {error:#}", row.label()));
                clock.drop_row(row.weight);
            }
        }
    }
    outcome
}

/// The recorded evaluations of the rows that need not be run: those that no row uses that must be.
fn recorded(plan: &[PlannedRow], record: Option<&Record>) -> Vec<Option<PathBuf>> {
    let mut recorded: Vec<Option<PathBuf>> =
        plan.iter().map(|row| record.and_then(|record| record.evaluation(row))).collect();
    // A row comes after the one that it uses.
    for place in (0..plan.len()).rev() {
        if let (None, Some(used)) = (&recorded[place], plan[place].uses) {
            recorded[used] = None;
        }
    }
    recorded
}

/// Returns the seconds that the row took, now or when it was run, and whether that was an earlier run.
fn run_or_keep(
    cloze: &Cloze,
    row: &PlannedRow,
    tower: Option<&PlannedRow>,
    success: &mut SuccessModels,
    output: &Path,
    (head, clock): (&str, &Clock),
) -> Result<(f64, bool)> {
    let folder = row.folder(output);
    if let (Some(model), Some(evaluation)) = (marker(&folder, "model")?, marker(&folder, "evaluation")?) {
        let seconds = model.seconds + evaluation.seconds;
        let took = clock_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        eprintln!("{head}: kept from an earlier run, which took {took}");
        return Ok((seconds, true));
    }
    eprintln!("{head} ({})", clock.describe());
    // Before the row is trained: without it the row could not be evaluated.
    let success = success.of(cloze, row, output)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    write_json(&folder.join("row.json"), &row.configuration)?;
    let tower = tower.map(|tower| tower.folder(output).join("model"));
    let trained = make(&folder, "model", &cloze.code, |model| cloze.train(row, model, tower.as_deref()))?;
    let of_model = marker(&folder, "model")?.and_then(|marker| marker.code);
    let evaluated = make(&folder, "evaluation", &cloze.code, |evaluation| {
        if evaluation.exists() {
            fs::remove_dir_all(evaluation)
                .with_context(|| format!("cannot remove {}", evaluation.display()))?;
        }
        cloze.evaluate(&row.configuration, &folder.join("model"), success.as_deref(), evaluation)?;
        record::note_measured(&folder, of_model.as_deref(), &cloze.code)
    })?;
    Ok((trained + evaluated, false))
}

/// Makes one part of a row, unless it is complete.
pub(crate) fn make(
    folder: &Path,
    part: &str,
    code: &str,
    run: impl FnOnce(&Path) -> Result<()>,
) -> Result<f64> {
    if let Some(marker) = marker(folder, part)? {
        return Ok(marker.seconds);
    }
    let target = folder.join(part);
    let started = Instant::now();
    run(&target)?;
    ensure!(target.is_dir(), "cloze reported success, but wrote no {}", target.display());
    let seconds = started.elapsed().as_secs_f64();
    write_json(&marker_path(folder, part), &Marker { seconds, code: Some(code.to_owned()) })?;
    Ok(seconds)
}

fn marker_path(folder: &Path, part: &str) -> PathBuf {
    folder.join(format!("{part}.complete.json"))
}

fn marker(folder: &Path, part: &str) -> Result<Option<Marker>> {
    let path = marker_path(folder, part);
    match fs::read_to_string(&path) {
        Ok(text) => {
            Ok(Some(serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => bail!("cannot read {}: {error}", path.display()),
    }
}

/// Written to a temporary name, then renamed: a file that is there is complete.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    fs::write(&temporary, text + "\n").with_context(|| format!("cannot write {}", temporary.display()))?;
    fs::rename(&temporary, path).with_context(|| format!("cannot write {}", path.display()))
}
