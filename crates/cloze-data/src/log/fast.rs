//! Plain rows of delimited text, at the speed of the bytes.

use memchr::memchr_iter;

use super::times::short;
use crate::read::{Layout, Table};

/// The columns that matter, if the separator is one byte.
pub(super) struct Fast {
    separator: u8,
    last: usize,
    user: usize,
    item: usize,
    time: Option<usize>,
    value: Option<usize>,
    /// More cells than these are no plain row.
    cells: usize,
}

/// A row whose cells are all plain.
pub(super) struct Plain<'a> {
    pub(super) user: &'a [u8],
    pub(super) item: &'a [u8],
    pub(super) time: Option<i64>,
    pub(super) value: Option<f64>,
}

impl Fast {
    /// Of a table in which no row has more cells than these.
    pub(super) fn new(table: &Table, layout: &Layout, cells: Option<usize>) -> Option<Self> {
        let [separator] = table.separator.as_bytes() else { return None };
        let (user, item) = (layout.user.index, layout.item.index);
        let (time, value) = (layout.time.map(|place| place.index), layout.value.map(|place| place.index));
        let last = user.max(item).max(time.unwrap_or(0)).max(value.unwrap_or(0));
        let cells = cells.unwrap_or(usize::MAX);
        Some(Self { separator: *separator, last, user, item, time, value, cells })
    }

    /// The row if it is plain; `None` leaves the verdict to the exact reader.
    pub(super) fn row<'a>(&self, row: &'a [u8]) -> Option<Plain<'a>> {
        let mut plain = Plain { user: &[], item: &[], time: None, value: None };
        let (mut rest, mut more) = (row, false);
        for column in 0..=self.last {
            let end = rest.iter().position(|byte| *byte == self.separator);
            if end.is_none() && column < self.last {
                return None;
            }
            more = end.is_some();
            let cell = &rest[..end.unwrap_or(rest.len())];
            rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
            if column == self.user {
                plain.user = cell;
            }
            if column == self.item {
                plain.item = cell;
            }
            if Some(column) == self.time {
                plain.time = Some(short(cell)?);
            }
            if Some(column) == self.value {
                plain.value = Some(decimal(cell)?);
            }
        }
        let cells = self.last + 1 + if more { 1 + memchr_iter(self.separator, rest).count() } else { 0 };
        let id = |id: &[u8]| !id.is_empty() && id[0] != b'"';
        (cells <= self.cells && id(plain.user) && id(plain.item)).then_some(plain)
    }
}

/// A number of few digits such as `3` or `4.5`. Both parts of the quotient are exact, so that the quotient is what the parser of the
/// standard library gives; rounded to f32 too, whose precision is less than half.
fn decimal(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 7 || !text[0].is_ascii_digit() {
        return None;
    }
    let (mut digits, mut scale, mut behind) = (0_u32, 1_u32, false);
    for byte in text {
        match byte {
            b'.' if !behind => behind = true,
            b'0'..=b'9' => {
                digits = digits * 10 + u32::from(byte - b'0');
                scale *= if behind { 10 } else { 1 };
            }
            _ => return None,
        }
    }
    Some(f64::from(digits) / f64::from(scale))
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn short_decimals_are_read_as_the_parser_reads_them() {
        for whole in 0..2000_u32 {
            for text in [format!("{whole}"), format!("{}.{}", whole / 7, whole % 100), format!("0.{whole}")] {
                if let Some(value) = decimal(text.as_bytes()) {
                    assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
                    assert_eq!((value as f32).to_bits(), text.parse::<f32>().unwrap().to_bits(), "{text}");
                }
            }
        }
        assert!(
            ["", ".5", "-1", "1e3", "1.2.3", "12345678", "nan"]
                .iter()
                .all(|t| decimal(t.as_bytes()).is_none())
        );
    }
}
