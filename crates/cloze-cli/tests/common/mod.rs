//! Running the binary as a user does, in a world of its own.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a cache of its own; nothing of the machine's data is seen.
pub(crate) struct World {
    folder: TempDir,
}

/// What a call left.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloze"));
        command.current_dir(self.folder.path());
        command.env_remove("CLOZE_DATA_DIR").env("CLOZE_CACHE", self.path("cache"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Call {
        let output = self.command().args(arguments).output().unwrap();
        Call {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs what must succeed; returns standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let call = self.run(arguments);
        assert_eq!(call.code, Some(0), "{arguments:?}: {}", call.stderr);
        call.stdout
    }

    /// Runs what must fail with this code, without a word on standard output; returns standard error.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let call = self.run(arguments);
        assert_eq!(call.code, Some(code), "{arguments:?}: {} {}", call.stdout, call.stderr);
        assert_eq!(call.stdout, "", "{arguments:?}");
        assert!(!call.stderr.contains("panicked"), "{}", call.stderr);
        call.stderr
    }

    /// Runs what must fail with this code and say all of this.
    pub(crate) fn fails_saying(&self, code: i32, arguments: &[&str], parts: &[&str]) {
        let message = self.fails(code, arguments);
        for part in parts {
            assert!(message.contains(part), "{arguments:?}: no {part:?} in\n{message}");
        }
    }

    /// Trains a model on generated data into the folder `output`.
    pub(crate) fn train(&self, model: &str, output: &str) -> String {
        self.ok(&["train", model, "--data", "synthetic", "--output", output])
    }

    pub(crate) fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(file)).unwrap()).unwrap()
    }

    /// Changes a JSON file.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.json(file);
        change(&mut value);
        std::fs::write(self.path(file), value.to_string()).unwrap();
    }
}

/// No line of a table may be wider than a terminal of 110 columns.
pub(crate) fn check_width(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
}

/// The header of a safetensors file, and where its values begin.
fn header(bytes: &[u8]) -> (Value, usize) {
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..end]).unwrap(), end)
}

/// Overwrites the first element of a tensor of 32-bit floats in a safetensors file.
pub(crate) fn overwrite_first(path: &Path, tensor: &str, value: f32) {
    let mut bytes = std::fs::read(path).unwrap();
    let (header, end) = header(&bytes);
    let begin = end + header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[begin..begin + 4].copy_from_slice(&value.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

/// Changes the header of a safetensors file: its tensors' names and places, and `__metadata__`.
pub(crate) fn edit_header(path: &Path, change: impl FnOnce(&mut Value)) {
    let bytes = std::fs::read(path).unwrap();
    let (mut value, end) = header(&bytes);
    change(&mut value);
    let text = value.to_string();
    let changed = [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &bytes[end..]].concat();
    std::fs::write(path, changed).unwrap();
}
