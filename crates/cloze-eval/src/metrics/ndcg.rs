//! NDCG@K of one relevant item (Järvelin & Kekäläinen 2002): the ideal ranking has DCG 1.

pub(super) fn at(k: u32, rank: u32) -> f64 {
    if rank <= k { 1.0 / (f64::from(rank) + 1.0).log2() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn follows_the_logarithm_up_to_k() {
        // 1/log2(2), 1/log2(3), 1/log2(4), then rank 10 inside and 11 outside the cut.
        let expected =
            [(1, 1.0), (2, 0.630_929_753_571_457_4), (3, 0.5), (10, 0.289_064_826_317_887_9), (11, 0.0)];
        for (rank, value) in expected {
            assert!((super::at(10, rank) - value).abs() < 1e-15, "rank {rank}");
        }
    }
}
