//! Item vectors from what the items are called.

use cloze_review::{Embeddings, Pooling, ReviewError, TextModel};
use cloze_train::{Run, TrainError, TrainingData};
use faer::{Mat, Side};

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
    let failed = |error: ReviewError| TrainError::Data(error.to_string());
    let mut model = TextModel::open(text_model, Pooling::Mean, LENGTH).map_err(failed)?;
    let width = model.width();
    if hidden > width {
        let rule =
            format!("must be at most {width} with --initializer titles: the width of {text_model}'s vectors");
        return Err(TrainError::option("hidden", hidden, rule));
    }
    let mut kept = Embeddings::open_usual(&model).map_err(failed)?;
    let texts: Vec<&str> = titled.iter().map(|(_, title)| *title).collect();
    run.reporter.start("titles", texts.len() as u64, "titles");
    let vectors =
        kept.of(&texts, &mut model, &mut |done, _| run.reporter.advance_to(done as u64, String::new));
    let vectors = vectors.map_err(failed)?;
    run.reporter.finish(&format!("{} titles", texts.len()));
    let components = principal(&vectors, width, hidden)?;
    let mut all = vec![0.0; data.items * hidden];
    for ((item, _), components) in titled.iter().zip(components.chunks_exact(hidden)) {
        all[item * hidden..][..hidden].copy_from_slice(components);
    }
    Ok(all)
}

/// The first `count` principal components of rows, the largest first.
fn principal(rows: &[f32], width: usize, count: usize) -> Result<Vec<f32>, TrainError> {
    let number = (rows.len() / width) as f64;
    let means: Vec<f64> = (0..width)
        .map(|k| rows.iter().skip(k).step_by(width).map(|value| f64::from(*value)).sum::<f64>() / number)
        .collect();
    let centred =
        Mat::from_fn(rows.len() / width, width, |row, k| f64::from(rows[row * width + k]) - means[k]);
    let covariance = centred.transpose() * &centred;
    let eigen = covariance
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| TrainError::Data("the titles' vectors have no principal components".to_owned()))?;
    // In rising order.
    let first = Mat::from_fn(width, count, |k, component| eigen.U()[(k, width - 1 - component)]);
    let components = centred * first;
    Ok((0..components.nrows())
        .flat_map(|row| (0..count).map(move |k| (row, k)))
        .map(|at| components[at] as f32)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_is_where_rows_differ_most() {
        let rows: Vec<f32> = (0..50)
            .flat_map(|n| {
                let (long, short) = ((n as f32 - 24.5) * 2.0, if n % 2 == 0 { 1.0 } else { -1.0 });
                // Along (1, 1, 0), and a little along (0, 0, 1), off the origin.
                [long + 5.0, long - 3.0, short + 7.0]
            })
            .collect();
        let found = principal(&rows, 3, 2).unwrap();
        let sign = found[0].signum();
        for (n, pair) in found.chunks_exact(2).enumerate() {
            let long = (n as f32 - 24.5) * 2.0 * 2.0_f32.sqrt();
            assert!((sign * pair[0] + long).abs() < 0.1, "{n}: {pair:?}");
            assert!((pair[1].abs() - 1.0).abs() < 0.1, "{n}: {pair:?}");
        }
    }
}
