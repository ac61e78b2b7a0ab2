//! Exports of learning platforms as a log of learners: `learner,exercise,objective,score,time`.
//!
//! One row is one answer: a score from 0 to 1, at a Unix second. [`prepare`](crate::prepare) takes the log as it is.
//! Forms that are read; any other is refused with the columns that were found:
//!
//! - Moodle (3 and 4, in English), the quiz report "Grades" with marks for each question, as CSV. Columns `Surname` or
//!   `Last name`, `First name`, `ID number`, `Username` and `Email address` as far as they are there; `State` or `Status`;
//!   `Completed`; `Q. 1 /1.00` and so on. The report "Responses" has no marks for questions, and is refused.
//! - Moodle, the gradebook as plain text with percentages: `Quiz: Fractions (Percentage)` and so on, and `Last downloaded from
//!   this course`.
//! - ILIAS (5 to 9, in English or German), the results of a test that is not anonymous, as CSV: `Name;Login;...;Test Results in
//!   Points;Maximum ...`, then `First Visit` and `Last Visit`, `Scored Pass` and `Pass`, then the points of each question; further
//!   passes of a participant as rows of their own, titles before each pass where questions are drawn at random. How many points a
//!   question is worth is not in the file: the totals prove it, or it has to be given. Not the learning progress.
//!
//! The platforms write local times without a zone: they are taken as UTC.

mod dates;
mod ilias;
mod learners;
mod maxima;
mod moodle;
mod sheet;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::DataError;
use crate::read::Encoding;
use sheet::Sheet;
pub use write::write_events;

/// Whose export it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Quiz reports and gradebooks of Moodle.
    Moodle,
    /// Test results of ILIAS.
    Ilias,
}

/// How an export is read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConvertOptions {
    /// The learning objective of all exercises. Default: the name of the file that an exercise is from.
    pub objective: Option<String>,
    /// The most points of questions of ILIAS, by title, where the file does not prove them. Default: none.
    pub points: BTreeMap<String, f64>,
    /// The encoding of the files. Default: utf-8.
    pub encoding: Encoding,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Who answered.
    pub learner: String,
    /// What was answered.
    pub exercise: String,
    /// The learning objective of the exercise.
    pub objective: String,
    /// How well, from 0 to 1.
    pub score: f64,
    /// When, in Unix seconds.
    pub time: i64,
}

/// What was read of exports.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Converted {
    /// The answers, in the order of the files.
    pub events: Vec<Event>,
    /// What was left out and how often: rows, and cells of questions.
    pub left_out: BTreeMap<String, u64>,
    /// What whoever uses the log should know.
    pub notes: Vec<String>,
}

impl Converted {
    /// Number of different learners.
    pub fn learners(&self) -> usize {
        self.events.iter().map(|event| &event.learner).collect::<BTreeSet<_>>().len()
    }

    /// Number of different exercises.
    pub fn exercises(&self) -> usize {
        self.events.iter().map(|event| &event.exercise).collect::<BTreeSet<_>>().len()
    }

    /// Counts something that is no answer.
    fn leave_out(&mut self, what: &str) {
        *self.left_out.entry(what.to_owned()).or_default() += 1;
    }
}

/// Reads the exports in `inputs`, plain, gzip or zstd, in this order.
///
/// # Errors
/// A file can't be read or has none of the forms that are read; a date or a score can't be read, a score is negative or above its
/// maximum: the error names file, line, column and value. [`DataError::Malformed`] if no answer is left.
pub fn convert(
    platform: Platform,
    inputs: &[PathBuf],
    options: &ConvertOptions,
) -> Result<Converted, DataError> {
    let endings: &[&str] = match platform {
        Platform::Moodle => &["-grades", " Grades", "-responses"],
        Platform::Ilias => &["_results"],
    };
    let mut sheets: Vec<Sheet> = Vec::new();
    for path in inputs {
        let sheet = Sheet::read(path, options.encoding, endings)?;
        // Exercises are called after their file.
        if let Some(other) = sheets.iter().find(|other| other.name == sheet.name) {
            let reason = format!("{} has the same name: rename one of them", other.path.display());
            return Err(DataError::Malformed { file: path.clone(), reason });
        }
        sheets.push(sheet);
    }
    for sheet in &sheets {
        let objective = options.objective.as_deref().unwrap_or(&sheet.name);
        check_objective(objective, sheet)?;
    }
    let mut converted = match platform {
        Platform::Moodle => moodle::read(&sheets, options)?,
        Platform::Ilias => ilias::read(&sheets, options)?,
    };
    if let (Some(sheet), true) = (sheets.first(), converted.events.is_empty()) {
        let all: Vec<String> =
            converted.left_out.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let reason = format!("no answer is left; left out: {}", all.join(", "));
        return Err(DataError::Malformed { file: sheet.path.clone(), reason });
    }
    converted.notes.push("times without a zone are taken as UTC".to_owned());
    Ok(converted)
}

/// An exercise needs an objective, and one only: `|` stands between several.
fn check_objective(objective: &str, sheet: &Sheet) -> Result<(), DataError> {
    let reason = if objective.trim().is_empty() {
        "its exercises have no learning objective: give one (--objective NAME)".to_owned()
    } else if objective.contains('|') {
        format!(
            "the objective {objective:?} has a |, which stands between objectives: give another (--objective NAME)"
        )
    } else {
        return Ok(());
    };
    Err(DataError::Malformed { file: sheet.path.clone(), reason })
}
