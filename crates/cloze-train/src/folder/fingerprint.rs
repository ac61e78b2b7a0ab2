//! What weights belong to. Their file says so itself: a configuration or vocabulary that is edited or exchanged beside
//! them often fits their shapes, and would make another model of them without a word.

use super::{CONFIG_FILE, Card, FolderError, VOCABULARY_FILE, Vocabularies, WEIGHTS_FILE};
use crate::tensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// Key of the safetensors file's metadata.
const KEY: &str = "cloze";

/// Everything that decides what a model computes from its weights.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprint {
    /// Kind of model.
    model: String,
    /// Its options in full: so a difference can be told key by key.
    options: Value,
    /// sha256 of all ids, items' and users', in the order that the rows of the weights have.
    vocabulary: String,
}

impl Fingerprint {
    pub(super) fn new(card: &Card, vocabularies: &Vocabularies) -> Self {
        let mut hasher = Sha256::new();
        for list in [vocabularies.items.ids(), vocabularies.users.ids()] {
            hasher.update((list.len() as u64).to_le_bytes());
            for id in list {
                hasher.update((id.len() as u64).to_le_bytes());
                hasher.update(id);
            }
        }
        let vocabulary = format!("{:x}", hasher.finalize());
        Self { model: card.model.clone(), options: card.options.clone(), vocabulary }
    }

    /// The entry of the weights file at `path`.
    pub(super) fn metadata(&self, path: &Path) -> Result<(&'static str, String), FolderError> {
        let text = serde_json::to_string(self)
            .map_err(|error| FolderError::Json { path: path.to_owned(), reason: error.to_string() })?;
        Ok((KEY, text))
    }

    /// What the weights file at `path` says of itself.
    pub(super) fn of_weights(image: &[u8], path: &Path) -> Result<Self, FolderError> {
        let without = |problem| FolderError::NoFingerprint { path: path.to_owned(), problem };
        let text = tensors::metadata(image, path, KEY)?
            .ok_or_else(|| without(format!("no `{KEY}` in its metadata")))?;
        serde_json::from_str(&text).map_err(|error| without(format!("`{KEY}` in its metadata: {error}")))
    }

    /// That the configuration and vocabulary in `folder` are those of these weights.
    pub(super) fn check(
        &self,
        card: &Card,
        vocabularies: &Vocabularies,
        folder: &Path,
    ) -> Result<(), FolderError> {
        let beside = Self::new(card, vocabularies);
        let (file, difference) = if let Some(difference) = self.difference(&beside) {
            (CONFIG_FILE, difference)
        } else if self.vocabulary == beside.vocabulary {
            return Ok(());
        } else {
            (VOCABULARY_FILE, "it has other ids or another order of them".to_owned())
        };
        let (path, weights) = (folder.join(file), folder.join(WEIGHTS_FILE));
        Err(FolderError::OtherFingerprint { path, weights, difference })
    }

    /// In what the configuration beside the weights differs, every key with both values.
    fn difference(&self, beside: &Self) -> Option<String> {
        if self.model != beside.model {
            return Some(format!("the model was {} in training and is {} now", self.model, beside.model));
        }
        let keys = |options: &Value| -> BTreeSet<String> {
            options.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
        };
        let shown = |value: Option<&Value>| value.map_or_else(|| "missing".to_owned(), Value::to_string);
        let mut found = Vec::new();
        for key in keys(&self.options).union(&keys(&beside.options)) {
            let (trained, now) = (self.options.get(key), beside.options.get(key));
            if trained != now {
                found.push(format!("`{key}` was {} in training and is {} now", shown(trained), shown(now)));
            }
        }
        (!found.is_empty()).then(|| found.join("; "))
    }
}
