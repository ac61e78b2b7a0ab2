//! Matrix views and their product.

/// A matrix in a slice: element (i, j) at `i · row_stride + j · column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major, without gaps.
    pub(super) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Row-major, rows `stride` apart.
    pub(super) fn strided(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(fits(data.len(), rows, columns, stride), "matrix beyond its slice");
        Self { data, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// The transposed view.
    pub(super) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

fn fits(len: usize, rows: usize, columns: usize, stride: usize) -> bool {
    rows == 0 || columns == 0 || (columns <= stride || rows == 1) && (rows - 1) * stride + columns <= len
}

/// What becomes of the destination's old values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Onto {
    /// They are overwritten.
    Replace,
    /// The product is added to them.
    Add,
}

/// `C ← [C +] alpha · A B` for a row-major C of `a.rows × b.columns` with rows `stride` apart, on this thread.
pub(super) fn multiply(c: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, alpha: f32, onto: Onto) {
    assert_eq!(a.columns, b.rows, "inner dimensions");
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(fits(c.len(), m, n, stride), "product beyond its slice");
    if m == 0 || n == 0 {
        return;
    }
    // SAFETY: `fits` holds for all three (checked here and where the views were made), so every element named by the
    // sizes and strides lies inside its slice; C is borrowed mutably, so it overlaps neither A nor B.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            stride as isize,
            onto == Onto::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_all_transpositions_agree_with_the_definition() {
        let (m, n, k) = (5, 7, 3);
        let wave = |len: usize, f: f32| (0..len).map(|i| (i as f32 * f).sin()).collect::<Vec<_>>();
        let (a, b) = (wave(m * k, 0.7), wave(k * n, 1.3));
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let left = if ta { Matrix::new(&a, k, m).t() } else { Matrix::new(&a, m, k) };
            let right = if tb { Matrix::new(&b, n, k).t() } else { Matrix::new(&b, k, n) };
            let mut c = vec![1.0; m * 9];
            multiply(&mut c, 9, left, right, 2.0, Onto::Add);
            for i in 0..m {
                for j in 0..9 {
                    let at = |matrix: Matrix<'_>, i, j| {
                        matrix.data[i * matrix.row_stride + j * matrix.column_stride]
                    };
                    let product: f32 =
                        if j < n { (0..k).map(|l| at(left, i, l) * at(right, l, j)).sum() } else { 0.0 };
                    assert!((c[i * 9 + j] - (1.0 + 2.0 * product)).abs() < 1e-5);
                }
            }
        }
    }
}
