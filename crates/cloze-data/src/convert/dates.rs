//! Dates as learning platforms write them for people.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::log::iso;

/// How errors call what is read here.
pub(super) const EXPECTED: &str = "a date and a time such as \"5 March 2024 10:15 AM\", \"5. Mär 2024, 10:15\", \"05.03.2024 10:15\" or \
     \"2024-03-05 10:15\" (not one such as \"Today\")";

/// English, English in short, German, German in short.
const MONTHS: [&[&str]; 12] = [
    &["january", "jan", "januar"],
    &["february", "feb", "februar"],
    &["march", "mar", "märz", "mär", "mrz"],
    &["april", "apr"],
    &["may", "mai"],
    &["june", "jun", "juni"],
    &["july", "jul", "juli"],
    &["august", "aug"],
    &["september", "sep", "sept"],
    &["october", "oct", "oktober", "okt"],
    &["november", "nov"],
    &["december", "dec", "dezember", "dez"],
];

/// The Unix second of a date and a time, in UTC. The month is a word, or the day stands first with points.
pub(super) fn second(text: &str) -> Option<i64> {
    if let Some(micro) = iso(text) {
        return Some(micro.div_euclid(1_000_000));
    }
    let apart = |letter: char| letter.is_whitespace() || letter == ',';
    let words: Vec<&str> = text.split(apart).filter(|word| !word.is_empty()).collect();
    let (date, time) = match words.as_slice() {
        [date, time @ ..] if date.matches('.').count() == 2 => (dotted(date)?, time),
        [day, name, year, time @ ..] if month(name).is_some() => {
            ((digits(year)?, month(name)?, digits(day)?), time)
        }
        [name, day, year, time @ ..] => ((digits(year)?, month(name)?, digits(day)?), time),
        _ => return None,
    };
    let (hour, minute, second) = clock(time)?;
    let (year, month, day) =
        (i16::try_from(date.0).ok()?, i8::try_from(date.1).ok()?, i8::try_from(date.2).ok()?);
    // A year of two digits could be any.
    if year < 1000 {
        return None;
    }
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_second())
}

/// Year, month and day of `05.03.2024`.
fn dotted(date: &str) -> Option<(u32, u32, u32)> {
    let mut parts = date.split('.').map(digits);
    let (day, month, year) = (parts.next()??, parts.next()??, parts.next()??);
    Some((year, month, day))
}

fn month(word: &str) -> Option<u32> {
    let word = word.trim_end_matches('.').to_lowercase();
    let place = MONTHS.iter().position(|names| names.contains(&word.as_str()))?;
    Some(place as u32 + 1)
}

/// A number of digits alone, with a point behind it or not.
fn digits(word: &str) -> Option<u32> {
    let word = word.strip_suffix('.').unwrap_or(word);
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?
}

/// Hour, minute and second of `10:15`, `10:15:30`, `10:15 AM` or `10:15pm`.
fn clock(words: &[&str]) -> Option<(i8, i8, i8)> {
    let text = words.concat().to_lowercase();
    let (text, half) = match text.strip_suffix("am") {
        Some(text) => (text, Some(0)),
        None => text.strip_suffix("pm").map_or((text.as_str(), None), |text| (text, Some(12))),
    };
    let mut parts = text.split(':').map(digits);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(0), |second| second)?;
    let hour = match half {
        None => hour,
        Some(more) => (1..=12).contains(&hour).then_some(hour % 12 + more)?,
    };
    let small = |number: u32| i8::try_from(number).ok();
    if parts.next().is_some() { None } else { Some((small(hour)?, small(minute)?, small(second)?)) }
}

#[cfg(test)]
mod tests {
    use super::second;

    #[test]
    fn dates_of_moodle_and_ilias_are_read() {
        let time = Some(1_709_633_700);
        for text in [
            "5 March 2024  10:15 AM",
            "March 5  2024  10:15 AM",
            "5. Mär 2024, 10:15",
            "05. Mar 2024, 10:15",
            "5. März 2024, 10:15:00",
            "05.03.2024 10:15",
            "2024-03-05 10:15",
            "2024-03-05T10:15:00Z",
        ] {
            assert_eq!(second(text), time, "{text}");
        }
        assert_eq!(second("5 March 2024 12:15 AM"), Some(1_709_633_700 - 10 * 3600));
        assert_eq!(second("5 Dezember 2024 12:15pm"), second("2024-12-05 12:15"));
    }

    #[test]
    fn what_is_no_date_or_could_be_several_is_refused() {
        for text in [
            "",
            "-",
            "Today, 10:15",
            "03/05/2024 10:15",
            "5 March 2024",
            "30 February 2024 10:15 AM",
            "5 March 24 10:15 AM",
            "5 March 2024 13:15 PM",
            "5 March 2024 25:15",
            "5 Smarch 2024 10:15",
            "05.03.2024 10:15:00:00",
        ] {
            assert_eq!(second(text), None, "{text}");
        }
    }
}
