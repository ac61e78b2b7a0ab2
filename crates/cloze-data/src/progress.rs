//! How long-running work says how far it is.

/// Receives the progress of a download or a parse. The library prints nothing by itself.
pub trait Progress {
    /// A piece of work begins; `total` in the unit of [`advance`](Self::advance), where known.
    fn start(&mut self, what: &str, total: Option<u64>);
    /// So much more is done (bytes for downloads).
    fn advance(&mut self, delta: u64);
    /// The piece of work has ended, well or not.
    fn finish(&mut self);
}

/// Ignores all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&mut self, _what: &str, _total: Option<u64>) {}
    fn advance(&mut self, _delta: u64) {}
    fn finish(&mut self) {}
}
