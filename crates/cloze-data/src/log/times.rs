//! Times of logs: numbers in a unit that their size gives away, or ISO 8601 text.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The unit of the times of a log.
///
/// Whole numbers tell their unit by their magnitude: below 10^11 seconds (or any order number), below 10^14
/// milliseconds, below 10^17 microseconds, else nanoseconds. For times from 1973-03-03 to the year 5138 this is never
/// ambiguous. A log has one unit in all of its files: a second one is an error that names the line. The numbers are kept as they
/// are, so that no order is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Seconds, or any small whole number.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
    /// Thousand-millionths of a second.
    Nanoseconds,
}

impl TimeUnit {
    /// The unit that the magnitude of a time gives away.
    pub fn of(time: i64) -> Self {
        match time.unsigned_abs() {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Milliseconds,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }

    /// How many of the unit make a second.
    pub fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }

    /// A time of this unit as UTC date and time. `None` for numbers that are hardly times: seconds of the years 1970 to
    /// 1972, which order numbers would fall in, and those out of range.
    pub fn date(self, time: i64) -> Option<String> {
        const PLAIN: i64 = 100_000_000;
        let second = time.div_euclid(self.per_second());
        let plausible = self != Self::Seconds || second.abs() >= PLAIN;
        let date = Timestamp::from_second(second).ok().filter(|_| plausible)?;
        Some(date.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    /// The unit in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

/// How the times of a log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Number(TimeUnit),
    /// ISO 8601, kept as microseconds until all of the file is read.
    Iso,
}

impl Style {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Number(unit) => unit.name(),
            Self::Iso => "ISO 8601",
        }
    }
}

/// Which texts are times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeRule {
    /// Whole numbers, whatever their unit.
    Numbers,
    /// Whole numbers of one unit, seconds with a fraction among them, or ISO 8601.
    Any,
}

impl TimeRule {
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Numbers => "a whole number, such as Unix seconds",
            Self::Any => {
                "a whole number, such as Unix seconds (only they may have a fraction), or an ISO 8601 date or time before \
                 9999-12-31"
            }
        }
    }
}

/// A whole number; `1.2e9` and `881250949.0` count as whole.
pub(crate) fn whole(text: &str) -> Option<i64> {
    /// Above this, f64 no longer holds every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Ok(time) = text.parse::<i64>() {
        return Some(time);
    }
    let time = text.parse::<f64>().ok()?;
    (time.fract() == 0.0 && time.abs() <= EXACT).then_some(time as i64)
}

/// Microseconds of seconds with a fraction, as `1513468800.25`. Digits beyond microseconds are cut off.
pub(crate) fn fractional(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = whole.strip_prefix('-').unwrap_or(whole);
    // What has more digits is no number of seconds.
    if !digits(seconds) || seconds.len() > 11 || !digits(fraction) {
        return None;
    }
    let micro = format!("{fraction:0<6}").get(..6)?.parse::<i64>().ok()?;
    let time = seconds.parse::<i64>().ok()? * 1_000_000 + micro;
    Some(if whole.starts_with('-') { -time } else { time })
}

/// Microseconds since 1970 of an ISO 8601 date, or date and time; without an offset it is UTC. Digits beyond
/// microseconds are cut off. Or of the form that Goodreads and Twitter write, `Sun Jan 01 21:05:16 -0800 2017`.
pub(crate) fn iso(text: &str) -> Option<i64> {
    let text = text.trim();
    // Cheap, and keeps numbers and words away from a parser that knows other formats too.
    let plain = text.len() >= 10 && text.is_ascii() && text.bytes().filter(u8::is_ascii_digit).count() >= 8;
    if !plain || text.contains('[') {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    if text.as_bytes()[0].is_ascii_alphabetic() {
        let read = jiff::fmt::strtime::parse("%a %b %d %H:%M:%S %z %Y", text);
        return Some(read.ok()?.to_timestamp().ok()?.as_microsecond());
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_microsecond())
}

/// A whole number of at most 18 digits: what nearly all rows have.
pub(crate) fn short(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let value = digits.iter().try_fold(0_i64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + i64::from(digit))
    })?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::{TimeUnit, fractional, iso, short, whole};

    #[test]
    fn iso_dates_and_times_are_read_with_and_without_an_offset() {
        let day = 1_513_468_800_000_000;
        assert_eq!(iso("2017-12-17"), Some(day));
        assert_eq!(iso("2017-12-17T00:00:01Z"), Some(day + 1_000_000));
        assert_eq!(iso("2017-12-17 02:00:00.25+02:00"), Some(day + 250_000));
        assert_eq!(iso("2017-12-17 00:00:00"), Some(day));
        assert_eq!(iso("1969-12-31T23:59:59.999999Z"), Some(-1));
        assert_eq!(iso("Sat Dec 16 16:00:01 -0800 2017"), Some(day + 1_000_000));
        assert_eq!(iso("Mon Dec 16 16:00:01 -0800 2017"), None, "it was a Saturday");
        for bad in ["", "2017", "2017-13-01", "yesterday", "17.12.2017", "2017-02-30", "é017-12-17"] {
            assert_eq!(iso(bad), None, "{bad}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(fractional("1513468800.25"), Some(1_513_468_800_250_000));
        assert_eq!(fractional("-1.5"), Some(-1_500_000));
        assert_eq!(fractional("0.0000019"), Some(1));
        for bad in ["1", ".5", "1.", "1.5.2", "+1.5", "1.5e3", "1513468800000.5", "NaN", "x.y"] {
            assert_eq!(fractional(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_magnitude_of_a_time_tells_its_unit() {
        assert_eq!(TimeUnit::of(-11), TimeUnit::Seconds);
        assert_eq!(TimeUnit::of(1_513_468_800), TimeUnit::Seconds);
        assert_eq!(TimeUnit::of(1_513_468_800_000), TimeUnit::Milliseconds);
        assert_eq!(TimeUnit::of(1_513_468_800_000_000), TimeUnit::Microseconds);
        assert_eq!(TimeUnit::of(1_513_468_800_000_000_000), TimeUnit::Nanoseconds);
        assert_eq!(TimeUnit::of(i64::MIN), TimeUnit::Nanoseconds);
    }

    #[test]
    fn a_time_is_shown_as_a_date_and_an_order_number_is_not() {
        let date = |time| TimeUnit::of(time).date(time);
        assert_eq!(date(1_513_468_801).as_deref(), Some("2017-12-17 00:00:01"));
        assert_eq!(date(1_513_468_801_999).as_deref(), Some("2017-12-17 00:00:01"));
        assert_eq!([date(0), date(5_000), date(-1)], [None, None, None]);
        assert_eq!(TimeUnit::Seconds.date(i64::MAX), None);
        // In a known unit, which no order number has.
        assert_eq!(TimeUnit::Microseconds.date(47_174_400_500_000).as_deref(), Some("1971-07-01 00:00:00"));
    }

    #[test]
    fn the_short_form_agrees_with_the_parser() {
        for text in ["0", "-5", "007", "999999999999999999", "1e9", "", "-", "+3", "1.0", "12a"] {
            if let Some(value) = short(text.as_bytes()) {
                assert_eq!(whole(text), Some(value), "{text}");
            }
        }
        assert_eq!(short(b"1234"), Some(1234));
        assert_eq!(whole("1.2e9"), Some(1_200_000_000));
    }
}
