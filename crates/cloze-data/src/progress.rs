//! How long-running work says how far it is.

use crate::DataError;

/// Receives the progress of a download or a parse. The library prints nothing by itself.
pub trait Progress {
    /// A piece of work begins; `total` in the unit of [`advance`](Self::advance), where known.
    fn start(&mut self, what: &str, total: Option<u64>);
    /// So much more is done (bytes for downloads).
    fn advance(&mut self, delta: u64);
    /// The piece of work is done.
    fn finish(&mut self);
    /// The piece of work has failed; the error says why.
    fn abandon(&mut self);
    /// Something that a reader should know.
    fn note(&mut self, text: &str);
}

/// Ignores all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

/// Ends a piece of work by its result.
pub(crate) fn end<T>(progress: &mut dyn Progress, result: &Result<T, DataError>) {
    if result.is_ok() { progress.finish() } else { progress.abandon() }
}

impl Progress for Silent {
    fn start(&mut self, _what: &str, _total: Option<u64>) {}
    fn advance(&mut self, _delta: u64) {}
    fn finish(&mut self) {}
    fn abandon(&mut self) {}
    fn note(&mut self, _text: &str) {}
}
