//! Reciprocal rank, with and without a cut.

pub(super) fn at(k: u32, rank: u32) -> f64 {
    if rank <= k { of(rank) } else { 0.0 }
}

pub(super) fn of(rank: u32) -> f64 {
    1.0 / f64::from(rank)
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_the_reciprocal_of_the_rank() {
        for (rank, without_cut, at_2) in [(1, 1.0, 1.0), (2, 0.5, 0.5), (4, 0.25, 0.0), (200, 0.005, 0.0)] {
            assert!((super::of(rank) - without_cut).abs() < 1e-15);
            assert!((super::at(2, rank) - at_2).abs() < 1e-15);
        }
    }
}
