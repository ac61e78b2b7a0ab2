//! `cargo xtask ci`: every check that a change has to pass, cheapest first.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use xshell::{Shell, cmd};

use crate::{tidy, workspace};

/// Options of `cargo xtask ci`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Run just this step
    #[arg(long, value_name = "STEP")]
    only: Option<Step>,
}

/// The checks, in the order in which they run.
#[derive(Clone, Copy, ValueEnum)]
enum Step {
    Format,
    Tidy,
    Clippy,
    Docs,
    Test,
    Deny,
}

enum Outcome {
    Passed,
    /// Passed, with a word on what was left out.
    Partly(&'static str),
    Skipped(&'static str),
}

/// Runs the steps and stops at the first that fails.
///
/// # Errors
/// If a step fails; the message has the command that runs it alone.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = arguments.only.as_ref().map_or_else(|| Step::value_variants().to_vec(), |only| vec![*only]);
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    let mut summary = Vec::new();
    for (index, &step) in steps.iter().enumerate() {
        println!("[{}/{}] {}", index + 1, steps.len(), step.name());
        let started = Instant::now();
        let result = step.run(&shell);
        let seconds = started.elapsed();
        let verdict = match &result {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Partly(without)) => format!("passed, {without}"),
            Ok(Outcome::Skipped(reason)) => format!("skipped: {reason}"),
            Err(_) => "FAILED".to_owned(),
        };
        println!("      {} {verdict} ({:.1} s)", step.name(), seconds.as_secs_f64());
        summary.push((step, seconds, verdict));
        if let Err(error) = result {
            print_summary(&summary);
            bail!("{error:#}\nto run just this step again: cargo xtask ci --only {}", step.name());
        }
    }
    print_summary(&summary);
    Ok(())
}

fn print_summary(summary: &[(Step, Duration, String)]) {
    println!();
    for (step, time, verdict) in summary {
        println!("{:<8} {:>8.1} s  {verdict}", step.name(), time.as_secs_f64());
    }
    let total: Duration = summary.iter().map(|(_, time, _)| *time).sum();
    println!("{:<8} {:>8.1} s", "total", total.as_secs_f64());
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Docs => "docs",
            Self::Test => "test",
            Self::Deny => "deny",
        }
    }

    fn run(self, shell: &Shell) -> Result<Outcome> {
        match self {
            Self::Format => cmd!(shell, "cargo fmt --all --check").run()?,
            Self::Tidy => tidy::run()?,
            Self::Clippy => cmd!(shell, "cargo clippy --workspace --all-targets -- -D warnings").run()?,
            Self::Docs => {
                cmd!(shell, "cargo doc --no-deps --workspace").env("RUSTDOCFLAGS", "-D warnings").run()?;
            }
            Self::Test => {
                cmd!(shell, "cargo test --workspace").run()?;
                return Ok(tested(std::env::var_os("CLOZE_DATA_DIR").as_deref()));
            }
            Self::Deny => return deny(shell),
        }
        Ok(Outcome::Passed)
    }
}

/// Tests on real data are skipped where there are none: without a word here nobody would know.
fn tested(data: Option<&OsStr>) -> Outcome {
    match data {
        Some(folder) if !folder.is_empty() => Outcome::Passed,
        _ => Outcome::Partly("without the tests on real data: CLOZE_DATA_DIR is not set"),
    }
}

/// Licences, bans and advisories, where the tool for it is installed: it is the only check that needs a network.
fn deny(shell: &Shell) -> Result<Outcome> {
    if cmd!(shell, "cargo deny --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        return Ok(Outcome::Skipped("cargo-deny is not installed (cargo install --locked cargo-deny)"));
    }
    cmd!(shell, "cargo deny check").run()?;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_without_real_data_are_told() {
        assert!(matches!(tested(None), Outcome::Partly(note) if note.contains("CLOZE_DATA_DIR")));
        assert!(matches!(tested(Some(OsStr::new(""))), Outcome::Partly(_)));
        assert!(matches!(tested(Some(OsStr::new("/data"))), Outcome::Passed));
    }

    #[test]
    fn a_steps_printed_name_is_what_only_accepts() {
        for step in Step::value_variants() {
            let value = step.to_possible_value().unwrap();
            assert_eq!(value.get_name(), step.name());
        }
    }
}
