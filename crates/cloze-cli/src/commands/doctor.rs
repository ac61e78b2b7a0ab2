//! `cloze doctor`: what this machine offers.

use anyhow::Result;
use clap::Args;
use cloze_data::{DataError, DataOptions, Silent, fetch, manifests};
use cloze_encoder::cpu::Level;
use cloze_encoder::cuda;
use cloze_encoder::engine::{self, ENGINES};

use crate::data_args::DataArgs;
use crate::models;
use crate::output::print;
use crate::table::{Column, Table};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cloze doctor")]
pub(crate) struct Doctor {
    #[command(flatten)]
    data: DataArgs,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<()> {
        // Nothing is downloaded by looking around.
        let options = DataOptions { offline: true, ..self.data.options() };
        let shown = |folder: &Option<std::path::PathBuf>, absent: &str| {
            folder.as_ref().map_or_else(|| absent.to_owned(), |folder| folder.display().to_string())
        };
        let threads = std::thread::available_parallelism()
            .map_or_else(|error| format!("unknown ({error})"), |threads| threads.to_string());
        let mut table = Table::new(&[("what", Column::Text), ("found", Column::Wrapped)]);
        let mut row = |what: &str, found: String| table.row([what.to_owned(), found]);
        row("version", env!("CARGO_PKG_VERSION").to_owned());
        row("platform", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
        row("engines", engines());
        row("threads", threads);
        row("GPU", gpus());
        row("models", models::names().join(", "));
        row("data folder", shown(&options.data_dir, "none: set CLOZE_DATA_DIR or give --data-dir"));
        row("cache folder", shown(&options.cache, "none: set CLOZE_CACHE or give --cache"));
        for manifest in manifests() {
            row(&format!("data {}", manifest.name), found(&manifest.name, &options));
        }
        print(&table.render())
    }
}

/// The engines of this build, the chosen one first, and the instructions that it uses.
fn engines() -> String {
    match engine::check_named().and_then(|()| Level::chosen()) {
        Ok(level) => ENGINES.join(", ").replacen("cpu", &format!("cpu ({level})"), 1),
        Err(error) => error.to_string(),
    }
}

/// The GPUs that the engine `cuda` can use, or why there are none.
fn gpus() -> String {
    match cuda::usable() {
        Ok(gpus) => {
            let gpus: Vec<String> = gpus.iter().map(ToString::to_string).collect();
            format!("{}: used with --device cuda or auto", gpus.join("; "))
        }
        Err(error) => error.to_string(),
    }
}

/// Where a data set's files are on this machine.
fn found(name: &str, options: &DataOptions) -> String {
    match fetch(name, options, &mut Silent) {
        Ok(files) => match files.first() {
            Some(file) => file.display().to_string(),
            None => "generated, needs no file".to_owned(),
        },
        Err(DataError::Unobtainable { .. }) => {
            format!("not here: `cloze data fetch {name}` obtains it, or says how")
        }
        Err(error) => error.to_string(),
    }
}
