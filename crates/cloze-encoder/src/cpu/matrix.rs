//! Matrix views, and matrices packed for the right side of a product.

use super::bfloat16;
use super::level::{Level, for_every_level};

/// A matrix in a slice: element (i, j) at `i · row_stride + j · column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
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

/// Whether a row-major matrix with rows `stride` apart lies inside `len` elements.
pub(super) fn fits(len: usize, rows: usize, columns: usize, stride: usize) -> bool {
    rows == 0 || columns == 0 || (columns <= stride || rows == 1) && (rows - 1) * stride + columns <= len
}

/// As much as the widest vector, and aligned to it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Floats, or words of bfloat16, aligned to the widest vector.
#[derive(Default)]
pub(super) struct Words(Vec<Line>);

impl Words {
    /// Room for `len` floats, or a little more; old ones stay.
    pub(super) fn resize(&mut self, len: usize) {
        self.0.resize(len.div_ceil(16), Line([0.0; 16]));
    }

    pub(super) fn values(&self) -> &[f32] {
        // SAFETY: a line is sixteen floats and nothing else (`repr(C)`, 64 bytes), and any bits are floats.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 16) }
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }
}

/// A matrix cut into panels of [`Level::panel`] columns; within a panel row by row without gaps, the last panel filled
/// up with zeros. Where the level rounds, a row of a panel is two of the matrix: words of [`super::bfloat16`].
#[derive(Default)]
pub(super) struct Packed {
    words: Words,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) panel: usize,
    /// Rows of a panel.
    pub(super) depth: usize,
}

impl Packed {
    /// Becomes a copy of `matrix` for products at `level`.
    pub(super) fn fill(&mut self, matrix: Matrix<'_>, level: Level) {
        (self.rows, self.columns, self.panel) = (matrix.rows, matrix.columns, level.panel());
        self.depth = if level.rounds() { bfloat16::depth(level, self.rows) } else { self.rows };
        let (depth, columns, panel) = (self.depth, self.columns, self.panel);
        let len = columns.div_ceil(panel) * panel * depth;
        self.words.resize(len);
        if depth == 0 {
            return;
        }
        for (number, to) in
            self.words.values_mut().chunks_exact_mut(depth * panel).take(columns.div_ceil(panel)).enumerate()
        {
            let first = number * panel;
            let columns = first..(first + panel).min(columns);
            if level.rounds() {
                bfloat16::fill_panel(matrix, columns, to, panel);
            } else {
                copy_panel(level, matrix, first, columns.len(), to, panel);
            }
        }
    }

    /// All panels, one after the other.
    pub(super) fn values(&self) -> &[f32] {
        self.words.values()
    }
}

/// Rows of a transposed matrix that are copied together: what they read stays in the nearest cache.
const STRIP: usize = 16;

for_every_level! {
    /// Columns `first..first + width` of `matrix` become the rows of `to`, filled up with zeros.
    fn copy_panel(matrix: Matrix<'_>, first: usize, width: usize, to: &mut [f32], panel: usize) {
        if matrix.column_stride == 1 {
            for (row, to) in to.chunks_exact_mut(panel).enumerate() {
                let from = row * matrix.row_stride + first;
                to[..width].copy_from_slice(&matrix.data[from..from + width]);
                to[width..].fill(0.0);
            }
            return;
        }
        if width < panel {
            to.fill(0.0);
        }
        for (number, strip) in to.chunks_mut(STRIP * panel).enumerate() {
            let rows = strip.len() / panel;
            for column in 0..width {
                let from = (first + column) * matrix.column_stride + number * STRIP * matrix.row_stride;
                if matrix.row_stride == 1 {
                    let from = &matrix.data[from..from + rows];
                    for (row, value) in from.iter().enumerate() {
                        strip[row * panel + column] = *value;
                    }
                } else {
                    for row in 0..rows {
                        strip[row * panel + column] = matrix.data[from + row * matrix.row_stride];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_element() {
        let data: Vec<f32> = (0..35 * 150).map(|i| i as f32).collect();
        for level in Level::present().filter(|level| !level.rounds()) {
            for matrix in [
                Matrix::new(&data, 35, 150),
                Matrix::strided(&data, 30, 70, 150),
                Matrix::new(&data, 150, 35).t(),
            ] {
                let mut packed = Packed::default();
                packed.fill(Matrix::new(&data, 35, 150), level);
                packed.fill(matrix, level);
                for row in 0..matrix.rows {
                    for column in 0..matrix.columns {
                        let (panel, within) = (column / packed.panel, column % packed.panel);
                        let found = packed.values()[(panel * matrix.rows + row) * packed.panel + within];
                        assert_eq!(found, data[row * matrix.row_stride + column * matrix.column_stride]);
                    }
                }
            }
        }
    }
}
