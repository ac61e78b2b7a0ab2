//! The records of an unfinished run. A checkpoint counts them, and they are on the disk before it says so.

use super::files::write_renamed;
use super::saved::{Mark, read_mark};
use super::{CURVE_FILE, CheckpointError, Checkpoints, DONE, damaged};
use crate::curve;
use crate::events;
use crate::folder::METRICS_FILE;
use crate::progress::Record;
use cloze_data::staging::sync_folder;
use std::fs;
use std::io::ErrorKind;

impl Checkpoints {
    /// Seconds that the run trained before it was interrupted, to its last record; 0 of a new one.
    pub fn earlier_seconds(&self) -> f64 {
        let ends_phase = |pair: &[Record]| pair.get(1).is_none_or(|next| next.phase != pair[0].phase);
        let pairs =
            (0..self.records.len()).map(|place| &self.records[place..self.records.len().min(place + 2)]);
        pairs.filter(|pair| ends_phase(pair)).map(|pair| pair[0].seconds).sum()
    }

    /// Writes the records so far, their learning curve and their events.
    pub(super) fn write_records(&mut self, records: &[Record]) -> Result<(), CheckpointError> {
        let mut lines = Vec::new();
        for record in records {
            // Plain numbers and text always serialize.
            lines.extend(serde_json::to_vec(record).unwrap_or_default());
            lines.push(b'\n');
        }
        for (name, bytes) in [(METRICS_FILE, lines), (CURVE_FILE, curve::svg(records).into_bytes())] {
            let path = self.folder.join(name);
            write_renamed(&path, &bytes).map_err(|error| self.unwritten(&path, error.to_string()))?;
        }
        self.append_events(records)?;
        sync_folder(&self.folder).map_err(|error| self.unwritten(&self.folder, error.to_string()))
    }

    /// Adds the new records to the events file, which is never replaced while it is watched.
    fn append_events(&mut self, records: &[Record]) -> Result<(), CheckpointError> {
        let path = self.folder.join(events::EVENTS_FILE);
        let new = records.get(self.events..).unwrap_or_default();
        events::append(&path, self.events == 0, new)
            .map_err(|error| self.unwritten(&path, error.to_string()))?;
        self.events = records.len();
        Ok(())
    }

    /// Takes the records that were there at the point to go on from. The run is worth more than its records: it goes on
    /// without those that are lost, and says so.
    pub(super) fn read_records(&mut self) -> Result<(), CheckpointError> {
        let count = self.counted();
        let path = self.folder.join(METRICS_FILE);
        let broken = |reason| {
            damaged(&path, reason, format!("Remove {} to go on without the records", path.display()))
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(broken(error.to_string())),
        };
        let records: Result<Vec<Record>, _> = text.lines().take(count).map(serde_json::from_str).collect();
        self.records = records.map_err(|error| broken(error.to_string()))?;
        let found = self.records.len();
        if found < count {
            self.notes.push(format!(
                "{} has {found} of the {count} records of the run: it goes on, and the others are missing in its metrics and \
                 learning curve",
                path.display()
            ));
        }
        Ok(())
    }

    /// How many records there were then: by the newest checkpoint, or where its phase is over by the phases that are.
    fn counted(&self) -> usize {
        let newest = read_mark(&self.newest()).ok();
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let done = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(DONE));
        let done: Vec<Mark> = done.filter_map(|entry| read_mark(&entry.path()).ok()).collect();
        match newest {
            Some(mark) if done.iter().all(|done| done.phase != mark.phase) => mark.records,
            newest => newest.iter().chain(&done).map(|mark| mark.records).max().unwrap_or(0),
        }
    }
}
