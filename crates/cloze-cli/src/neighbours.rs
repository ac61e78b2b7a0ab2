//! The users nearest to the one who is recommended to.

use anyhow::Result;
use cloze_data::{Dataset, Progress as _};
use cloze_eval::{Neighbour, Query, Recommender, neighbours};
use cloze_train::Reporter;

use crate::output::note;
use crate::text::count;

/// How many of them are named.
const NAMED: usize = 3;

/// The nearest users, nearest first, with the data that says what they had.
pub(crate) struct Near {
    users: Vec<Neighbour>,
    dataset: Dataset,
}

/// The `k` nearest users, where the model makes profiles and the data can be had; what is missing is said.
///
/// # Errors
/// A failure of the model.
pub(crate) fn nearest(
    model: &mut dyn Recommender,
    query: &Query<'_>,
    dataset: Result<Dataset>,
    k: usize,
) -> Result<Option<Near>> {
    let dataset = match dataset {
        Ok(dataset) => dataset,
        Err(error) => {
            note(&format!("nearest users are left out, which needs the training data: {error:#}"));
            return Ok(None);
        }
    };
    let histories: Vec<&[u32]> = dataset.sequences.iter().collect();
    let mut reporter = Reporter::stderr();
    reporter.start("nearest users (--neighbours 0: none)", histories.len() as u64, "users");
    let progress = &mut |done: usize| reporter.advance_to(done as u64, String::new);
    let found = neighbours(model, query, &histories, k, progress)?;
    match &found {
        Some(_) => reporter.finish(&format!("{} users", count(histories.len()))),
        None => reporter.abandon(),
    }
    Ok(found.map(|users| Near { users, dataset }))
}

impl Near {
    /// Ids of the users among them who had an item.
    pub(crate) fn who_had(&self, item: u32) -> impl Iterator<Item = &str> {
        let sequences = &self.dataset.sequences;
        let had = move |one: &&Neighbour| sequences.get(one.user as usize).contains(&item);
        self.users.iter().filter(had).filter_map(|one| self.dataset.users.id(one.user))
    }

    /// What the column `near` means.
    pub(crate) fn legend(&self) -> String {
        let named: Vec<String> = self
            .users
            .iter()
            .take(NAMED)
            .filter_map(|one| Some(format!("{} ({:.2})", self.dataset.users.id(one.user)?, one.similarity)))
            .collect();
        format!(
            "Near: how many of the {} users with the nearest profiles had it; nearest, by cosine: {}.",
            count(self.users.len()),
            named.join(", ")
        )
    }
}
