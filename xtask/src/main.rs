//! Contributors' runner: repository checks, reproductions of papers, benchmarks.
//!
//! It depends on no workspace crate and shells out to `cargo` and to the `cloze` binary, so that it builds in seconds
//! and never has a private way into the code that users have not.
#![allow(clippy::print_stdout, reason = "a command line tool: standard output is its interface")]

mod bench;
mod ci;
mod kernels;
mod layers;
mod nearest;
mod reproduce;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Checks and reproductions of this repository"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the repository's own rules: layering, file lengths, build settings, unfinished code
    Tidy,
    /// Run the checks of continuous integration, cheapest first, cheapest check first
    Ci(ci::Arguments),
    /// Train, evaluate and compare every row of a paper's experiment file
    Reproduce(reproduce::Arguments),
    /// Time the hot paths on this machine, beside the programs that they are compared with
    Bench(bench::Arguments),
    /// Compile the GPU's kernels with nvcc and print what each takes; needs no GPU
    Kernels(kernels::Arguments),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Tidy => tidy::run(),
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Kernels(arguments) => kernels::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
