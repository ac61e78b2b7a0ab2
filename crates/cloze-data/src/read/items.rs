//! What is known of items beside their ids: titles, genres, text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::column::{Column, plain_text_id};
use super::records::{Asked, Records, Refuse, each_or_refuse};
use super::table::Table;
use crate::DataError;

/// How the rows of an item file are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cutting {
    /// Text, cut into cells.
    Table(Table),
    /// One JSON object a line; columns are fields, and a field may be a list.
    JsonLines,
    /// Apache Parquet; a column may be of lists.
    Parquet,
}

/// Which columns of an item file are what. Item files are read whole into memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemColumns {
    /// External item id.
    pub id: Column,
    /// Title, taken as it stands ("Postino, Il (1994)").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Column>,
    /// Year, appended to the title as "Title (year)" where the cell is not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<Column>,
    /// Genres, categories, tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genres: Option<GenreColumns>,
    /// Free text such as a description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Column>,
    /// Whether an item may stand on several rows, as in a log that names the skill of an exercise at every attempt: it then has the
    /// genres of all of them, and title and text of the first. Default: an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

/// Where the genres of an item stand: in one cell, or as a column of 0 and 1 for each genre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenreColumns {
    /// The column, or the first of the columns of 0 and 1.
    pub column: Column,
    /// What stands between the genres of a cell. A list in JSON or Parquet needs none. Default: `|`.
    #[serde(default = "bar")]
    pub separator: String,
    /// A cell with this text stands for no genre at all, as `(no genres listed)` of `MovieLens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
    /// The names of the columns of 0 and 1, which follow on each other from `column`, a position. Default: one cell
    /// has all genres.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

fn bar() -> String {
    "|".to_owned()
}

/// What an item file says of an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemRecord {
    /// Title; none where the cell is empty.
    pub title: Option<String>,
    /// Genres, in the order of the file.
    pub genres: Vec<String>,
    /// Free text; none where the cell is empty.
    pub text: Option<String>,
}

impl ItemColumns {
    /// The id alone: a start for those that are wanted.
    pub fn of(id: Column) -> Self {
        Self { id, title: None, year: None, genres: None, text: None, repeated: false }
    }

    /// All columns, with their roles.
    fn asked(&self) -> Vec<Asked> {
        let mut asked = vec![Asked { column: self.id.clone(), role: "id" }];
        let optional = [(&self.title, "title"), (&self.year, "year"), (&self.text, "text")];
        for (column, role) in optional {
            asked.extend(column.iter().map(|column| Asked { column: column.clone(), role }));
        }
        let Some(genres) = &self.genres else { return asked };
        match &genres.column {
            // Columns of 0 and 1 follow on each other: `check` refuses a name here.
            Column::Position(first) if !genres.names.is_empty() => {
                let column = |offset: usize| Column::Position(first.saturating_add(offset));
                asked.extend((0..genres.names.len()).map(|at| Asked { column: column(at), role: "genre" }));
            }
            column => asked.push(Asked { column: column.clone(), role: "genres" }),
        }
        asked
    }

    /// The columns, for checks against a header.
    pub(crate) fn used(&self) -> Vec<Column> {
        self.asked().into_iter().map(|asked| asked.column).collect()
    }

    /// Rules between the fields.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(genres) = &self.genres else { return Ok(()) };
        if !genres.names.is_empty() && matches!(genres.column, Column::Name(_)) {
            return Err("genres: names need column to be the position of the first".to_owned());
        }
        if genres.separator.is_empty() {
            return Err("genres: separator = \"\": expected one or more characters".to_owned());
        }
        Ok(())
    }
}

/// Reads item records by external item id.
///
/// # Errors
/// The file can't be read or decoded, a column is missing, or a cell is not what its column holds: the error names
/// file, line and column. An id that stands twice is an error too, unless `repeated` is set.
pub fn read_items(
    path: &Path,
    cutting: &Cutting,
    columns: &ItemColumns,
) -> Result<HashMap<String, ItemRecord>, DataError> {
    read_items_with(path, cutting, columns, &mut Err)
}

/// As [`read_items`]; of a row that can't be read, `refuse` decides whether it ends the reading.
pub(crate) fn read_items_with(
    path: &Path,
    cutting: &Cutting,
    columns: &ItemColumns,
    refuse: &mut Refuse<'_>,
) -> Result<HashMap<String, ItemRecord>, DataError> {
    let wrong = |reason| DataError::Malformed { file: path.to_owned(), reason };
    columns.check().map_err(wrong)?;
    let asked = columns.asked();
    let mut items = HashMap::new();
    let mut take = |records: &Records<'_>, line: usize, cells: &[Vec<String>]| {
        let id = plain_text_id(&cells[0].join(" ")).to_owned();
        if id.is_empty() {
            return Err(records.wrong(0, line, &id, "an id"));
        }
        let record = columns.record(records, line, &asked, cells)?;
        match items.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(record);
            }
            Entry::Occupied(mut entry) if columns.repeated => {
                let genres = &mut entry.get_mut().genres;
                genres.extend(
                    record.genres.into_iter().filter(|one| !genres.contains(one)).collect::<Vec<_>>(),
                );
            }
            Entry::Occupied(entry) => {
                return Err(records.wrong(0, line, entry.key(), "an id that has not stood above"));
            }
        }
        Ok(())
    };
    each_or_refuse(path, cutting, &asked, &mut take, refuse)?;
    Ok(items)
}

impl ItemColumns {
    fn record(
        &self,
        records: &Records<'_>,
        line: usize,
        asked: &[Asked],
        cells: &[Vec<String>],
    ) -> Result<ItemRecord, DataError> {
        let cell = |role: &str| {
            let at = asked.iter().position(|asked| asked.role == role)?;
            let text = cells[at].join(" ").trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        let title = cell("title");
        let title = title.map(|title| match cell("year") {
            Some(year) => format!("{title} ({year})"),
            None => title,
        });
        let mut record = ItemRecord { title, genres: Vec::new(), text: cell("text") };
        let Some(genres) = &self.genres else { return Ok(record) };
        let flags = asked.iter().position(|asked| asked.role == "genre");
        for (name, at) in genres.names.iter().zip(flags.into_iter().flat_map(|first| first..)) {
            match cells[at].concat().trim() {
                "1" => record.genres.push(name.clone()),
                "0" => {}
                other => return Err(records.wrong(at, line, other, "0 or 1")),
            }
        }
        if let Some(at) = asked.iter().position(|asked| asked.role == "genres") {
            let none = genres.none.as_deref();
            let all = cells[at].iter().flat_map(|cell| cell.split(genres.separator.as_str())).map(str::trim);
            record.genres =
                all.filter(|one| !one.is_empty() && Some(*one) != none).map(str::to_owned).collect();
        }
        Ok(record)
    }
}
