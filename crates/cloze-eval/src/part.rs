//! What may stand in one table.

use crate::evaluation::{Fit, Meta};
use crate::results::ResultRow;

/// One data set under one split, with the models that were fitted on the same part of it: a section of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) dataset: &'a str,
    pub(crate) split: &'a str,
    pub(crate) fit: Fit,
}

impl<'a> Part<'a> {
    pub(crate) fn of(meta: &'a Meta) -> Self {
        Self { dataset: &meta.dataset, split: &meta.split, fit: meta.fit }
    }

    pub(crate) fn of_row(row: &'a ResultRow) -> Self {
        Self { dataset: &row.dataset, split: &row.split, fit: row.fit }
    }

    /// Whether something of this data set, split and fit belongs here.
    pub(crate) fn has(&self, dataset: &str, split: &str, fit: Fit) -> bool {
        (self.dataset, self.split, self.fit) == (dataset, split, fit)
    }

    /// The heading of the section.
    pub(crate) fn title(&self) -> String {
        format!("{}, {}, fit on {}", self.dataset, self.split, self.fit)
    }
}
