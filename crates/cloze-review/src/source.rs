//! Where a text model's files come from.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo};

use crate::error::ReviewError;

static OFFLINE: AtomicBool = AtomicBool::new(false);

/// From now on models come from folders and from the hub's cache alone, in all of the process: what the hub's own variable
/// `HF_HUB_OFFLINE` asks for.
pub fn stay_offline() {
    OFFLINE.store(true, Ordering::Relaxed);
}

fn is_offline() -> bool {
    let set = std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| is_yes(&value));
    set || OFFLINE.load(Ordering::Relaxed)
}

/// As the hub's own programs read their variables.
fn is_yes(value: &str) -> bool {
    ["1", "true", "yes", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The files of a model.
const FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// The folder of a model: `name` itself if it is one, else that of the hub's model of this id (`bert-base-uncased`), downloaded
/// unless it is in the hub's cache (`HF_HOME`), which needs no network. After [`stay_offline`] nothing is downloaded. An interrupted download goes on where it stopped.
///
/// # Errors
/// [`ReviewError::Unavailable`] saying which file could not be had, and what to do.
pub fn resolve(name: &str) -> Result<PathBuf, ReviewError> {
    let folder = Path::new(name);
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    let cache = Cache::from_env();
    let cached = cache.repo(Repo::model(name.to_owned()));
    let unavailable = |file: &'static str, reason: String| ReviewError::Unavailable {
        id: name.to_owned(),
        file,
        cache: cache.path().clone(),
        reason,
    };
    // A path that was mistyped is not to be asked of the hub.
    if !is_id(name) {
        return Err(unavailable(FILES[0], "this is no id of a model, such as bert-base-uncased".to_owned()));
    }
    let mut found = None;
    for file in FILES {
        let path = if let Some(path) = cached.get(file) {
            path
        } else if is_offline() {
            let reason = "the network is not to be used (--offline, HF_HUB_OFFLINE)";
            return Err(unavailable(file, reason.to_owned()));
        } else {
            let api = ApiBuilder::from_env().with_progress(true).with_retries(3).build();
            let got = api.and_then(|api| api.model(name.to_owned()).get(file));
            got.map_err(|error| unavailable(file, error.to_string()))?
        };
        found = path.parent().map(Path::to_owned);
    }
    found.ok_or_else(|| unavailable(FILES[0], "it has no folder".to_owned()))
}

/// `name` or `owner/name`.
fn is_id(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let parts: Vec<&str> = name.split('/').collect();
    parts.len() <= 2
        && parts.iter().all(|part| !part.is_empty() && part.chars().all(allowed) && !part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_itself_and_a_path_is_no_id() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        assert_eq!(resolve(name).unwrap(), folder.path());
        assert!(["bert-base-uncased", "sentence-transformers/all-MiniLM-L6-v2"].into_iter().all(is_id));
        for path in ["./bert", "/tmp/bert", "a/b/c", "", "C:\\bert", ".."] {
            assert!(!is_id(path), "{path}");
        }
        let error = resolve(&format!("{name}/none")).unwrap_err().to_string();
        assert!(error.contains("no such folder") && error.contains("config.json"), "{error}");
    }
}
