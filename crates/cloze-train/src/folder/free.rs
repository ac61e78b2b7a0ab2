//! Where a model may be put: asked before training starts, so that nothing is lost, and no work is.

use super::names::Names;
use super::{CONFIG_FILE, FolderError, STAGED, io};
use crate::checkpoint::{RUN_FILE, TRAINING_FOLDER};
use cloze_data::staging::{is_there, place, recover};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// See [`ModelFolder::check_free`](super::ModelFolder::check_free).
pub(super) fn check_free(path: &Path) -> Result<(), FolderError> {
    check_movable(path)?;
    recover(STAGED, path);
    if !is_there(path) {
        return Ok(());
    }
    let occupied = || FolderError::Occupied { path: path.to_owned() };
    let mut entries = fs::read_dir(path).map_err(|_| occupied())?;
    let is_empty = entries.next().is_none();
    if !(is_empty || is_model(path) || is_run(path) || is_begun(path)) {
        return Err(occupied());
    }
    check_own(path)
}

/// That all that is removed with the model at `path` is of this program.
pub(super) fn check_own(path: &Path) -> Result<(), FolderError> {
    match Names::of(path).foreign(path).map_err(|source| io(path, source))? {
        Some(file) => Err(FolderError::Foreign { path: path.to_owned(), file }),
        None => Ok(()),
    }
}

/// A finished model takes its place by renaming the folder, which some folders do not allow.
pub(super) fn check_movable(path: &Path) -> Result<(), FolderError> {
    match place(path) {
        Some((parent, _)) if !is_mount_point(path, &parent) => Ok(()),
        _ => Err(FolderError::immovable(path)),
    }
}

#[cfg(unix)]
fn is_mount_point(path: &Path, parent: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // The link itself, where there is one: that is what is renamed.
    let device = (path.symlink_metadata(), parent.metadata());
    matches!(device, (Ok(own), Ok(parent)) if own.dev() != parent.dev())
}

#[cfg(not(unix))]
fn is_mount_point(_: &Path, _: &Path) -> bool {
    false
}

/// Other programs have a `config.json` too. A model of another version of this one is a model all the same.
pub(super) fn is_model(path: &Path) -> bool {
    model_at(path).is_some()
}

/// The model at `path` in a few words: what a user would miss.
pub(super) fn model_at(path: &Path) -> Option<String> {
    let card = read(&path.join(CONFIG_FILE));
    let (model, trained_on) = (card["model"].as_str()?, card["trained_on"].as_object()?);
    card["format"].as_u64()?;
    let data = trained_on.get("dataset").and_then(Value::as_str);
    let on = data.map(|data| format!(" on {data}")).unwrap_or_default();
    let seed = card["seed"].as_u64().map(|seed| format!(", seed {seed}")).unwrap_or_default();
    let seconds =
        card["seconds"].as_f64().map(|seconds| format!(", trained in {seconds:.0} s")).unwrap_or_default();
    Some(format!("{model}{on}{seed}{seconds}"))
}

/// The same of the run whose checkpoints lie there.
fn is_run(path: &Path) -> bool {
    let run = read(&path.join(TRAINING_FOLDER).join(RUN_FILE));
    run["model"].is_string() && run["trained_on"].is_object() && run["engine"].is_string()
}

/// What a process leaves that is killed before the run has its identity: nothing but the folder of the run, without
/// checkpoints.
fn is_begun(path: &Path) -> bool {
    let empty = |folder: &Path, but: &str| {
        fs::read_dir(folder).is_ok_and(|entries| entries.flatten().all(|entry| entry.file_name() == but))
    };
    empty(path, TRAINING_FOLDER) && empty(&path.join(TRAINING_FOLDER), &format!("{RUN_FILE}.new"))
}

/// The JSON in a file; null where there is none.
fn read(path: &Path) -> Value {
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn card() -> String {
        json!({"format": 7, "model": "m", "trained_on": {}, "more": 1}).to_string()
    }

    #[test]
    fn models_and_runs_of_this_program_may_be_replaced() {
        let run = json!({"model": "m", "trained_on": {}, "engine": "cpu"}).to_string();
        for files in [
            &[][..],
            &[("config.json", &*card()), ("model.safetensors", ""), ("evaluation/users.parquet", "")],
            &[("training/run.json", &run), ("training/last/state.json", "")],
            &[("training/run.json.new", "{")],
        ] {
            check_free(folder(files).path()).unwrap();
        }
        check_free(Path::new("absent")).unwrap();
    }

    #[test]
    fn what_other_programs_call_the_same_is_not_replaced() {
        for files in [
            &[("config.json", r#"{"model_type": "bert"}"#), ("model.safetensors", "")][..],
            &[("config.json", "no JSON")],
            &[("config.json", r#"{"format": 2, "model": "m"}"#)],
            &[("training/run.json", r#"{"model": "m"}"#)],
            &[("training/data.csv", "")],
        ] {
            let folder = folder(files);
            let error = check_free(folder.path()).unwrap_err();
            assert!(matches!(error, FolderError::Occupied { .. }), "{files:?}: {error}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(check_free(file.path()), Err(FolderError::Occupied { .. })));
    }

    #[test]
    fn a_model_with_somebodys_files_is_refused_with_their_name() {
        for name in ["notes.txt", "evaluation/notes.txt", "training/notes.txt", "plots/one.png"] {
            let folder = folder(&[("config.json", &card()), (name, "")]);
            let message = check_free(folder.path()).unwrap_err().to_string();
            let named = name.split('/').next().unwrap();
            assert!(message.contains(named) && message.contains("did not write"), "{message}");
            assert!(folder.path().join(name).exists());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_renamed_is_refused() {
        for path in [".", "..", "/", "a/.."] {
            let error = check_free(Path::new(path)).unwrap_err();
            assert!(matches!(error, FolderError::Immovable { .. }), "{path}: {error}");
        }
    }

    /// Linux has one mounted everywhere.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_mount_point_is_refused() {
        let message = check_free(Path::new("/proc")).unwrap_err().to_string();
        assert!(message.contains("/proc cannot be renamed") && message.contains("/proc/model"), "{message}");
    }
}
