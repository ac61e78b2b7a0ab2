//! SASRec as a model of the command line.

mod options;

pub use options::SasRecOptions;

use crate::model::tower_model;
use crate::tower::Tower;

/// SASRec (Kang & McAuley 2018): a causal transformer over a user's items; every position predicts the next item.
///
/// - Scores: `h Eᵀ + b_O` of the last row of the last `max_length` items, h its final hidden state (pre-norm blocks, one
///   norm at the end) and E the item table that the input uses too. The empty history scores `b_O`.
/// - Training: by default softmax cross-entropy over the whole catalogue at each position, mean over them: the strongest
///   of the losses compared by Klenitskiy & Vasilev (2023). The paper's own is `bce`, binary with one sampled negative;
///   `gbce` is gSASRec's (Petrov & Macdonald 2023).
///
/// Differences from the paper: the output layer has a bias, the norm before attention applies to keys and values as it
/// does to queries, and item vectors are not multiplied by √hidden before positions are added: `initial-scale` sets
/// both.
pub struct SasRec {
    tower: Tower<SasRecOptions>,
}

tower_model!(
    SasRec,
    SasRecOptions,
    Transformer,
    "sasrec",
    "SASRec: a causal transformer trained to predict each next item"
);
