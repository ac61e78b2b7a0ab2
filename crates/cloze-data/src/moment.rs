//! A point in time as a person gives it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::log::{TimeUnit, iso};

/// A point in time: a whole number, or a date or time in ISO 8601 (UTC where it has no offset).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A time as the data have it; Unix seconds of data whose times are ISO 8601.
    Number(i64),
    /// A date or time.
    Date {
        /// As it was given.
        text: String,
        /// Microseconds since 1970, UTC.
        microseconds: i64,
    },
}

impl Moment {
    /// The first time of this unit that is not before the moment; a number is one of the unit.
    pub(crate) fn at(&self, unit: TimeUnit) -> i64 {
        match self {
            Self::Number(time) => *time,
            Self::Date { microseconds, .. } => scaled(i128::from(*microseconds), 1_000_000, unit),
        }
    }

    /// The same of data whose times are ISO 8601, kept in this unit: there a number is Unix seconds, whether or not
    /// the data have fractions of seconds.
    pub(crate) fn at_iso(&self, unit: TimeUnit) -> i64 {
        match self {
            Self::Number(seconds) => scaled(i128::from(*seconds), 1, unit),
            Self::Date { .. } => self.at(unit),
        }
    }
}

/// A time of which `per_second` make a second in another unit, rounded up: what happened before stays before.
fn scaled(time: i128, per_second: i128, unit: TimeUnit) -> i64 {
    let scaled = time * i128::from(unit.per_second());
    let time = scaled.div_euclid(per_second) + i128::from(scaled.rem_euclid(per_second) > 0);
    i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self::Number(time));
        }
        let date = iso(text).map(|microseconds| Self::Date { text: text.to_owned(), microseconds });
        date.ok_or_else(|| {
            format!("{text:?} is neither a whole number nor a date or time such as 2001-01-01T12:00:00Z")
        })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(time) => time.fmt(f),
            Self::Date { text, .. } => f.write_str(text),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(time) => serializer.serialize_i64(*time),
            Self::Date { text, .. } => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a whole number, or a date or time as text")]
        enum Form {
            Number(i64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(time) => Ok(Self::Number(time)),
            Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_in_the_unit_of_the_data_rounded_up() {
        let half: Moment = "1970-01-01T00:00:01.5Z".parse().unwrap();
        assert_eq!([TimeUnit::Seconds, TimeUnit::Milliseconds].map(|unit| half.at(unit)), [2, 1500]);
        assert_eq!(half.at_iso(TimeUnit::Microseconds), 1_500_000);
        let number: Moment = "7".parse().unwrap();
        assert_eq!(
            (number.at(TimeUnit::Milliseconds), number.at_iso(TimeUnit::Microseconds)),
            (7, 7_000_000)
        );
        assert_eq!(Moment::Number(i64::MAX).at_iso(TimeUnit::Nanoseconds), i64::MAX);
        for bad in ["0.5", "", "soon", "2001-13-01"] {
            assert!(bad.parse::<Moment>().unwrap_err().contains("neither a whole number"), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_written_as_it_was_given() {
        for json in ["5", "\"2001-01-01\""] {
            let moment: Moment = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&moment).unwrap(), json);
        }
        assert!(serde_json::from_str::<Moment>("0.5").is_err());
    }
}
