//! Parts of trained models.

use cloze_cf::{Bpr, Gmf, Ials, Mf, NeuMf, PureSvd};
use cloze_sequential::{Bert4Rec, Bert4RecOptions, Objective, SasRec, SasRecOptions, Tower};
use cloze_train::{Model, ModelFolder, Run, TrainError, TrainedOn, TrainingData};

use crate::{MfBert4Rec, MfBert4RecOptions};

/// The folder given for reuse, of a model of the same data.
///
/// # Errors
/// A model of other data, or of another fit: it may have been trained on what is held out here.
pub(crate) fn folder(data: &TrainingData<'_>, run: &Run<'_>) -> Result<Option<ModelFolder>, TrainError> {
    let Some(folder) = run.reuse.as_deref().map(ModelFolder::open).transpose()? else { return Ok(None) };
    let (theirs, ours) = (&folder.card.trained_on, data.origin);
    // The data may stand elsewhere now: what they are is told by the split and the ids.
    let same = TrainedOn { dataset: ours.dataset.clone(), ..theirs.clone() } == *ours;
    // The seed draws the users of a share.
    if same && (ours.user_share >= 1.0 || folder.card.seed == run.seed) {
        let known = [(data.names, &folder.vocabularies.items), (data.users, &folder.vocabularies.users)];
        if known.into_iter().all(|(ours, theirs)| ours.is_none_or(|ours| ours.ids() == theirs.ids())) {
            return Ok(Some(folder));
        }
        let problem =
            "was trained on data with other ids of users or items, or with the same in another order"
                .to_owned();
        return Err(TrainError::Reuse { path: folder.path().to_owned(), problem });
    }
    let problem = format!(
        "was trained on {}, this run is on {}: what it learned may know what is held out here",
        described(theirs, folder.card.seed),
        described(ours, run.seed)
    );
    Err(TrainError::Reuse { path: folder.path().to_owned(), problem })
}

fn described(origin: &TrainedOn, seed: u64) -> String {
    let TrainedOn { dataset, fit, split_hash, user_share, .. } = origin;
    let share = match *user_share {
        share if share < 1.0 => format!(", {share} of users, drawn by seed {seed}"),
        _ => String::new(),
    };
    format!("`{dataset}` ({fit}{share}, split {split_hash})")
}

/// The item vectors of a model, `[items, hidden]`, whichever model has some.
///
/// # Errors
/// A model without item vectors, vectors of another width, or a damaged folder.
pub(crate) fn item_vectors(
    folder: &ModelFolder,
    items: usize,
    hidden: usize,
) -> Result<Vec<f32>, TrainError> {
    let vectors = match folder.card.model.as_str() {
        Mf::NAME => Mf::load(folder)?.item_vectors().to_vec(),
        Bpr::NAME => Bpr::load(folder)?.item_vectors().to_vec(),
        Gmf::NAME => Gmf::load(folder)?.item_vectors().to_vec(),
        NeuMf::NAME => NeuMf::load(folder)?.item_vectors().to_vec(),
        Ials::NAME => <Ials as Model>::load(folder)?.item_vectors().to_vec(),
        PureSvd::NAME => <PureSvd as Model>::load(folder)?.item_vectors(),
        Bert4Rec::NAME => tokens(folder, &folder.options::<Bert4RecOptions>(Bert4Rec::NAME)?, items)?,
        SasRec::NAME => tokens(folder, &folder.options::<SasRecOptions>(SasRec::NAME)?, items)?,
        MfBert4Rec::NAME => {
            tokens(folder, &folder.options::<MfBert4RecOptions>(MfBert4Rec::NAME)?.bert, items)?
        }
        other => {
            let problem = format!(
                "is a {other}, which has no item vectors: give one of mf, bpr, gmf, neumf, ials, pure-svd, bert4rec, \
                 sasrec, mf-bert4rec"
            );
            return Err(TrainError::Reuse { path: folder.path().to_owned(), problem });
        }
    };
    let width = vectors.len() / items.max(1);
    if width == hidden {
        return Ok(vectors);
    }
    let problem = format!(
        "has item vectors of width {width}, and hidden is {hidden}: give --hidden {width}, or a model trained with \
         --hidden {hidden}"
    );
    Err(TrainError::Reuse { path: folder.path().to_owned(), problem })
}

/// The item table of a tower.
fn tokens<O: Objective>(folder: &ModelFolder, options: &O, items: usize) -> Result<Vec<f32>, TrainError> {
    Tower::load(folder, "", options, items)?.token_vectors()
}
