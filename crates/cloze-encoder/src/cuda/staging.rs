//! A batch as the kernels want it, in one piece that is copied to the device at once.

use super::device::Address;
use super::segments::Segments;
use crate::batch::PackedBatch;
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
            slots: sorted.most_slots(),
        }
    }
}

/// What of a batch is real: see [`super::padding`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling {
    /// Whether a backward pass follows.
    pub(super) training: bool,
    /// Output rows that count.
    pub(super) counted: usize,
    /// Sequences, with empty ones behind the batch's.
    pub(super) sequences: usize,
}

/// What a batch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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
    /// Stages a batch, for a backward pass if it is `training`. Of its output rows the first `counted` count, and behind its
    /// sequences there are empty ones up to `sequences`.
    pub(super) fn new(
        staging: &mut Staging,
        batch: &PackedBatch,
        plan: &Plan,
        hidden: usize,
        Filling { training, counted, sequences }: Filling,
    ) -> Self {
        let extended = |mut ends: Vec<u32>| {
            ends.resize(sequences + 1, ends[ends.len() - 1]);
            ends
        };
        let ends = &extended(batch.cu_seqlens().to_vec());
        let cu_outputs = extended(batch.cu_outputs());
        let (mut of_token, mut of_output) = (Vec::new(), Vec::new());
        for sequence in 0..sequences {
            of_token.resize(ends[sequence + 1] as usize, sequence as u32);
            of_output.resize(cu_outputs[sequence + 1] as usize, sequence as u32);
        }
        let rows = batch.outputs();
        let places: Vec<u32> = rows.iter().zip(&of_output).map(|(row, &s)| row - ends[s as usize]).collect();
        let mut order: Vec<u32> = (0..sequences as u32).collect();
        order.sort_by_key(|&s| std::cmp::Reverse(ends[s as usize + 1] - ends[s as usize]));
        let tables = if training { sorted_tables(staging, batch, plan, hidden) } else { Vec::new() };
        let mut weights = vec![1.0 / counted as f32; counted];
        weights.resize(rows.len(), 0.0);
        let most_outputs = cu_outputs.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0);
        Self {
            sizes: Sizes {
                tokens: batch.tokens().len(),
                outputs: rows.len(),
                sequences,
                // Launches follow from these: few values.
                longest: batch.longest().next_multiple_of(32),
                most_outputs: most_outputs.next_multiple_of(32),
            },
            tokens: staging.ints(batch.tokens()),
            positions: staging.ints(if plan.positions.is_some() { batch.positions() } else { &[] }),
            token_types: staging.ints(if plan.token_types.is_some() { batch.token_types() } else { &[] }),
            cu_seqlens: staging.ints(ends),
            outputs: staging.ints(rows),
            sequence_of_token: staging.ints(&of_token),
            cu_outputs: staging.ints(&cu_outputs),
            sequence_of_output: staging.ints(&of_output),
            place_of_output: staging.ints(&places),
            order: staging.ints(&order),
            targets: staging.ints(batch.targets()),
            weights: staging.floats(&weights),
            tables,
            sampled: None,
        }
    }

    /// Stages the negatives of `loss`, if it has any: `real` is the batch that it was made for, `batch` the filled one.
    pub(super) fn add_negatives(
        &mut self,
        staging: &mut Staging,
        [real, batch]: [&PackedBatch; 2],
        loss: &Loss<'_>,
        plan: &Plan,
    ) {
        let outputs = plan.output_bias.len();
        let Some(negatives) = loss.negatives() else { return };
        let of_row = sequences_of(&real.cu_outputs()).into_iter().enumerate();
        let mut lists: Vec<u32> =
            of_row.map(|(row, sequence)| negatives.list_of(sequence as usize, row) as u32).collect();
        // Rows that fill up count nothing, whatever they are compared with.
        lists.resize(batch.outputs().len(), 0);
        let (mut ids, mut log_expected) = flattened(negatives);
        // As long as for any batch filled up to this size.
        let lists_at_most = match negatives.sharing() {
            Sharing::Row => batch.outputs().len(),
            Sharing::Sequences(together) => self.sizes.sequences.div_ceil(together.get()),
        };
        let room = lists_at_most * negatives.count();
        ids.resize(room, 0);
        if !log_expected.is_empty() {
            log_expected.resize(room, 0.0);
        }
        let candidates = lists.iter().zip(batch.targets()).flat_map(|(&list, &target)| {
            std::iter::once(target).chain(negatives.list(list as usize).iter().copied())
        });
        let segments = StagedSegments::new(staging, plan.output.clone(), &Segments::new(candidates, outputs));
        self.sampled = Some(StagedNegatives {
            count: negatives.count(),
            ids: staging.ints(&ids),
            log_expected: (!log_expected.is_empty()).then(|| staging.floats(&log_expected)),
            lists: staging.ints(&lists),
            segments,
        });
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
    let tables: Vec<_> = plan.embeddings(batch.tokens(), batch.positions(), batch.token_types()).collect();
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
fn flattened(negatives: &Negatives) -> (Vec<u32>, Vec<f32>) {
    let lists = negatives.lists();
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
