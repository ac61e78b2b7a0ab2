//! The records of a run as TensorBoard events: a file of `TFRecord`s, each a serialized `Event`.
//!
//! An event is four or five fields of two messages, so they are written by hand here: `Event { wall_time = 1, step = 2,
//! file_version = 3, summary = 5 }`, `Summary { value = 1 { tag = 1, simple_value = 2 } }`.

use crate::progress::Record;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

/// A name that TensorBoard looks for.
pub(crate) const EVENTS_FILE: &str = "events.out.tfevents.cloze";

/// The whole file.
pub(crate) fn file(records: &[Record]) -> Vec<u8> {
    let now = now();
    [header(now), events(records, now)].concat()
}

/// Adds events to the file at `path`, or begins it.
pub(crate) fn append(path: &Path, anew: bool, records: &[Record]) -> std::io::Result<()> {
    if anew {
        return File::create(path)?.write_all(&file(records));
    }
    File::options().append(true).open(path)?.write_all(&events(records, now()))
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What begins a file.
fn header(now: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, now);
    event.bytes(3, b"brain.Event:2");
    framed(&event.0)
}

/// An event a record; `now` is the Unix time of the last one in seconds.
fn events(records: &[Record], now: f64) -> Vec<u8> {
    let end = records.last().map_or(0.0, |record| record.seconds);
    let event = |record: &Record| {
        let mut summary = Message::default();
        let values = [
            ("loss", Some(record.loss)),
            ("learning_rate", Some(record.learning_rate)),
            ("gradient_norm", Some(record.gradient_norm)),
            ("validation_ndcg_10", record.validation_ndcg_10),
        ];
        for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let mut scalar = Message::default();
            scalar.bytes(1, format!("{}/{name}", record.phase).as_bytes());
            scalar.float(2, value as f32);
            summary.bytes(1, &scalar.0);
        }
        let mut event = Message::default();
        event.double(1, now - (end - record.seconds));
        event.integer(2, record.step);
        event.bytes(5, &summary.0);
        framed(&event.0)
    };
    records.iter().flat_map(event).collect()
}

/// Length and content, each with its checksum.
fn framed(content: &[u8]) -> Vec<u8> {
    // Rotated and shifted, so that a checksum of data that holds checksums does not cancel out.
    let masked =
        |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let length = (content.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), content, &masked(content)].concat()
}

/// A protocol buffers message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn integer(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
    }

    /// The bytes that TensorBoard's own writer makes of the same header: tensorboard 2.21, `RecordWriter(file).write(
    /// Event(wall_time=1.5, file_version="brain.Event:2").SerializeToString())`.
    #[test]
    fn a_header_is_that_of_tensorboard() {
        assert_eq!(
            hex(&header(1.5)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
        );
    }

    /// Likewise an event with one scalar.
    #[test]
    fn an_event_is_that_of_tensorboard() {
        let record = Record {
            phase: "cbf".to_owned(),
            step: 300,
            loss: 7.25,
            learning_rate: 0.5,
            gradient_norm: 2.0,
            validation_ndcg_10: Some(0.125),
            seconds: 4.0,
        };
        let expected = "720000000000000025053a8209000000000080244010ac022a640a0f0a086362662f6c6f7373150000e8400a180a11\
            6362662f6c6561726e696e675f72617465150000003f0a180a116362662f6772616469656e745f6e6f726d15000000400a1d0a16\
            6362662f76616c69646174696f6e5f6e6463675f3130150000003e1d071230";
        assert_eq!(hex(&events(&[record], 10.25)), expected);
    }
}
