//! BERT4Rec as a model of the command line.

use crate::model::tower_model;
use crate::options::Bert4RecOptions;
use crate::tower::Tower;

/// BERT4Rec (Sun et al. 2019): a bidirectional transformer over a user's items, trained to fill masked places.
///
/// - Scores: `GELU(h W_p + b_p) Eᵀ + b_O` of the \[MASK\] appended to the last `max_length − 1` items, h its last
///   hidden state and E the item table that the input uses too.
/// - Training: softmax cross-entropy at the masked positions, mean over them.
pub struct Bert4Rec {
    tower: Tower,
}

tower_model!(
    Bert4Rec,
    Bert4RecOptions,
    Transformer,
    "bert4rec",
    "BERT4Rec: a bidirectional transformer trained to fill masked places"
);
