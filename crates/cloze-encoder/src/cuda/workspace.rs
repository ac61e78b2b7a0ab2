//! The arena: one piece of the device's memory with a place for every array of a pass, laid out before the pass begins.

use super::device::Address;
use super::shape::Shape;
use super::staging::{Bump, Sizes};
use crate::config::{EncoderConfig, Head, Norm};

/// What decides the arena's layout besides the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Demand {
    pub(super) sizes: Sizes,
    /// Bytes of the staged batch.
    pub(super) staged: usize,
    /// Whether a backward pass follows.
    pub(super) training: bool,
    /// Whether the output layer is computed for all outputs.
    pub(super) logits: bool,
    /// Candidates of a row for a sampled loss: its target and negatives; or 0.
    pub(super) candidates: usize,
    /// Slots for chunks of the tables' gradients.
    pub(super) slots: usize,
}

/// A layer's arrays. R is T, or in the last layer M.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerSpace {
    /// Its input, `[T, hidden]`.
    pub(super) input: Address,
    /// What attention reads: the input, or in pre-norm its norm.
    pub(super) attention_input: Address,
    /// Of that, the rows that ask, `[R, hidden]`.
    pub(super) asking: Address,
    /// `[T, 3 · hidden]`; in the last layer queries `[M, hidden]` and keys with values `[T, 2 · hidden]`.
    pub(super) query: Address,
    pub(super) key_value: Address,
    /// `[R, hidden]`, and `[R, heads]` logarithms of the attention's sums.
    pub(super) mixed: Address,
    pub(super) lse: Address,
    /// The attention block's branch, `[R, hidden]`.
    pub(super) attention_branch: Address,
    /// In pre-norm the residual between the blocks, in post-norm what the feed-forward block reads.
    pub(super) middle: Address,
    /// What the feed-forward block reads, `[R, hidden]`.
    pub(super) feed_input: Address,
    /// `[R, intermediate]` before and after the activation.
    pub(super) inner: Address,
    pub(super) activated: Address,
    /// The feed-forward block's branch, `[R, hidden]`.
    pub(super) branch: Address,
    /// The layer's result, and in pre-norm its norm, which the next layer's attention reads.
    pub(super) result: Address,
    pub(super) normalized: Address,
}

/// Arrays of the output layer and the losses.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadSpace {
    /// `[M, hidden]`: before and after the transform's activation, and the output layer's input.
    pub(super) inner: Address,
    pub(super) activated: Address,
    pub(super) transformed: Address,
    /// `[M, stride]`.
    pub(super) logits: Address,
    pub(super) stride: usize,
    /// `[M]` losses and their weighted sum.
    pub(super) losses: Address,
    pub(super) loss: Address,
    /// `[M, candidates]`.
    pub(super) errors: Address,
    /// `[M, hidden]` gradients: of the hidden states, and of the output layer's input (the same where they are).
    pub(super) upstream: Address,
    pub(super) spare: Address,
    /// `[M, hidden]` floats, for gradients that come from outside.
    pub(super) given: Address,
}

/// Arrays of the backward pass, used by all layers in turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackwardSpace {
    /// `[T, hidden]` each: see [`super::backward`].
    pub(super) rows: [Address; 5],
    /// `[T, intermediate]`.
    pub(super) wide: Address,
    /// `[T, 3 · hidden]`, and the last layer's queries, `[M, hidden]`.
    pub(super) query_key_value: Address,
    pub(super) query: Address,
    /// `[T, heads]`.
    pub(super) delta: Address,
    /// Blocks' sums, and chunks'.
    pub(super) partial: Address,
    pub(super) slots: Address,
}

/// Every array's place.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    pub(super) batch: Address,
    /// The embedding, `[T, hidden]`.
    pub(super) embedded: Address,
    pub(super) layers: Vec<LayerSpace>,
    /// Final hidden states, `[M, hidden]`.
    pub(super) hidden: Address,
    pub(super) head: HeadSpace,
    pub(super) backward: Option<BackwardSpace>,
}

impl Workspace {
    /// Bytes of the whole.
    pub(super) fn bytes(config: &EncoderConfig, shape: &Shape, demand: &Demand) -> usize {
        let mut bump = Bump::new(Address(0));
        Self::layout(config, shape, demand, &mut bump);
        bump.taken()
    }

    /// The places from `start` on.
    pub(super) fn new(config: &EncoderConfig, shape: &Shape, demand: &Demand, start: Address) -> Self {
        Self::layout(config, shape, demand, &mut Bump::new(start))
    }

    fn layout(config: &EncoderConfig, shape: &Shape, demand: &Demand, bump: &mut Bump) -> Self {
        let (width, number) = (config.hidden, shape.number().bytes());
        let tokens = demand.sizes.tokens;
        let batch = bump.take(demand.staged, 1);
        let embedded = bump.take(tokens * width, number);
        let mut layers = Vec::with_capacity(config.layers);
        let mut input = embedded;
        // In pre-norm, the norm of the layer's input.
        let mut norm = if config.norm == Norm::Pre { bump.take(tokens * width, number) } else { embedded };
        for layer in 0..config.layers {
            let space =
                LayerSpace::layout(config, number, demand, layer + 1 == config.layers, [input, norm], bump);
            (input, norm) = (space.result, space.normalized);
            layers.push(space);
        }
        Self {
            batch,
            embedded,
            layers,
            hidden: norm,
            head: HeadSpace::layout(config, number, demand, bump),
            backward: demand.training.then(|| BackwardSpace::layout(config, number, demand, bump)),
        }
    }
}

impl LayerSpace {
    fn layout(
        config: &EncoderConfig,
        number: usize,
        demand: &Demand,
        last: bool,
        [input, attention_input]: [Address; 2],
        bump: &mut Bump,
    ) -> Self {
        let (width, pre) = (config.hidden, config.norm == Norm::Pre);
        let Sizes { tokens, outputs, .. } = demand.sizes;
        let rows = if last { outputs } else { tokens };
        let mut take = |columns: usize, bytes| bump.take(rows * columns, bytes);
        let asking = if last { take(width, number) } else { attention_input };
        let mixed = take(width, number);
        let lse = take(config.heads, 4);
        let attention_branch = take(width, number);
        let middle = take(width, number);
        let feed_input = if pre { take(width, number) } else { middle };
        let [inner, activated] = [(); 2].map(|()| take(config.intermediate, number));
        let branch = take(width, number);
        let result = take(width, number);
        let normalized = if pre { take(width, number) } else { result };
        let (query, key_value) = if last {
            (bump.take(outputs * width, number), bump.take(tokens * 2 * width, number))
        } else {
            let both = bump.take(tokens * 3 * width, number);
            (both, both.offset(width * number))
        };
        Self {
            input,
            attention_input,
            asking,
            query,
            key_value,
            mixed,
            lse,
            attention_branch,
            middle,
            feed_input,
            inner,
            activated,
            branch,
            result,
            normalized,
        }
    }
}

impl HeadSpace {
    fn layout(config: &EncoderConfig, number: usize, demand: &Demand, bump: &mut Bump) -> Self {
        let (rows, width) = (demand.sizes.outputs, config.hidden);
        let stride = config.outputs.next_multiple_of(8);
        let mut take = |columns: usize, bytes| bump.take(rows * columns, bytes);
        let upstream = take(width, number);
        Self {
            inner: take(width, number),
            activated: take(width, number),
            transformed: take(width, number),
            logits: take(if demand.logits { stride } else { 0 }, number),
            stride,
            losses: take(1, 4),
            loss: take(1, 4),
            errors: take(demand.candidates, 4),
            upstream,
            spare: if config.head == Head::Plain { upstream } else { take(width, number) },
            given: take(width, 4),
        }
    }
}

impl BackwardSpace {
    fn layout(config: &EncoderConfig, number: usize, demand: &Demand, bump: &mut Bump) -> Self {
        let Sizes { tokens, outputs, .. } = demand.sizes;
        let width = config.hidden;
        // Of a join, of a wide matrix and of the widest sums over columns.
        let columns = [config.intermediate, 3 * width, config.outputs].into_iter().max().unwrap_or(0);
        let partial = (Shape::most_striding_blocks() * 3 * width).max(Shape::most_tiles() * columns);
        Self {
            rows: [(); 5].map(|()| bump.take(tokens * width, number)),
            wide: bump.take(tokens * config.intermediate, number),
            query_key_value: bump.take(tokens * 3 * width, number),
            query: bump.take(outputs * width, number),
            delta: bump.take(tokens * config.heads, 4),
            partial: bump.take(partial, 4),
            slots: bump.take(demand.slots * (width + 8), 4),
        }
    }
}
