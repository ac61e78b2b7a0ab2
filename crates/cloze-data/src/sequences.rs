//! Many sequences of dense ids in flat buffers.

use std::fmt;
use std::ops::Range;

use arrow::buffer::ScalarBuffer;
use arrow::datatypes::ArrowNativeType;
use sha2::{Digest, Sha256};

use crate::DataError;
use crate::hash::hex;
use crate::log::TimeUnit;

/// Sequences in compressed-sparse-row form: sequence `i` is `values[offsets[i]..offsets[i + 1]]`, with one time
/// for each value where the data have times (Unix seconds for `MovieLens`; any integer that grows), and one rating where
/// they have ratings.
///
/// The buffers are Arrow's: a clone shares them, and after [`read_prepared`](crate::read_prepared) they are pages of
/// the mapped file, not copies.
#[derive(Clone)]
pub struct Sequences {
    offsets: ScalarBuffer<i64>,
    values: ScalarBuffer<u32>,
    times: Option<ScalarBuffer<i64>>,
    unit: Option<TimeUnit>,
    ratings: Option<ScalarBuffer<f32>>,
}

impl Sequences {
    /// Sequences from lists; `times`, if given, has the same shape.
    ///
    /// # Errors
    /// [`DataError::Sequences`] if the times do not have the shape of the lists.
    pub fn from_lists(lists: &[Vec<u32>], times: Option<&[Vec<i64>]>) -> Result<Self, DataError> {
        if let Some(times) = times {
            if times.len() != lists.len() {
                let reason = format!("{} lists and {} lists of times", lists.len(), times.len());
                return Err(DataError::Sequences { reason });
            }
            if let Some(i) = (0..lists.len()).find(|&i| lists[i].len() != times[i].len()) {
                let reason = format!("list {i} has {} values and {} times", lists[i].len(), times[i].len());
                return Err(DataError::Sequences { reason });
            }
        }
        let mut offsets = Vec::with_capacity(lists.len() + 1);
        offsets.push(0);
        let mut end = 0;
        for list in lists {
            end += list.len() as i64;
            offsets.push(end);
        }
        Self::from_parts(offsets, lists.concat(), times.map(<[Vec<i64>]>::concat))
    }

    /// Sequences from flat buffers (`Vec`s or Arrow buffers, taken without a copy).
    ///
    /// # Errors
    /// [`DataError::Sequences`] unless the offsets begin at 0, never fall and end at the number of values, and
    /// there are as many times as values.
    pub fn from_parts(
        offsets: impl Into<ScalarBuffer<i64>>,
        values: impl Into<ScalarBuffer<u32>>,
        times: Option<impl Into<ScalarBuffer<i64>>>,
    ) -> Result<Self, DataError> {
        let (offsets, values, times) = (offsets.into(), values.into(), times.map(Into::into));
        let sequences = Self { offsets, values, times, unit: None, ratings: None };
        sequences.check().map_err(|reason| DataError::Sequences { reason })?;
        Ok(sequences)
    }

    /// The same sequences, with the unit of their times where it is known.
    #[must_use]
    pub fn with_time_unit(mut self, unit: Option<TimeUnit>) -> Self {
        self.unit = unit.filter(|_| self.times.is_some());
        self
    }

    /// The same sequences, with a rating for each value.
    ///
    /// # Errors
    /// [`DataError::Sequences`] unless there are as many ratings as values, all of them finite.
    pub fn with_ratings(self, ratings: Option<impl Into<ScalarBuffer<f32>>>) -> Result<Self, DataError> {
        let ratings: Option<ScalarBuffer<f32>> = ratings.map(Into::into);
        let wrong = |reason: String| DataError::Sequences { reason };
        if let Some(ratings) = &ratings {
            if ratings.len() != self.values.len() {
                return Err(wrong(format!("{} values and {} ratings", self.values.len(), ratings.len())));
            }
            if let Some(place) = ratings.iter().position(|rating| !rating.is_finite()) {
                return Err(wrong(format!("rating {place} is {}", ratings[place])));
            }
        }
        Ok(Self { ratings, ..self })
    }

    /// The unit of the times, if the data have times: the one that is known, else what the size of the latest time
    /// suggests.
    pub fn time_unit(&self) -> Option<TimeUnit> {
        let times = self.times.as_ref()?;
        self.unit.or_else(|| Some(TimeUnit::of(times.iter().copied().max().unwrap_or(0))))
    }

    fn check(&self) -> Result<(), String> {
        let (Some(first), Some(last)) = (self.offsets.first(), self.offsets.last()) else {
            return Err("no offsets: even zero sequences have the offset 0".to_owned());
        };
        if *first != 0 {
            return Err(format!("the offsets begin at {first}, expected 0"));
        }
        if *last != self.values.len() as i64 {
            return Err(format!("the offsets end at {last}, there are {} values", self.values.len()));
        }
        if let Some(i) = self.offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(format!("the offsets fall after sequence {i}"));
        }
        match &self.times {
            Some(times) if times.len() != self.values.len() => {
                Err(format!("{} values and {} times", self.values.len(), times.len()))
            }
            _ => Ok(()),
        }
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no sequences.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of values in all sequences.
    pub fn interactions(&self) -> usize {
        self.values.len()
    }

    /// Sequence `i`, oldest value first.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len), as for a slice.
    pub fn get(&self, i: usize) -> &[u32] {
        &self.values[self.range(i)]
    }

    /// The times of sequence `i`, if the data have times.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len), as for a slice.
    pub fn times(&self, i: usize) -> Option<&[i64]> {
        let range = self.range(i);
        self.times.as_ref().map(|times| &times[range])
    }

    /// The ratings of sequence `i`, if the data have ratings.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len), as for a slice.
    pub fn ratings(&self, i: usize) -> Option<&[f32]> {
        let range = self.range(i);
        self.ratings.as_ref().map(|ratings| &ratings[range])
    }

    fn range(&self, i: usize) -> Range<usize> {
        self.offsets[i] as usize..self.offsets[i + 1] as usize
    }

    /// Whether every value has a time.
    pub fn has_times(&self) -> bool {
        self.times.is_some()
    }

    /// All sequences in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> + Clone {
        (0..self.len()).map(|i| self.get(i))
    }

    /// The offsets: `len() + 1` numbers.
    pub fn offsets(&self) -> &ScalarBuffer<i64> {
        &self.offsets
    }

    /// The values of all sequences, one after the other.
    pub fn values(&self) -> &ScalarBuffer<u32> {
        &self.values
    }

    /// The times of all values, if the data have times.
    pub fn all_times(&self) -> Option<&ScalarBuffer<i64>> {
        self.times.as_ref()
    }

    /// The ratings of all values, if the data have ratings.
    pub fn all_ratings(&self) -> Option<&ScalarBuffer<f32>> {
        self.ratings.as_ref()
    }

    /// The beginning of each sequence: of sequence `i` the first `length(i)`, all if it has fewer.
    #[must_use]
    pub fn beginnings(&self, length: impl Fn(usize) -> usize) -> Self {
        let ranges = (0..self.len()).map(|i| {
            let range = self.range(i);
            range.start..range.end.min(range.start + length(i))
        });
        let ranges: Vec<_> = ranges.collect();
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        let mut end = 0;
        for range in &ranges {
            end += range.len() as i64;
            offsets.push(end);
        }
        Self {
            offsets: offsets.into(),
            values: pick(&self.values, &ranges, end as usize),
            times: self.times.as_ref().map(|times| pick(times, &ranges, end as usize)),
            unit: self.unit,
            ratings: self.ratings.as_ref().map(|ratings| pick(ratings, &ranges, end as usize)),
        }
    }

    /// How often each value of `0..catalogue` occurs; values outside are not counted.
    pub fn counts(&self, catalogue: usize) -> Vec<u64> {
        let mut counts = vec![0; catalogue];
        for value in &self.values {
            if let Some(count) = counts.get_mut(*value as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// From users with their items to items with their users: sequence `v` of the result holds the number of each
    /// sequence that contains the value `v`, once for each time it does.
    ///
    /// Users stand in the order of time; equal times in the order of sequence number, then of position. Without
    /// times that order is all there is: the order of an item's users then says nothing about time. Ratings are left out.
    ///
    /// # Errors
    /// [`DataError::OutOfCatalogue`] if a value is not below `catalogue`, [`DataError::TooManyIds`] if the sequence
    /// numbers do not fit 32 bits.
    pub fn transpose(&self, catalogue: usize) -> Result<Self, DataError> {
        if u32::try_from(self.len()).is_err() {
            return Err(DataError::TooManyIds { found: self.len() });
        }
        let mut rows: Vec<Vec<(i64, u32)>> = vec![Vec::new(); catalogue];
        for (sequence, values) in self.iter().enumerate() {
            let times = self.times(sequence);
            for (position, &value) in values.iter().enumerate() {
                let row = rows.get_mut(value as usize);
                let row = row.ok_or(DataError::OutOfCatalogue { sequence, value, catalogue })?;
                row.push((times.map_or(0, |times| times[position]), sequence as u32));
            }
        }
        let mut offsets = vec![0];
        let mut values = Vec::with_capacity(self.interactions());
        let mut times = Vec::with_capacity(if self.has_times() { self.interactions() } else { 0 });
        for row in &mut rows {
            // Stable, and filled by sequence number and position: ties stay in that order.
            row.sort_by_key(|(time, _)| *time);
            values.extend(row.iter().map(|(_, sequence)| *sequence));
            if self.has_times() {
                times.extend(row.iter().map(|(time, _)| *time));
            }
            offsets.push(values.len() as i64);
        }
        Self::from_parts(offsets, values, self.has_times().then_some(times))
    }

    /// A hash of the content: sha256 over the offsets (64 bits) and the values (32 bits), little endian, as
    /// hexadecimal digits. Times and ratings are left out, so that the same order from two files has the
    /// same hash.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for offset in &self.offsets {
            hasher.update(offset.to_le_bytes());
        }
        for value in &self.values {
            hasher.update(value.to_le_bytes());
        }
        hex(&hasher.finalize())
    }
}

fn pick<T: ArrowNativeType>(all: &[T], ranges: &[Range<usize>], room: usize) -> ScalarBuffer<T> {
    let mut kept = Vec::with_capacity(room);
    for range in ranges {
        kept.extend_from_slice(&all[range.clone()]);
    }
    kept.into()
}

impl PartialEq for Sequences {
    fn eq(&self, other: &Self) -> bool {
        (&self.offsets, &self.values, &self.times) == (&other.offsets, &other.values, &other.times)
            && (self.time_unit(), &self.ratings) == (other.time_unit(), &other.ratings)
    }
}

impl fmt::Debug for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Sequences");
        debug.field("len", &self.len()).field("interactions", &self.interactions());
        debug.field("has_times", &self.has_times()).field("has_ratings", &self.ratings.is_some());
        debug.finish_non_exhaustive()
    }
}
