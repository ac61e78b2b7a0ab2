//! Exports of Moodle: the report "Grades" of a quiz, and the gradebook.

use super::learners::{Learners, SURNAME};
use super::sheet::{Line, Sheet, number};
use super::{ConvertOptions, Converted, Event, dates};
use crate::DataError;

/// What stands in the column of names at the end of a quiz report.
const AVERAGES: [&str; 2] = ["Overall average", "Group average"];
const DOWNLOADED: &str = "Last downloaded from this course";
const PERCENTAGE: &str = "(Percentage)";

/// What a column of an exercise is called, and how many points make a whole.
struct Exercise {
    column: usize,
    name: String,
    most: f64,
}

/// A form of export.
enum Form {
    /// One row for each attempt.
    Quiz { state: usize, completed: usize, exercises: Vec<Exercise> },
    /// One row for each learner.
    Gradebook { downloaded: usize, exercises: Vec<Exercise> },
}

pub(super) fn read(sheets: &[Sheet], options: &ConvertOptions) -> Result<Converted, DataError> {
    let mut converted = Converted::default();
    let mut forms = Vec::new();
    let mut rows: Vec<(&Sheet, Vec<&Line>)> = Vec::new();
    for sheet in sheets {
        let form = Form::of(sheet, &mut converted)?;
        rows.push((sheet, form.rows(sheet, &mut converted)?));
        forms.push(form);
    }
    let learners = Learners::of(&rows, &mut converted)?;
    for ((sheet, rows), form) in rows.iter().zip(&forms) {
        let objective = options.objective.as_deref().unwrap_or(&sheet.name);
        for row in rows {
            let time = form.time(sheet, row)?;
            for exercise in form.exercises() {
                let Some(score) = exercise.score(sheet, row, &mut converted)? else { continue };
                converted.events.push(Event {
                    learner: learners.name(sheet, row),
                    exercise: exercise.name.clone(),
                    objective: objective.to_owned(),
                    score,
                    time,
                });
            }
        }
    }
    Ok(converted)
}

impl Form {
    fn of(sheet: &Sheet, converted: &mut Converted) -> Result<Self, DataError> {
        let graded = ["(Real)", PERCENTAGE, "(Letter)"];
        if sheet.column(&[DOWNLOADED]).is_some()
            || sheet.header.iter().any(|cell| graded.iter().any(|end| cell.ends_with(end)))
        {
            return Self::gradebook(sheet, converted);
        }
        let (state, completed) = (sheet.column(&["State", "Status"]), sheet.column(&["Completed"]));
        let (Some(state), Some(completed)) = (state, completed) else {
            return Err(sheet.unknown(
                "neither the report \"Grades\" of a quiz (State or Status, Completed, Q. 1 /1.00) nor a gradebook with percentages, in \
                 English",
            ));
        };
        let mut exercises = Vec::new();
        for (column, cell) in sheet.header.iter().enumerate() {
            match question(cell) {
                Some((_, most)) if most <= 0.0 => converted.leave_out("questions without marks"),
                Some((name, most)) => {
                    exercises.push(Exercise { column, name: format!("{} {name}", sheet.name), most });
                }
                None => {}
            }
        }
        if exercises.is_empty() {
            return Err(sheet.unknown(
                "no marks of questions (Q. 1 /1.00): export the report \"Grades\" of the quiz, with marks for each question",
            ));
        }
        Ok(Self::Quiz { state, completed, exercises })
    }

    fn gradebook(sheet: &Sheet, converted: &mut Converted) -> Result<Self, DataError> {
        let mut exercises = Vec::new();
        for (column, cell) in sheet.header.iter().enumerate() {
            let Some(name) = cell.strip_suffix(PERCENTAGE).map(str::trim) else { continue };
            // Activities have their kind before the name; totals and what a teacher entered by hand have none.
            if name.contains(": ") {
                exercises.push(Exercise { column, name: name.to_owned(), most: 100.0 });
            } else {
                converted.leave_out("totals and grades of no activity");
            }
        }
        if exercises.is_empty() {
            return Err(sheet.unknown(
                "no percentages of activities, such as \"Quiz: Fractions (Percentage)\", and the maximum of other grades is unknown: \
                 export the gradebook with the grade display type Percentage",
            ));
        }
        let downloaded = sheet.required(&[DOWNLOADED], "time")?;
        converted.notes.push(format!(
            "{}: a gradebook has one time, that of the export: the order of a learner's exercises is that of the columns",
            sheet.path.display()
        ));
        Ok(Self::Gradebook { downloaded, exercises })
    }

    fn exercises(&self) -> &[Exercise] {
        match self {
            Self::Quiz { exercises, .. } | Self::Gradebook { exercises, .. } => exercises,
        }
    }

    /// The rows with answers; all others are counted.
    fn rows<'s>(&self, sheet: &'s Sheet, converted: &mut Converted) -> Result<Vec<&'s Line>, DataError> {
        let mut rows = Vec::new();
        let surname = sheet.column(SURNAME);
        for row in &sheet.rows {
            if let Self::Quiz { state, .. } = self {
                let state = row.cell(*state);
                let average = surname.is_some_and(|column| AVERAGES.contains(&row.cell(column)));
                if average && (state.is_empty() || state == "-") {
                    converted.leave_out("rows of averages");
                    continue;
                }
                sheet.check_whole(row)?;
                if !state.eq_ignore_ascii_case("finished") {
                    let state = if state.is_empty() || state == "-" { "none" } else { state };
                    converted.leave_out(&format!("attempts in the state {state}"));
                    continue;
                }
            }
            sheet.check_whole(row)?;
            rows.push(row);
        }
        Ok(rows)
    }

    fn time(&self, sheet: &Sheet, row: &Line) -> Result<i64, DataError> {
        match self {
            Self::Quiz { completed, .. } => dates::second(row.cell(*completed))
                .ok_or_else(|| sheet.wrong(row, *completed, dates::EXPECTED)),
            Self::Gradebook { downloaded, .. } => {
                let time = row.cell(*downloaded).parse().ok();
                time.ok_or_else(|| sheet.wrong(row, *downloaded, "a time in Unix seconds"))
            }
        }
    }
}

impl Exercise {
    /// The score, from 0 to 1; none where there is no mark.
    fn score(&self, sheet: &Sheet, row: &Line, converted: &mut Converted) -> Result<Option<f64>, DataError> {
        let cell = row.cell(self.column);
        if cell.is_empty() || cell == "-" {
            converted.leave_out("questions without an answer");
            return Ok(None);
        }
        if ["Requires grading", "Not yet graded"].iter().any(|text| cell.eq_ignore_ascii_case(text)) {
            converted.leave_out("answers that are not yet graded");
            return Ok(None);
        }
        let marks = number(cell.strip_suffix('%').unwrap_or(cell).trim_end());
        let marks = marks.filter(|marks| (0.0..=self.most).contains(marks));
        let expected = || format!("marks from 0 to {}, or - for none", self.most);
        marks.map(|marks| Some(marks / self.most)).ok_or_else(|| sheet.wrong(row, self.column, &expected()))
    }
}

/// Name and most marks of a column such as `Q. 1 /1.00`.
fn question(header: &str) -> Option<(String, f64)> {
    let (name, most) = header.strip_prefix("Q.")?.rsplit_once('/')?;
    Some((format!("Q. {}", name.trim()), number(most)?))
}

#[cfg(test)]
mod tests {
    use super::question;

    #[test]
    fn columns_of_questions_have_a_name_and_a_maximum() {
        assert_eq!(question("Q. 1 /1.00"), Some(("Q. 1".to_owned(), 1.0)));
        assert_eq!(question("Q. 12 /0,50"), Some(("Q. 12".to_owned(), 0.5)));
        assert_eq!([question("Grade/10.00"), question("Q. 1"), question("Q. 1 /x")], [None, None, None]);
    }
}
