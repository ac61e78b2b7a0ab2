//! By texts alone: items that are written of as those of the history are.

use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use rayon::prelude::*;

use super::content::LeftOut;
use super::options::TextOptions;
use super::read;

/// Options of [`ReviewProfiles`].
pub type ReviewProfilesOptions = TextOptions;

/// Ranks items by texts alone: an item's profile is the mean of the vectors of its reviews in training, off the mean of all, and
/// its score the mean cosine between it and the profiles of the history's items. Items of which nobody wrote are last.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewProfiles {
    options: TextOptions,
    /// `[items, width]`, of length 1, or zeros.
    items: Vec<f32>,
    catalogue: usize,
}

impl ReviewProfiles {
    fn width(&self) -> usize {
        self.items.len() / self.catalogue.max(1)
    }

    fn row(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.width()..][..self.width()]
    }
}

/// Rows off their mean, which all texts share.
fn centred(mut rows: Vec<f32>, width: usize) -> Vec<f32> {
    let mut mean = vec![0.0_f64; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let number = (rows.len() / width).max(1) as f64;
    for row in rows.chunks_exact_mut(width) {
        row.iter_mut().zip(&mean).for_each(|(value, sum)| *value = (f64::from(*value) - sum / number) as f32);
    }
    rows
}

fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in row {
            *value /= length;
        }
    }
}

impl Model for ReviewProfiles {
    const NAME: &'static str = "review-profiles";
    const ABOUT: &'static str = "By texts alone: items whose reviews read like those of the history's items";
    const EXAMPLE: Option<&'static str> =
        Some("--data mydata --reviews reviews.jsonl.gz --text-model bert-base-uncased");
    const HELP: &'static [(&'static str, &'static str)] = TextOptions::HELP;
    type Options = TextOptions;

    fn fit(data: &TrainingData<'_>, options: &TextOptions, run: &mut Run<'_>) -> Result<Self, TrainError> {
        let (reviews, vectors, width) = read(options, data.sequences, data, run)?;
        let vectors = centred(vectors, width);
        let content = LeftOut::new(&reviews, vectors, width, (data.sequences.len(), data.items), 0.0);
        let mut items = content.profiles().items.clone();
        items.chunks_exact_mut(width).for_each(normalize);
        Ok(Self { options: options.clone(), items, catalogue: data.items })
    }

    fn options(&self) -> &TextOptions {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        Ok(vec![NamedTensor::f32("items", &[self.catalogue, self.width()], self.items.clone())])
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let catalogue = folder.vocabularies.items.len();
        let items = folder.f32("items", None)?;
        let width = items.len() / catalogue.max(1);
        let items = folder.f32("items", Some(&[catalogue, width]))?;
        Ok(Self { options: folder.options(Self::NAME)?, items, catalogue })
    }
}

impl Recommender for ReviewProfiles {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.catalogue
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let rows = scores.par_chunks_exact_mut(self.catalogue.max(1)).zip(queries);
        rows.for_each(|(row, query)| {
            let mut mean = vec![0.0_f32; self.width()];
            for &item in query.history {
                let share = 1.0 / query.history.len() as f32;
                mean.iter_mut().zip(self.row(item)).for_each(|(sum, value)| *sum += share * value);
            }
            for (score, item) in row.iter_mut().zip(self.items.chunks_exact(self.width().max(1))) {
                let written = item.iter().any(|value| *value != 0.0);
                *score = if written { item.iter().zip(&mean).map(|(a, b)| a * b).sum() } else { -2.0 };
            }
        });
        Ok(())
    }

    /// The mean of the history's profiles.
    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        let mut profiles = vec![0.0; queries.len() * self.width()];
        for (query, profile) in queries.iter().zip(profiles.chunks_exact_mut(self.width().max(1))) {
            for &item in query.history {
                profile.iter_mut().zip(self.row(item)).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(profiles)
    }
}
