//! Where item profiles come from.

use crate::options::{HybridOptions, ItemProfiles, UserTokens, Variant};
use crate::started::deviation;
use cloze_cf::{Ials, IalsOptions, PureSvd, PureSvdOptions};
use cloze_data::Sequences;
use cloze_sequential::Tower;
use cloze_train::{Model, Run, TrainError, TrainingData};

/// Histories between two steps of the progress bar.
const TOGETHER: usize = 1024;

/// Profiles of all items, `[items, width]`, with the collaborative tower where they are its; the tower is trained unless
/// one is given.
///
/// # Errors
/// Data without a token to learn from, or divergence.
pub(super) fn of_items(
    data: &TrainingData<'_>,
    options: &HybridOptions,
    cbf: &mut Tower,
    given: Option<Tower>,
    run: &mut Run<'_>,
) -> Result<(Option<Tower>, Vec<f32>), TrainError> {
    match options.item_profiles {
        ItemProfiles::Tower => {
            let item_sequences = item_sequences(data, options.variant)?;
            let mut tower = match given {
                Some(tower) => tower,
                None => tower_over_users(&item_sequences, data, options, cbf, run)?,
            };
            let users: Vec<&[u32]> = item_sequences.iter().collect();
            let profiles = tower.profiles(&users, options.variant.profile())?;
            Ok((Some(tower), profiles))
        }
        ItemProfiles::Users => {
            let histories: Vec<&[u32]> = data.sequences.iter().collect();
            let users = of_users(&histories, options, cbf, run)?;
            Ok((None, means(&users, options.cbf.hidden, data)))
        }
        ItemProfiles::Svd => {
            let options = PureSvdOptions { hidden: options.cbf.hidden };
            Ok((None, PureSvd::fit(data.sequences, data.items, &options)?.item_vectors()))
        }
        ItemProfiles::Ials => {
            let options = IalsOptions { hidden: options.cbf.hidden, ..IalsOptions::default() };
            Ok((None, <Ials as Model>::fit(data, &options, run)?.item_vectors().to_vec()))
        }
        ItemProfiles::Content => Ok((None, cbf.token_vectors()?)),
    }
}

/// The items' user sequences: of what may be learned from, except where the leak is the point.
fn item_sequences(data: &TrainingData<'_>, variant: Variant) -> Result<Sequences, TrainError> {
    let source = if variant == Variant::AsPrinted {
        let missing =
            || TrainError::Data("the variant as-printed needs the held-out interactions".to_owned());
        data.leak.ok_or_else(missing)?
    } else {
        data.sequences
    };
    Ok(source.transpose(data.items)?)
}

/// A tower over users, trained on `sequences` of them, such as those of the items.
///
/// # Errors
/// Sequences without a user, or divergence.
pub(crate) fn tower_over_users(
    sequences: &Sequences,
    data: &TrainingData<'_>,
    options: &HybridOptions,
    cbf: &mut Tower,
    run: &mut Run<'_>,
) -> Result<Tower, TrainError> {
    let mut tower = Tower::new(&options.cf(), data.sequences.len(), run.seed)?;
    if options.user_tokens == UserTokens::Profiles {
        let histories: Vec<&[u32]> = data.sequences.iter().collect();
        let mut vectors = of_users(&histories, options, cbf, run)?;
        let scale = (options.cbf.initial_scale / deviation(&vectors)) as f32;
        for value in &mut vectors {
            *value *= scale;
        }
        tower.start_from(vectors, options.cf_steps)?;
    }
    tower.train("collaborative", sequences, None, run)?;
    Ok(tower)
}

/// Profiles of users with these histories, `[histories, width]`, with a bar: there may be a hundred thousand.
///
/// # Errors
/// An item beyond the catalogue.
pub(crate) fn of_users(
    histories: &[&[u32]],
    options: &HybridOptions,
    cbf: &mut Tower,
    run: &mut Run<'_>,
) -> Result<Vec<f32>, TrainError> {
    let width = options.cbf.hidden;
    let mut users = Vec::with_capacity(histories.len() * width);
    run.reporter.start("profiles", histories.len() as u64, "histories");
    for chunk in histories.chunks(TOGETHER) {
        users.extend(cbf.profiles(chunk, options.variant.profile())?);
        run.reporter.advance_to((users.len() / width) as u64, String::new);
    }
    run.reporter.finish(&format!("{} user profiles", histories.len()));
    Ok(users)
}

/// For each item the mean of the profiles of the users who have it.
fn means(users: &[f32], width: usize, data: &TrainingData<'_>) -> Vec<f32> {
    let mut sums = vec![0.0; data.items * width];
    for (history, profile) in data.sequences.iter().zip(users.chunks_exact(width)) {
        for &item in history {
            let sum = &mut sums[item as usize * width..(item as usize + 1) * width];
            sum.iter_mut().zip(profile).for_each(|(sum, value)| *sum += value);
        }
    }
    let counts = data.sequences.counts(data.items);
    for (sum, &count) in sums.chunks_exact_mut(width).zip(&counts) {
        for value in sum.iter_mut() {
            *value /= count.max(1) as f32;
        }
    }
    sums
}
