//! The sums that SLIT is solved from.

use cloze_data::Sequences;
use rayon::prelude::*;

/// Weights below this are left out: nothing is lost beside the weight 1 that every item has once.
const NEGLIGIBLE: f64 = 1e-12;

/// With the past `x_t = Σ_s≤t decay^(t-s) e(item s)` and the item `y_t = e(item t+1)` that follows, over all t of all users: writes
/// the lower triangle of `Σ x_t x_t^T + lambda I`, column-major, into `past`, and `Σ x_t y_t^T`, row-major, into `next`. Both are
/// all zeros, of `catalogue` rows and columns, and every item is below `catalogue`.
///
/// The pair of places s <= r is in the past of every t from r on: a geometric sum, so that no `x_t` is ever made. Rows are filled in
/// parallel, and the terms of an entry are added in the order of users and places: the same sums on any number of threads.
pub(super) fn moments(
    train: &Sequences,
    catalogue: usize,
    decay: f64,
    lambda: f64,
    past: &mut [f64],
    next: &mut [f64],
) {
    // For each item the sequences and places where it stands.
    let mut places: Vec<Vec<(u32, u32)>> = vec![Vec::new(); catalogue];
    for (user, sequence) in (0_u32..).zip(train.iter()) {
        for (place, item) in (0_u32..).zip(sequence) {
            places[*item as usize].push((user, place));
        }
    }
    let longest = train.iter().map(<[u32]>::len).max().unwrap_or(0);
    let powers = powers(decay, longest);
    let shared: Vec<f64> = (0..longest.max(1)).map(|steps| shared(decay, steps)).collect();
    let rows = past.par_chunks_exact_mut(catalogue.max(1)).zip(next.par_chunks_exact_mut(catalogue.max(1)));
    rows.zip(&places).enumerate().for_each(|(item, ((past, next), places))| {
        for &(user, place) in places {
            let (sequence, here) = (train.get(user as usize), place as usize);
            // The last item of a sequence is followed by none: it is in no past.
            let Some(steps) = (sequence.len() - 1).checked_sub(here).filter(|steps| *steps > 0) else {
                continue;
            };
            for (weight, &other) in powers.iter().zip(&sequence[here + 1..]) {
                next[other as usize] += weight;
            }
            let mut add = |other: u32, weight: f64| {
                if other as usize >= item {
                    past[other as usize] += weight;
                }
            };
            for (weight, &other) in powers.iter().zip(sequence[..=here].iter().rev()) {
                add(other, weight * shared[steps]);
            }
            let after = sequence[here + 1..].iter().zip(1..steps);
            for (weight, (&other, distance)) in powers[1..].iter().zip(after) {
                add(other, weight * shared[steps - distance]);
            }
        }
        past[item] += lambda;
    });
}

/// 1, decay, decay^2, ... as long as they count, at most `most` and at least one.
fn powers(decay: f64, most: usize) -> Vec<f64> {
    let all = std::iter::successors(Some(1.0), |power| Some(power * decay));
    all.take(most.max(1)).take_while(|power| *power >= NEGLIGIBLE).collect()
}

/// 1 + decay^2 + decay^4 + ..., `steps` terms.
fn shared(decay: f64, steps: usize) -> f64 {
    // Differences from 1, without which near 1 the closed form would be a quotient of two rounding errors.
    let logarithm = 2.0 * decay.ln();
    if logarithm == 0.0 {
        return steps as f64;
    }
    (steps as f64 * logarithm).exp_m1() / logarithm.exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ITEMS: usize = 7;

    /// The definition: every past is made.
    fn defined(lists: &[Vec<u32>], decay: f64, lambda: f64) -> (Vec<f64>, Vec<f64>) {
        let (mut past, mut next) = (vec![0.0; ITEMS * ITEMS], vec![0.0; ITEMS * ITEMS]);
        for list in lists {
            let mut x = [0.0; ITEMS];
            for pair in list.windows(2) {
                for value in &mut x {
                    *value *= decay;
                }
                x[pair[0] as usize] += 1.0;
                for a in 0..ITEMS {
                    next[a * ITEMS + pair[1] as usize] += x[a];
                    for b in 0..ITEMS {
                        past[a * ITEMS + b] += x[a] * x[b];
                    }
                }
            }
        }
        (0..ITEMS).for_each(|item| past[item * ITEMS + item] += lambda);
        (past, next)
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_the_definition(
            // Items come again, as in a shop.
            lists in prop::collection::vec(prop::collection::vec(0..ITEMS as u32, 1..40), 1..20),
            decay in prop_oneof![Just(1.0), Just(0.999_999_999_9), 0.05..1.0],
        ) {
            let train = Sequences::from_lists(&lists, None).unwrap();
            let (mut past, mut next) = (vec![0.0; ITEMS * ITEMS], vec![0.0; ITEMS * ITEMS]);
            moments(&train, ITEMS, decay, 2.5, &mut past, &mut next);
            let (expected_past, expected_next) = defined(&lists, decay, 2.5);
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
            for row in 0..ITEMS {
                for column in 0..ITEMS {
                    let place = row * ITEMS + column;
                    prop_assert!(near(next[place], expected_next[place]), "next {row} {column}");
                    // Column `row` of the lower triangle.
                    let expected = if column >= row { expected_past[place] } else { 0.0 };
                    prop_assert!(near(past[place], expected), "past {row} {column}: {}", past[place]);
                }
            }
        }
    }
}
