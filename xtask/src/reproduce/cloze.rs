//! The calls of the `cloze` binary: everything that a reproduction does, a user can do by hand.

use std::{
    io::{BufRead, BufReader, IsTerminal as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::plan::{Configuration, PlannedRow};
use crate::workspace;

/// The binary and the folder of raw data that it is pointed to.
pub(crate) struct Cloze {
    pub(crate) program: PathBuf,
    /// What source code it is of, as far as that is known.
    pub(crate) code: String,
    pub(crate) data_dir: Option<PathBuf>,
}

/// Builds the binary as users get it, and returns its path.
///
/// # Errors
/// If it does not build.
pub(crate) fn build() -> Result<PathBuf> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    // The path is read from cargo's messages, which respects every way of setting a target directory.
    let messages =
        cmd!(shell, "cargo build --release --package cloze-cli --message-format json-render-diagnostics")
            .read()?;
    executable(&messages).ok_or_else(|| anyhow!("cargo built cloze-cli, but named no binary `cloze`"))
}

fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == "cloze")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

impl Cloze {
    /// What `cloze --version` prints.
    pub(crate) fn version(&self) -> Result<String> {
        let output = Command::new(&self.program).arg("--version").output();
        let output = output.with_context(|| format!("cannot start {}", self.program.display()))?;
        ensure!(output.status.success(), "{} --version: {}", self.program.display(), output.status);
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Obtains a data set. The inner error is the reason why it cannot be had.
    pub(crate) fn fetch(&self, dataset: &str) -> Result<Result<(), String>> {
        let mut command = self.command(&["data", "fetch", dataset]);
        self.add_data_dir(&mut command);
        watched(&mut command)
    }

    /// Makes sure that a data set can be split so. The inner error is the reason why not.
    pub(crate) fn prepare(&self, dataset: &str, split: &str) -> Result<Result<(), String>> {
        let mut command = self.command(&["data", "prepare", dataset, "--split", split]);
        self.add_data_dir(&mut command);
        watched(command.stdout(Stdio::null()))
    }

    /// Whether the interactions of a data set have values, such as right and wrong answers.
    pub(crate) fn has_values(&self, dataset: &str) -> Result<bool> {
        let mut command = self.command(&["data", "describe", dataset, "--json"]);
        self.add_data_dir(&mut command);
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot start {}", self.program.display()))?;
        ensure!(output.status.success(), "{}: {}", output.status, shown(&command));
        let described: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{} printed no JSON", shown(&command)))?;
        described["values"].as_bool().with_context(|| format!("{} says nothing of values", shown(&command)))
    }

    /// Trains a row's model into `model`, or goes on where an interrupted run left it, its hints on what to do next left
    /// out; `tower` is the trained model that it reuses.
    pub(crate) fn train(&self, row: &PlannedRow, model: &Path, tower: Option<&Path>) -> Result<()> {
        let settings = &row.configuration;
        let mut command = self.command(&["train", &settings.model, "--data", &settings.dataset]);
        self.add_data_dir(&mut command);
        let seed = settings.seed.to_string();
        command.args(["--split", &settings.split, "--fit", &settings.fit, "--seed", &seed]);
        command.arg("--resume").arg("--output").arg(model);
        if let Some(variant) = &settings.variant {
            command.args(["--variant", variant]);
        }
        if let Some(tower) = tower {
            command.arg("--reuse").arg(tower);
        }
        for (option, value) in &settings.options {
            command.arg(format!("--{option}")).arg(value.to_string());
        }
        run(command.stdout(Stdio::null()))
    }

    /// Evaluates a trained model into `evaluation`; the table of all rows comes at the end. `success` is the folder of the model
    /// that the row's difficulty is measured by.
    pub(crate) fn evaluate(
        &self,
        row: &Configuration,
        model: &Path,
        success: Option<&Path>,
        evaluation: &Path,
    ) -> Result<()> {
        let mut command = self.command(&["evaluate"]);
        command.arg(model).args(["--name", &row.name]);
        if !row.protocols.is_empty() {
            command.args(["--protocols", &row.protocols.join(",")]);
        }
        if let (Some(folder), Some(success)) = (success, &row.success) {
            command.arg("--success").arg(folder);
            command.args(["--success-target", &success.target.to_string()]);
        }
        self.add_data_dir(&mut command);
        command.arg("--output").arg(evaluation);
        run(command.stdout(Stdio::null()))
    }

    /// Writes of an evaluation what a comparison needs.
    pub(crate) fn archive(&self, evaluation: &Path, output: &Path) -> Result<()> {
        let mut command = self.command(&["archive"]);
        command.arg(evaluation).arg("--output").arg(output);
        run(command.stdout(Stdio::null()))
    }

    /// Compares evaluations with published figures and writes `results.json` and `report.md` into `output`.
    pub(crate) fn compare(
        &self,
        evaluations: &[PathBuf],
        published: &Path,
        tests: &Tests<'_>,
        (title, note): (&str, &str),
        output: &Path,
    ) -> Result<()> {
        let mut command = self.command(&["compare"]);
        command.args(evaluations).arg("--published").arg(published);
        if let Some(baseline) = tests.baseline {
            command.args(["--baseline", baseline]);
        }
        if !tests.order.is_empty() {
            command.args(["--order", &tests.order.join(",")]);
        }
        if let Some(questions) = tests.questions {
            command.arg("--questions").arg(questions);
        }
        command.args(["--title", title, "--note", note]).arg("--output").arg(output);
        run(&mut command)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        command
    }

    fn add_data_dir(&self, command: &mut Command) {
        if let Some(folder) = &self.data_dir {
            command.arg("--data-dir").arg(folder);
        }
    }
}

/// What is tested against what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests<'a> {
    /// The row that all others are tested against.
    pub(crate) baseline: Option<&'a str>,
    /// Each against the next one.
    pub(crate) order: Vec<&'a str>,
    /// A file of questions.
    pub(crate) questions: Option<&'a Path>,
}

/// Runs a command whose report is passed on line by line. The inner error is the reason why it failed.
fn watched(command: &mut Command) -> Result<Result<(), String>> {
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut lines = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            let line = line.context("cannot read what cloze reports")?;
            eprintln!("{line}");
            lines.push(line);
        }
    }
    let status = child.wait()?;
    Ok(if status.success() { Ok(()) } else { Err(reason(&lines).unwrap_or_else(|| status.to_string())) })
}

/// Runs a command. On a terminal it shares it, so that its progress bar shows; elsewhere the error has its reason.
fn run(command: &mut Command) -> Result<()> {
    if !std::io::stderr().is_terminal() {
        return watched(command)?.map_err(|reason| anyhow!("{reason} ({})", shown(command)));
    }
    let status =
        command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(status.success(), "{status}: {}", shown(command));
    Ok(())
}

/// The command as it can be typed into a shell.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        if word.contains([' ', '\n', '\'', '"', '$']) { format!("{word:?}") } else { word.into_owned() }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// The error message among lines of standard error: from the first line that begins with "error", else the last line.
fn reason(lines: &[String]) -> Option<String> {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let first = lines.iter().position(|line| line.to_lowercase().starts_with("error"));
    let message = lines.get(first.unwrap_or(lines.len().saturating_sub(1))..)?.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    (!message.is_empty()).then(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"cloze_data"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"cloze"},"executable":"/elsewhere/release/cloze"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/elsewhere/release/cloze")));
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn a_reason_is_the_error_message_and_not_the_progress_before_it() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let stderr =
            "looking for u.data\nerror: ml-100k cannot be obtained\n  put u.data into data/ml-100k\n";
        assert_eq!(
            reason(&lines(stderr)).unwrap(),
            "ml-100k cannot be obtained put u.data into data/ml-100k"
        );
        assert_eq!(reason(&lines("first\nlast\n\n")).unwrap(), "last");
        assert_eq!(reason(&[]), None);
    }
}
