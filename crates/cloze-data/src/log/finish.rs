//! From the rows of all blocks to a data set and a report.

use std::path::Path;

use super::group::{Maps, group};
use super::intern::merge;
use super::options::{BadRows, LogOptions};
use super::reject;
use super::rows::{Numbers, Part, lines_before};
use super::run::Read;
use super::times::{Style, TimeRule, TimeUnit};
use super::{Known, ReadReport};
use crate::dataset::ratings;
use crate::filter::Window;
use crate::read::{Starts, second};
use crate::{DataError, Dataset, Filters, Removed};

/// From rows to a data set.
pub(super) fn finish(
    mut read: Read,
    options: &LogOptions,
    rule: TimeRule,
    filters: &Filters,
    bad_rows: &BadRows,
    known: Known<'_>,
) -> Result<(Dataset, ReadReport), DataError> {
    let path = options.path.as_path();
    let mut report = ReadReport::default();
    let before: Vec<usize> = lines_before(&read.parts).collect();
    let (mut without_user, mut without_value) = (0, 0);
    for (part, line) in read.parts.iter_mut().zip(before) {
        if let Some(error) = part.error.take() {
            return Err(error.moved(line).with_option());
        }
        without_user += part.without_user as u64;
        without_value += part.without_value as u64;
        report.rows += part.rows as u64;
        report.rejected += part.rejected.len() as u64;
    }
    if let BadRows::Skip { rejected } = bad_rows
        && report.rejected > 0
    {
        let files: Vec<_> = options.paths().collect();
        reject::write(rejected, &files, &read.parts)?;
        report.rejected_file = Some(rejected.clone());
        if report.rows == 0 {
            let (file, report, rejected) = (path.to_owned(), rejected.clone(), report.rejected as usize);
            return Err(DataError::AllRejected { file, rejected, report });
        }
    }
    if report.rows == 0 {
        return Err(DataError::Empty { file: path.to_owned() });
    }
    let style = if rule == TimeRule::Any { one_style(options, &read.parts)? } else { None };
    let has_times = options.time.is_some();
    let (numbers, maps) = common(read.numbers)?;
    if let Some(starts) = known.starts {
        date(&mut read.parts, &numbers, &maps, starts, path)?;
    }
    let kept_as = Kept::of(&mut read.parts, style, has_times);
    report.time_unit = style.and(kept_as.unit);
    let window = kept_as.window(filters);
    let keep = |time| window.has(time);
    let mut rows = group(&read.parts, &maps, has_times, options.threads(), keep, kept_as.scale)?;
    let kept: usize = read.parts.iter().map(|part| part.users.len()).sum();
    let ratings = ratings(&read.parts, options.value.is_some());
    drop((read.parts, maps));
    let mut removed = |rule: &str, set: bool, before: u64, after: u64| {
        if set {
            report.removed.push(Removed { rule: rule.to_owned(), interactions: before - after });
        }
    };
    let users = report.rows - without_user;
    removed("drop_without_user", filters.drop_without_user, report.rows, users);
    let valued = users - without_value;
    removed("drop_without_value", filters.drop_without_value, users, valued);
    removed("min_value", filters.min_value.is_some(), valued, kept as u64);
    let timed = filters.from_time.is_some() || filters.until_time.is_some();
    removed("time", timed, kept as u64, rows.rows() as u64);
    report.removed.extend(filters.apply(&mut rows));
    let (name, unit, ratings) = (options.name(), kept_as.unit, ratings.as_deref());
    let dataset = Dataset::assemble(&name, known.title, &rows, unit, ratings, &numbers, known.items)?;
    let nothing = || DataError::NothingLeft { rows: report.rows as usize, filters: filters.to_string() };
    Ok((dataset.ok_or_else(nothing)?, report))
}

/// Makes Unix seconds of the days of each item's period.
fn date(
    parts: &mut [Part],
    numbers: &Numbers,
    maps: &Maps,
    starts: &Starts,
    path: &Path,
) -> Result<(), DataError> {
    let wrong = |reason: String| DataError::Malformed { file: path.to_owned(), reason };
    let id = |item: usize| String::from_utf8_lossy(numbers.items.get(item as u32));
    let by_item: Vec<Option<i64>> = (0..maps.item_count).map(|item| starts.of(&id(item))).collect();
    for part in parts {
        if part.micro {
            return Err(wrong("its times count days: expected whole numbers only".to_owned()));
        }
        let items = &maps.items[part.worker];
        for (day, item) in part.times.iter_mut().zip(&part.items) {
            let item = items[*item as usize] as usize;
            let Some(start) = by_item[item] else {
                let id = id(item);
                return Err(wrong(format!(
                    "item {id:?} is not in the item file, whose periods its times count from"
                )));
            };
            let far = || wrong(format!("{day} is no number of days since the beginning of a period"));
            *day = second(start, *day).ok_or_else(far)?;
        }
    }
    Ok(())
}

/// In which unit times are kept, and how they get there.
struct Kept {
    /// None without times.
    unit: Option<TimeUnit>,
    /// What times are divided by.
    scale: i64,
    /// Whether a number that a person gives is seconds, whatever the unit.
    seconds: bool,
}

impl Kept {
    /// Times that are microseconds so far become seconds again, unless one has a fraction: then all are microseconds.
    fn of(parts: &mut [Part], style: Option<Style>, has_times: bool) -> Self {
        let micro = parts.iter().any(|part| part.micro);
        let fraction = parts.iter().any(|part| part.fraction);
        if micro {
            parts.iter_mut().for_each(Part::make_micro);
        }
        let own = match style {
            Some(Style::Number(unit)) => Some(unit),
            Some(Style::Iso) => Some(TimeUnit::Seconds),
            // Numbers of any unit: the largest shows best which.
            None if has_times => {
                let latest = parts.iter().flat_map(|part| &part.times).max();
                Some(TimeUnit::of(latest.copied().unwrap_or(0)))
            }
            None => None,
        };
        let unit = if fraction { Some(TimeUnit::Microseconds) } else { own };
        Self { unit, scale: if micro && !fraction { 1_000_000 } else { 1 }, seconds: micro }
    }

    fn window(&self, filters: &Filters) -> Window {
        let unit = self.unit.unwrap_or(TimeUnit::Seconds);
        filters.window(|moment| if self.seconds { moment.at_iso(unit) } else { moment.at(unit) })
    }
}

/// One numbering from those of the threads.
pub(super) fn common(numbers: Vec<Numbers>) -> Result<(Numbers, Maps), DataError> {
    let (users, items) = numbers.into_iter().map(|one| (one.users, one.items)).unzip();
    let too_many = || DataError::TooManyIds { found: u32::MAX as usize };
    let (users, user_maps) = merge(users).ok_or_else(too_many)?;
    let (items, item_maps) = merge(items).ok_or_else(too_many)?;
    let (user_count, item_count) = (users.len(), items.len());
    Ok((Numbers { users, items }, Maps { users: user_maps, items: item_maps, user_count, item_count }))
}

/// How the times of the log are written: all alike.
fn one_style(options: &LogOptions, parts: &[Part]) -> Result<Option<Style>, DataError> {
    let mut first: Option<Style> = None;
    for (part, line) in parts.iter().zip(lines_before(parts)) {
        let Some((at, style)) = part.style else { continue };
        let expected = *first.get_or_insert(style);
        let here = (style != expected).then(|| (at, style, part.first_time()));
        if let Some((at, found, value)) = here.or_else(|| part.other.clone()) {
            return Err(DataError::MixedTimes {
                file: options.paths().nth(part.file).unwrap_or(&options.path).to_owned(),
                line: line + at,
                value,
                found: found.name(),
                expected: expected.name(),
            });
        }
    }
    Ok(first)
}
