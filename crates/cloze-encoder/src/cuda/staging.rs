//! A batch as the kernels want it, in one piece that is copied to the device at once.

use super::device::Address;
use super::segments::Segments;
use crate::batch::PackedBatch;
use crate::error::Result;
use crate::loss::{Loss, Negatives, Sharing};
use crate::plan::Plan;
use rayon::prelude::*;
use std::ops::Range;

/// Every array begins at a multiple of this.
pub(super) const ALIGNMENT: usize = 256;

/// Arrays for the device, one after the other; an array is known by where it begins.
#[derive(Debug, Default)]
pub(super) struct Staging {
    pub(super) bytes: Vec<u8>,
}

impl Staging {
    pub(super) fn ints(&mut self, values: &[u32]) -> usize {
        self.push(values, u32::to_le_bytes)
    }

    pub(super) fn floats(&mut self, values: &[f32]) -> usize {
        self.push(values, f32::to_le_bytes)
    }

    fn push<T: Copy>(&mut self, values: &[T], bytes: impl Fn(T) -> [u8; 4]) -> usize {
        let start = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(start + values.len() * 4, 0);
        let places = self.bytes[start..].as_chunks_mut().0;
        places.iter_mut().zip(values).for_each(|(place, value)| *place = bytes(*value));
        start
    }
}

/// Sorted rows of a table's gradient, staged.
#[derive(Debug, Clone)]
pub(super) struct StagedSegments {
    /// The table in the flat buffer.
    pub(super) table: Range<usize>,
    pub(super) entries: usize,
    pub(super) chunks: usize,
    pub(super) runs: usize,
    pub(super) chunk_count: usize,
    pub(super) run_count: usize,
    pub(super) slots: usize,
}

impl StagedSegments {
    fn new(staging: &mut Staging, table: Range<usize>, sorted: &Segments) -> Self {
        Self {
            table,
            entries: staging.ints(&sorted.entries),
            chunks: staging.ints(&sorted.chunks),
            runs: staging.ints(&sorted.runs),
            chunk_count: sorted.chunks.len() / 4,
            run_count: sorted.runs.len() / 4,
            slots: sorted.slots,
        }
    }
}

/// What a batch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    /// Tokens T.
    pub(super) tokens: usize,
    /// Output rows M.
    pub(super) outputs: usize,
    /// Sequences S.
    pub(super) sequences: usize,
    /// Length of the longest sequence.
    pub(super) longest: usize,
    /// Most output rows of a sequence.
    pub(super) most_outputs: usize,
}

/// Where a batch's arrays begin, from the staged piece's beginning. Lengths as in [`PackedBatch`].
#[derive(Debug, Clone)]
pub(super) struct StagedBatch {
    pub(super) sizes: Sizes,
    pub(super) tokens: usize,
    pub(super) positions: usize,
    pub(super) token_types: usize,
    pub(super) cu_seqlens: usize,
    pub(super) outputs: usize,
    /// `[T]`: number of each token's sequence.
    pub(super) sequence_of_token: usize,
    /// `[S + 1]`: ends of the sequences among the output rows.
    pub(super) cu_outputs: usize,
    /// `[M]`: number of each output row's sequence, and its place in it.
    pub(super) sequence_of_output: usize,
    pub(super) place_of_output: usize,
    /// `[S]`: sequences, the longest first.
    pub(super) order: usize,
    /// `[M]`: targets, and what each row counts.
    pub(super) targets: usize,
    pub(super) weights: usize,
    /// The tables' rows, for a backward pass.
    pub(super) tables: Vec<StagedSegments>,
    pub(super) sampled: Option<StagedNegatives>,
}

/// Sampled negatives, staged.
#[derive(Debug, Clone)]
pub(super) struct StagedNegatives {
    pub(super) count: usize,
    /// `[lists · count]`.
    pub(super) ids: usize,
    pub(super) log_expected: Option<usize>,
    /// `[M]`: number of each row's list.
    pub(super) lists: usize,
    /// Targets and negatives by vector; an entry is `row · (count + 1) + candidate`.
    pub(super) segments: StagedSegments,
}

impl StagedBatch {
    /// Stages a batch; with `tables`, for a backward pass.
    pub(super) fn new(
        staging: &mut Staging,
        batch: &PackedBatch,
        plan: &Plan,
        hidden: usize,
        training: bool,
    ) -> Self {
        let ends = batch.cu_seqlens();
        let cu_outputs = batch.cu_outputs();
        let (mut of_token, mut of_output) = (Vec::new(), Vec::new());
        for sequence in 0..batch.sequences() {
            of_token.resize(ends[sequence + 1] as usize, sequence as u32);
            of_output.resize(cu_outputs[sequence + 1] as usize, sequence as u32);
        }
        let rows = batch.outputs();
        let places: Vec<u32> = rows.iter().zip(&of_output).map(|(row, &s)| row - ends[s as usize]).collect();
        let mut order: Vec<u32> = (0..batch.sequences() as u32).collect();
        order.sort_by_key(|&s| std::cmp::Reverse(ends[s as usize + 1] - ends[s as usize]));
        let tables = if training { sorted_tables(staging, batch, plan, hidden) } else { Vec::new() };
        let most_outputs = cu_outputs.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0);
        Self {
            sizes: Sizes {
                tokens: batch.tokens().len(),
                outputs: rows.len(),
                sequences: batch.sequences(),
                longest: batch.longest(),
                most_outputs,
            },
            tokens: staging.ints(batch.tokens()),
            positions: staging.ints(batch.positions()),
            token_types: staging.ints(batch.token_types()),
            cu_seqlens: staging.ints(ends),
            outputs: staging.ints(rows),
            sequence_of_token: staging.ints(&of_token),
            cu_outputs: staging.ints(&cu_outputs),
            sequence_of_output: staging.ints(&of_output),
            place_of_output: staging.ints(&places),
            order: staging.ints(&order),
            targets: staging.ints(batch.targets()),
            weights: staging.floats(&vec![1.0 / rows.len() as f32; rows.len()]),
            tables,
            sampled: None,
        }
    }

    /// Stages the negatives of `loss`, if it has any.
    ///
    /// # Errors
    /// Those of [`Loss::validate`].
    pub(super) fn add_negatives(
        &mut self,
        staging: &mut Staging,
        batch: &PackedBatch,
        loss: &Loss<'_>,
        plan: &Plan,
    ) -> Result<()> {
        let outputs = plan.output_bias.len();
        loss.validate(batch, outputs)?;
        let Some(negatives) = loss.negatives() else { return Ok(()) };
        let rows = self.sizes.outputs;
        let lists: Vec<u32> = match negatives.sharing() {
            Sharing::Row => (0..rows as u32).collect(),
            Sharing::Sequence => sequences_of(&batch.cu_outputs()),
        };
        let (ids, log_expected) = flattened(negatives, self.list_count(negatives));
        let candidates = lists.iter().zip(batch.targets()).flat_map(|(&list, &target)| {
            std::iter::once(target).chain(negatives.list(list as usize).iter().copied())
        });
        let segments =
            StagedSegments::new(staging, plan.output.clone(), &Segments::new(candidates, outputs));
        self.sampled = Some(StagedNegatives {
            count: negatives.count(),
            ids: staging.ints(&ids),
            log_expected: (!log_expected.is_empty()).then(|| staging.floats(&log_expected)),
            lists: staging.ints(&lists),
            segments,
        });
        Ok(())
    }

    fn list_count(&self, negatives: &Negatives) -> usize {
        match negatives.sharing() {
            Sharing::Row => self.sizes.outputs,
            Sharing::Sequence => self.sizes.sequences,
        }
    }

    /// Most slots of a table's chunks.
    pub(super) fn slots(&self) -> usize {
        let sampled = self.sampled.iter().map(|sampled| &sampled.segments);
        self.tables.iter().chain(sampled).map(|segments| segments.slots).max().unwrap_or(0)
    }
}

/// The rows of each table, sorted side by side.
fn sorted_tables(
    staging: &mut Staging,
    batch: &PackedBatch,
    plan: &Plan,
    hidden: usize,
) -> Vec<StagedSegments> {
    let tables: Vec<_> =
        plan.embeddings(batch.tokens(), batch.positions(), batch.token_types()).collect();
    let sorted: Vec<Segments> = tables
        .par_iter()
        .map(|(table, ids)| Segments::new(ids.iter().copied(), table.len() / hidden))
        .collect();
    let pairs = tables.into_iter().zip(&sorted);
    pairs.map(|((table, _), sorted)| StagedSegments::new(staging, table.clone(), sorted)).collect()
}

/// Number of each row's sequence.
fn sequences_of(cu_outputs: &[u32]) -> Vec<u32> {
    let mut sequences = Vec::new();
    for (sequence, &end) in cu_outputs[1..].iter().enumerate() {
        sequences.resize(end as usize, sequence as u32);
    }
    sequences
}

/// All lists one after the other.
fn flattened(negatives: &Negatives, lists: usize) -> (Vec<u32>, Vec<f32>) {
    let ids = (0..lists).flat_map(|list| negatives.list(list).iter().copied()).collect();
    let log_expected = (0..lists).flat_map(|list| negatives.log_expected(list).iter().copied()).collect();
    (ids, log_expected)
}

/// Places in the device's memory, one after the other: addresses once the beginning is known, sizes before.
#[derive(Debug)]
pub(super) struct Bump {
    next: Address,
    start: Address,
}

impl Bump {
    pub(super) fn new(start: Address) -> Self {
        Self { next: start, start }
    }

    /// Room for `count` things of `bytes` bytes.
    pub(super) fn take(&mut self, count: usize, bytes: usize) -> Address {
        let place = self.next;
        self.next = place.offset((count * bytes).next_multiple_of(ALIGNMENT));
        place
    }

    /// Bytes taken.
    pub(super) fn taken(&self) -> usize {
        (self.next.0 - self.start.0) as usize
    }
}
