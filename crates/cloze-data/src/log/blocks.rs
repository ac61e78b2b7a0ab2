//! A stream cut into blocks of whole rows.

use memchr::{memchr, memrchr};

use super::cut::row_end;
use super::stream::Stream;
use crate::DataError;

/// A row longer than this is no row: most likely the file has no lines.
const LONGEST_ROW: usize = 256 << 20;

/// Whole rows of a text file.
pub(crate) struct Block {
    /// Number of the block, from 0.
    pub(crate) index: usize,
    pub(crate) bytes: Vec<u8>,
}

/// The blocks of a file, in order.
pub(crate) struct Blocks {
    stream: Stream,
    /// The beginning of a row whose end has not been read.
    rest: Vec<u8>,
    size: usize,
    /// The separator, if line breaks between quotation marks belong to the cell.
    quoted: Option<u8>,
    next: usize,
    ended: bool,
}

impl Blocks {
    /// Blocks of about `size` bytes, more where a row is longer.
    pub(crate) fn new(stream: Stream, size: usize, quoted: Option<u8>) -> Self {
        Self { stream, rest: Vec::new(), size: size.max(1), quoted, next: 0, ended: false }
    }

    /// The number of the next block.
    pub(crate) fn position(&self) -> usize {
        self.next
    }

    /// The next block, none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, DataError> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(self.rest.len() + self.size);
        bytes.append(&mut self.rest);
        loop {
            if self.stream.fill(&mut bytes, self.size)? < self.size {
                self.ended = true;
                break;
            }
            if let Some(end) = self.end(&bytes) {
                self.rest = bytes[end..].to_vec();
                bytes.truncate(end);
                break;
            }
            if bytes.len() > LONGEST_ROW {
                return Err(self.stream.too_long(LONGEST_ROW));
            }
        }
        let index = self.next;
        self.next += 1;
        Ok((!bytes.is_empty()).then_some(Block { index, bytes }))
    }

    /// Behind the last whole row.
    fn end(&self, bytes: &[u8]) -> Option<usize> {
        let Some(separator) = self.quoted.filter(|_| memchr(b'"', bytes).is_some()) else {
            return memrchr(b'\n', bytes).map(|at| at + 1);
        };
        // A cell behind a byte order mark may be quoted too.
        let begin = if self.next == 0 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut end = begin;
        while let Some(at) = row_end(&bytes[end..], separator) {
            end += at + 1;
        }
        (end > begin).then_some(end)
    }
}
