//! What users wrote about items.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::log::{LogFormat, LogOptions};

use super::column::{Column, plain_text_id};
use super::items::Cutting;
use super::records::{Asked, each};
use crate::DataError;

/// Where a file of reviews has what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewColumns {
    /// The user who wrote.
    pub user: Column,
    /// The item written about.
    pub item: Column,
    /// What was written.
    pub text: Column,
}

/// How well-known collections of reviews call user, item and text: Amazon's of 2014 and of 2023, and plain words.
const USUAL: [[&str; 3]; 4] = [
    ["reviewerID", "asin", "reviewText"],
    ["user_id", "parent_asin", "text"],
    ["user_id", "item_id", "text"],
    ["user", "item", "text"],
];

impl ReviewColumns {
    /// Columns by names.
    pub fn named([user, item, text]: [&str; 3]) -> Self {
        let name = |name: &str| Column::Name(name.to_owned());
        Self { user: name(user), item: name(item), text: name(text) }
    }
}

/// Reads a file of reviews whose format is that of its extension (`.jsonl`, `.json.gz`, `.csv`, `.parquet`, ...). Without `columns`
/// those of well-known collections are tried: `reviewerID, asin, reviewText`; `user_id, parent_asin, text`; `user_id, item_id,
/// text`; `user, item, text`.
///
/// # Errors
/// As [`read_reviews`]; [`DataError::Malformed`] where none of the usual columns is there.
pub fn read_review_file(
    path: &Path,
    columns: Option<&ReviewColumns>,
    keep: &dyn Fn(&str, &str) -> bool,
) -> Result<ReviewTexts, DataError> {
    if let Some(columns) = columns {
        return read_reviews(path, &cutting(path, columns)?, columns, keep);
    }
    for names in USUAL {
        let columns = ReviewColumns::named(names);
        match read_reviews(path, &cutting(path, &columns)?, &columns, keep) {
            Err(DataError::Header { .. }) => {}
            read => return read,
        }
    }
    let usual = USUAL.map(|names| names.join(", ")).join("; ");
    let reason = format!("none of the usual columns of user, item and text ({usual}): name them");
    Err(DataError::Malformed { file: path.to_owned(), reason })
}

/// By the same rules as for a log.
fn cutting(path: &Path, columns: &ReviewColumns) -> Result<Cutting, DataError> {
    let mut log = LogOptions::new(path, columns.user.clone(), columns.item.clone());
    log.header = Some(true);
    Ok(match log.resolve(path)? {
        LogFormat::JsonLines => Cutting::JsonLines,
        LogFormat::Parquet => Cutting::Parquet,
        format => Cutting::Table(log.table(path, format)?),
    })
}

/// What a file of reviews has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReviewTexts {
    /// The texts that were kept, by user and item, as external ids.
    pub texts: HashMap<(String, String), String>,
    /// Number of reviews with a text, kept or not.
    pub found: usize,
    /// User and item of the first of them.
    pub first: Option<(String, String)>,
}

/// Reads the reviews whose user and item `keep` wants; others take no memory. Entities of HTML (`&#34;`, `&amp;`) become their characters; a review without a text is left out; of two of a
/// user about an item the later one in the file counts.
///
/// # Errors
/// As [`read_items`](crate::read::read_items), but for ids that stand twice.
pub fn read_reviews(
    path: &Path,
    cutting: &Cutting,
    columns: &ReviewColumns,
    keep: &dyn Fn(&str, &str) -> bool,
) -> Result<ReviewTexts, DataError> {
    let asked = [
        Asked { column: columns.user.clone(), role: "user" },
        Asked { column: columns.item.clone(), role: "item" },
        Asked { column: columns.text.clone(), role: "text" },
    ];
    let mut read = ReviewTexts::default();
    // A column that is absent altogether is told before the rows that lack it.
    let mut without = None;
    each(path, cutting, &asked, &mut |records, line, cells| {
        let [user, item] = [0, 1].map(|at| plain_text_id(&cells[at].join(" ")).to_owned());
        if let Some(at) = [&user, &item].iter().position(|id| id.is_empty()) {
            without.get_or_insert_with(|| records.wrong(at, line, "", "an id"));
            return Ok(());
        }
        let text = cells[2].join(" ");
        let text = html_escape::decode_html_entities(text.trim());
        if text.is_empty() {
            return Ok(());
        }
        read.found += 1;
        if read.first.is_none() {
            read.first = Some((user.clone(), item.clone()));
        }
        if keep(&user, &item) {
            read.texts.insert((user, item), text.into_owned());
        }
        Ok(())
    })?;
    without.map_or(Ok(read), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> ReviewColumns {
        ReviewColumns::named(["u", "i", "t"])
    }

    fn read(lines: &str) -> Result<ReviewTexts, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.jsonl");
        std::fs::write(&path, lines).unwrap();
        read_reviews(&path, &Cutting::JsonLines, &columns(), &|_, _| true)
    }

    #[test]
    fn entities_are_characters_and_what_says_nothing_is_left_out() {
        let lines = concat!(
            "{\"u\": \"A\", \"i\": 7, \"t\": \"a 12&#34; &amp; loud \u{1f3b8} \"}\n",
            "{\"u\": \"A\", \"i\": 8, \"t\": \"  \"}\n",
            "{\"u\": \"B\", \"i\": 7, \"t\": \"first\"}\n",
            "{\"u\": \"B\", \"i\": 7, \"t\": \"second\"}\n",
        );
        let ReviewTexts { texts, found, first } = read(lines).unwrap();
        assert_eq!((found, first), (3, Some(("A".to_owned(), "7".to_owned()))));
        let of = |user: &str, item: &str| texts.get(&(user.to_owned(), item.to_owned())).map(String::as_str);
        assert_eq!(of("A", "7"), Some("a 12\" & loud \u{1f3b8}"));
        assert_eq!((of("A", "8"), of("B", "7"), texts.len()), (None, Some("second"), 2));
    }

    #[test]
    fn columns_of_well_known_collections_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            read_review_file(&path, None, &|_, _| true).map(|read| read.texts)
        };
        let amazon = "{\"reviewerID\": \"A\", \"asin\": \"7\", \"reviewText\": \"good\"}\n";
        let csv = "text,user_id,item_id\n\"good, indeed\",A,7\n";
        assert_eq!(read("a.jsonl", amazon).unwrap().values().collect::<Vec<_>>(), ["good"]);
        assert_eq!(read("a.csv", csv).unwrap().values().collect::<Vec<_>>(), ["good, indeed"]);
        let error = read("b.jsonl", "{\"who\": 1}\n").unwrap_err().to_string();
        assert!(error.contains("reviewerID, asin, reviewText") && error.contains("name them"), "{error}");
    }

    #[test]
    fn what_nobody_wants_is_counted_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.csv");
        std::fs::write(&path, "user,item,text\na,x,one\nb,x,two\na,y,three\n").unwrap();
        let read = read_review_file(&path, None, &|user, item| user == "a" && item == "y").unwrap();
        assert_eq!(read.texts.into_values().collect::<Vec<_>>(), ["three"]);
        assert_eq!((read.found, read.first), (3, Some(("a".to_owned(), "x".to_owned()))));
    }

    #[test]
    fn a_line_that_is_none_and_an_absent_field_are_told_with_their_place() {
        let error = read("{\"u\": \"A\", \"i\": 7, \"t\": \"x\"}\n{\"u\": \"A\"").unwrap_err().to_string();
        assert!(error.contains("reviews.jsonl") && error.contains('2'), "{error}");
        let error = read("{\"u\": \"\", \"i\": 7, \"t\": \"x\"}\n").unwrap_err().to_string();
        assert!(error.contains("user") && error.contains("an id"), "{error}");
        let error = read("{\"u\": \"A\", \"i\": 7, \"text\": \"x\"}\n").unwrap_err().to_string();
        assert!(error.contains("\"t\""), "{error}");
    }
}
