//! What a fit needs, asked before anything is allocated.

use crate::error::CfError;

const GIB: f64 = (1_u64 << 30) as f64;

/// Refuses a catalogue whose two square matrices of `f64` are larger than `limit` GiB.
pub(crate) fn check(items: usize, limit: f64) -> Result<(), CfError> {
    let need = 2.0 * (items as f64).powi(2) * size_of::<f64>() as f64 / GIB;
    if need > limit { Err(CfError::Memory { items, need, limit }) } else { Ok(()) }
}

/// A square matrix of zeros, or an error where the system has no memory for it.
pub(crate) fn zeros<T: Clone + Default>(items: usize) -> Result<Vec<T>, CfError> {
    let length = items.saturating_mul(items);
    let mut matrix = Vec::new();
    matrix
        .try_reserve_exact(length)
        .map_err(|_| CfError::OutOfMemory { items, need: length as f64 * size_of::<T>() as f64 / GIB })?;
    matrix.resize(length, T::default());
    Ok(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_need_is_two_square_matrices() {
        assert!(check(23_170, 8.0).is_ok(), "just below 8 GiB");
        let refused = check(54_542, 8.0).unwrap_err().to_string();
        assert!(refused.contains("54542 items") && refused.contains("44.3 GiB"), "{refused}");
        assert!(refused.contains("memory-limit") && refused.contains("8 GiB"), "{refused}");
        assert!(check(54_542, 45.0).is_ok());
        assert!(check(u32::MAX as usize, 1e6).is_err(), "no overflow");
    }
}
