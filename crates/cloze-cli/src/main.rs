//! The `cloze` binary: data sets, training, evaluation, comparison, recommendations.
//!
//! Results go to standard output, progress and errors to standard error. Exit codes: 0 done, 1 failed, 2 misused,
//! 130 stopped by Ctrl-C.

mod beside;
mod cli;
mod commands;
mod csv;
mod data_args;
mod interruption;
mod models;
mod neighbours;
mod options;
mod output;
mod pool_file;
mod predictions;
mod stored;
mod success;
mod table;
mod text;
mod trained;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

// Automatic differentiation allocates and frees large tensors at every step. The system's allocator hands each of them
// back to the kernel and maps it anew, page by page; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(text) = interruption::told(&error) {
                let _ = std::io::stderr().write_all(text.as_bytes());
                return ExitCode::from(interruption::EXIT_CODE);
            }
            fail(&error);
            ExitCode::FAILURE
        }
    }
}

/// Help and version on standard output with code 0, misuse on standard error with code 2.
fn usage(error: &clap::Error) -> ExitCode {
    // Whoever closed the stream has seen enough.
    let _ = error.print();
    let of_train = std::env::args_os().nth(1).is_some_and(|command| command == "train");
    if error.kind() == ErrorKind::InvalidSubcommand && of_train {
        let _ = writeln!(std::io::stderr(), "\nKnown models: {}", models::names().join(", "));
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The error, then its causes, a line each.
fn fail(error: &anyhow::Error) {
    let mut shown = error.to_string();
    let mut text = format!("error: {shown}\n");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many messages have their cause's in them already.
        if !shown.contains(&cause) {
            let _ = writeln!(text, "  caused by: {cause}");
            shown = cause;
        }
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}
