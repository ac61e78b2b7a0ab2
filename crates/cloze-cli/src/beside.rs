//! Several models of the same data.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use cloze_data::{DataOptions, Dataset};
use cloze_eval::Recommender;
use cloze_train::{ModelFolder, Reporter};

use crate::trained;

/// A model with the name that tells it apart from the others.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) model: Box<dyn Recommender>,
}

/// Refuses two models of different data or splits.
pub(crate) fn check_same(first: &ModelFolder, other: &ModelFolder, to: &str) -> Result<()> {
    let (ours, theirs) = (&other.card.trained_on, &first.card.trained_on);
    ensure!(
        ours.split_hash == theirs.split_hash,
        "{} was trained on {} ({}), {} on {} ({}): only models of the same data and split can be {to}",
        first.path().display(),
        theirs.dataset,
        theirs.split,
        other.path().display(),
        ours.dataset,
        ours.split
    );
    Ok(())
}

/// Opens models and their data; `to` says what for: "pooled".
pub(crate) fn open(
    paths: &[PathBuf],
    dataset: Option<&str>,
    options: &DataOptions,
    to: &str,
) -> Result<(Vec<Named>, Dataset)> {
    let opened: Vec<(ModelFolder, Box<dyn Recommender>)> =
        paths.iter().map(|path| trained::open(path)).collect::<Result<_>>()?;
    let (first, _) = opened.first().context("no model is given")?;
    for (folder, _) in &opened {
        check_same(first, folder, to)?;
    }
    let (dataset, _) = trained::data(first, dataset, options, &mut Reporter::stderr())?;
    for (folder, _) in &opened {
        let known = &folder.vocabularies;
        trained::check_order("items", &known.items, &dataset.items)
            .and_then(|()| trained::check_order("users", &known.users, &dataset.users))
            .with_context(|| format!("{}: other data than {}", folder.path().display(), dataset.name))?;
    }
    let names: Vec<String> = opened.iter().map(|(_, model)| model.name()).collect();
    let named = opened.into_iter().zip(paths).zip(&names).map(|(((_, model), path), name)| {
        let alone = names.iter().filter(|other| *other == name).count() == 1;
        let name = if alone { name.clone() } else { format!("{name} ({})", path.display()) };
        Named { name, path: path.clone(), model }
    });
    Ok((named.collect(), dataset))
}
