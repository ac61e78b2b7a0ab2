//! Several threads over the blocks of one file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};

use super::rows::{Numbers, Part};
use crate::{DataError, Progress};

/// Pieces of a file, in order.
pub(crate) trait Source: Send {
    /// One piece.
    type Unit: Send;
    /// The next piece, none at the end.
    fn next(&mut self) -> Result<Option<Self::Unit>, DataError>;
    /// The number of the next piece.
    fn position(&self) -> usize;
}

/// All that was read, in the order of the file, with the numberings of the threads.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) parts: Vec<Part>,
    pub(crate) numbers: Vec<Numbers>,
}

impl Read {
    /// Puts what was read of the next file behind what was read before.
    pub(crate) fn add(&mut self, file: usize, mut other: Self) {
        for part in &mut other.parts {
            part.file = file;
            part.worker += self.numbers.len();
        }
        self.parts.append(&mut other.parts);
        self.numbers.append(&mut other.numbers);
    }
}

/// Parses all pieces of `source` on `threads` threads. Pieces are handed out in order, and every piece before a bad one
/// is read to its end: the first error of the file is found whatever the number of threads.
pub(crate) fn run<S: Source>(
    source: S,
    threads: usize,
    parse: impl Fn(S::Unit, &mut Numbers) -> Part + Sync,
    meter: &Meter<'_>,
    progress: &mut dyn Progress,
) -> Read {
    let source = Mutex::new(source);
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    let mut parts: Vec<Part> = Vec::new();
    let numbers = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1))
            .map(|worker| {
                let (source, stop, parse, send) = (&source, &stop, &parse, send.clone());
                scope.spawn(move || {
                    let mut numbers = Numbers::default();
                    while let Some(mut part) = step(source, stop, |unit| parse(unit, &mut numbers)) {
                        part.worker = worker;
                        part.fit();
                        if part.error.is_some() {
                            stop.store(true, Ordering::Relaxed);
                        }
                        // The receiver lives until all senders are gone.
                        let _ = send.send(part);
                    }
                    numbers
                })
            })
            .collect();
        drop(send);
        let mut shown = 0;
        progress.start(&format!("Reading {}", meter.path.display()), meter.total);
        for part in &receive {
            let taken = meter.taken.load(Ordering::Relaxed);
            progress.advance(taken.saturating_sub(shown));
            shown = taken.max(shown);
            parts.push(part);
        }
        progress.finish();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Numbers>| match worker.join() {
            Ok(numbers) => numbers,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect()
    });
    parts.sort_by_key(|part| part.index);
    Read { parts, numbers }
}

/// How far the reading of a file is.
pub(crate) struct Meter<'a> {
    pub(crate) path: &'a Path,
    pub(crate) total: Option<u64>,
    pub(crate) taken: std::sync::Arc<AtomicU64>,
}

/// One piece, taken under the lock and parsed outside of it.
fn step<S: Source>(
    source: &Mutex<S>,
    stop: &AtomicBool,
    parse: impl FnOnce(S::Unit) -> Part,
) -> Option<Part> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    // Poisoned by a panic elsewhere, which the join passes on.
    let mut guard = source.lock().ok()?;
    let index = guard.position();
    let unit = guard.next();
    if unit.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    drop(guard);
    match unit {
        Ok(unit) => unit.map(parse),
        Err(error) => Some(Part { error: Some(error), ..Part::new(index) }),
    }
}
