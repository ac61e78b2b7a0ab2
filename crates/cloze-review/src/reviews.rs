//! The reviews of a data set: who wrote what about which item.

use std::path::{Path, PathBuf};

use cloze_data::read::{ReviewColumns, read_review_file};
use cloze_data::{DataOptions, Silent, Vocabulary, fetch, manifests};

use crate::error::ReviewError;

/// Texts by user and item, dense ids, in this order; at most one for a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviews {
    pairs: Vec<(u32, u32)>,
    texts: Vec<String>,
}

impl Reviews {
    /// Of pairs in ascending order.
    #[cfg(test)]
    pub(crate) fn new(pairs: Vec<(u32, u32)>, texts: Vec<String>) -> Self {
        Self { pairs, texts }
    }

    /// Reads the reviews of the users and items that are known; others are left out. `source` is a file, or the name of a data set
    /// whose own file has texts.
    ///
    /// # Errors
    /// [`ReviewError::Source`] for neither, [`ReviewError::Data`] for a file that can't be read, [`ReviewError::Strangers`] where
    /// no review is of a known user and a known item.
    pub fn read(
        source: &str,
        columns: Option<&ReviewColumns>,
        users: &Vocabulary,
        items: &Vocabulary,
    ) -> Result<Self, ReviewError> {
        let path = find(source)?;
        let is_known = |user: &str, item: &str| users.get(user).is_some() && items.get(item).is_some();
        let read = read_review_file(&path, columns, &is_known)?;
        let dense = |((user, item), text): ((String, String), String)| {
            Some(((users.get(&user)?, items.get(&item)?), text))
        };
        let mut known: Vec<((u32, u32), String)> = read.texts.into_iter().filter_map(dense).collect();
        if known.is_empty() {
            let (found, example) = (read.found, read.first.unwrap_or_default());
            return Err(ReviewError::Strangers { path, found, example });
        }
        known.sort_by_key(|(pair, _)| *pair);
        let (pairs, texts) = known.into_iter().unzip();
        Ok(Self { pairs, texts })
    }

    /// Keeps the reviews of these pairs only.
    pub fn retain(&mut self, keep: impl Fn(u32, u32) -> bool) {
        let kept: Vec<bool> = self.pairs.iter().map(|&(user, item)| keep(user, item)).collect();
        let mut flags = kept.iter();
        self.pairs.retain(|_| flags.next().is_some_and(|kept| *kept));
        let mut flags = kept.iter();
        self.texts.retain(|_| flags.next().is_some_and(|kept| *kept));
    }

    /// User and item of each review, ascending.
    pub fn pairs(&self) -> &[(u32, u32)] {
        &self.pairs
    }

    /// The texts, in the order of [`Reviews::pairs`].
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// The file that is meant.
fn find(source: &str) -> Result<PathBuf, ReviewError> {
    let path = Path::new(source);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if manifests().iter().any(|manifest| manifest.name == source) {
        let files = fetch(source, &DataOptions::default(), &mut Silent)?;
        if let Some(first) = files.into_iter().next() {
            return Ok(first);
        }
    }
    Err(ReviewError::Source { given: source.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(ids: &[&str]) -> Vocabulary {
        Vocabulary::new(ids.iter().map(|id| (*id).to_owned()).collect(), None).unwrap()
    }

    #[test]
    fn reviews_are_of_known_pairs_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.csv");
        std::fs::write(&path, "user,item,text\nb,y,second\na,z,unknown item\nc,x,unknown user\na,y,first\n")
            .unwrap();
        let source = path.to_str().unwrap();
        let (users, items) = (vocabulary(&["a", "b"]), vocabulary(&["x", "y"]));
        let mut reviews = Reviews::read(source, None, &users, &items).unwrap();
        assert_eq!(
            (reviews.pairs(), reviews.texts()),
            (&[(0, 1), (1, 1)][..], &["first".to_owned(), "second".to_owned()][..])
        );
        reviews.retain(|user, _| user == 1);
        assert_eq!((reviews.pairs(), reviews.texts()), (&[(1, 1)][..], &["second".to_owned()][..]));
        let error = Reviews::read(source, None, &vocabulary(&["k"]), &items).unwrap_err().to_string();
        assert!(error.contains("4 reviews") && error.contains("reviews.csv"), "{error}");
        let error = Reviews::read("nowhere.csv", None, &users, &items).unwrap_err().to_string();
        assert!(error.contains("nowhere.csv") && error.contains("--reviews"), "{error}");
    }
}
