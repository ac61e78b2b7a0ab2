//! Items of one genre; of learners' data, exercises of one learning objective.

use anyhow::{Result, anyhow, bail};
use cloze_data::Dataset;

use crate::text::did_you_mean;

/// Names that a refusal lists.
const LISTED: usize = 40;

/// Whether each item has the genre; its name may be in letters of the other case.
pub(super) fn items(dataset: &Dataset, wanted: &str) -> Result<Vec<bool>> {
    let Some(genres) = &dataset.details.genres else {
        bail!(
            "--genre {wanted:?}: the items of {} have no genres (cloze prepare --items FILE --genres COLUMN)",
            dataset.name
        );
    };
    let known = dataset.details.distinct_genres();
    let same = |genre: &&str| genre.eq_ignore_ascii_case(wanted);
    let found =
        known.iter().copied().find(|genre| *genre == wanted).or_else(|| known.iter().copied().find(same));
    let genre = found.ok_or_else(|| {
        let more = if known.len() > LISTED { ", ..." } else { "" };
        let listed = known.iter().copied().take(LISTED).collect::<Vec<_>>().join(", ");
        anyhow!(
            "--genre {wanted:?}: no such genre{}; there is: {listed}{more}",
            did_you_mean(wanted, known.iter().copied())
        )
    })?;
    Ok(genres.iter().map(|own| own.iter().any(|one| one == genre)).collect())
}
