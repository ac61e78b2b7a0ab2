//! The log that exports become.

use std::path::Path;

use super::Event;
use crate::DataError;
use crate::whole_file::{csv_cell, write_whole};

/// Writes the answers as CSV with the header `learner,exercise,objective,score,time`, whole or not at all.
///
/// # Errors
/// [`DataError::Io`] if the file can't be written.
pub fn write_events(path: &Path, events: &[Event]) -> Result<(), DataError> {
    write_whole(path, |writer| {
        writeln!(writer, "learner,exercise,objective,score,time")?;
        for event in events {
            let [learner, exercise, objective] =
                [&event.learner, &event.exercise, &event.objective].map(|text| csv_cell(text));
            writeln!(writer, "{learner},{exercise},{objective},{},{}", event.score, event.time)?;
        }
        Ok(())
    })
}
