//! Weights that change with the length of the history: of a long one the content tower knows more.

/// Histories of this length have the plain weights: of that order are those of films.
const USUAL: f64 = 64.0;

/// By which multiple of its second half a history's weights differ from their first half: `ln((1 + n) / 64)`.
pub(super) fn of(history: &[u32]) -> f64 {
    ((1 + history.len()) as f64 / USUAL).ln()
}

/// Behind rows of scores the same ones times the gate.
pub(super) fn add_rows(rows: &mut [f32], history: &[u32]) {
    let (scores, gated) = rows.split_at_mut(rows.len() / 2);
    let gate = of(history) as f32;
    gated.iter_mut().zip(&*scores).for_each(|(to, score)| *to = gate * score);
}
