//! Times that count days from the beginning of a period, such as a term: when each item's period begins.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use jiff::civil::{Date, date};
use serde::Deserialize;

use super::column::{Column, plain_text_id};
use super::items::Cutting;
use super::records::{Asked, each};
use crate::DataError;

/// Where the period of an item is named, and on which date each period begins.
///
/// The times of the interactions are then whole days since that date, possibly negative, and are kept as Unix seconds of
/// the day's beginning in UTC, so that what a user did in two periods comes in its order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Periods {
    /// The column of the item file that names the period.
    pub column: Column,
    /// Name of each period and its first day, as `2013-10-01`. A period that is not among them is an error.
    pub starts: BTreeMap<String, Day>,
}

/// A date of the calendar, written as `2013-10-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(Date);

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no date: expected year, month and day, as 2013-10-01");
        // The parser knows times as well, which would be cut off.
        let plain = text.len() == 10;
        text.parse().ok().filter(|_| plain).map(Self).ok_or_else(wrong)
    }
}

impl Day {
    /// The Unix second at which it begins in UTC.
    fn second(self) -> i64 {
        i64::from((self.0 - date(1970, 1, 1)).get_days()) * DAY
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// For each item the Unix second at which its period begins.
pub(crate) struct Starts {
    seconds: HashMap<String, i64>,
}

/// Reads in which period each item is.
pub(crate) fn read_starts(
    path: &Path,
    cutting: &Cutting,
    id: &Column,
    periods: &Periods,
) -> Result<Starts, DataError> {
    let asked =
        [Asked { column: id.clone(), role: "id" }, Asked { column: periods.column.clone(), role: "period" }];
    let mut seconds = HashMap::new();
    each(path, cutting, &asked, &mut |records, line, cells| {
        let [id, period] = [0, 1].map(|at| cells[at].join(" "));
        let Some(start) = periods.starts.get(period.trim()) else {
            let known: Vec<&str> = periods.starts.keys().map(String::as_str).collect();
            let expected = format!("a period whose start the manifest gives: {}", known.join(", "));
            return Err(records.wrong(1, line, &period, &expected));
        };
        let first = start.second();
        let before = seconds.insert(plain_text_id(&id).to_owned(), first);
        if before.is_some_and(|before| before != first) {
            return Err(records.wrong(1, line, &period, "the period that the item has above"));
        }
        Ok(())
    })?;
    Ok(Starts { seconds })
}

impl Starts {
    /// The start of an item's period; none of an item that the item file does not have.
    pub(crate) fn of(&self, item: &str) -> Option<i64> {
        self.seconds.get(item).copied()
    }
}

/// The Unix second at which a day of a period begins; none if there is no such number.
pub(crate) fn second(start: i64, day: i64) -> Option<i64> {
    day.checked_mul(DAY)?.checked_add(start)
}
