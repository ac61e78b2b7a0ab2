//! Files as streams of bytes, unpacked by what they begin with.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use memchr::memchr;
use sha2::{Digest, Sha256};

use crate::DataError;
use crate::hash::hex;

/// How many bytes tell what a content is.
const HEAD: usize = 1024;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

/// The unpacked content of a file.
pub(crate) struct Stream {
    reader: Box<dyn Read + Send>,
    path: PathBuf,
    packing: Packing,
    taken: Arc<AtomicU64>,
}

/// The beginning of the file again, then the rest of it.
type Whole = Chain<Cursor<Vec<u8>>, Counted>;

impl Stream {
    /// Opens a plain, gzip or zstd file: its first bytes tell, not its name.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let mut file = File::open(path).map_err(DataError::io("read", path))?;
        let mut head = Vec::with_capacity(4);
        (&mut file).take(4).read_to_end(&mut head).map_err(DataError::io("read", path))?;
        let packing = match head.as_slice() {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            head if is_zstd(head) => Packing::Zstd,
            _ => Packing::None,
        };
        let taken = Arc::new(AtomicU64::new(head.len() as u64));
        let whole: Whole = Cursor::new(head).chain(Counted { file, taken: Arc::clone(&taken) });
        let reader: Box<dyn Read + Send> = match packing {
            Packing::None => Box::new(whole),
            Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 17, whole))),
            Packing::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(whole);
                Box::new(decoder.map_err(DataError::io("unpack", path))?)
            }
        };
        Ok(Self { reader, path: path.to_owned(), packing, taken })
    }

    pub(crate) fn is_packed(&self) -> bool {
        self.packing != Packing::None
    }

    /// Bytes of the file (packed, if it is) read so far.
    pub(crate) fn taken(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.taken)
    }

    /// Appends up to `room` bytes to `buffer`; fewer only at the end of the file.
    pub(crate) fn fill(&mut self, buffer: &mut Vec<u8>, room: usize) -> Result<usize, DataError> {
        let read = (&mut self.reader).take(room as u64).read_to_end(buffer);
        read.map_err(|source| self.error(source))
    }

    /// What the unpacked content begins with, so that its kind can be told. It is read again afterwards.
    pub(crate) fn peek(&mut self) -> Result<Vec<u8>, DataError> {
        let mut head = Vec::with_capacity(HEAD);
        self.fill(&mut head, HEAD)?;
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(Cursor::new(head.clone()).chain(rest));
        Ok(head)
    }

    /// The error for a row without an end.
    pub(crate) fn too_long(&self, bytes: usize) -> DataError {
        let reason = format!("a row is longer than {bytes} bytes: expected a line break behind each row");
        DataError::Malformed { file: self.path.clone(), reason }
    }

    fn error(&self, source: io::Error) -> DataError {
        let file = self.path.clone();
        match self.packing {
            Packing::None => DataError::Io { action: "read", path: file, source },
            Packing::Gzip => DataError::Gzip { file, source },
            Packing::Zstd => DataError::Zstd { file, source },
        }
    }
}

/// All of the unpacked content of a file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut stream = Stream::open(path)?;
    let mut bytes = Vec::new();
    stream.fill(&mut bytes, usize::MAX)?;
    Ok(bytes)
}

/// Whether a file begins as zstd: with a frame, or with one to be skipped, as parallel compressors write it first.
fn is_zstd(head: &[u8]) -> bool {
    matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Refuses content that is known to be something else than rows of text, and says what to do with it.
pub(crate) fn refuse_foreign(path: &Path, content: &[u8]) -> Result<(), DataError> {
    let reason = match content {
        [b'P', b'K', 3, 4, ..] => "a zip archive or a spreadsheet: unpack it, or export it as CSV, first",
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            "packed as xz: unpack it first, as `xz -dk` does, or pack it as gzip or zstd"
        }
        // A block or the end of an empty file follows; a text may begin with these letters.
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => {
            "packed as bzip2: unpack it first, as `bzip2 -dk` does, or pack it as gzip or zstd"
        }
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => "a 7z archive: unpack it first, as `7z x` does",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            "UTF-16 text: convert it first, as `iconv -f UTF-16 -t UTF-8` does"
        }
        [b'P', b'A', b'R', b'1', ..] => "a Parquet file, read as text: give its format",
        [0x1f, 0x8b, ..] => "packed twice: unpack it once",
        _ if is_zstd(content) => "packed twice: unpack it once",
        _ if memchr(0, &content[..content.len().min(HEAD)]).is_some() => {
            "no text, it has zero bytes: export it as CSV in UTF-8 first (text in UTF-16 or UTF-32 is converted by iconv)"
        }
        _ => return Ok(()),
    };
    Err(DataError::Malformed { file: path.to_owned(), reason: reason.to_owned() })
}

/// The sha256 of the unpacked content of a file, of any size.
pub(crate) fn content_sha256(path: &Path) -> Result<String, DataError> {
    const PIECE: usize = 1 << 20;
    let mut stream = Stream::open(path)?;
    let mut hasher = Sha256::new();
    let mut bytes = Vec::with_capacity(PIECE);
    while stream.fill(&mut bytes, PIECE)? > 0 {
        hasher.update(&bytes);
        bytes.clear();
    }
    Ok(hex(&hasher.finalize()))
}

/// Counts what is read.
struct Counted {
    file: File,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
