//! What is read from one block of a file: rows as numbers, and what was wrong.

use super::intern::Interner;
use super::times::{Style, TimeUnit, fractional, iso, whole};
use crate::DataError;
use crate::read::plain_id;

/// The numbers of users and items as one thread gives them.
#[derive(Default)]
pub(crate) struct Numbers {
    pub(crate) users: Interner,
    pub(crate) items: Interner,
}

/// What a row that is left out on request does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacks {
    User,
    Value,
}

/// What becomes of the values of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    Ratings,
    Scores,
}

/// A value that is a number, as large as a rating may be.
pub(crate) fn finite(value: f64) -> Option<f64> {
    (value as f32).is_finite().then_some(value)
}

/// A row that was left out.
pub(crate) struct Rejected {
    /// Line, counted from 1 at the beginning of the block.
    pub(crate) line: usize,
    pub(crate) reason: String,
    pub(crate) text: String,
}

/// The rows of one block, in order. Lines are counted from the beginning of the block.
#[derive(Default)]
pub(crate) struct Part {
    /// Number of the file, from 0.
    pub(crate) file: usize,
    pub(crate) index: usize,
    /// Which thread numbered the ids.
    pub(crate) worker: usize,
    pub(crate) users: Vec<u32>,
    pub(crate) items: Vec<u32>,
    /// Empty if the file has no times.
    pub(crate) times: Vec<i64>,
    /// The rating of each row, where ratings are kept.
    pub(crate) ratings: Vec<f32>,
    /// Line and score of each row, where scores are kept: in double precision, for nothing but their order counts.
    pub(crate) scores: Vec<(u32, f64)>,
    /// Lines of the block (rows of a Parquet batch).
    pub(crate) lines: usize,
    /// Good rows, those without a user or a value and those below the minimum value included.
    pub(crate) rows: usize,
    /// Rows without a user, left out on request.
    pub(crate) without_user: usize,
    /// Rows with a user and without a value, left out on request.
    pub(crate) without_value: usize,
    /// How the first time is written, and its line.
    pub(crate) style: Option<(usize, Style)>,
    /// The first time that is written otherwise.
    pub(crate) other: Option<(usize, Style, String)>,
    /// Whether the times are kept as microseconds: they are ISO 8601, or one of them is seconds with a fraction.
    pub(crate) micro: bool,
    /// Whether one of these is no whole second.
    pub(crate) fraction: bool,
    pub(crate) rejected: Vec<Rejected>,
    /// Empty lines at the end: first line, and how many. Bad rows only if more follows.
    pub(crate) blank: Option<(usize, usize)>,
    /// Whether there is any line that is not empty.
    pub(crate) content: bool,
    /// What ended the reading.
    pub(crate) error: Option<DataError>,
}

/// A time as read.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    value: i64,
    pub(crate) style: Style,
    /// Whether the value is microseconds, whatever the style.
    micro: bool,
}

const MICRO: i64 = 1_000_000;

impl Time {
    pub(crate) fn number(value: i64) -> Self {
        Self::in_unit(value, TimeUnit::of(value))
    }

    pub(crate) fn in_unit(value: i64, unit: TimeUnit) -> Self {
        Self { value, style: Style::Number(unit), micro: false }
    }

    /// A number with a fraction, or ISO 8601.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = whole(text).map(Self::number);
        let seconds = || Some((fractional(text)?, Style::Number(TimeUnit::Seconds)));
        let other = || seconds().or_else(|| Some((iso(text)?, Style::Iso)));
        number.or_else(|| other().map(|(value, style)| Self { value, style, micro: true }))
    }

    /// As errors show it.
    pub(crate) fn shown(self) -> String {
        let date = TimeUnit::Microseconds.date(self.value).filter(|_| self.style == Style::Iso);
        date.unwrap_or_else(|| if self.micro { self.value / MICRO } else { self.value }.to_string())
    }
}

impl Part {
    pub(crate) fn new(index: usize) -> Self {
        Self { index, ..Self::default() }
    }

    /// Adds a row. `None` if there are more ids than numbers.
    pub(crate) fn push(
        &mut self,
        numbers: &mut Numbers,
        user: &[u8],
        item: &[u8],
        time: Option<Time>,
    ) -> Option<()> {
        let place = (self.index as u64) << 32 | self.users.len() as u64;
        self.users.push(numbers.users.intern(plain_id(user), place)?);
        self.items.push(numbers.items.intern(plain_id(item), place)?);
        if let Some(time) = time {
            if time.micro && !self.micro {
                self.make_micro();
            }
            self.fraction |= time.micro && time.value % MICRO != 0;
            let seconds = self.micro && !time.micro;
            self.times.push(if seconds { time.value.saturating_mul(MICRO) } else { time.value });
        }
        Some(())
    }

    /// From seconds to microseconds, where the times are not yet.
    pub(crate) fn make_micro(&mut self) {
        if !std::mem::replace(&mut self.micro, true) {
            // A number that is too large is one of another unit, and an error of its own.
            self.times.iter_mut().for_each(|time| *time = time.saturating_mul(MICRO));
        }
    }

    /// The first time, as errors show it.
    pub(crate) fn first_time(&self) -> String {
        let style = self.style.map_or(Style::Iso, |(_, style)| style);
        self.times
            .first()
            .map_or_else(String::new, |value| Time { value: *value, style, micro: self.micro }.shown())
    }

    /// Keeps the value of the row that was added last, if values are kept.
    pub(crate) fn keep(&mut self, line: usize, value: Option<f64>, what: Keep) {
        let Some(value) = value else { return };
        match what {
            Keep::Nothing => {}
            Keep::Ratings => self.ratings.push(value as f32),
            Keep::Scores => self.scores.push((line as u32, value)),
        }
    }

    /// Remembers how a time is written.
    pub(crate) fn note_style(&mut self, line: usize, time: Time) {
        match self.style {
            None => self.style = Some((line, time.style)),
            Some((_, first)) if first != time.style && self.other.is_none() => {
                self.other = Some((line, time.style, time.shown()));
            }
            Some(_) => {}
        }
    }
}

/// For each part, the lines of its file that stand before it.
pub(crate) fn lines_before(parts: &[Part]) -> impl Iterator<Item = usize> {
    parts.iter().scan((0, 0), |(file, lines), part| {
        if part.file != *file {
            (*file, *lines) = (part.file, 0);
        }
        let before = *lines;
        *lines += part.lines;
        Some(before)
    })
}

impl Part {
    /// Counts a row that lacks something and is left out for that.
    pub(crate) fn leave_out(&mut self, lacks: Lacks) {
        self.rows += 1;
        match lacks {
            Lacks::User => self.without_user += 1,
            Lacks::Value => self.without_value += 1,
        }
    }

    /// Gives back the room that growing vectors took too much.
    pub(crate) fn fit(&mut self) {
        self.users.shrink_to_fit();
        self.items.shrink_to_fit();
        self.times.shrink_to_fit();
        self.ratings.shrink_to_fit();
        self.scores.shrink_to_fit();
    }
}
