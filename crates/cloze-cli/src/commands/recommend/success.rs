//! How likely a learner answers exercises right, by another model of the same data.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use cloze_eval::Query;
use cloze_hybrid::Pfa;
use cloze_train::{Model as _, ModelFolder};

use crate::trained;

/// The probabilities of all exercises, by the `pfa` of a folder that was trained on the data and split of `asked`.
pub(super) fn of(path: &Path, asked: &ModelFolder, user: Option<u32>) -> Result<Vec<f32>> {
    let (folder, mut model) = trained::open(path)?;
    let name = &folder.card.model;
    ensure!(
        name == Pfa::NAME,
        "--success {}: a {name}, a {} is needed (cloze train pfa)",
        path.display(),
        Pfa::NAME
    );
    let (ours, theirs) = (&folder.card.trained_on, &asked.card.trained_on);
    if ours.split_hash != theirs.split_hash {
        bail!(
            "--success {}: trained on {} ({}), the model on {} ({}): they must be of the same data and split",
            path.display(),
            ours.dataset,
            ours.split,
            theirs.dataset,
            theirs.split
        );
    }
    let mut success = vec![f32::NAN; model.catalogue()];
    let query = Query { user, history: &[] };
    model.score(&[query], &mut success).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(success)
}

/// `A,B`: two probabilities, the smaller first.
pub(super) fn range(text: &str) -> Result<(f32, f32), String> {
    let ends = text
        .split_once(',')
        .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    ends.filter(|(low, high)| (0.0..=1.0).contains(low) && low <= high && *high <= 1.0)
        .ok_or_else(|| "expected two probabilities, the smaller first, such as 0.5,0.8".to_owned())
}
