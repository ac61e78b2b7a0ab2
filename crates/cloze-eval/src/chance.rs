//! What no model at all would get.

use crate::metrics::Metric;

/// The expected mean of a metric when each user's candidates are in random order.
///
/// For c candidates that is the sum of the metric over ranks 1..=c, divided by c: `recall@K` gives K / c.
/// `candidates` has the number of candidates of each user; zero without users.
pub fn chance(metric: Metric, candidates: &[u32]) -> f64 {
    let mut ascending = candidates.to_vec();
    ascending.sort_unstable();
    let (mut summed, mut ranks, mut total) = (0.0, 0, 0.0);
    for &count in &ascending {
        let last = metric.cut().map_or(count, |cut| cut.min(count));
        while ranks < last {
            ranks += 1;
            summed += metric.of(ranks);
        }
        total += summed / f64::from(count.max(1));
    }
    total / candidates.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_by_chance_is_k_over_candidates() {
        assert!((chance(Metric::Recall(10), &[101; 7]) - 10.0 / 101.0).abs() < 1e-15);
        // One user with 4 candidates always has the target among the first 10, one with 20 every second time.
        assert!((chance(Metric::Recall(10), &[20, 4]) - 0.75).abs() < 1e-15);
    }

    #[test]
    fn reciprocal_rank_by_chance_is_the_mean_over_ranks() {
        let three = (1.0 + 0.5 + 1.0 / 3.0) / 3.0;
        assert!((chance(Metric::Mrr, &[3]) - three).abs() < 1e-15);
        assert!((chance(Metric::Mrr, &[3, 1]) - f64::midpoint(three, 1.0)).abs() < 1e-15);
    }
}
