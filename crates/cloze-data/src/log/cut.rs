//! Where the rows of a text end.

use memchr::{memchr, memchr_iter, memchr2};

/// A quoted cell longer than this is none: its mark is never closed.
const LONGEST_CELL: usize = 64 << 20;

/// Where the first row of some bytes ends.
enum End {
    /// At this line break.
    At(usize),
    /// Not in these bytes, nor does the quoted cell that begins here.
    Open(usize),
    /// Not in these bytes.
    Beyond,
}

/// The line break that ends the first row of `bytes`: one outside of a quoted cell. A row whose quotation marks are not in
/// order ends with the line in which the first bad cell begins, or one stray mark would take the rows behind it along. None
/// if more bytes are needed to tell.
pub(super) fn row_end(bytes: &[u8], separator: u8) -> Option<usize> {
    match end(bytes, separator, LONGEST_CELL) {
        End::At(at) => Some(at),
        End::Open(_) | End::Beyond => None,
    }
}

/// As [`row_end`], where no more bytes follow: a mark that is still open is never closed. None if the row is the last.
fn last_row_end(bytes: &[u8], separator: u8) -> Option<usize> {
    match end(bytes, separator, LONGEST_CELL) {
        End::At(at) => Some(at),
        End::Open(cell) => memchr(b'\n', &bytes[cell..]).map(|length| cell + length),
        End::Beyond => None,
    }
}

/// A mark that is found to be stray only far behind its line makes no file slow: up to there all marks stand in pairs, so that
/// every other cell that begins there is closed where it begins, and no byte is looked through for more than two rows.
fn end(bytes: &[u8], separator: u8, longest_cell: usize) -> End {
    let line =
        |cell: usize| memchr(b'\n', &bytes[cell..]).map_or(End::Beyond, |length| End::At(cell + length));
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            let cell = at;
            let room = &bytes[..bytes.len().min(cell.saturating_add(longest_cell))];
            at = match quoted_end(room, cell) {
                Some(end) => end,
                None if room.len() < bytes.len() => return line(cell),
                None => return End::Open(cell),
            };
            match &bytes[at..] {
                [] | [b'\r'] => return End::Beyond,
                [b'\n', ..] | [b'\r', b'\n', ..] => {}
                [next, ..] if *next == separator => {}
                _ => return line(cell),
            }
        }
        let Some(length) = memchr2(separator, b'\n', &bytes[at..]) else { return End::Beyond };
        at += length;
        if bytes[at] == b'\n' {
            return End::At(at);
        }
        at += 1;
    }
}

/// Behind the mark that closes the quoted cell which begins at `at`.
pub(crate) fn quoted_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr(b'"', &bytes[at..])? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// The rows of a text that has nothing but whole ones: for each its first line, counted from 1, and its bytes without the
/// line break.
pub(crate) struct Rows<'a> {
    rest: &'a [u8],
    /// The separator, if line breaks between quotation marks belong to the cell.
    quoted: Option<u8>,
    lines: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(text: &'a [u8], quoted: Option<u8>) -> Self {
        Self { rest: text, quoted, lines: 0 }
    }

    /// The lines of the rows so far.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = match self.quoted {
            Some(separator) => last_row_end(self.rest, separator),
            None => memchr(b'\n', self.rest),
        };
        let row = &self.rest[..end.unwrap_or(self.rest.len())];
        self.rest = end.map_or(&[], |end| &self.rest[end + 1..]);
        let line = self.lines + 1;
        self.lines = line + if self.quoted.is_some() { memchr_iter(b'\n', row).count() } else { 0 };
        Some((line, row.strip_suffix(b"\r").unwrap_or(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Rows, end, last_row_end, row_end};

    #[test]
    fn a_row_ends_at_a_line_break_outside_of_quoted_cells() {
        let ends = |text: &str| row_end(text.as_bytes(), b',');
        assert_eq!(ends("a,b\nc"), Some(3));
        assert_eq!(ends("a,\"b\nc\"\nd"), Some(7));
        assert_eq!(ends("a,\"b\nc\"\r\nd"), Some(8));
        assert_eq!(ends("\"a\"\"\n\",b\n"), Some(8));
        for open in ["a,b", "a,\"b\nc", "a,\"b\nc\"", "a,\"b\nc\"\r", "a,\"b\"\"", "a,\"b\"c"] {
            assert_eq!(ends(open), None, "{open:?} may go on");
        }
    }

    #[test]
    fn a_stray_mark_takes_no_other_row_along() {
        let ends = |text: &str| last_row_end(text.as_bytes(), b',');
        assert_eq!(ends("a,\"b\nc,\"d, e\"\n"), Some(4), "closed behind another line, amid a cell");
        assert_eq!(ends("a,\"b\nc,d\n"), Some(4), "never closed");
        assert_eq!(ends("\"a\",\"b\nc,d\n"), Some(6), "never closed, behind a cell in order");
        assert_eq!(ends("\"a\nb\",\"c\nd\n"), Some(8), "with the line of the stray mark");
        assert_eq!(ends("\"a\nb\",\"c\"d\ne\n"), Some(10), "the same, closed amid a cell");
        assert_eq!(ends("a,\"b\nc\""), None, "in order: the last row, without a line break");
        assert_eq!(ends("a,\"b"), None);
        assert_eq!(ends("a,b"), None);
    }

    #[test]
    fn a_mark_that_nothing_closes_is_stray_after_the_longest_cell_whatever_follows() {
        let ends = |text: &str, longest| match end(text.as_bytes(), b',', longest) {
            End::At(at) => Some(at),
            End::Open(_) | End::Beyond => None,
        };
        let text = "a,\"b\nc,d\ne,f\ng,\"h";
        assert_eq!([ends(text, 9), ends(text, 100)], [Some(4), Some(4)]);
        assert_eq!(ends(&text[..13], 9), Some(4), "nothing in 9 bytes");
        assert_eq!(ends(&text[..11], 9), None, "it may still be closed in time");
    }

    #[test]
    fn rows_know_their_lines() {
        let rows = |quoted| -> Vec<(usize, &[u8])> { Rows::new(b"\"a\nb\",c\r\n\nd", quoted).collect() };
        assert_eq!(rows(Some(b',')), [(1, &b"\"a\nb\",c"[..]), (3, b""), (4, b"d")]);
        assert_eq!(rows(None), [(1, &b"\"a"[..]), (2, b"b\",c"), (3, b""), (4, b"d")]);
        let mut rows = Rows::new(b"\"a\nb\",c\r\n\nd", Some(b','));
        assert_eq!((rows.by_ref().count(), rows.lines()), (3, 4));
    }
}
