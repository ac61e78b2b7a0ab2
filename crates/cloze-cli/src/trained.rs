//! A trained model with the data that it was trained on.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use cloze_data::{DataOptions, Dataset, Split, SplitSpec, Vocabulary, load};
use cloze_eval::{Fit, Recommender};
use cloze_train::{ModelFolder, Reporter};
use serde_json::Value;

use crate::models;
use crate::text::{count, did_you_mean};

/// Opens a model folder and loads its model, whichever it is.
pub(crate) fn open(path: &Path) -> Result<(ModelFolder, Box<dyn Recommender>)> {
    let folder = ModelFolder::open(path)?;
    let entry = models::find(&folder.card.model).with_context(|| {
        format!("{} holds a model that this version of cloze does not have", path.display())
    })?;
    let model = entry.load(&folder)?;
    Ok((folder, model))
}

/// A user's number: asked before any data are loaded.
pub(crate) fn known_user(user: &str, folder: &ModelFolder) -> Result<u32> {
    let known = &folder.vocabularies.users;
    known.get(user).ok_or_else(|| {
        let hint = did_you_mean(user, known.ids().iter().map(String::as_str));
        let total = count(known.len());
        anyhow!("unknown user {user:?}{hint}; {} has {total} users", folder.card.trained_on.dataset)
    })
}

/// The split that a model was trained on.
pub(crate) fn split(folder: &ModelFolder) -> Result<SplitSpec> {
    let path = folder.path().display();
    folder
        .card
        .trained_on
        .split
        .parse()
        .with_context(|| format!("{path}/config.json names a split that this version of cloze does not have"))
}

/// What a model was fitted on.
pub(crate) fn fit(folder: &ModelFolder) -> Result<Fit> {
    let (path, name) = (folder.path().display(), &folder.card.trained_on.fit);
    serde_json::from_value(Value::String(name.clone()))
        .with_context(|| format!("{path}/config.json: fit {name:?} is neither train nor train+validation"))
}

/// Loads the model's data set (or the one named), splits it, and makes sure that it is the one trained on.
pub(crate) fn data(
    folder: &ModelFolder,
    name: Option<&str>,
    options: &DataOptions,
    reporter: &mut Reporter,
) -> Result<(Dataset, Box<dyn Split>)> {
    let (path, trained_on) = (folder.path().display(), &folder.card.trained_on);
    let spec = split(folder)?;
    let name = name.unwrap_or(&trained_on.dataset);
    let dataset = load(name, options, reporter)?;
    let split = spec.of(&dataset.sequences)?;
    let hash = split.hash();
    ensure!(
        hash == trained_on.split_hash,
        "{path} was trained on another split: its config.json has the split hash {} of {}, the data set {name} \
         now gives {hash}. Held-out items may have been trained on, so nothing was computed. Give the data set \
         that it was trained on with --data or --data-dir, or train again",
        trained_on.split_hash,
        trained_on.dataset,
    );
    check_order("items", &folder.vocabularies.items, &dataset.items)
        .and_then(|()| check_order("users", &folder.vocabularies.users, &dataset.users))
        .with_context(|| format!("{path} was trained on other data than {name}: train again"))?;
    Ok((dataset, split))
}

/// Dense ids must mean the same in the model and in the data.
pub(crate) fn check_order(what: &str, model: &Vocabulary, data: &Vocabulary) -> Result<()> {
    let (ours, theirs) = (model.ids(), data.ids());
    ensure!(ours.len() == theirs.len(), "the model has {} {what}, the data {}", ours.len(), theirs.len());
    match ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs) {
        None => Ok(()),
        Some(at) => anyhow::bail!(
            "number {at} of the {what} is {:?} in the model and {:?} in the data",
            ours[at],
            theirs[at]
        ),
    }
}
