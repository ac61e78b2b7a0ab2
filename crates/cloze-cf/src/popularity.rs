//! The most popular items, the same for everybody.

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::{Deserialize, Serialize};

use crate::error::CfError;
use crate::queries::{check_items, check_length};

pub(crate) const COUNTS: &str = "counts";

/// Options of [`Popularity`]: there are none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopularityOptions {}

/// Scores an item with the number of its interactions in training.
///
/// The reference that every personal model has to beat. Repeated interactions of a user count each time.
/// Counts beyond 2^24 are rounded to the nearest `f32`, which keeps their order up to ties.
#[derive(Debug, Clone, PartialEq)]
pub struct Popularity {
    counts: Vec<u64>,
}

impl Popularity {
    /// Counts the items of the training sequences; `catalogue` is the number of items.
    ///
    /// # Errors
    /// [`CfError::ItemOutOfRange`] for an item that is not below `catalogue`.
    pub fn fit(train: &Sequences, catalogue: usize, _options: &PopularityOptions) -> Result<Self, CfError> {
        check_items(train.values(), catalogue)?;
        Ok(Self { counts: train.counts(catalogue) })
    }

    /// Interactions of each item in training.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

impl Model for Popularity {
    const NAME: &'static str = "popularity";
    const ABOUT: &'static str = "The most popular items, the same for everybody";
    const HELP: &'static [(&'static str, &'static str)] = &[];
    type Options = PopularityOptions;

    fn fit(
        data: &TrainingData<'_>,
        options: &PopularityOptions,
        _run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options)?)
    }

    fn options(&self) -> &PopularityOptions {
        &PopularityOptions {}
    }

    /// u64 `counts`, shape `[items]`.
    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        Ok(vec![NamedTensor::u64(COUNTS, &[self.counts.len()], self.counts.clone())])
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let PopularityOptions {} = folder.options(Self::NAME)?;
        let items = folder.vocabularies.items.len();
        Ok(Self { counts: folder.u64(COUNTS, Some(&[items]))? })
    }
}

impl Recommender for Popularity {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.counts.len()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        check_length(queries, scores, self.counts.len())?;
        for row in scores.chunks_exact_mut(self.counts.len().max(1)) {
            write_counts(&self.counts, row);
        }
        Ok(())
    }
}

/// The scores of this model, which others fall back to.
pub(crate) fn write_counts(counts: &[u64], row: &mut [f32]) {
    for (score, &count) in row.iter_mut().zip(counts) {
        *score = count as f32;
    }
}
