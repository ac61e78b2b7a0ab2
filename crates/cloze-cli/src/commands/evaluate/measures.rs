//! What is measured, and from which histories.

use anyhow::Result;
use cloze_data::Sequences;
use cloze_eval::{EvaluationOptions, ItemDistances, ProtocolRanks, RatingError, Recommender, evaluate_lists};
use cloze_train::Reporter;

use super::Setting;
use crate::text::count;

/// Of each history the items that share a genre with its target.
pub(super) fn within_genre(
    histories: &Sequences,
    targets: &[Option<u32>],
    genres: &[Vec<String>],
) -> Result<Sequences, cloze_data::DataError> {
    // Items without a genre are of one kind, as they are among the candidates.
    let shared = |a: u32, b: u32| {
        let (a, b) = (&genres[a as usize], &genres[b as usize]);
        (a.is_empty() && b.is_empty()) || a.iter().any(|genre| b.contains(genre))
    };
    let kept = histories.iter().zip(targets).map(|(history, target)| {
        let Some(target) = *target else { return Vec::new() };
        history.iter().copied().filter(|&item| shared(item, target)).collect()
    });
    Sequences::from_lists(&kept.collect::<Vec<_>>(), None)
}

/// How far a model that predicts ratings is off those of the held-out items.
pub(super) fn rating_error(
    model: &mut dyn Recommender,
    setting: &Setting<'_>,
) -> Result<Option<RatingError>> {
    let Setting { split, cases, .. } = setting;
    let (true, Some(known)) = (model.predicts_ratings(), split.train().all_ratings()) else {
        return Ok(None);
    };
    let held = cases.users().iter().zip(cases.histories());
    let held =
        held.filter_map(|(&user, history)| split.whole().ratings(user as usize)?.get(history.len()).copied());
    let mean = known.iter().copied().map(f64::from).sum::<f64>() / known.len().max(1) as f64;
    Ok(Some(cloze_eval::rating_error(model, cases, &held.collect::<Vec<f32>>(), mean)?))
}

/// The ranks, and the users' top-10 lists where somebody wants them.
pub(super) fn rank(
    options: &EvaluationOptions,
    model: &mut dyn Recommender,
    setting: &Setting<'_>,
    keep_lists: bool,
    reporter: &mut Reporter,
) -> Result<(Vec<ProtocolRanks>, Vec<Vec<u32>>)> {
    let Setting { dataset, split, cases, .. } = setting;
    let distances = ItemDistances::co_occurrence(dataset.items.len(), split.train().iter())?;
    reporter.start("evaluation", cases.len() as u64, "users");
    let mut lists = Vec::new();
    let mut keep = |list: &[u32]| {
        if keep_lists {
            lists.push(list.to_vec());
        }
    };
    let ranks = evaluate_lists(model, cases, options, Some(&distances), &mut keep, &mut |done, _| {
        reporter.advance_to(done as u64, String::new);
    })?;
    reporter.finish(&format!("{} users", count(cases.len())));
    Ok((ranks, lists))
}
