//! The tables of a profile store, and what stands in them.

use super::Side;
use redb::TableDefinition;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A content hash.
pub(super) type Key = [u8; 32];

/// What the store belongs to: [`FORMAT_KEY`] and [`ORIGIN_KEY`].
pub(super) const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// The profile of each key: 32-bit floats, little endian.
pub(super) const PROFILES: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("profiles");
/// How many users and items have a key: sequences of which a tower sees the same share a profile.
pub(super) const OWNERS: TableDefinition<'_, Key, u32> = TableDefinition::new("owners");

/// Text of the layout's version.
pub(super) const FORMAT_KEY: &str = "format";
/// [`Origin`] as JSON.
pub(super) const ORIGIN_KEY: &str = "origin";

/// What a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// Fingerprint of the model, in hexadecimal digits.
    pub(super) model: String,
    /// Whether interactions have times.
    pub(super) times: bool,
    /// Hash of the sequences, until all their profiles are there.
    pub(super) unfinished: Option<String>,
}

impl Side {
    /// Each one's sequence, by number.
    pub(crate) const fn sequences(self) -> TableDefinition<'static, u32, &'static [u8]> {
        TableDefinition::new(match self {
            Self::User => "user-sequences",
            Self::Item => "item-sequences",
        })
    }

    /// Each one's key, by number.
    pub(super) const fn keys(self) -> TableDefinition<'static, u32, Key> {
        TableDefinition::new(match self {
            Self::User => "user-keys",
            Self::Item => "item-keys",
        })
    }

    /// The key of a profile: of the model, the side, and what its tower sees.
    pub(super) fn key(self, model: &str, input: &[u32]) -> Key {
        let mut hasher = Sha256::new();
        hasher.update(model);
        hasher.update([self as u8]);
        for token in input {
            hasher.update(token.to_le_bytes());
        }
        hasher.finalize().into()
    }
}

/// A sequence with times (0 where there are none), oldest first. Stored as id and time, 12 bytes an interaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Timed(pub(crate) Vec<(u32, i64)>);

impl Timed {
    const BYTES: usize = 12;

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<{ Self::BYTES }>();
        let entry = |&[a, b, c, d, ref time @ ..]: &[u8; Self::BYTES]| {
            (u32::from_le_bytes([a, b, c, d]), i64::from_le_bytes(*time))
        };
        rest.is_empty().then(|| Self(entries.iter().map(entry).collect()))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * Self::BYTES);
        for (id, time) in &self.0 {
            bytes.extend_from_slice(&id.to_le_bytes());
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        bytes
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.0.iter().map(|(id, _)| *id).collect()
    }

    /// Takes all of an id out, and returns the times.
    pub(crate) fn remove(&mut self, id: u32) -> Vec<i64> {
        let times = self.0.iter().filter(|(other, _)| *other == id).map(|(_, time)| *time).collect();
        self.0.retain(|(other, _)| *other != id);
        times
    }

    /// Where `Sequences` and its transpose have it: an item goes behind all of the same time, a user among those of the same
    /// time by number.
    pub(crate) fn insert(&mut self, side: Side, id: u32, time: i64) {
        let before = |&(other, at): &(u32, i64)| match side {
            Side::User => at <= time,
            Side::Item => (at, other) <= (time, id),
        };
        self.0.insert(self.0.partition_point(before), (id, time));
    }
}

pub(super) fn encode_profile(profile: &[f32]) -> Vec<u8> {
    profile.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// `None` unless these are `width` finite numbers.
pub(super) fn decode_profile(bytes: &[u8], width: usize) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let profile: Vec<f32> = numbers.iter().map(|&number| f32::from_le_bytes(number)).collect();
    (rest.is_empty() && profile.len() == width && profile.iter().all(|x| x.is_finite())).then_some(profile)
}
