//! The best items of a row of scores.

/// Scores looked at together: a block without any item for the list is passed over without a branch an item.
const BLOCK: usize = 32;

/// The at most `k` best items that are neither hidden nor scored negative infinity, best first, ties by id.
pub(crate) fn best(scores: &[f32], k: usize, hidden: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut list: Vec<(f32, u32)> = Vec::with_capacity(k + 1);
    let mut bar = f32::NEG_INFINITY;
    for (block, chunk) in scores.chunks(BLOCK).enumerate() {
        // Counted, not searched: without an early exit the pass is vectorized.
        if chunk.iter().filter(|&&score| score > bar).count() == 0 {
            continue;
        }
        for (within, &score) in chunk.iter().enumerate() {
            let item = (block * BLOCK + within) as u32;
            if score > bar && !hidden(item) {
                let place = list.partition_point(|&(other, _)| other >= score);
                list.insert(place, (score, item));
                if list.len() > k {
                    list.pop();
                }
                if list.len() == k {
                    bar = list.last().map_or(bar, |&(worst, _)| worst);
                }
            }
        }
    }
    list.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn the_best_come_first_and_ties_by_id() {
        let scores = [0.5, 0.9, f32::NEG_INFINITY, 0.5, 0.1, 0.9];
        assert_eq!(best(&scores, 3, |_| false), [1, 5, 0]);
        assert_eq!(best(&scores, 3, |item| item == 1), [5, 0, 3]);
        assert_eq!(best(&scores, 9, |_| false), [1, 5, 0, 3, 4]);
    }

    #[test]
    fn long_rows_give_what_sorting_gives() {
        let scores: Vec<f32> = (0..1000_u32).map(|item| (item * 7919 % 263) as f32).collect();
        let mut sorted: Vec<u32> = (0..1000).filter(|item| item % 3 != 0).collect();
        sorted.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        assert_eq!(best(&scores, 10, |item| item % 3 == 0), sorted[..10]);
    }
}
