//! Examples of models that predict the next item at every position.

use cloze_encoder::{EncoderError, PackedBatch};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// Appends a window without its last item, which is a target only, as a sequence at the end of `max_length` positions. With
/// `recency` r, a position k places before the last is a target with probability rᵏ: 1 takes every position, 0 the last only
/// (after Petrov & Macdonald 2022, who draw a fixed number).
///
/// # Errors
/// None for a window of two items or more.
pub(crate) fn push_next_items(
    batch: &mut PackedBatch,
    window: &[u32],
    max_length: usize,
    recency: f64,
    generator: &mut ChaCha8Rng,
) -> Result<(), EncoderError> {
    let input = &window[..window.len() - 1];
    let rows = target_rows(input.len(), recency, generator);
    let targets: Vec<u32> = rows.iter().map(|&row| window[row as usize + 1]).collect();
    batch.push(input, (max_length - input.len()) as u32, &rows, &targets)
}

/// Rows of an input of `length` tokens whose next item is a target; always the last.
fn target_rows(length: usize, recency: f64, generator: &mut ChaCha8Rng) -> Vec<u32> {
    let last = length as u32 - 1;
    if recency >= 1.0 {
        return (0..=last).collect();
    }
    // Every row draws, so that one row's choice does not depend on another's.
    let drawn = |row: &u32| generator.random_bool(recency.powi((last - row) as i32));
    (0..=last).filter(drawn).collect()
}
