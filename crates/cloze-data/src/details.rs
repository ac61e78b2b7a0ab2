//! What is known of items beside their titles.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::read::ItemRecord;

/// Genres and text of the items of a data set, by dense id. The default has neither.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ItemDetails {
    /// The genres of each item; none if the data have no genres at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genres: Option<Vec<Vec<String>>>,
    /// The text of each item that has one; none if the data have no texts at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Vec<Option<String>>>,
}

/// Titles in the form that a vocabulary takes.
pub(crate) type Titles = Option<Vec<Option<String>>>;

impl ItemDetails {
    /// Whether there are neither genres nor texts.
    pub fn is_empty(&self) -> bool {
        self.genres.is_none() && self.text.is_none()
    }

    /// The distinct genres, sorted.
    pub fn distinct_genres(&self) -> Vec<&str> {
        let all: BTreeSet<&str> = self.genres.iter().flatten().flatten().map(String::as_str).collect();
        all.into_iter().collect()
    }

    /// Titles and details of these items, in their order.
    pub(crate) fn of(ids: &[String], records: &HashMap<String, ItemRecord>) -> (Titles, Self) {
        let found = || ids.iter().map(|id| records.get(id));
        let titles: Vec<_> = found().map(|one| one.and_then(|one| one.title.clone())).collect();
        let texts: Vec<_> = found().map(|one| one.and_then(|one| one.text.clone())).collect();
        let genres: Vec<_> = found().map(|one| one.map_or_else(Vec::new, |one| one.genres.clone())).collect();
        let details = Self {
            genres: genres.iter().any(|one| !one.is_empty()).then_some(genres),
            text: texts.iter().any(Option::is_some).then_some(texts),
        };
        (titles.iter().any(Option::is_some).then_some(titles), details)
    }

    /// Refuses lists of another length than the catalogue.
    pub(crate) fn check(&self, items: usize) -> Result<(), DataError> {
        let lengths = [self.genres.as_ref().map(Vec::len), self.text.as_ref().map(Vec::len)];
        match lengths.into_iter().flatten().find(|length| *length != items) {
            Some(titles) => Err(DataError::TitleCount { ids: items, titles }),
            None => Ok(()),
        }
    }
}
