//! Recall@K, with one relevant item equal to the hit rate HR@K.

pub(super) fn at(k: u32, rank: u32) -> f64 {
    if rank <= k { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_one_up_to_k() {
        let hits: Vec<f64> = [1, 5, 6, 1000].iter().map(|&rank| super::at(5, rank)).collect();
        assert_eq!(hits, [1.0, 1.0, 0.0, 0.0]);
    }
}
