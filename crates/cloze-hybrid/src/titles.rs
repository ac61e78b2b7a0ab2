//! Item vectors from what the items are called.

use cloze_encoder::engine::InferencePrecision;
use cloze_review::{Components, Embeddings, Pooling, TextModel};
use cloze_train::{Run, TrainError, TrainingData};

/// Word pieces of a title that are read at most.
const LENGTH: usize = 64;

/// The titles' vectors by `text_model`, reduced to `hidden` principal components, `[items, hidden]`: zeros, their mean, for items
/// without a title.
///
/// # Errors
/// Data without titles, a text model that can't be had, or more components than its vectors have.
pub(crate) fn item_vectors(
    data: &TrainingData<'_>,
    hidden: usize,
    text_model: &str,
    run: &mut Run<'_>,
) -> Result<Vec<f32>, TrainError> {
    let title = |item: u32| data.names.and_then(|names| names.title(item));
    let titled: Vec<(usize, &str)> =
        (0..data.items).filter_map(|item| Some((item, title(item as u32)?))).collect();
    if titled.is_empty() {
        let rule = "needs data with titles (cloze prepare --items FILE --title COLUMN)";
        return Err(TrainError::option("initializer", "titles", rule));
    }
    let mut model = TextModel::open(text_model, Pooling::Mean, LENGTH, InferencePrecision::Float32)?;
    let width = model.width();
    if hidden > width {
        let rule =
            format!("must be at most {width} with --initializer titles: the width of {text_model}'s vectors");
        return Err(TrainError::option("hidden", hidden, rule));
    }
    let texts: Vec<&str> = titled.iter().map(|(_, title)| *title).collect();
    let vectors = Embeddings::of_all(&texts, &mut model, "titles", run.reporter)?;
    let components = Components::of(&vectors, width, hidden)?.apply(&vectors);
    let mut all = vec![0.0; data.items * hidden];
    for ((item, _), components) in titled.iter().zip(components.chunks_exact(hidden)) {
        all[item * hidden..][..hidden].copy_from_slice(components);
    }
    Ok(all)
}
