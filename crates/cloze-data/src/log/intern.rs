//! External ids to dense numbers, on several threads, with one result.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;

/// Ids of at most this many digits are looked up by their value instead of by a hash.
const DIRECT_DIGITS: usize = 6;
/// No id in a slot of the direct table.
const NONE: u32 = u32::MAX;

/// Distinct ids, numbered by first appearance. The bytes of all ids lie in one buffer.
#[derive(Default)]
pub(crate) struct Interner {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    direct: Vec<u32>,
    hasher: RandomState,
    /// Where each id stood first: block in the upper half, row of the block in the lower.
    first: Vec<u64>,
    /// The id of the row before: logs are often grouped.
    last: u32,
}

impl Interner {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The id with this number.
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, number)
    }

    /// The number of `id`; `place` is remembered if it is new. `None` beyond 32 bits.
    pub(crate) fn intern(&mut self, id: &[u8], place: u64) -> Option<u32> {
        if (self.last as usize) < self.ends.len() && self.get(self.last) == id {
            return Some(self.last);
        }
        let number = match decimal(id) {
            Some(value) => self.direct(value, id, place)?,
            None => self.hashed(id, place)?,
        };
        self.last = number;
        Some(number)
    }

    fn direct(&mut self, value: usize, id: &[u8], place: u64) -> Option<u32> {
        if value >= self.direct.len() {
            self.direct.resize((value + 1).next_power_of_two(), NONE);
        }
        if self.direct[value] == NONE {
            self.direct[value] = self.add(id, place)?;
        }
        Some(self.direct[value])
    }

    fn hashed(&mut self, id: &[u8], place: u64) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(number) = self.table.find(hash, |number| slice(bytes, ends, *number) == id) {
            return Some(*number);
        }
        let number = self.add(id, place)?;
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.table.insert_unique(hash, number, |number| hasher.hash_one(slice(bytes, ends, *number)));
        Some(number)
    }

    fn add(&mut self, id: &[u8], place: u64) -> Option<u32> {
        let number = u32::try_from(self.ends.len()).ok().filter(|number| *number != NONE)?;
        self.bytes.extend_from_slice(id);
        self.ends.push(self.bytes.len());
        self.first.push(place);
        Some(number)
    }
}

/// One numbering of the ids of several interners, by first appearance over all of them, and for each interner the map
/// from its numbers to the common ones. Which interner met which rows makes no difference. `None` beyond 32 bits.
pub(crate) fn merge(mut parts: Vec<Interner>) -> Option<(Interner, Vec<Vec<u32>>)> {
    if parts.len() == 1 {
        let one = parts.pop()?;
        let same = (0..one.len() as u32).collect();
        return Some((one, vec![same]));
    }
    let mut all = Interner::default();
    let mut maps: Vec<Vec<u32>> = parts.iter().map(|part| Vec::with_capacity(part.len())).collect();
    loop {
        // Each interner met its rows in the order of the file: its ids are sorted by first appearance.
        let next = |part: usize| parts[part].first.get(maps[part].len()).map(|place| (*place, part));
        let Some((place, part)) = (0..parts.len()).filter_map(next).min() else { break };
        let id = parts[part].get(maps[part].len() as u32);
        let number = all.intern(id, place)?;
        maps[part].push(number);
    }
    Some((all, maps))
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let begin = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[begin..ends[number]]
}

/// The value of an id that is a short whole number without leading zeros: one text for each value.
fn decimal(id: &[u8]) -> Option<usize> {
    if id.is_empty() || id.len() > DIRECT_DIGITS || (id[0] == b'0' && id.len() > 1) {
        return None;
    }
    id.iter().try_fold(0_usize, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + usize::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::{Interner, merge};

    #[test]
    fn ids_are_numbered_by_first_appearance_whoever_met_them() {
        let rows = ["7", "a", "07", "7", "", "b", "a", "12345678", "0", "é"];
        let mut alone = Interner::default();
        for (row, id) in rows.iter().enumerate() {
            alone.intern(id.as_bytes(), row as u64).unwrap();
        }
        let ids = |interner: &Interner| {
            let text = |number| String::from_utf8(interner.get(number).to_vec()).unwrap();
            (0..interner.len() as u32).map(text).collect::<Vec<_>>()
        };
        assert_eq!(ids(&alone), ["7", "a", "07", "", "b", "12345678", "0", "é"]);
        for mask in 0..1_u32 << rows.len() {
            let mut parts = vec![Interner::default(), Interner::default()];
            let mut local = Vec::new();
            for (row, id) in rows.iter().enumerate() {
                let part = (mask >> row & 1) as usize;
                local.push((part, parts[part].intern(id.as_bytes(), row as u64).unwrap()));
            }
            let (all, maps) = merge(parts).unwrap();
            assert_eq!(ids(&all), ids(&alone));
            for (row, (part, number)) in local.into_iter().enumerate() {
                assert_eq!(all.get(maps[part][number as usize]), rows[row].as_bytes());
            }
        }
    }
}
