//! Matrix products in plain loops.

use super::PARALLEL;
use crate::cuda::device::{Address, Number, Operand, Product};
use crate::error::Result;
use rayon::prelude::*;

/// An operand's numbers as floats, row-major without gaps, `[rows, columns]` as the product takes it.
fn operand(
    from: Operand,
    number: Number,
    rows: usize,
    columns: usize,
    check: &Check<'_>,
) -> Result<Vec<f32>> {
    let (stored_rows, stored_columns) = if from.transposed { (columns, rows) } else { (rows, columns) };
    check(from.at, extent(stored_rows, stored_columns, from.stride) * number.bytes())?;
    let (down, right) = if from.transposed { (1, from.stride) } else { (from.stride, 1) };
    let mut all = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        // SAFETY: the whole extent was checked.
        all.extend((0..columns).map(|j| unsafe { read(from.at, number, i * down + j * right) }));
    }
    Ok(all)
}

/// Elements from a matrix's first to its last.
fn extent(rows: usize, columns: usize, stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * stride + columns }
}

/// # Safety
/// Number `index` from `at` on must lie in an allocation.
unsafe fn read(at: Address, number: Number, index: usize) -> f32 {
    let from = at.offset(index * number.bytes()).0;
    // SAFETY: the caller's word.
    unsafe {
        match number {
            Number::F32 => (from as *const f32).read(),
            Number::Bf16 => f32::from_bits(u32::from((from as *const u16).read()) << 16),
        }
    }
}

/// # Safety
/// As for [`read`], and nobody else may use it.
unsafe fn write(at: Address, number: Number, index: usize, value: f32) {
    let to = at.offset(index * number.bytes()).0;
    // SAFETY: the caller's word.
    unsafe {
        match number {
            Number::F32 => (to as *mut f32).write(value),
            Number::Bf16 => (to as *mut u16).write(bf16(value)),
        }
    }
}

/// Rounds to the nearest bfloat16, ties to even; NaN stays NaN.
fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16 | 0x40) as u16;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// Checks a range for use in a product.
pub(super) type Check<'a> = dyn Fn(Address, usize) -> Result<()> + 'a;

/// The product, in plain loops.
pub(super) fn multiply(product: &Product, check: &Check<'_>) -> Result<()> {
    let &Product { size: [m, n, k], input, output, a, b, c, c_stride, adds, bias } = product;
    if m == 0 || n == 0 {
        return Ok(());
    }
    let (left, right) = (operand(a, input, m, k, check)?, operand(b, input, k, n, check)?);
    check(c, extent(m, n, c_stride) * output.bytes())?;
    if bias != Address::NONE {
        check(bias, n * output.bytes())?;
    }
    let row = |i: usize| {
        let mut sums = vec![0.0f32; n];
        for (&x, others) in left[i * k..][..k].iter().zip(right.chunks_exact(n)) {
            sums.iter_mut().zip(others).for_each(|(sum, y)| *sum += x * y);
        }
        for (j, sum) in sums.into_iter().enumerate() {
            // SAFETY: both extents were checked, and each row of C is one call's alone.
            unsafe {
                let old = if adds { read(c, output, i * c_stride + j) } else { 0.0 };
                let extra = if bias == Address::NONE { 0.0 } else { read(bias, output, j) };
                write(c, output, i * c_stride + j, sum + old + extra);
            }
        }
    };
    if m * n * k > PARALLEL {
        (0..m).into_par_iter().for_each(row);
    } else {
        (0..m).for_each(row);
    }
    Ok(())
}
