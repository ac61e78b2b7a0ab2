//! Items with their neighbours: what a history says by them, and how they are kept.

use cloze_data::Sequences;
use cloze_train::folder::WEIGHTS_FILE;
use cloze_train::{FolderError, ModelFolder, NamedTensor, TrainError};

use crate::popularity::{COUNTS, write_counts};
use crate::sparse::Sparse;

const OFFSETS: &str = "similarity.offsets";
const INDICES: &str = "similarity.indices";
const VALUES: &str = "similarity.values";

/// The neighbours of all items.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbours {
    /// Row i: the neighbours of item i.
    lists: Sparse,
    /// Row j: the items that have j among their neighbours. What scoring walks along.
    voters: Sparse,
    counts: Vec<u64>,
}

impl Neighbours {
    pub(crate) fn new(lists: Sparse, train: &Sequences, catalogue: usize) -> Self {
        Self { voters: lists.transposed(), lists, counts: train.counts(catalogue) }
    }

    /// Number of items.
    pub(crate) fn items(&self) -> usize {
        self.counts.len()
    }

    /// The neighbours of an item, best first; none for an item outside the catalogue.
    pub(crate) fn of(&self, item: u32) -> Vec<(u32, f32)> {
        let row = item as usize;
        if row < self.lists.rows() { self.lists.row(row).collect() } else { Vec::new() }
    }

    /// Writes for each item the sum over a weighted history of its similarities to those that are its neighbours, or, where
    /// the history says nothing about any item, how often it is in training.
    pub(crate) fn score(&self, history: impl IntoIterator<Item = (u32, f64)>, row: &mut [f32]) {
        row.fill(0.0);
        let mut votes = 0;
        for (item, weight) in history {
            for (candidate, similarity) in self.voters.row(item as usize) {
                row[candidate as usize] += weight as f32 * similarity;
                votes += 1;
            }
        }
        if votes == 0 {
            write_counts(&self.counts, row);
        }
    }

    /// The neighbours as a sparse matrix by rows: u64 `similarity.offsets` `[items + 1]`, u32
    /// `similarity.indices` and f32 `similarity.values` `[stored]`; u64 `counts` `[items]`.
    pub(crate) fn tensors(&self) -> Vec<NamedTensor<'static>> {
        let Sparse { offsets, indices, values } = self.lists.clone();
        vec![
            NamedTensor::u64(OFFSETS, &[offsets.len()], offsets),
            NamedTensor::u32(INDICES, &[indices.len()], indices),
            NamedTensor::f32(VALUES, &[values.len()], values),
            NamedTensor::u64(COUNTS, &[self.counts.len()], self.counts.clone()),
        ]
    }

    pub(crate) fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let items = folder.vocabularies.items.len();
        let lists = Sparse::checked(
            folder.u64(OFFSETS, Some(&[items + 1]))?,
            folder.u32(INDICES, None)?,
            folder.f32(VALUES, None)?,
        )
        .map_err(|reason| FolderError::Weights { path: folder.path().join(WEIGHTS_FILE), reason })?;
        Ok(Self { voters: lists.transposed(), lists, counts: folder.u64(COUNTS, Some(&[items]))? })
    }
}
