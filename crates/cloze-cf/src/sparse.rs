//! A square sparse matrix of similarities, by rows.

/// Row r has the columns `indices[offsets[r]..offsets[r + 1]]` with the values at the same places.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sparse {
    pub(crate) offsets: Vec<u64>,
    pub(crate) indices: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl Sparse {
    pub(crate) fn from_rows(rows: &[Vec<(u32, f32)>]) -> Self {
        let mut matrix = Self { offsets: vec![0], ..Self::default() };
        for row in rows {
            matrix.indices.extend(row.iter().map(|&(column, _)| column));
            matrix.values.extend(row.iter().map(|&(_, value)| value));
            matrix.offsets.push(matrix.indices.len() as u64);
        }
        matrix
    }

    /// Parts from a file: says what is wrong with them, if anything is.
    pub(crate) fn checked(offsets: Vec<u64>, indices: Vec<u32>, values: Vec<f32>) -> Result<Self, String> {
        let rows = offsets.len().saturating_sub(1);
        if offsets.first() != Some(&0) || offsets.last() != Some(&(indices.len() as u64)) {
            return Err(format!("offsets do not run from 0 to the {} stored values", indices.len()));
        }
        if let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(format!("offsets fall after row {row}"));
        }
        if indices.len() != values.len() {
            return Err(format!("{} columns for {} values", indices.len(), values.len()));
        }
        if let Some(column) = indices.iter().find(|&&column| column as usize >= rows) {
            return Err(format!("column {column} in a matrix of {rows} items"));
        }
        Ok(Self { offsets, indices, values })
    }

    pub(crate) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(crate) fn row(&self, row: usize) -> impl ExactSizeIterator<Item = (u32, f32)> {
        let range = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        self.indices[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// Columns become rows; within a row the columns ascend.
    pub(crate) fn transposed(&self) -> Self {
        let mut rows = vec![Vec::new(); self.rows()];
        for row in 0..self.rows() {
            for (column, value) in self.row(row) {
                rows[column as usize].push((row as u32, value));
            }
        }
        Self::from_rows(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_sorts_the_columns() {
        let matrix = Sparse::from_rows(&[vec![(2, 0.5), (1, 0.25)], vec![], vec![(0, 1.0)]]);
        let expected = Sparse::from_rows(&[vec![(1, 0.25), (2, 0.5)], vec![], vec![(0, 1.0)]]);
        assert_eq!(matrix.transposed().transposed(), expected);
        assert_eq!(matrix.transposed().row(2).collect::<Vec<_>>(), [(0, 0.5)]);
    }

    #[test]
    fn parts_that_are_no_matrix_are_refused() {
        let refused = |offsets: &[u64], indices: &[u32], values: &[f32]| {
            Sparse::checked(offsets.to_vec(), indices.to_vec(), values.to_vec()).unwrap_err()
        };
        assert!(refused(&[], &[], &[]).contains("do not run"));
        assert!(refused(&[0, 2], &[0], &[1.0]).contains("do not run"));
        assert!(refused(&[0, 2, 1], &[0], &[1.0]).contains("fall after row 1"));
        assert!(refused(&[0, 1], &[0], &[]).contains("1 columns for 0 values"));
        assert!(refused(&[0, 1], &[1], &[1.0]).contains("column 1 in a matrix of 1 items"));
    }
}
