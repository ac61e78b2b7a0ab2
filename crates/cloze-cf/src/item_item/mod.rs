//! What EASE and SLIT have in common: a square matrix that says what an item of a history adds to the score of each item.

mod kept;
pub(crate) mod memory;

use cloze_data::Sequences;
use cloze_eval::Query;
use cloze_train::folder::WEIGHTS_FILE;
use cloze_train::{FolderError, ModelFolder, NamedTensor, TrainError};
pub(crate) use kept::Kept;

use crate::decay;
use crate::error::CfError;
use crate::popularity::{COUNTS, write_counts};
use crate::queries::{check_items, score_each};

const ITEMS: &str = "items";
const WEIGHTS: &str = "weights";

/// Items of a history with their ages, 0 for the last: see [`decay`].
pub(crate) type Ages = fn(&[u32]) -> Vec<(u32, i32)>;

/// A linear item-item model that is fitted already: score(u, i) = sum over items j of the history of decay^age(j) `B_ji`.
///
/// A user whose history says nothing about any item gets the order of popularity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ItemItem {
    kept: Kept,
    /// B, row-major: row j is what the kept item at place j adds to all kept items.
    weights: Vec<f32>,
    counts: Vec<u64>,
}

impl ItemItem {
    /// Fits B to the `most` popular items of a catalogue, 0 for all, within `memory_limit` GiB; `solve` takes the sequences of the
    /// kept items by place, and their number.
    pub(crate) fn fit(
        train: &Sequences,
        catalogue: usize,
        (most, memory_limit): (usize, f64),
        solve: impl FnOnce(&Sequences, usize) -> Result<Vec<f32>, CfError>,
    ) -> Result<Self, CfError> {
        let most = if most == 0 { catalogue } else { most.min(catalogue) };
        memory::check(most, memory_limit)?;
        check_items(train.values(), catalogue)?;
        let counts = train.counts(catalogue);
        let kept = Kept::popular(&counts, most);
        let weights = solve(&kept.of(train)?, most)?;
        Ok(Self { kept, weights, counts })
    }

    /// The items that have weights, ascending.
    pub(crate) fn items(&self) -> &[u32] {
        self.kept.items()
    }

    /// B, row-major `[kept, kept]`.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub(crate) fn catalogue(&self) -> usize {
        self.counts.len()
    }

    /// Scores of all items for a history, a row for each of `decays`, `[decays, items]`; 0 where the history says nothing.
    pub(crate) fn raw_scores(
        &self,
        history: &[u32],
        ages: Ages,
        decays: &[f64],
        rows: &mut [f32],
    ) -> Result<(), CfError> {
        check_items(history, self.catalogue())?;
        self.add_up(history, ages, decays, rows);
        Ok(())
    }

    /// Scores of all items for each query, by popularity where they would all be 0.
    pub(crate) fn rank(
        &self,
        queries: &[Query<'_>],
        ages: Ages,
        decay: f64,
        scores: &mut [f32],
    ) -> Result<(), CfError> {
        score_each(queries, scores, self.catalogue(), |history, row| {
            self.add_up(history, ages, &[decay], row);
            if row.iter().all(|score| *score == 0.0) {
                write_counts(&self.counts, row);
            }
            Ok(())
        })
    }

    /// Each row of B is read once for all decays. Ages are those of the fit, to which other items were no places.
    fn add_up(&self, history: &[u32], ages: Ages, decays: &[f64], rows: &mut [f32]) {
        let (kept, items) = (self.kept.items().len(), self.catalogue().max(1));
        let places: Vec<u32> =
            history.iter().filter_map(|&item| self.kept.place(item)).map(|place| place as u32).collect();
        rows.fill(0.0);
        for (place, age) in ages(&places) {
            let place = place as usize;
            let from = &self.weights[place * kept..][..kept];
            for (scores, &decay) in rows.chunks_exact_mut(items).zip(decays) {
                let Some(weight) = decay::weight(decay, age) else { continue };
                for (score, value) in scores[..kept].iter_mut().zip(from) {
                    *score += weight as f32 * value;
                }
            }
        }
        rows.chunks_exact_mut(items).for_each(|scores| self.kept.spread(scores));
    }

    /// The weights, their names behind `prefix`: u32 `items` `[kept]`; f32 `weights` `[kept, kept]`, a row for each item
    /// of a history; u64 `counts` `[items]`.
    pub(crate) fn tensors_behind(&self, prefix: &str) -> Vec<NamedTensor<'static>> {
        let kept = self.items().len();
        let name = |name: &str| format!("{prefix}{name}");
        vec![
            NamedTensor::u32(name(ITEMS), &[kept], self.items().to_vec()),
            NamedTensor::f32(name(WEIGHTS), &[kept, kept], self.weights.clone()),
            NamedTensor::u64(name(COUNTS), &[self.counts.len()], self.counts.clone()),
        ]
    }

    /// What [`tensors_behind`](Self::tensors_behind) has written.
    pub(crate) fn load_behind(folder: &ModelFolder, prefix: &str) -> Result<Self, TrainError> {
        let name = |name: &str| format!("{prefix}{name}");
        let catalogue = folder.vocabularies.items.len();
        let kept = Kept::checked(folder.u32(&name(ITEMS), None)?, catalogue)
            .map_err(|reason| FolderError::Weights { path: folder.path().join(WEIGHTS_FILE), reason })?;
        let weights = folder.f32(&name(WEIGHTS), Some(&[kept.items().len(), kept.items().len()]))?;
        Ok(Self { kept, weights, counts: folder.u64(&name(COUNTS), Some(&[catalogue]))? })
    }
}
