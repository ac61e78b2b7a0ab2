//! The matrix of users and items from its largest singular vectors.

mod options;
mod subspace;

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};

use crate::decay::ages;
use crate::error::CfError;
use crate::popularity::{COUNTS, write_counts};
use crate::queries::{check_items, inner_products, score_each};
pub use options::PureSvdOptions;

const VECTORS: &str = "vectors";
const VALUES: &str = "values";

/// `PureSVD` (Cremonesi et al. 2010, "Performance of Recommender Algorithms on Top-N Recommendation Tasks"): the binary matrix X of
/// users and items from its largest singular vectors, `X ≈ U Σ V^T`.
///
/// `score(u, i) = Σ_k (Σ_j V_jk) V_ik` over the distinct items j of the history: the row of X, projected on the span of V. A user
/// needs no vector of his own, so that one who was not in training is a user like any other.
///
/// A user without a known item gets the order of popularity, as from [`Popularity`](crate::Popularity).
#[derive(Debug, Clone, PartialEq)]
pub struct PureSvd {
    options: PureSvdOptions,
    /// V, row-major `[items, vectors]`.
    vectors: Vec<f32>,
    /// Σ, falling.
    values: Vec<f32>,
    counts: Vec<u64>,
}

impl PureSvd {
    /// Finds the vectors; `catalogue` is the number of items.
    ///
    /// # Errors
    /// [`CfError::Option`] for an option outside its range, [`CfError::ItemOutOfRange`] for an item that is not below
    /// `catalogue`, [`CfError::Decomposition`] where the decomposition does not converge.
    pub fn fit(train: &Sequences, catalogue: usize, options: &PureSvdOptions) -> Result<Self, CfError> {
        options.check()?;
        check_items(train.values(), catalogue)?;
        let found = subspace::singular(train, catalogue, options.hidden)?;
        let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
        Ok(Self {
            options: options.clone(),
            vectors: narrow(&found.vectors),
            values: narrow(&found.values),
            counts: train.counts(catalogue),
        })
    }

    /// The singular values, falling; as many as were asked for, or as the matrix has.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// V, row-major `[items, vectors]`, orthonormal columns.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// The items' side of `X ≈ (U Σ^½) (V Σ^½)^T`, `[items, hidden]`: what matrix factorization calls item vectors. Zeros where the
    /// matrix has fewer singular vectors than `hidden`.
    pub fn item_vectors(&self) -> Vec<f32> {
        let (have, hidden) = (self.values.len(), self.options.hidden);
        let mut vectors = vec![0.0; self.counts.len() * hidden];
        for (to, from) in vectors.chunks_exact_mut(hidden).zip(self.vectors.chunks_exact(have.max(1))) {
            for ((to, from), value) in to.iter_mut().zip(from).zip(&self.values) {
                *to = from * value.sqrt();
            }
        }
        vectors
    }

    fn score_one(&self, history: &[u32], row: &mut [f32]) {
        let width = self.values.len();
        let mut user = vec![0.0; width];
        for (item, _) in ages(history) {
            let vector = &self.vectors[item as usize * width..][..width];
            user.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        }
        if user.iter().all(|value| *value == 0.0) {
            write_counts(&self.counts, row);
            return;
        }
        inner_products(&user, &self.vectors, row);
    }
}

impl Model for PureSvd {
    const NAME: &'static str = "pure-svd";
    const ABOUT: &'static str = "Matrix of users and items from its largest singular vectors";
    const HELP: &'static [(&'static str, &'static str)] = &[("hidden", "number of singular vectors")];
    type Options = PureSvdOptions;

    fn fit(
        data: &TrainingData<'_>,
        options: &PureSvdOptions,
        _run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options)?)
    }

    fn options(&self) -> &PureSvdOptions {
        &self.options
    }

    /// f32 `vectors` `[items, vectors]`, f32 `values` `[vectors]`, u64 `counts` `[items]`.
    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let (items, width) = (self.counts.len(), self.values.len());
        Ok(vec![
            NamedTensor::f32(VECTORS, &[items, width], self.vectors.clone()),
            NamedTensor::f32(VALUES, &[width], self.values.clone()),
            NamedTensor::u64(COUNTS, &[items], self.counts.clone()),
        ])
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: PureSvdOptions = folder.options(Self::NAME)?;
        options.check()?;
        let items = folder.vocabularies.items.len();
        let values = folder.f32(VALUES, None)?;
        let vectors = folder.f32(VECTORS, Some(&[items, values.len()]))?;
        Ok(Self { options, vectors, values, counts: folder.u64(COUNTS, Some(&[items]))? })
    }
}

impl Recommender for PureSvd {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.counts.len()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let one = |history: &[u32], row: &mut [f32]| {
            self.score_one(history, row);
            Ok(())
        };
        Ok(score_each(queries, scores, self.counts.len(), one)?)
    }
}
