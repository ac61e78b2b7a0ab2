//! Rows sorted by the vector they used, in chunks: what the kernels of `tables.cu` add up.

/// Rows of a chunk at most.
const CHUNK: usize = 64;
/// In place of a slot: the only chunk of its vector.
const NO_SLOT: u32 = u32::MAX;

/// Entries sorted by vector; within a vector they keep their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Segments {
    /// Numbers of the entries.
    pub(super) entries: Vec<u32>,
    /// (vector, begin, end, slot) each: runs of `entries`.
    pub(super) chunks: Vec<u32>,
    /// (vector, begin, end, 0) each: the slots of a vector with several chunks.
    pub(super) runs: Vec<u32>,
    /// Slots in all.
    slots: usize,
}

/// Chunks of any `entries` entries of `vectors` vectors.
fn most_chunks(entries: usize, vectors: usize) -> usize {
    entries / CHUNK + entries.min(vectors)
}

impl Segments {
    /// Sorts entries 0, 1, … whose vectors are `ids`, of `vectors` in all.
    pub(super) fn new(ids: impl Iterator<Item = u32> + Clone, vectors: usize) -> Self {
        let mut ends = vec![0u32; vectors + 1];
        ids.clone().for_each(|id| ends[id as usize + 1] += 1);
        for i in 0..vectors {
            ends[i + 1] += ends[i];
        }
        let mut next = ends.clone();
        let mut sorted = Self { entries: vec![0; ends[vectors] as usize], ..Self::default() };
        for (entry, id) in ids.enumerate() {
            let place = &mut next[id as usize];
            sorted.entries[*place as usize] = entry as u32;
            *place += 1;
        }
        for (id, range) in ends.windows(2).enumerate() {
            sorted.cut(id as u32, range[0] as usize, range[1] as usize);
        }
        // Their numbers depend on the number of entries only: the rest are empty.
        sorted.chunks.resize(4 * most_chunks(sorted.entries.len(), vectors), 0);
        sorted.runs.resize(4 * sorted.most_slots(), 0);
        sorted
    }

    /// Slots for any entries of this number.
    pub(super) fn most_slots(&self) -> usize {
        // A vector with more than CHUNK entries leaves at most one chunk less than half full.
        2 * self.entries.len() / CHUNK
    }

    /// Cuts a vector's entries into chunks.
    fn cut(&mut self, id: u32, begin: usize, end: usize) {
        if begin == end {
            return;
        }
        if end - begin <= CHUNK {
            self.chunks.extend([id, begin as u32, end as u32, NO_SLOT]);
            return;
        }
        let first = self.slots as u32;
        for start in (begin..end).step_by(CHUNK) {
            self.chunks.extend([id, start as u32, (start + CHUNK).min(end) as u32, self.slots as u32]);
            self.slots += 1;
        }
        self.runs.extend([id, first, self.slots as u32, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_runs_stand_alone_and_long_ones_are_cut() {
        // Vector 2 is used 130 times, 0 and 3 once, 1 never.
        let ids: Vec<u32> = [3].into_iter().chain([2; 130]).chain([0]).collect();
        let sorted = Segments::new(ids.iter().copied(), 4);
        assert_eq!(sorted.entries[0], 131);
        assert_eq!(sorted.entries[1..131], (1..131).collect::<Vec<u32>>());
        assert_eq!(sorted.entries[131], 0);
        let chunks: Vec<&[u32]> = sorted.chunks.chunks(4).collect();
        let expected = [
            [0, 0, 1, NO_SLOT],
            [2, 1, 65, 0],
            [2, 65, 129, 1],
            [2, 129, 131, 2],
            [3, 131, 132, NO_SLOT],
            [0; 4],
        ];
        assert_eq!(chunks, expected);
        assert_eq!((sorted.most_slots(), sorted.slots), (4, 3));
        assert_eq!(sorted.runs[..4], [2, 0, 3, 0]);
        assert!(sorted.runs[4..].iter().all(|&x| x == 0));
        assert_eq!(Segments::new([].into_iter(), 3), Segments::default());
    }
}
