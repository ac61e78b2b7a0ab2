//! What this program writes into a model folder. Whatever else lies there is somebody's own, and is never removed.

use super::{CONFIG_FILE, METRICS_FILE, VOCABULARY_FILE, WEIGHTS_FILE};
use crate::checkpoint::{self, CURVE_FILE, DISCARDED_FOLDER, RUN_FILE, TRAINING_FOLDER};
use crate::events::EVENTS_FILE;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files of a model.
const FILES: [&str; 7] =
    [CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE, METRICS_FILE, CURVE_FILE, EVENTS_FILE, RUN_FILE];

/// By this file a fine-tuned text model is known.
const FINE_TUNING_FILE: &str = "fine_tuning.json";

/// Files that one has besides.
const TEXT_FILES: [&str; 4] = [FINE_TUNING_FILE, "tokenizer.json", "tokenizer_config.json", "vocab.txt"];

/// Beginning of the names of evaluations: `evaluation`, `evaluation-validation`.
const EVALUATION: &str = "evaluation";

/// Files of an evaluation.
const EVALUATION_FILES: [&str; 2] = ["evaluation.json", "users.parquet"];

/// Whether `name` is a file of a model, of whichever kind.
pub(crate) fn is_model_file(name: &str) -> bool {
    FILES.contains(&name) || TEXT_FILES.contains(&name)
}

/// Tells what is this program's in a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// Whether a text model stands there.
    text: bool,
}

impl Names {
    /// Those of the model in `folder`.
    pub(super) fn of(folder: &Path) -> Self {
        Self { text: folder.join(FINE_TUNING_FILE).is_file() }
    }

    /// The first path in `folder` that this program does not write there, if there is one.
    pub(super) fn foreign(self, folder: &Path) -> io::Result<Option<PathBuf>> {
        self.search(folder, &mut Vec::new())
    }

    /// The same for one entry of the folder, with all that it holds.
    pub(super) fn foreign_in(self, entry: &fs::DirEntry) -> io::Result<Option<PathBuf>> {
        self.search_entry(entry, &mut Vec::new())
    }

    /// `parts` are the names from the model folder down to `folder`.
    fn search(self, folder: &Path, parts: &mut Vec<String>) -> io::Result<Option<PathBuf>> {
        for entry in fs::read_dir(folder)? {
            let found = self.search_entry(&entry?, parts)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn search_entry(self, entry: &fs::DirEntry, parts: &mut Vec<String>) -> io::Result<Option<PathBuf>> {
        // A link is removed and not followed: it counts as a file.
        let is_folder = entry.file_type()?.is_dir();
        let Ok(name) = entry.file_name().into_string() else { return Ok(Some(entry.path())) };
        parts.push(name);
        let names: Vec<&str> = parts.iter().map(String::as_str).collect();
        let found = match (self.are_ours(&names, is_folder), is_folder) {
            (false, _) => Some(entry.path()),
            (true, false) => None,
            (true, true) => self.search(&entry.path(), parts)?,
        };
        parts.pop();
        Ok(found)
    }

    /// Whether the file or folder with these names, from the model folder down, is one of ours.
    fn are_ours(self, names: &[&str], is_folder: bool) -> bool {
        match (names, is_folder) {
            ([name], false) => FILES.contains(name) || self.text && TEXT_FILES.contains(name),
            ([name], true) => is_evaluation(name) || is_training(name),
            ([top, name], false) if is_evaluation(top) => is_evaluation_file(name),
            ([top, rest @ ..], _) if is_training(top) => checkpoint::is_ours(rest, is_folder),
            _ => false,
        }
    }
}

fn is_training(name: &str) -> bool {
    [TRAINING_FOLDER, DISCARDED_FOLDER].contains(&name)
}

fn is_evaluation(name: &str) -> bool {
    name.strip_prefix(EVALUATION).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// A file of an evaluation, or what one leaves that is killed while it writes: `.users.parquet.4711.tmp`.
fn is_evaluation_file(name: &str) -> bool {
    let staged = |own: &&str| {
        let process = name.strip_prefix('.').and_then(|rest| rest.strip_prefix(own)?.strip_prefix('.'));
        let process = process.and_then(|rest| rest.strip_suffix(".tmp"));
        process.is_some_and(|process| process.bytes().all(|byte| byte.is_ascii_digit()))
    };
    EVALUATION_FILES.contains(&name) || EVALUATION_FILES.iter().any(staged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Names = Names { text: false };

    #[test]
    fn what_the_program_writes_is_ours_and_nothing_else() {
        for names in [
            "model.safetensors",
            "events.out.tfevents.cloze",
            "evaluation/users.parquet",
            "evaluation-validation/evaluation.json",
            "evaluation/.users.parquet.4711.tmp",
            "training/run.json.new",
            "training/metrics.jsonl",
            "training/previous/state.json",
            "training/last.new/tensors.safetensors",
            "training/best.old/state.json",
            "training/done-cf/state.json",
            "training/model/vocabulary.json",
            "training.old/last/state.json",
        ] {
            let names: Vec<&str> = names.split('/').collect();
            assert!(MODEL.are_ours(&names, false), "{names:?}");
            for end in 1..names.len() {
                assert!(MODEL.are_ours(&names[..end], true), "{names:?}");
            }
            assert!(!MODEL.are_ours(&names, true), "{names:?} as a folder");
        }
        for names in [
            "notes.txt",
            "vocab.txt",
            "last",
            "evaluations/users.parquet",
            "evaluation/notes.txt",
            "evaluation/.users.parquet.mine.tmp",
            "evaluation/training/run.json",
            "training/notes.txt",
            "training/last/notes.txt",
            "training/last/deep/state.json",
            "training/model/notes.txt",
            "training/state.json",
        ] {
            assert!(!MODEL.are_ours(&names.split('/').collect::<Vec<_>>(), false), "{names}");
        }
    }

    #[test]
    fn a_foreign_file_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("training/last")).unwrap();
        fs::create_dir(at("evaluation")).unwrap();
        for name in
            ["config.json", "training/run.json", "training/last/state.json", "evaluation/users.parquet"]
        {
            fs::write(at(name), "").unwrap();
        }
        let foreign = || Names::of(folder.path()).foreign(folder.path()).unwrap();
        assert_eq!(foreign(), None);
        for name in ["notes.txt", "training/last/notes.txt", "evaluation/plots"] {
            fs::create_dir(at(name)).unwrap();
            assert_eq!(foreign(), Some(at(name)));
            fs::remove_dir(at(name)).unwrap();
        }
        // Of a text model it is the words.
        fs::write(at("vocab.txt"), "").unwrap();
        assert_eq!(foreign(), Some(at("vocab.txt")));
        fs::write(at("fine_tuning.json"), "").unwrap();
        assert_eq!(foreign(), None);
    }
}
