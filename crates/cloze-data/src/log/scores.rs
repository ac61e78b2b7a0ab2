//! Scores of any system: rows of user, item and a number.

use super::files::{RowRules, read_file};
use super::finish::common;
use super::intern::Interner;
use super::options::LogOptions;
use super::rows::Keep;
use crate::{DataError, Filters, Progress};

/// One row of a file of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreRow {
    /// The place of its user among [`Scores::users`].
    pub user: u32,
    /// The place of its item among [`Scores::items`].
    pub item: u32,
    /// The score, a finite number.
    pub score: f64,
    /// Line of the file, counted from 1 (of Parquet the row, counted from 1).
    pub line: u32,
}

/// A file of scores.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// The external ids of users, each once.
    pub users: Vec<String>,
    /// The external ids of items, each once.
    pub items: Vec<String>,
    /// The rows, in the order of the file. A pair may stand in several.
    pub rows: Vec<ScoreRow>,
}

/// Reads a file of scores; [`LogOptions::value`] is the column of scores. Takes 16 bytes a row.
///
/// # Errors
/// As [`read_log`](super::read_log) with [`BadRows::Error`](super::BadRows::Error): a missing column, a row without a
/// user, an item or a finite score.
pub fn read_scores(options: &LogOptions, progress: &mut dyn Progress) -> Result<Scores, DataError> {
    options.check()?;
    let rules = RowRules { skip_bad: false, keep: Keep::Scores };
    let read = read_file(options, &options.path, &Filters::default(), rules, progress)?;
    let mut parts = read.parts;
    let mut before = 0;
    for part in &mut parts {
        if let Some(error) = part.error.take() {
            return Err(error.moved(before));
        }
        before += part.lines;
    }
    let (numbers, maps) = common(read.numbers)?;
    let mut rows = Vec::with_capacity(parts.iter().map(|part| part.users.len()).sum());
    let mut before = 0;
    for part in parts {
        let (users, items) = (&maps.users[part.worker], &maps.items[part.worker]);
        let pairs = part.users.iter().zip(&part.items).zip(&part.scores);
        rows.extend(pairs.map(|((&user, &item), &(line, score))| ScoreRow {
            user: users[user as usize],
            item: items[item as usize],
            score,
            line: u32::try_from(before + line as usize).unwrap_or(u32::MAX),
        }));
        before += part.lines;
    }
    if rows.is_empty() {
        return Err(DataError::Empty { file: options.path.clone() });
    }
    let ids = |of: &Interner, count: usize| -> Vec<String> {
        (0..count as u32).map(|number| String::from_utf8_lossy(of.get(number)).into_owned()).collect()
    };
    Ok(Scores {
        users: ids(&numbers.users, maps.user_count),
        items: ids(&numbers.items, maps.item_count),
        rows,
    })
}
