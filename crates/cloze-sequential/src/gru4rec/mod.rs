//! GRU4Rec as a model of the command line.

mod options;

pub use options::Gru4RecOptions;

use crate::model::tower_model;
use crate::tower::Tower;

/// GRU4Rec (Hidasi et al. 2016, arXiv 1511.06939): gated recurrent units over a user's items; every position predicts the next.
///
/// - Scores: `h Eᵀ + b_O` of the last row of the last `max_length` items, h the state after it and E the item table that the
///   input uses too. The empty history scores `b_O`.
/// - Training: by default softmax cross-entropy over the whole catalogue at each position, mean over them. The paper's
///   losses compare with the other items of a batch; what came of them (Hidasi & Karatzoglou 2018, arXiv 1706.03847) is near
///   `sampled-softmax`.
///
/// Differences from the paper: whole sequences in place of session-parallel mini-batches (no state is cut off between two
/// steps), item vectors instead of one-hot inputs, shared with the output layer, and AdamW.
pub struct Gru4Rec {
    tower: Tower<Gru4RecOptions>,
}

tower_model!(
    Gru4Rec,
    Gru4RecOptions,
    Gru,
    "gru4rec",
    "GRU4Rec: gated recurrent units trained to predict each next item"
);
