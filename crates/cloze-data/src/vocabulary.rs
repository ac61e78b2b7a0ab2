//! External ids and the dense ids that models count with.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::error_text::did_you_mean;

/// The two-way map between external ids (text) and dense ids (`0..len`), with a title for some ids where the
/// data have titles.
///
/// Dense ids are numbered by first appearance in the source file, after filters. The serialized form is
/// `{"ids": [...], "titles": [... or null]}`; duplicate ids or a wrong number of titles are errors on loading too.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Vocabulary {
    ids: Vec<String>,
    titles: Option<Vec<Option<String>>>,
    index: HashMap<String, u32>,
}

/// What is serialized: the index is rebuilt, and checked, on loading.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    ids: Vec<String>,
    #[serde(default)]
    titles: Option<Vec<Option<String>>>,
}

/// A query that names no entry of a vocabulary, or more than one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownItem {
    /// Neither an id nor a title.
    #[error("{query:?} is neither an id nor a title{}", did_you_mean(nearest))]
    NotFound {
        /// The text looked for.
        query: String,
        /// Ids and titles that resemble it, best first, at most three.
        nearest: Vec<String>,
    },
    /// A title that several ids share.
    #[error("{query:?} is the title of several items: give one of the ids {}", ids.join(", "))]
    Ambiguous {
        /// The text looked for.
        query: String,
        /// The ids that bear this title.
        ids: Vec<String>,
    },
}

impl Vocabulary {
    /// A vocabulary where `ids[k]` has the dense id `k`, and the title `titles[k]` if there is one.
    ///
    /// # Errors
    /// [`DataError::DuplicateId`], [`DataError::TitleCount`], [`DataError::TooManyIds`].
    pub fn new(ids: Vec<String>, titles: Option<Vec<Option<String>>>) -> Result<Self, DataError> {
        if u32::try_from(ids.len()).is_err() {
            return Err(DataError::TooManyIds { found: ids.len() });
        }
        if let Some(titles) = &titles
            && titles.len() != ids.len()
        {
            return Err(DataError::TitleCount { ids: ids.len(), titles: titles.len() });
        }
        let mut index = HashMap::with_capacity(ids.len());
        for (position, id) in ids.iter().enumerate() {
            if let Some(first) = index.insert(id.clone(), position as u32) {
                return Err(DataError::DuplicateId {
                    id: id.clone(),
                    first: first as usize,
                    second: position,
                });
            }
        }
        Ok(Self { ids, titles, index })
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All external ids, in the order of their dense ids.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Whether any titles came with the data.
    pub fn has_titles(&self) -> bool {
        self.titles.is_some()
    }

    /// The external id of a dense id.
    pub fn id(&self, dense: u32) -> Option<&str> {
        self.ids.get(dense as usize).map(String::as_str)
    }

    /// The dense id of an external id.
    pub fn get(&self, id: &str) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// The title of a dense id.
    pub fn title(&self, dense: u32) -> Option<&str> {
        self.titles.as_ref()?.get(dense as usize)?.as_deref()
    }

    /// What to show a person: the title if there is one, else the external id, else `#<dense>`.
    pub fn label(&self, dense: u32) -> String {
        let known = self.title(dense).or_else(|| self.id(dense));
        known.map_or_else(|| format!("#{dense}"), str::to_owned)
    }

    /// The dense id that a person means: an external id, else an exact title, else a title in any case.
    ///
    /// # Errors
    /// [`UnknownItem::NotFound`] with the nearest ids and titles; [`UnknownItem::Ambiguous`] with the ids that
    /// share the title.
    pub fn find(&self, text: &str) -> Result<u32, UnknownItem> {
        if let Some(dense) = self.get(text) {
            return Ok(dense);
        }
        let lower = text.to_lowercase();
        let exact = self.titled(|title| title == text);
        let matches =
            if exact.is_empty() { self.titled(|title| title.to_lowercase() == lower) } else { exact };
        match matches.as_slice() {
            [] => Err(UnknownItem::NotFound { query: text.to_owned(), nearest: self.nearest(text) }),
            [dense] => Ok(*dense),
            several => Err(UnknownItem::Ambiguous {
                query: text.to_owned(),
                ids: several.iter().filter_map(|dense| self.id(*dense)).map(str::to_owned).collect(),
            }),
        }
    }

    fn titled(&self, matches: impl Fn(&str) -> bool) -> Vec<u32> {
        let titles = self.titles.iter().flatten().enumerate();
        titles
            .filter(|(_, title)| title.as_deref().is_some_and(&matches))
            .map(|(dense, _)| dense as u32)
            .collect()
    }

    fn nearest(&self, text: &str) -> Vec<String> {
        let titles = self.titles.iter().flatten().flatten();
        nearest(text, titles.chain(&self.ids).map(String::as_str))
    }
}

/// The (at most three) candidates that resemble `text`, best first: those which contain it, then by
/// Jaro-Winkler similarity of at least 0.75, without regard to case.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    const ENOUGH: f64 = 0.75;
    let query = text.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            // One or two letters are contained in everything: that says nothing.
            let contained = query.chars().count() >= 3 && lower.contains(&query);
            (strsim::jaro_winkler(&query, &lower) + f64::from(u8::from(contained)), candidate)
        })
        .filter(|(score, _)| *score >= ENOUGH)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

impl TryFrom<Record> for Vocabulary {
    type Error = DataError;

    fn try_from(record: Record) -> Result<Self, DataError> {
        Self::new(record.ids, record.titles)
    }
}

impl From<Vocabulary> for Record {
    fn from(vocabulary: Vocabulary) -> Self {
        Self { ids: vocabulary.ids, titles: vocabulary.titles }
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Vocabulary");
        debug.field("len", &self.len()).field("has_titles", &self.has_titles()).finish_non_exhaustive()
    }
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids && self.titles == other.titles
    }
}

impl Eq for Vocabulary {}
