//! Which interactions are kept, and in which order the rules apply.

use std::fmt;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::log::Grouped;
use crate::{DataError, Moment};

/// Which interactions are kept. The default keeps all.
///
/// The rules apply in the order of the fields, each to what the ones before it left. Those behind a rule may undo it
/// (`min_length` can break a core): what a rule says holds where it applies, not at the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a rule that is set or not, whatever the others are"
)]
pub struct Filters {
    /// Drops rows of a log without a user, such as purchases of guests. Default: such a row is a bad row.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_without_user: bool,
    /// Drops rows without a value: an empty cell, null, or the NaN of a column with gaps in Parquet. Default: such a row is a bad row.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_without_value: bool,
    /// Drops interactions with a smaller value (rating) than this. Default: keep all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_value: Option<f32>,
    /// Drops interactions before this moment: a date or time, or a number in the unit of the file (Unix seconds where
    /// the file has ISO 8601). Default: keep all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_time: Option<Moment>,
    /// Drops interactions at or after this moment. Default: keep all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_time: Option<Moment>,
    /// Keeps only the first interaction of a user with an item: the earliest, of equal times the first of the file.
    pub first_of_pair: bool,
    /// Keeps only the first of interactions of a user with the same item that follow on each other: an exercise with several skills
    /// is several rows of some logs, and attempts at it come one after the other.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub once_in_a_row: bool,
    /// Drops items with fewer interactions than this: counted once, not repeated until nothing changes.
    /// Repeated pairs of a user and an item count each time, and stay. Default: keep all.
    pub min_item_interactions: u64,
    /// k-core: drops users with fewer interactions than this, together with `item_core` and repeated until nothing
    /// changes. Default: keep all.
    pub user_core: u64,
    /// k-core: drops items with fewer interactions than this, see `user_core`. Repeated pairs count each time.
    pub item_core: u64,
    /// Keeps so many users, drawn at random from those that are left. Default: keep all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_users: Option<u64>,
    /// Which users `sample_users` draws.
    #[serde(skip_serializing_if = "is_zero")]
    pub sample_seed: u64,
    /// Drops users with fewer interactions than this. Default: keep all.
    pub min_length: u64,
    /// Keeps only the last (latest) so many interactions of each user. Default: keep all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// How many interactions a rule removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The rule, by its field in [`Filters`].
    pub rule: String,
    /// Interactions that it removed.
    pub interactions: u64,
}

impl Filters {
    /// The k-core of users and items: both with at least `k` interactions.
    #[must_use]
    pub fn k_core(k: u64) -> Self {
        Self { user_core: k, item_core: k, ..Self::default() }
    }

    /// Whether a row is dropped for its value.
    pub(crate) fn below(&self, value: Option<f64>) -> bool {
        matches!((value, self.min_value), (Some(value), Some(least)) if (value as f32) < least)
    }

    /// The times that are kept, where `at` says which time a moment is.
    pub(crate) fn window(&self, at: impl Fn(&Moment) -> i64) -> Window {
        Window { from: self.from_time.as_ref().map(&at), until: self.until_time.as_ref().map(&at) }
    }

    /// Refuses rules about columns that are not there.
    pub(crate) fn check(&self, has_times: bool, has_values: bool) -> Result<(), DataError> {
        if !has_times && (self.from_time.is_some() || self.until_time.is_some()) {
            return Err(DataError::FilterNeeds { filter: "from_time or until_time", column: "time" });
        }
        if !has_values && self.min_value.is_some() {
            return Err(DataError::FilterNeeds { filter: "min_value", column: "value" });
        }
        if !has_values && self.drop_without_value {
            return Err(DataError::FilterNeeds { filter: "drop_without_value", column: "value" });
        }
        if self.min_value.is_some_and(f32::is_nan) {
            return Err(DataError::FilterNeeds { filter: "min_value", column: "number" });
        }
        Ok(())
    }

    /// Applies the rules behind those on single rows, and says how much each removed.
    pub(crate) fn apply(&self, rows: &mut Grouped) -> Vec<Removed> {
        let mut removed = Vec::new();
        let mut left = rows.rows();
        let mut rule = |name: &str, asked: bool, rows: &mut Grouped, apply: &dyn Fn(&mut Grouped)| {
            if asked {
                apply(rows);
                let now = rows.rows();
                removed.push(Removed { rule: name.to_owned(), interactions: (left - now) as u64 });
                left = now;
            }
        };
        rule("first_of_pair", self.first_of_pair, rows, &first_of_pair);
        rule("once_in_a_row", self.once_in_a_row, rows, &once_in_a_row);
        let least = self.min_item_interactions;
        rule("min_item_interactions", least > 1, rows, &|rows| item_floor(rows, least));
        let (users, items) = (self.user_core, self.item_core);
        rule("core", users > 1 || items > 1, rows, &|rows| core(rows, users, items));
        let (sample, seed) = (self.sample_users, self.sample_seed);
        rule("sample_users", sample.is_some(), rows, &|rows| {
            sample_users(rows, sample.unwrap_or(u64::MAX), seed);
        });
        let (least, most) = (self.min_length, self.max_length);
        rule("min_length", least > 1, rows, &|rows| min_length(rows, least));
        rule("max_length", most.is_some(), rows, &|rows| max_length(rows, most.unwrap_or(u64::MAX)));
        removed
    }
}

/// Bounds of time as numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    from: Option<i64>,
    until: Option<i64>,
}

impl Window {
    pub(crate) fn has(&self, time: i64) -> bool {
        self.from.is_none_or(|from| time >= from) && self.until.is_none_or(|until| time < until)
    }
}

fn first_of_pair(rows: &mut Grouped) {
    // The last user who met an item: one number an item, not one set a user.
    let mut met_by = vec![usize::MAX; rows.item_count];
    rows.retain(|user, entry| std::mem::replace(&mut met_by[entry.item as usize], user) != user);
}

fn once_in_a_row(rows: &mut Grouped) {
    for user in 0..rows.users() {
        let mut before = None;
        rows.retain_of(user, |entry| before.replace(entry.item) != Some(entry.item));
    }
}

fn item_counts(rows: &Grouped) -> Vec<u64> {
    let mut counts = vec![0; rows.item_count];
    for user in 0..rows.users() {
        for entry in rows.get(user) {
            counts[entry.item as usize] += 1;
        }
    }
    counts
}

fn item_floor(rows: &mut Grouped, least: u64) {
    let counts = item_counts(rows);
    rows.retain(|_, entry| counts[entry.item as usize] >= least);
}

/// Removes users and items with too few rows until none is left. The result is the largest set of rows in which all
/// have enough, so that the order of removal makes no difference.
fn core(rows: &mut Grouped, users: u64, items: u64) {
    let mut counts = item_counts(rows);
    loop {
        let mut changed = false;
        for user in 0..rows.users() {
            let sequence = rows.get(user);
            let good = sequence.iter().filter(|entry| counts[entry.item as usize] >= items).count();
            if good == sequence.len() && (good == 0 || good as u64 >= users) {
                continue;
            }
            changed = true;
            let all_go = (good as u64) < users;
            rows.retain_of(user, |entry| {
                let count = &mut counts[entry.item as usize];
                let keep = !all_go && *count >= items;
                *count -= u64::from(!keep);
                keep
            });
        }
        if !changed {
            return;
        }
    }
}

/// The users are in the order of the file, whatever read it: the same file and seed draw the same ones.
fn sample_users(rows: &mut Grouped, count: u64, seed: u64) {
    let there: Vec<usize> = (0..rows.users()).filter(|&user| rows.lengths[user] > 0).collect();
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(there.len());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut goes = vec![true; there.len()];
    for drawn in rand::seq::index::sample(&mut random, there.len(), count) {
        goes[drawn] = false;
    }
    for (user, _) in there.into_iter().zip(goes).filter(|(_, goes)| *goes) {
        rows.lengths[user] = 0;
    }
}

fn min_length(rows: &mut Grouped, least: u64) {
    for length in &mut rows.lengths {
        if (*length as u64) < least {
            *length = 0;
        }
    }
}

fn max_length(rows: &mut Grouped, most: u64) {
    for user in 0..rows.users() {
        let extra = (rows.lengths[user] as u64).saturating_sub(most);
        let mut place = 0;
        rows.retain_of(user, |_| {
            place += 1;
            place > extra
        });
    }
}

/// The rules that are set, as in a manifest.
impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules = Vec::new();
        rules.extend(self.drop_without_user.then(|| "drop_without_user = true".to_owned()));
        rules.extend(self.drop_without_value.then(|| "drop_without_value = true".to_owned()));
        rules.extend(self.min_value.map(|least| format!("min_value = {least}")));
        rules.extend(self.from_time.as_ref().map(|time| format!("from_time = {time}")));
        rules.extend(self.until_time.as_ref().map(|time| format!("until_time = {time}")));
        rules.extend(self.first_of_pair.then(|| "first_of_pair = true".to_owned()));
        rules.extend(self.once_in_a_row.then(|| "once_in_a_row = true".to_owned()));
        for (name, least) in [
            ("min_item_interactions", self.min_item_interactions),
            ("user_core", self.user_core),
            ("item_core", self.item_core),
        ] {
            rules.extend((least > 1).then(|| format!("{name} = {least}")));
        }
        rules.extend(
            self.sample_users
                .map(|count| format!("sample_users = {count}, sample_seed = {}", self.sample_seed)),
        );
        rules.extend((self.min_length > 1).then(|| format!("min_length = {}", self.min_length)));
        rules.extend(self.max_length.map(|most| format!("max_length = {most}")));
        f.write_str(&if rules.is_empty() { "none".to_owned() } else { rules.join(", ") })
    }
}
