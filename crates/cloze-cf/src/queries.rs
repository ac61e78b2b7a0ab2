//! What is asked of a model: checks, and the way through all queries.

use cloze_eval::Query;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::error::CfError;

pub(crate) fn check_items(items: &[u32], catalogue: usize) -> Result<(), CfError> {
    match items.iter().find(|&&item| item as usize >= catalogue) {
        Some(&item) => Err(CfError::ItemOutOfRange { item, catalogue }),
        None => Ok(()),
    }
}

/// Writes the scores of each query by its history, on all cores, after a check of what was asked for.
pub(crate) fn score_each(
    queries: &[Query<'_>],
    scores: &mut [f32],
    catalogue: usize,
    one: impl Fn(&[u32], &mut [f32]) -> Result<(), CfError> + Sync,
) -> Result<(), CfError> {
    check_length(queries, scores, catalogue)?;
    for query in queries {
        check_items(query.history, catalogue)?;
    }
    let rows = scores.par_chunks_exact_mut(catalogue.max(1));
    rows.zip(queries).try_for_each(|(row, query)| one(query.history, row))
}

pub(crate) fn check_length(queries: &[Query<'_>], scores: &[f32], catalogue: usize) -> Result<(), CfError> {
    if scores.len() == queries.len() * catalogue {
        return Ok(());
    }
    Err(CfError::ScoreLength { found: scores.len(), queries: queries.len(), catalogue })
}

/// Scores of all items by inner product, `row_i = user · vectors_i` for `vectors` row-major `[items, width]`; `width` is not 0.
pub(crate) fn inner_products(user: &[f32], vectors: &[f32], row: &mut [f32]) {
    let (items, width) = (row.len(), user.len());
    matmul(
        MatMut::from_row_major_slice_mut(row, 1, items),
        Accum::Replace,
        MatRef::from_row_major_slice(user, 1, width),
        MatRef::from_row_major_slice(vectors, items, width).transpose(),
        1.0,
        Par::Seq,
    );
}
