//! The items that were popular lately.

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::{Deserialize, Serialize};

use crate::error::CfError;
use crate::popularity::{COUNTS, write_counts};
use crate::queries::{check_items, check_length};

/// Options of [`PopularityRecent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopularityRecentOptions {
    /// The share of the training interactions that are counted, the most recent ones; above 0 and at most 1.
    /// Default 0.1.
    ///
    /// A share and not a number of days, because the times of a data set may be any integers that grow, or absent.
    pub window: f64,
}

impl Default for PopularityRecentOptions {
    fn default() -> Self {
        Self { window: 0.1 }
    }
}

impl PopularityRecentOptions {
    fn check(&self) -> Result<(), CfError> {
        if self.window > 0.0 && self.window <= 1.0 {
            return Ok(());
        }
        let value = self.window.to_string();
        Err(CfError::Option { option: "window", value, expected: "above 0 and at most 1" })
    }
}

/// Scores an item with the number of its interactions in the most recent part of training (Ji et al. 2020, "A
/// Re-visit of the Popularity Baseline in Recommender Systems").
///
/// - With times: the `ceil(window n)` most recent of all n interactions, and those of the same time as the oldest
///   of them, so that the order of users decides nothing. The end of the window is the end of the training data,
///   for every user.
/// - Without times there is no order between users: the last `ceil(window m)` of the m interactions of each user.
///
/// A window of 1 gives [`Popularity`](crate::Popularity).
#[derive(Debug, Clone, PartialEq)]
pub struct PopularityRecent {
    options: PopularityRecentOptions,
    counts: Vec<u64>,
}

impl PopularityRecent {
    /// Counts the recent items of the training sequences; `catalogue` is the number of items.
    ///
    /// # Errors
    /// [`CfError::Option`] for a window outside its range, [`CfError::ItemOutOfRange`] for an item that is not
    /// below `catalogue`.
    pub fn fit(
        train: &Sequences,
        catalogue: usize,
        options: &PopularityRecentOptions,
    ) -> Result<Self, CfError> {
        options.check()?;
        check_items(train.values(), catalogue)?;
        let mut counts = vec![0; catalogue];
        let mut count = |item: u32| counts[item as usize] += 1;
        if let Some(times) = train.all_times() {
            let begin = begin_of_window(times.to_vec(), options.window);
            let recent = train.values().iter().zip(times).filter(|&(_, &time)| begin <= Some(time));
            recent.for_each(|(&item, _)| count(item));
        } else {
            for sequence in train.iter() {
                let kept = kept(sequence.len(), options.window);
                sequence[sequence.len() - kept..].iter().for_each(|&item| count(item));
            }
        }
        Ok(Self { options: options.clone(), counts })
    }

    /// Interactions of each item in the window.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// How many of so many interactions are in the window: at least one, where there are any.
fn kept(interactions: usize, window: f64) -> usize {
    ((interactions as f64 * window).ceil() as usize).min(interactions)
}

/// The oldest time of the window; none without interactions.
fn begin_of_window(mut times: Vec<i64>, window: f64) -> Option<i64> {
    let before = times.len() - kept(times.len(), window);
    (before < times.len()).then(|| *times.select_nth_unstable(before).1)
}

impl Model for PopularityRecent {
    const NAME: &'static str = "popularity-recent";
    const ABOUT: &'static str = "The items that were popular lately, the same for everybody";
    const HELP: &'static [(&'static str, &'static str)] =
        &[("window", "share of the training interactions that count, the most recent ones")];
    type Options = PopularityRecentOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, _run: &mut Run<'_>) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options)?)
    }

    fn options(&self) -> &PopularityRecentOptions {
        &self.options
    }

    /// u64 `counts`, shape `[items]`.
    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        Ok(vec![NamedTensor::u64(COUNTS, &[self.counts.len()], self.counts.clone())])
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: PopularityRecentOptions = folder.options(Self::NAME)?;
        options.check()?;
        let items = folder.vocabularies.items.len();
        Ok(Self { options, counts: folder.u64(COUNTS, Some(&[items]))? })
    }
}

impl Recommender for PopularityRecent {
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
