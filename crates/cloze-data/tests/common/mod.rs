//! What several test files share.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, RecordBatch};
use cloze_data::log::{BadRows, LogOptions, read_log};
use cloze_data::read::Column;
use cloze_data::{DataError, DataOptions, Dataset, Filters, Progress, Silent};
use parquet::arrow::ArrowWriter;
use sha2::{Digest as _, Sha256};

/// Options that see nothing of the machine they run on.
pub(crate) fn options(data_dir: Option<&Path>, cache: &Path) -> DataOptions {
    DataOptions {
        data_dir: data_dir.map(Path::to_owned),
        cache: Some(cache.to_owned()),
        offline: data_dir.is_some(),
    }
}

/// The sha256 of `bytes`, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A manifest of one form with the file `tiny.data` (user, item, time; tabs), and the given `sources`.
pub(crate) fn manifest(sources: &str) -> String {
    format!(
        r#"
name = "tiny"
title = "Tiny"
citation = "nobody"
licence = "none"
licence_url = "https://example.org/tiny"
expected = {{ users = 2, items = 3, interactions = 4 }}
[[forms]]
name = "text"
[forms.interactions]
files = ["tiny/tiny.data"]
table = {{ separator = "\t" }}
columns = {{ user = 1, item = 2, time = 3 }}
{sources}"#
    )
}

/// The content that [`manifest`] expects.
pub(crate) const TINY: &str = "a\tx\t3\nb\ty\t1\na\tz\t2\nb\tx\t1\n";

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) started: Vec<(String, Option<u64>)>,
    pub(crate) advanced: u64,
    pub(crate) finished: usize,
    pub(crate) abandoned: usize,
    pub(crate) notes: Vec<String>,
}

impl Progress for Recorder {
    fn start(&mut self, what: &str, total: Option<u64>) {
        self.started.push((what.to_owned(), total));
    }
    fn advance(&mut self, delta: u64) {
        self.advanced += delta;
    }
    fn finish(&mut self) {
        self.finished += 1;
    }
    fn abandon(&mut self) {
        self.abandoned += 1;
    }
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
}

/// What the server does with one request.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// Serves the rest of the content after the `Range` asked for.
    Serve,
    /// Serves all of the content whatever was asked for.
    IgnoreRange,
    /// Announces the content and closes after so many bytes.
    Cut(usize),
    /// Answers with this status.
    Status(u16),
}

/// An HTTP server on this machine, which answers one request after the other as told, then no more.
pub(crate) struct Server {
    pub(crate) url: String,
    /// The `Range` header of each request, empty if none.
    pub(crate) ranges: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(content: Vec<u8>, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tiny.data", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                seen.lock().unwrap().push(serve(stream, &content, answer));
            }
        });
        Self { url, ranges }
    }

    pub(crate) fn ranges(&self) -> Vec<String> {
        self.ranges.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, content: &[u8], answer: Answer) -> String {
    let mut range = String::new();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("range: ") {
            value.clone_into(&mut range);
        }
    }
    let asked = range.strip_prefix("bytes=").and_then(|text| text.strip_suffix('-'));
    let from: usize = asked.map_or(0, |text| text.parse().unwrap());
    let (status, from, until) = match answer {
        Answer::Serve if from > 0 => (206, from, content.len()),
        Answer::Serve | Answer::IgnoreRange => (200, 0, content.len()),
        Answer::Cut(bytes) if from > 0 => (206, from, from + bytes),
        Answer::Cut(bytes) => (200, 0, bytes),
        Answer::Status(status) => (status, content.len(), content.len()),
    };
    let (length, last, all) = (content.len() - from, content.len() - 1, content.len());
    let part =
        if status == 206 { format!("Content-Range: bytes {from}-{last}/{all}\r\n") } else { String::new() };
    let head = format!("HTTP/1.1 {status} Answer\r\nContent-Length: {length}\r\nConnection: close\r\n{part}");
    write!(stream, "{head}\r\n").unwrap();
    stream.write_all(&content[from..until]).unwrap();
    range
}

/// A gzip file of this content.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

/// A Parquet file of these columns.
pub(crate) fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// A folder for the files of a test.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// A log with the columns of these names.
pub(crate) fn log(path: &Path, user: &str, item: &str, time: Option<&str>) -> LogOptions {
    let named = |name: &str| Column::Name(name.to_owned());
    let mut log = LogOptions::new(path, named(user), named(item));
    log.time = time.map(named);
    log
}

/// A log whose columns are counted.
pub(crate) fn counted(path: &Path, time: Option<usize>) -> LogOptions {
    let mut log = LogOptions::new(path, Column::Position(1), Column::Position(2));
    log.time = time.map(Column::Position);
    log
}

/// Reads a log without filters.
pub(crate) fn load(log: &LogOptions) -> Result<Dataset, DataError> {
    read_log(log, &Filters::default(), &BadRows::Error, &mut Silent)
}

/// The message of a log that can't be read.
pub(crate) fn refused(log: &LogOptions) -> String {
    load(log).unwrap_err().to_string()
}
