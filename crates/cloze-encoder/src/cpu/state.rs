//! What the backward pass needs of the forward pass, for one sequence. Buffers keep their memory between sequences.

use super::matrix::Packed;

/// A layer norm's x̂ `[rows, hidden]` and inverse deviations `[rows]`.
#[derive(Debug, Default)]
pub(super) struct NormState {
    pub(super) normalized: Vec<f32>,
    pub(super) inverse: Vec<f32>,
}

impl NormState {
    pub(super) fn resize(&mut self, rows: usize, width: usize) {
        self.normalized.resize(rows * width, 0.0);
        self.inverse.resize(rows, 0.0);
    }
}

/// The sum of the embeddings.
#[derive(Debug, Default)]
pub(super) struct EmbeddingState {
    pub(super) norm: NormState,
    /// Dropout factors, or empty.
    pub(super) factors: Vec<f32>,
}

/// One layer, with n tokens of which m rows are computed to the end.
#[derive(Debug, Default)]
pub(super) struct LayerState {
    /// Its input, `[n, hidden]`.
    pub(super) input: Vec<f32>,
    /// What attention reads: the input, or in pre-norm its norm. Empty where it is the input itself.
    pub(super) attention_input: Vec<f32>,
    /// Rows of the attention's input that ask, `[m, hidden]`.
    pub(super) asking: Vec<f32>,
    /// `[m, hidden]`.
    pub(super) query: Vec<f32>,
    /// Key, then value, in each row: `[n, 2 · hidden]`.
    pub(super) key_value: Vec<f32>,
    /// `[heads, m, n]`; those that dropout takes have a negative sign.
    pub(super) probabilities: Vec<f32>,
    /// Mixed values of all heads, `[m, hidden]`.
    pub(super) mixed: Vec<f32>,
    /// Dropout factors of the attention block's output, or empty.
    pub(super) attention_output_factors: Vec<f32>,
    pub(super) attention_norm: NormState,
    /// Result of the attention half: in post-norm after the norm, in pre-norm the residual sum. `[m, hidden]`.
    pub(super) middle: Vec<f32>,
    /// What the feed-forward block reads: `middle`, or in pre-norm its norm. Empty where it is `middle` itself.
    pub(super) feed_input: Vec<f32>,
    /// What the activation takes, `[m, intermediate]`; in training then its slope there.
    pub(super) slope: Vec<f32>,
    /// Its result.
    pub(super) activated: Vec<f32>,
    /// Dropout factors of the feed-forward block's output, or empty.
    pub(super) output_factors: Vec<f32>,
    pub(super) output_norm: NormState,
}

impl LayerState {
    /// What attention reads.
    pub(super) fn attention_input(&self) -> &[f32] {
        if self.attention_input.is_empty() { &self.input } else { &self.attention_input }
    }

    /// What the feed-forward block reads.
    pub(super) fn feed_input(&self) -> &[f32] {
        if self.feed_input.is_empty() { &self.middle } else { &self.feed_input }
    }
}

/// The head over the output rows of a group of sequences.
#[derive(Default)]
pub(super) struct HeadState {
    /// What the activation takes, `[m, hidden]`; in training then its slope there.
    pub(super) slope: Vec<f32>,
    pub(super) norm: NormState,
    /// Input of the output layer, `[m, hidden]`.
    pub(super) transformed: Vec<f32>,
    /// Logits, then their gradient: of all outputs for a block of rows, or of K sampled negatives `[m, K]`.
    pub(super) logits: Vec<f32>,
    /// The targets' logits, then their gradient, `[m]`, where there are sampled negatives.
    pub(super) wanted: Vec<f32>,
    /// Vectors of shared negatives, then their gradients, `[K, hidden]`.
    pub(super) gathered: Vec<f32>,
    /// Their biases, then the sums of their errors, `[K]`.
    pub(super) of_listed: Vec<f32>,
    pub(super) packed: Packed,
}

/// One sequence.
#[derive(Default)]
pub(super) struct State {
    pub(super) embedding: EmbeddingState,
    pub(super) layers: Vec<LayerState>,
    pub(super) final_norm: NormState,
    /// Hidden states of the output rows, `[m, hidden]`.
    pub(super) hidden: Vec<f32>,
    pub(super) scratch: Scratch,
}

/// Buffers whose content is used up at once.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) rows: Vec<f32>,
    pub(super) wide: Vec<f32>,
    pub(super) plane: Vec<f32>,
    pub(super) dropped: Vec<f32>,
    pub(super) falls: Vec<f32>,
    pub(super) query: Vec<f32>,
    pub(super) key_value: Vec<f32>,
    pub(super) asking: Vec<f32>,
    pub(super) keys: Packed,
    pub(super) values: Packed,
}
