//! sha256 as hexadecimal digits.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::DataError;

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The sha256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Size and sha256 of a file of any size as it lies on disk, read piece by piece; `read` is told of each.
pub(crate) fn sha256_of(path: &Path, read: &mut dyn FnMut(u64)) -> Result<(u64, String), DataError> {
    const PIECE: usize = 1 << 20;
    let mut file = File::open(path).map_err(DataError::io("read", path))?;
    let (mut hasher, mut size) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece).map_err(DataError::io("read", path))?;
        if length == 0 {
            return Ok((size, hex(&hasher.finalize())));
        }
        hasher.update(&piece[..length]);
        size += length as u64;
        read(length as u64);
    }
}
