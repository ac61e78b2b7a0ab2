//! Items of one genre; of learners' data, exercises of one learning objective.

use anyhow::{Result, anyhow, bail};
use cloze_data::Dataset;

use crate::text::did_you_mean;

/// Names that a refusal lists.
const LISTED: usize = 40;

/// One genre of the data.
pub(crate) struct Genre {
    /// Its name, as the data have it.
    pub(crate) name: String,
    /// Whether each item has it.
    pub(crate) items: Vec<bool>,
}

/// The genre of this name, which may be in letters of the other case.
pub(super) fn find(dataset: &Dataset, wanted: &str) -> Result<Genre> {
    let Some(genres) = &dataset.details.genres else {
        bail!(
            "--genre {wanted:?}: the items of {} have no genres (cloze prepare --items FILE --genres COLUMN)",
            dataset.name
        );
    };
    let known = dataset.details.distinct_genres();
    let find = |same: &dyn Fn(&str) -> bool| known.iter().copied().find(|genre| same(genre));
    let found = find(&|genre| genre == wanted).or_else(|| find(&|genre| genre.eq_ignore_ascii_case(wanted)));
    let name = found.ok_or_else(|| {
        let more = if known.len() > LISTED { ", ..." } else { "" };
        let listed = known.iter().copied().take(LISTED).collect::<Vec<_>>().join(", ");
        anyhow!(
            "--genre {wanted:?}: no such genre{}; there is: {listed}{more}",
            did_you_mean(wanted, known.iter().copied())
        )
    })?;
    let items = genres.iter().map(|own| own.iter().any(|one| one == name)).collect();
    Ok(Genre { name: name.to_owned(), items })
}
