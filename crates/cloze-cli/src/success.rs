//! How likely learners answer exercises right, by another model of the same data.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use cloze_eval::{Query, Recommender};
use cloze_hybrid::Pfa;
use cloze_train::{Model as _, ModelFolder};

use crate::trained;

/// What the other model must have been trained on.
pub(crate) struct Asked<'a> {
    pub(crate) dataset: &'a str,
    pub(crate) split: &'a str,
    pub(crate) split_hash: &'a str,
}

impl<'a> Asked<'a> {
    /// The data of a model.
    pub(crate) fn of(folder: &'a ModelFolder) -> Self {
        let trained_on = &folder.card.trained_on;
        Self { dataset: &trained_on.dataset, split: &trained_on.split, split_hash: &trained_on.split_hash }
    }
}

/// Opens the `pfa` of a folder, which was trained on the data and split that are asked for.
pub(crate) fn open(path: &Path, asked: &Asked<'_>) -> Result<(ModelFolder, Box<dyn Recommender>)> {
    let (folder, model) = trained::open(path)?;
    let name = &folder.card.model;
    ensure!(
        name == Pfa::NAME,
        "--success {}: a {name}, a {} is needed (cloze train pfa)",
        path.display(),
        Pfa::NAME
    );
    let ours = &folder.card.trained_on;
    if ours.split_hash != asked.split_hash {
        bail!(
            "--success {}: trained on {} ({}), the model on {} ({}): they must be of the same data and split. Train \
             one with cloze train pfa --data {} --split {}",
            path.display(),
            ours.dataset,
            ours.split,
            asked.dataset,
            asked.split,
            asked.dataset,
            asked.split
        );
    }
    Ok((folder, model))
}

/// The probabilities of all exercises for one learner.
pub(crate) fn of(path: &Path, asked: &ModelFolder, user: Option<u32>) -> Result<Vec<f32>> {
    let (_, mut model) = open(path, &Asked::of(asked))?;
    let mut success = vec![f32::NAN; model.catalogue()];
    let query = Query { user, history: &[] };
    model.score(&[query], &mut success).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(success)
}

/// `A,B`: two probabilities, the smaller first.
pub(crate) fn range(text: &str) -> Result<(f32, f32), String> {
    let ends = text
        .split_once(',')
        .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    ends.filter(|(low, high)| (0.0..=1.0).contains(low) && low <= high && *high <= 1.0)
        .ok_or_else(|| "expected two probabilities, the smaller first, such as 0.5,0.8".to_owned())
}

/// A probability.
pub(crate) fn target(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|target| (0.0..=1.0).contains(target));
    number.ok_or_else(|| "expected a probability from 0 to 1, such as 0.7".to_owned())
}
