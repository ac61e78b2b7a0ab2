//! How long work shows itself: bars with remaining time on a terminal, a line now and then elsewhere.

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Seconds between two lines where the output is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// One record of a training run, a line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What was being trained, such as `cbf`.
    pub phase: String,
    /// Optimizer steps done.
    pub step: u64,
    /// Mean training loss since the record before.
    pub loss: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Norm of the last gradient before clipping.
    pub gradient_norm: f64,
    /// NDCG@10 on validation items, full catalogue, where it was measured.
    pub validation_ndcg_10: Option<f64>,
    /// Seconds since the phase began.
    pub seconds: f64,
}

/// Shows progress on standard error and keeps the records of a run.
#[derive(Debug)]
pub struct Reporter {
    style: Style,
    phase: String,
    bar: Option<ProgressBar>,
    /// Units of the phase that another process did.
    skipped: Arc<AtomicU64>,
    last_line: Instant,
    records: Vec<Record>,
    notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Bar,
    Lines,
    Quiet,
}

impl Reporter {
    /// Bars on a terminal, lines otherwise.
    pub fn stderr() -> Self {
        Self::new(if std::io::stderr().is_terminal() { Style::Bar } else { Style::Lines })
    }

    /// Shows nothing; records all the same.
    pub fn quiet() -> Self {
        Self::new(Style::Quiet)
    }

    fn new(style: Style) -> Self {
        let (phase, records, notes) = (String::new(), Vec::new(), Vec::new());
        let skipped = Arc::default();
        Self { style, phase, bar: None, skipped, last_line: Instant::now(), records, notes }
    }

    /// Begins a phase of `total` units; `unit` is their plural, such as `steps`.
    pub fn start(&mut self, phase: &str, total: u64, unit: &str) {
        phase.clone_into(&mut self.phase);
        self.last_line = Instant::now();
        let target = match self.style {
            Style::Bar => ProgressDrawTarget::stderr(),
            Style::Lines | Style::Quiet => ProgressDrawTarget::hidden(),
        };
        let template =
            format!("{{prefix:>12}} {{bar:24}} {{pos}}/{{len}} {unit} · {{elapsed}}, {{left}} left {{msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.skipped.store(0, Ordering::Relaxed);
        let skipped = Arc::clone(&self.skipped);
        let style = style.with_key("left", move |state: &ProgressState, text: &mut dyn fmt::Write| {
            let total = state.len().unwrap_or(0);
            let left = left(state.elapsed(), skipped.load(Ordering::Relaxed), state.pos(), total);
            // Writing to a string cannot fail.
            let _ = write!(text, "{:#}", HumanDuration(left));
        });
        let bar = ProgressBar::with_draw_target(Some(total), target)
            .with_style(style)
            .with_prefix(phase.to_owned());
        self.bar = Some(bar);
    }

    /// So many units are done now, with a word on how it goes.
    pub fn advance_to(&mut self, done: u64, message: impl FnOnce() -> String) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(done);
        let line_due = self.style == Style::Lines && self.last_line.elapsed() >= LINE_EVERY;
        if self.style == Style::Bar {
            bar.set_message(message());
        } else if line_due {
            self.last_line = Instant::now();
            let (total, phase) = (bar.length().unwrap_or(0), &self.phase);
            let left = left(bar.elapsed(), self.skipped.load(Ordering::Relaxed), done, total);
            line(&format!("{phase}: {done}/{total}, about {} left {}", HumanDuration(left), message()));
        }
    }

    /// The phase goes on where another process stopped: what that one did says nothing about the time left.
    pub(crate) fn skip_to(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            self.skipped.store(done, Ordering::Relaxed);
        }
    }

    /// The phase stops before its end: the bar goes, and the line after it says why.
    pub(crate) fn abandon(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A line beside the bar.
    pub(crate) fn say(&self, text: &str) {
        match (&self.bar, self.style) {
            (Some(bar), Style::Bar) => bar.suspend(|| line(text)),
            (_, Style::Quiet) => {}
            _ => line(text),
        }
    }

    /// A line for a person that the model keeps: it bears on what the model is worth.
    pub fn note(&mut self, text: &str) {
        self.say(&format!("note: {text}"));
        self.notes.push(text.to_owned());
    }

    /// What was noted, in order.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The phase is over.
    pub fn finish(&mut self, message: &str) {
        if let Some(bar) = self.bar.take() {
            let elapsed = bar.elapsed();
            bar.finish_and_clear();
            if self.style != Style::Quiet {
                line(&format!("{}: {message} in {:.1} s", self.phase, elapsed.as_secs_f64()));
            }
        }
    }

    /// Keeps a record.
    pub fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Puts records of an interrupted run before those to come.
    pub(crate) fn restore(&mut self, mut records: Vec<Record>) {
        records.append(&mut self.records);
        self.records = records;
    }

    /// All records, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// What is left at the mean pace of this process. Not at the latest pace, which a validation or a checkpoint between two steps
/// makes look hopeless.
fn left(elapsed: Duration, skipped: u64, done: u64, total: u64) -> Duration {
    let pace = elapsed.as_secs_f64() / done.saturating_sub(skipped).max(1) as f64;
    Duration::try_from_secs_f64(pace * total.saturating_sub(done) as f64).unwrap_or(Duration::MAX)
}

/// A line on standard error; a closed one is no reason to stop a training run.
fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl cloze_data::Progress for Reporter {
    fn start(&mut self, what: &str, total: Option<u64>) {
        Reporter::start(self, what, total.unwrap_or(0), "bytes");
    }

    fn advance(&mut self, delta: u64) {
        let done = self.bar.as_ref().map_or(0, ProgressBar::position) + delta;
        self.advance_to(done, String::new);
    }

    fn finish(&mut self) {
        Reporter::finish(self, "done");
    }

    fn abandon(&mut self) {
        Reporter::abandon(self);
    }

    fn note(&mut self, text: &str) {
        self.say(&format!("note: {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_by_the_mean_pace_of_this_process() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(10), 0, 5, 20), seconds(30));
        assert_eq!(left(seconds(10), 100, 105, 120), seconds(30), "what was skipped took no time");
        assert_eq!(left(seconds(10), 0, 20, 20), seconds(0));
        assert_eq!(left(seconds(0), 0, 0, 0), seconds(0));
        assert_eq!(left(seconds(u64::MAX), 0, 1, u64::MAX), Duration::MAX, "no panic");
    }
}
