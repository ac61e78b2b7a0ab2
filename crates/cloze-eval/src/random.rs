//! The one source of random numbers: `ChaCha8` under an explicit key, so that every draw can be made again.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A generator whose 256-bit key is the four words, little-endian.
///
/// Keys are written out instead of hashed, so that another language can draw the same numbers.
pub(crate) fn generator(key: [u64; 4]) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(key) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// A number in `0..bound`: the high word of `bound` times 64 random bits.
///
/// The bias is below `bound / 2^64`, under 1e-9 for any count that fits in memory; in exchange each draw
/// consumes exactly one word.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}
