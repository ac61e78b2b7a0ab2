//! How long work shows itself: bars with remaining time on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::io::{IsTerminal as _, Write as _};
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
        Self { style, phase, bar: None, last_line: Instant::now(), records, notes }
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
            format!("{{prefix:>12}} {{bar:24}} {{pos}}/{{len}} {unit} · {{elapsed}}, {{eta}} left {{msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
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
            let left = indicatif::HumanDuration(bar.eta());
            let (total, phase) = (bar.length().unwrap_or(0), &self.phase);
            line(&format!("{phase}: {done}/{total}, about {left} left {}", message()));
        }
    }

    /// The phase goes on where another process stopped: what that one did says nothing about the time left.
    pub(crate) fn skip_to(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.reset_eta();
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
