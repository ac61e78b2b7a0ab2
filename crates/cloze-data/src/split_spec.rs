//! How a split is asked for and recorded: `leave-one-out`, `global-time:0.8,0.9`.

use std::fmt;
use std::str::FromStr;

use crate::leak::check_leaks;
use crate::log::TimeUnit;
use crate::split::Split;
use crate::{Cut, DataError, GlobalTime, LeaveOneOut, Moment, Sequences};

const GLOBAL: &str = "global-time";
/// What `global-time` alone means: eight tenths to train on, one to validate with, one to test with.
const DEFAULT: [f64; 2] = [0.8, 0.9];

/// Which split, in words. Written and parsed as
///
/// - `leave-one-out`, the default;
/// - `global-time:VALIDATION,TEST`, where each is a share of all interactions (`0.8,0.9`), a date or time in ISO 8601
///   (`2000-12-01,2001-01-01`, UTC where it has no offset), or a whole number, a time as the data have it;
/// - `global-time:TEST` with one share: the validation part is as large as the test part (`0.9` is `0.8,0.9`);
/// - `global-time`, which is `global-time:0.8,0.9`.
///
/// What [`Display`](fmt::Display) writes always has both cuts.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum SplitSpec {
    /// [`LeaveOneOut`].
    #[default]
    LeaveOneOut,
    /// [`GlobalTime`].
    GlobalTime {
        /// Where the validation part begins.
        validation: CutSpec,
        /// Where the test part begins.
        test: CutSpec,
    },
}

/// A cut in time, as a person gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum CutSpec {
    /// A share of all interactions, above 0 and below 1.
    Share(f64),
    /// A point in time.
    At(Moment),
}

impl SplitSpec {
    /// Splits sequences, and makes sure that nothing leaks.
    ///
    /// # Errors
    /// Those of [`LeaveOneOut::new`] and [`GlobalTime::new`].
    pub fn of(&self, sequences: &Sequences) -> Result<Box<dyn Split>, DataError> {
        let split: Box<dyn Split> = match self {
            Self::LeaveOneOut => Box::new(LeaveOneOut::new(sequences)?),
            Self::GlobalTime { validation, test } => {
                let unit = sequences.time_unit().ok_or(DataError::NoTimes)?;
                Box::new(GlobalTime::new(sequences, validation.cut(unit), test.cut(unit))?)
            }
        };
        check_leaks(sequences, split.as_ref())?;
        Ok(split)
    }
}

impl CutSpec {
    fn cut(&self, unit: TimeUnit) -> Cut {
        match self {
            Self::Share(share) => Cut::Share(*share),
            Self::At(moment) => Cut::Time(moment.at(unit)),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse::<i64>() {
            return if (0..=1).contains(&time) {
                Err(format!("{text} is no cut: a share is above 0 and below 1"))
            } else {
                Ok(Self::At(Moment::Number(time)))
            };
        }
        if let Ok(share) = text.parse::<f64>() {
            return if share > 0.0 && share < 1.0 {
                Ok(Self::Share(share))
            } else {
                Err(format!("{text} is no cut: a share is above 0 and below 1, a time is a whole number"))
            };
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| format!("{text:?} is neither a share such as 0.9 nor a date such as 2001-01-01"))
    }
}

impl fmt::Display for CutSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::At(moment) => moment.fmt(f),
        }
    }
}

impl fmt::Display for SplitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaveOneOut => f.pad("leave-one-out"),
            Self::GlobalTime { validation, test } => f.pad(&format!("{GLOBAL}:{validation},{test}")),
        }
    }
}

impl FromStr for SplitSpec {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let refuse = |reason: String| DataError::UnknownSplit { given: text.to_owned(), reason };
        let (kind, cuts) = text.split_once(':').map_or((text, None), |(kind, cuts)| (kind, Some(cuts)));
        match (kind, cuts) {
            ("leave-one-out", None) => return Ok(Self::LeaveOneOut),
            (GLOBAL, _) => {}
            _ => return Err(refuse("no such kind".to_owned())),
        }
        let Some(cuts) = cuts else {
            let [validation, test] = DEFAULT.map(CutSpec::Share);
            return Ok(Self::GlobalTime { validation, test });
        };
        let (validation, test) = match cuts.split_once(',') {
            Some((validation, test)) => (CutSpec::parse(validation.trim()), CutSpec::parse(test.trim())),
            None => (before(cuts.trim()), CutSpec::parse(cuts.trim())),
        };
        let (validation, test) = (validation.map_err(refuse)?, test.map_err(refuse)?);
        if matches!((&validation, &test), (CutSpec::Share(a), CutSpec::Share(b)) if a > b) {
            return Err(refuse(format!("the validation part begins at {validation}, after the test part")));
        }
        Ok(Self::GlobalTime { validation, test })
    }
}

/// The cut that makes the validation part as large as the test part.
fn before(test: &str) -> Result<CutSpec, String> {
    match CutSpec::parse(test)? {
        // In whole millionths, so that 0.9 gives 0.8 and not its neighbour.
        CutSpec::Share(share) => {
            let validation = ((2.0 * share - 1.0) * 1e6).round() / 1e6;
            if validation > 0.0 {
                Ok(CutSpec::Share(validation))
            } else {
                Err(format!(
                    "a test part from {share} leaves nothing to train on: give both cuts, as 0.3,{share}"
                ))
            }
        }
        CutSpec::At(_) => {
            Err(format!("{test} needs the cut of the validation part before it: VALIDATION,{test}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<SplitSpec>().map_or_else(|error| error.to_string(), |split| split.to_string())
    }

    #[test]
    fn names_go_both_ways_and_short_ones_are_completed() {
        for (given, full) in [
            ("leave-one-out", "leave-one-out"),
            ("global-time", "global-time:0.8,0.9"),
            ("global-time:0.9", "global-time:0.8,0.9"),
            ("global-time:0.7,0.95", "global-time:0.7,0.95"),
            ("global-time:2000-12-01, 2001-01-01", "global-time:2000-12-01,2001-01-01"),
            ("global-time:880000000,890000000", "global-time:880000000,890000000"),
        ] {
            assert_eq!(shown(given), full);
            assert_eq!(shown(full), full);
        }
    }

    #[test]
    fn what_is_no_split_is_named_with_the_forms() {
        for (given, part) in [
            ("leave-two-out", "no such kind"),
            ("leave-one-out:0.9", "no such kind"),
            ("global-time:", "neither a share"),
            ("global-time:1.5", "1.5 is no cut"),
            ("global-time:0,0.9", "0 is no cut"),
            ("global-time:nan,0.9", "NaN"),
            ("global-time:0.9,0.8", "after the test part"),
            ("global-time:0.4", "nothing to train on"),
            ("global-time:2001-01-01", "VALIDATION,2001-01-01"),
            ("global-time:2001-13-01,0.9", "2001-13-01"),
        ] {
            let said = shown(given);
            assert!(said.to_lowercase().contains(&part.to_lowercase()), "{given}: {said}");
            assert!(said.contains("leave-one-out, global-time"), "{said}");
        }
    }

    #[test]
    fn a_date_is_a_time_in_the_unit_of_the_data() {
        let spec: SplitSpec = "global-time:2000-12-01,2001-01-01".parse().unwrap();
        for unit in [1, 1000, 1_000_000] {
            // 2000-12-01 is 975,628,800 seconds after 1970, 2001-01-01 is 978,307,200.
            let times = [975_628_799, 975_628_800, 978_307_199, 978_307_200].map(|time| time * unit);
            let sequences = Sequences::from_lists(&[vec![0, 1, 2, 3]], Some(&[times.to_vec()])).unwrap();
            let split = spec.of(&sequences).unwrap();
            assert_eq!(split.train().get(0), [0]);
            assert_eq!((split.validation()[0], split.test()[0]), (Some(1), Some(3)));
            assert_eq!(split.cuts(), Some((times[1], times[3])));
        }
    }

    #[test]
    fn the_unit_of_the_data_goes_before_what_the_size_of_times_suggests() {
        let spec: SplitSpec = "global-time:1971-01-01,1972-01-01".parse().unwrap();
        // Microseconds of the years 1970 to 1972: by their size, milliseconds of later ones.
        let times = vec![vec![1, 31_536_000_000_000, 63_072_000_000_000, 63_072_000_000_001]];
        let sequences = Sequences::from_lists(&[vec![0, 1, 2, 3]], Some(&times)).unwrap();
        let split = spec.of(&sequences.with_time_unit(Some(TimeUnit::Microseconds))).unwrap();
        assert_eq!(split.cuts(), Some((times[0][1], times[0][2])));
    }

    #[test]
    fn data_without_times_have_no_split_by_time() {
        let sequences = Sequences::from_lists(&[vec![0, 1, 2, 3]], None).unwrap();
        let split: SplitSpec = "global-time".parse().unwrap();
        assert!(matches!(split.of(&sequences), Err(DataError::NoTimes)));
        assert!(SplitSpec::default().of(&sequences).is_ok());
    }
}
