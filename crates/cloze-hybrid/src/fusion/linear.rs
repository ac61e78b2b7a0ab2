//! The scores of linear item-item models, side by side.

use crate::options::HybridOptions;
use cloze_cf::{Ease, EaseOptions, Slit, SlitOptions};
use cloze_train::{ModelFolder, NamedTensor, TrainError, TrainingData};
use std::ops::Range;

const EASE: &str = "ease.";
const SLIT: &str = "slit.";
/// A tensor that either has.
const WEIGHTS: &str = "weights";

/// EASE, which knows what goes together, and SLIT, which knows what follows on what, both for histories with some decays: each gives
/// a row of scores. A model without a decay is not made.
pub(crate) struct Linear {
    pub(super) ease: Option<Ease>,
    pub(super) slit: Option<Slit>,
    ease_decays: Vec<f64>,
    slit_decays: Vec<f64>,
}

impl Linear {
    /// Solves both.
    ///
    /// # Errors
    /// Options or a catalogue that these refuse.
    pub(crate) fn fit(data: &TrainingData<'_>, options: &HybridOptions) -> Result<Self, TrainError> {
        let (sequences, items) = (data.sequences, data.items);
        let ease = wanted(&options.ease_decays).then(|| Ease::fit(sequences, items, &ease_options(options)));
        let slit = wanted(&options.slit_decays).then(|| Slit::fit(sequences, items, &slit_options(options)));
        Ok(Self::new(ease.transpose()?, slit.transpose()?, options))
    }

    pub(super) fn new(ease: Option<Ease>, slit: Option<Slit>, options: &HybridOptions) -> Self {
        let (ease_decays, slit_decays) = (options.ease_decays.clone(), options.slit_decays.clone());
        Self { ease, slit, ease_decays, slit_decays }
    }

    /// Rows of scores.
    pub(crate) fn rows(&self) -> usize {
        self.ease_decays.len() + self.slit_decays.len()
    }

    /// The models that are there, each with its rows.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, Range<usize>)> {
        let of_ease = self.ease_decays.len();
        let each = [("EASE", 0..of_ease), ("SLIT", of_ease..self.rows())];
        each.into_iter().filter(|(_, rows)| !rows.is_empty())
    }

    /// Writes the scores of a history, `[rows, items]`: EASE's by decay, then SLIT's.
    ///
    /// # Errors
    /// An item beyond the catalogue.
    pub(crate) fn scores(&self, history: &[u32], rows: &mut [f32]) -> Result<(), TrainError> {
        let items = rows.len() / self.rows().max(1);
        let (ease, slit) = rows.split_at_mut(items * self.ease_decays.len());
        if let Some(model) = &self.ease {
            model.raw_scores(history, &self.ease_decays, ease)?;
        }
        if let Some(model) = &self.slit {
            model.raw_scores(history, &self.slit_decays, slit)?;
        }
        Ok(())
    }

    /// What the rows are, for a message.
    pub(crate) fn described(&self) -> String {
        format!("EASE of decays {:?} and SLIT of {:?}", self.ease_decays, self.slit_decays)
    }

    pub(crate) fn tensors(&self) -> Vec<NamedTensor<'static>> {
        let ease = self.ease.iter().flat_map(|model| model.tensors_behind(EASE));
        ease.chain(self.slit.iter().flat_map(|model| model.tensors_behind(SLIT))).collect()
    }

    /// Those of a folder: one without a decay too, which versions before this one solved and stored.
    pub(crate) fn load(folder: &ModelFolder, options: &HybridOptions) -> Result<Self, TrainError> {
        let stored = |prefix: &str| folder.has(&format!("{prefix}{WEIGHTS}"));
        let ease = (wanted(&options.ease_decays) || stored(EASE)?)
            .then(|| Ease::load_behind(folder, EASE, ease_options(options)));
        let slit = (wanted(&options.slit_decays) || stored(SLIT)?)
            .then(|| Slit::load_behind(folder, SLIT, slit_options(options)));
        Ok(Self::new(ease.transpose()?, slit.transpose()?, options))
    }
}

fn wanted(decays: &[f64]) -> bool {
    !decays.is_empty()
}

pub(super) fn ease_options(options: &HybridOptions) -> EaseOptions {
    EaseOptions { lambda: options.lambda, max_items: options.max_items, ..EaseOptions::default() }
}

pub(super) fn slit_options(options: &HybridOptions) -> SlitOptions {
    // The first decay of a history is that of training.
    let decay = options.slit_decays.first().copied().unwrap_or(SlitOptions::default().decay);
    SlitOptions { lambda: options.lambda, max_items: options.max_items, decay, ..SlitOptions::default() }
}
