//! Results of a test of ILIAS.

use std::collections::{BTreeSet, HashMap};

use super::maxima::{Maximum, Total, prove};
use super::sheet::{Line, Sheet, number};
use super::{ConvertOptions, Converted, Event, dates};
use crate::DataError;

/// Where the columns are. The points of questions stand behind that of the pass.
struct Columns {
    login: usize,
    /// The most points of the whole test.
    most: usize,
    last_visit: usize,
    scored: Option<usize>,
    pass: usize,
}

/// One pass of a participant.
struct Pass<'s> {
    row: &'s Line,
    login: &'s str,
    time: i64,
    /// The most points of all its questions; of the scored pass only.
    most: Option<f64>,
    /// Title and points of each question.
    points: Vec<(&'s str, f64)>,
}

pub(super) fn read(sheets: &[Sheet], options: &ConvertOptions) -> Result<Converted, DataError> {
    let mut converted = Converted::default();
    let mut tests = Vec::new();
    for sheet in sheets {
        let columns = Columns::of(sheet)?;
        let passes = columns.passes(sheet)?;
        tests.push((sheet, columns, passes));
    }
    check_given(&tests, options)?;
    for (sheet, columns, passes) in &tests {
        if passes.windows(2).any(|two| two[0].login == two[1].login) {
            converted.notes.push(format!(
                "{}: a participant has one time, the last visit, for all passes: they come in the order of the file",
                sheet.path.display()
            ));
        }
        let points = passes.iter().flat_map(|pass| pass.points.iter().copied());
        let scored = passes.iter().filter_map(|pass| Some((&pass.points, pass.most?)));
        let totals: Vec<Total<'_>> =
            scored.map(|(questions, most)| Total { questions: questions.clone(), most }).collect();
        let maxima = prove(points, &totals, |title| options.points.get(title).copied());
        check_proven(sheet, &maxima)?;
        for pass in passes {
            pass.events(sheet, columns, &maxima, options, &mut converted)?;
        }
    }
    Ok(converted)
}

/// Refuses points of a question that is not there: its title is misspelt.
fn check_given(
    tests: &[(&Sheet, Columns, Vec<Pass<'_>>)],
    options: &ConvertOptions,
) -> Result<(), DataError> {
    let passes = tests.iter().flat_map(|(_, _, passes)| passes);
    let met: BTreeSet<&str> = passes.flat_map(|pass| pass.points.iter().map(|(title, _)| *title)).collect();
    match options.points.keys().find(|title| !met.contains(title.as_str())) {
        Some(title) => Err(DataError::Malformed {
            file: tests.first().map(|test| test.0.path.clone()).unwrap_or_default(),
            reason: format!("no question has the title {title:?} (--points); there is {}", listed(met)),
        }),
        None => Ok(()),
    }
}

impl Columns {
    fn of(sheet: &Sheet) -> Result<Self, DataError> {
        let points = sheet.column(&["Test Results in Points", "Testergebnis in Punkten"]);
        let most = points.map(|column| column + 1);
        let most =
            most.filter(|column| sheet.header.get(*column).is_some_and(|name| name.starts_with("Max")));
        let last_visit = sheet.column(&["Last Visit", "Letzter Aufruf"]);
        let pass = sheet.column(&["Pass", "Durchlauf"]);
        let (Some(most), Some(last_visit), Some(pass)) = (most, last_visit, pass) else {
            return Err(sheet.unknown(
                "no results of a test (Login, Test Results in Points, Maximum ..., Last Visit, Pass, then the questions; or in German \
                 Benutzername, Testergebnis in Punkten, Maximal ..., Letzter Aufruf, Durchlauf)",
            ));
        };
        let Some(login) = sheet.column(&["Login", "Benutzername"]) else {
            return Err(sheet.unknown(
                "nobody has a login (Login or Benutzername): results of an anonymous test name no learner",
            ));
        };
        let scored = sheet.column(&["Scored Pass", "Bewerteter Durchlauf"]);
        Ok(Self { login, most, last_visit, scored, pass })
    }

    fn passes<'s>(&self, sheet: &'s Sheet) -> Result<Vec<Pass<'s>>, DataError> {
        let mut titles: &[String] = sheet.header.get(self.pass + 1..).unwrap_or_default();
        check_titles(sheet, titles)?;
        let mut passes: Vec<Pass<'s>> = Vec::new();
        // The row that a participant begins with.
        let mut first: Option<&'s Line> = None;
        for row in &sheet.rows {
            let known = (0..=self.pass).any(|column| !row.cell(column).is_empty());
            // Where questions are drawn at random, titles stand before each pass, with the whole header or without.
            if !known || row.cell(self.pass) == sheet.header[self.pass] {
                titles = row.cells.get(self.pass + 1..).unwrap_or_default();
                check_titles(sheet, titles)?;
                continue;
            }
            if (0..self.pass).any(|column| !row.cell(column).is_empty()) {
                first = Some(row);
            }
            let Some(first) = first.filter(|first| !first.cell(self.login).is_empty()) else {
                return Err(sheet.wrong(row, self.login, "the login of the participant"));
            };
            passes.push(self.pass_of(sheet, first, row, titles)?);
        }
        Ok(passes)
    }

    fn pass_of<'s>(
        &self,
        sheet: &Sheet,
        first: &'s Line,
        row: &'s Line,
        titles: &'s [String],
    ) -> Result<Pass<'s>, DataError> {
        let whole = |row: &Line, column: usize| {
            let number = row.cell(column).parse::<u32>().ok();
            number.ok_or_else(|| sheet.wrong(row, column, "the number of a pass"))
        };
        let pass = whole(row, self.pass)?;
        let scored = self.scored.map_or(Ok(1), |column| whole(first, column))?;
        let most = number(first.cell(self.most)).filter(|most| *most >= 0.0);
        let most = most.ok_or_else(|| sheet.wrong(first, self.most, "the most points of the test"))?;
        let time = dates::second(first.cell(self.last_visit));
        let time = time.ok_or_else(|| sheet.wrong(first, self.last_visit, dates::EXPECTED))?;
        let mut points = Vec::with_capacity(titles.len());
        for (column, title) in (self.pass + 1..).zip(titles) {
            let reached = number(row.cell(column));
            let wrong = || sheet.wrong_called(row, column, title, "the points of a question");
            points.push((title.as_str(), reached.ok_or_else(wrong)?));
        }
        let behind = self.pass + 1 + titles.len();
        if row.cells.len() > behind {
            return Err(sheet.wrong_called(row, behind, "no question", "no more cells than questions"));
        }
        let most = (pass == scored).then_some(most);
        Ok(Pass { row, login: first.cell(self.login), time, most, points })
    }
}

impl Pass<'_> {
    fn events(
        &self,
        sheet: &Sheet,
        columns: &Columns,
        maxima: &HashMap<&str, Maximum>,
        options: &ConvertOptions,
        converted: &mut Converted,
    ) -> Result<(), DataError> {
        for (column, (title, points)) in (columns.pass + 1..).zip(&self.points) {
            let most = maxima.get(title).and_then(|maximum| maximum.proven).unwrap_or_default();
            if !(0.0..=most).contains(points) {
                let advice = if *points < 0.0 {
                    "let ILIAS cut negative points for each question, and export again"
                } else {
                    "correct --points"
                };
                let expected = format!("points from 0 to {most}: {advice}");
                return Err(sheet.wrong_called(self.row, column, title, &expected));
            }
            if most == 0.0 {
                converted.leave_out("answers to questions without points");
                continue;
            }
            converted.events.push(Event {
                learner: self.login.to_owned(),
                exercise: format!("{}: {title}", sheet.name),
                objective: options.objective.as_ref().unwrap_or(&sheet.name).clone(),
                score: points / most,
                time: self.time,
            });
        }
        Ok(())
    }
}

/// Titles name exercises: each one has to be there, once.
fn check_titles(sheet: &Sheet, titles: &[String]) -> Result<(), DataError> {
    let mut met = BTreeSet::new();
    for title in titles {
        let reason = if title.is_empty() {
            "a question has no title".to_owned()
        } else if met.insert(title) {
            continue;
        } else {
            format!("two questions have the title {title:?}: rename one in ILIAS, and export again")
        };
        return Err(DataError::Malformed { file: sheet.path.clone(), reason });
    }
    Ok(())
}

/// Refuses questions whose most points are not known.
fn check_proven(sheet: &Sheet, maxima: &HashMap<&str, Maximum>) -> Result<(), DataError> {
    let mut open: Vec<(&str, f64)> =
        maxima.iter().filter(|one| one.1.proven.is_none()).map(|(title, one)| (*title, one.seen)).collect();
    open.sort_by(|a, b| a.0.cmp(b.0));
    let Some((example, _)) = open.first() else { return Ok(()) };
    let all = open.iter().map(|(title, seen)| format!("{title:?} (at most {seen} reached)"));
    let reason = format!(
        "the file does not say how many points these questions are worth, and its totals do not prove it: {}; give them, as in \
         --points '{example}=2'",
        listed(all)
    );
    Err(DataError::Malformed { file: sheet.path.clone(), reason })
}

fn listed(all: impl IntoIterator<Item = impl Into<String>>) -> String {
    all.into_iter().map(Into::into).collect::<Vec<String>>().join(", ")
}
