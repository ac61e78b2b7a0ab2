//! Which column says who a learner is: one that no row lacks, and rather a number than a name.

use super::Converted;
use super::sheet::{Line, Sheet};
use crate::DataError;

/// What may name a learner, the best first.
const IDS: [(&str, &[&str]); 3] =
    [("ID number", &["ID number"]), ("Username", &["Username"]), ("Email address", &["Email address"])];
pub(super) const SURNAME: &[&str] = &["Surname", "Last name"];
const FIRST_NAME: &[&str] = &["First name"];

/// The way in which learners of all files are named.
pub(super) struct Learners {
    /// A place in [`IDS`]; none for first and last name.
    id: Option<usize>,
}

impl Learners {
    /// The first kind of id that all these rows have, so that a learner has the same in all files.
    pub(super) fn of(rows: &[(&Sheet, Vec<&Line>)], converted: &mut Converted) -> Result<Self, DataError> {
        for (place, (kind, names)) in IDS.iter().enumerate() {
            let column = |sheet: &Sheet| sheet.column(names);
            let missing = |(sheet, rows): &(&Sheet, Vec<&Line>)| match column(sheet) {
                Some(column) => rows.iter().filter(|row| row.cell(column).is_empty()).count(),
                None => rows.len(),
            };
            let all: usize = rows.iter().map(|one| one.1.len()).sum();
            let lacking: usize = rows.iter().map(missing).sum();
            if lacking == 0 && rows.iter().all(|(sheet, _)| column(sheet).is_some()) {
                return Ok(Self { id: Some(place) });
            }
            if lacking < all {
                converted
                    .notes
                    .push(format!("{kind} names no learner, because {lacking} of {all} rows lack it"));
            }
        }
        for (sheet, rows) in rows {
            let names = [sheet.required(SURNAME, "learner")?, sheet.required(FIRST_NAME, "learner")?];
            let nobody = rows.iter().find(|row| names.iter().all(|column| row.cell(*column).is_empty()));
            if let Some(row) = nobody {
                return Err(sheet.wrong(
                    row,
                    names[0],
                    "an ID number, a username, an email address or a name",
                ));
            }
        }
        converted.notes.push(
            "learners go by their names, for lack of an ID number, username or email address: two of one name are one, and the log \
             has personal data"
                .to_owned(),
        );
        Ok(Self { id: None })
    }

    /// The learner of a row.
    pub(super) fn name(&self, sheet: &Sheet, row: &Line) -> String {
        let cell = |names: &[&str]| sheet.column(names).map_or("", |column| row.cell(column));
        match self.id {
            Some(place) => cell(IDS[place].1).to_owned(),
            None => format!("{} {}", cell(FIRST_NAME), cell(SURNAME)).trim().to_owned(),
        }
    }
}
