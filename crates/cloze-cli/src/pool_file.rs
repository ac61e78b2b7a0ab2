//! The file that annotators fill in: a row for each user and item of a pool.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use cloze_data::{Dataset, Vocabulary};

use crate::csv;
use crate::text::{count, did_you_mean};

const USER: &str = "user";
const ITEM: &str = "item";
const GRADE: &str = "relevant";
/// The columns, in their order.
const COLUMNS: [&str; 5] = [USER, ITEM, "title", "genres", GRADE];
/// The highest grade.
const MOST: u8 = 3;

/// What the annotators said.
pub(crate) struct Judgements {
    /// Grades of the items by user, of users with at least one.
    pub(crate) grades: BTreeMap<u32, BTreeMap<u32, u8>>,
    /// Rows of the file.
    pub(crate) rows: usize,
    /// Rows with a grade.
    pub(crate) graded: usize,
}

/// The file's text with an empty column for the grades.
pub(crate) fn text(pools: &[(u32, Vec<u32>)], dataset: &Dataset) -> String {
    let mut text = csv::row(&COLUMNS);
    for (user, items) in pools {
        for &item in items {
            let genres = dataset.details.genres.as_ref().and_then(|genres| genres.get(item as usize));
            text.push_str(&csv::row(&[
                dataset.users.id(*user).unwrap_or_default(),
                dataset.items.id(item).unwrap_or_default(),
                dataset.items.title(item).unwrap_or_default(),
                &genres.map_or_else(String::new, |genres| genres.join(", ")),
                "",
            ]));
        }
    }
    text
}

/// Where the columns stand in a file; others may stand beside them.
struct Places {
    user: usize,
    item: usize,
    grade: usize,
}

/// Reads a file that annotators have filled in.
pub(crate) fn read(path: &Path, dataset: &Dataset) -> Result<Judgements> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let records = csv::parse(path, &bytes)?;
    let (header, records) = records
        .split_first()
        .with_context(|| format!("{shown} is empty: cloze pool writes a file to fill in"))?;
    let places = Places::of(&header.fields).map_err(|problem| anyhow!("{shown}: {problem}"))?;
    let mut grades: BTreeMap<u32, BTreeMap<u32, u8>> = BTreeMap::new();
    let (mut first_lines, mut graded) = (HashMap::new(), 0);
    for record in records {
        let at = |column: &str, problem: String| {
            anyhow!("{shown}, line {}, column \"{column}\": {problem}", record.line)
        };
        let cell = |place: usize| record.fields[place].trim();
        // Ids may have spaces at their ends, and editors may add some.
        let dense = |column, known: &Vocabulary, place: usize| {
            let id = known.get(&record.fields[place]).or_else(|| known.get(cell(place)));
            id.ok_or_else(|| at(column, unknown(column, cell(place), known, dataset)))
        };
        let user = dense(USER, &dataset.users, places.user)?;
        let item = dense(ITEM, &dataset.items, places.item)?;
        if let Some(first) = first_lines.insert((user, item), record.line) {
            let (user, item) = (cell(places.user), cell(places.item));
            return Err(at(
                ITEM,
                format!(
                    "user {user:?} and item {item:?} stand in line {first} already: keep one of the rows"
                ),
            ));
        }
        if let Some(grade) = grade(cell(places.grade)).map_err(|problem| at(GRADE, problem))? {
            graded += 1;
            grades.entry(user).or_default().insert(item, grade);
        }
    }
    ensure!(
        graded > 0,
        "{shown}: none of the {} rows has a grade in the column \"{GRADE}\": write 0 for an item that is not relevant, and 1 \
         (or up to {MOST}) for one that is",
        count(records.len())
    );
    Ok(Judgements { grades, rows: records.len(), graded })
}

fn unknown(what: &str, id: &str, known: &Vocabulary, dataset: &Dataset) -> String {
    let hint = did_you_mean(id, known.ids().iter().map(String::as_str));
    let (total, name) = (count(known.len()), &dataset.name);
    format!(
        "unknown {what} {id:?}{hint}; {name} has {total} {what}s. Correct the id, or remove the row: cloze pool wrote no such"
    )
}

/// Nothing for an empty cell.
fn grade(cell: &str) -> Result<Option<u8>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let expected = format!("write a whole number from 0 (not relevant) to {MOST}, or leave it empty");
    // Spreadsheets may write 1 as 1.0.
    let number: f64 = cell.parse().map_err(|_| format!("{cell:?} is no number: {expected}"))?;
    let found = (0..=MOST).find(|&grade| (number - f64::from(grade)).abs() < f64::EPSILON);
    found.map(Some).ok_or_else(|| format!("{cell:?} is no grade: {expected}"))
}

impl Places {
    fn of(header: &[String]) -> Result<Self> {
        let find = |column: &str| {
            let mut places = (0..header.len()).filter(|&at| header[at].trim() == column);
            let place = places.next().ok_or_else(|| {
                let hint = if header.len() == 1 && header[0].contains([';', '\t']) {
                    ": save it with commas between the columns"
                } else {
                    ": keep the header that cloze pool wrote"
                };
                anyhow!("line 1: no column \"{column}\" in \"{}\"{hint}", header.join(","))
            })?;
            if places.next().is_some() {
                bail!("line 1: two columns are named \"{column}\": remove one");
            }
            Ok(place)
        };
        Ok(Self { user: find(USER)?, item: find(ITEM)?, grade: find(GRADE)? })
    }
}

#[cfg(test)]
mod tests {
    use super::grade;

    #[test]
    fn grades_are_whole_numbers_up_to_three() {
        assert_eq!(
            [grade(""), grade("0"), grade("3"), grade("1.0")],
            [Ok(None), Ok(Some(0)), Ok(Some(3)), Ok(Some(1))]
        );
        for bad in ["4", "-1", "0.5", "yes", "NaN", "inf"] {
            let problem = grade(bad).unwrap_err();
            assert!(problem.contains(bad) && problem.contains("from 0 (not relevant) to 3"), "{problem}");
        }
    }
}
