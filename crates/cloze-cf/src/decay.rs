//! Exponentially decayed histories.

use crate::error::CfError;

/// The distinct items of a history, ascending, each with its age: the number of places between its last occurrence and the
/// end of the history, 0 for the last item.
pub(crate) fn ages(history: &[u32]) -> Vec<(u32, i32)> {
    let mut items = places(history);
    // By item, then age: of a repeated item the youngest occurrence comes first and is kept.
    items.sort_unstable();
    items.dedup_by_key(|(item, _)| *item);
    items
}

/// Every place of a history, each item with its age.
pub(crate) fn places(history: &[u32]) -> Vec<(u32, i32)> {
    history.iter().rev().copied().zip(0..).collect()
}

/// What an item of this age weighs, decay^age. Weights below the smallest normal `f32` are none: sums of them would lose
/// all precision.
pub(crate) fn weight(decay: f64, age: i32) -> Option<f64> {
    Some(decay.powi(age)).filter(|weight| *weight >= f64::from(f32::MIN_POSITIVE))
}

/// The distinct items of a history, ascending, each with its weight.
///
/// With a decay of 1 every item weighs 1, and the order of the history has no effect.
pub(crate) fn weighted(history: &[u32], decay: f64) -> Vec<(u32, f64)> {
    ages(history).into_iter().filter_map(|(item, age)| Some((item, weight(decay, age)?))).collect()
}

/// Refuses a decay that is none.
pub(crate) fn check(option: &'static str, decay: f64) -> Result<(), CfError> {
    if decay > 0.0 && decay <= 1.0 {
        return Ok(());
    }
    Err(CfError::Option { option, value: decay.to_string(), expected: "above 0 and at most 1" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_item_weighs_one_and_a_repeated_one_counts_where_it_was_last() {
        assert_eq!(weighted(&[3, 1, 3, 2], 0.5), [(1, 0.25), (2, 1.0), (3, 0.5)]);
        assert_eq!(weighted(&[3, 1, 3, 2], 1.0), [(1, 1.0), (2, 1.0), (3, 1.0)]);
        assert!(weighted(&[], 0.5).is_empty());
    }

    #[test]
    fn weights_that_vanish_are_left_out() {
        let history: Vec<u32> = (0..1000).collect();
        let weights = weighted(&history, 0.5);
        assert_eq!(weights.len(), 127);
        assert_eq!(weights.last(), Some(&(999, 1.0)));
    }

    #[test]
    fn a_decay_outside_its_range_is_refused() {
        for decay in [0.0, -0.5, 1.01, f64::NAN, f64::INFINITY] {
            assert!(check("decay", decay).is_err(), "{decay}");
        }
        assert!(check("decay", 1.0).is_ok());
    }
}
