//! Models that need no transformer: factorizations, neighbours, EASE.

use anyhow::Result;
use xshell::{Shell, cmd};

use super::{Arguments, Row, add_ratios, example, parse};

/// What is measured on, where `CLOZE_DATA_DIR` or the cache has it.
const DATA: &str = "ml-1m";

pub(super) fn measure(shell: &Shell, arguments: &Arguments) -> Result<Vec<Row>> {
    let program = example(shell, "factorize")?;
    let folder = shell.create_temp_dir()?;
    let pairs = folder.path().join("pairs.txt");
    let output = cmd!(shell, "{program} {DATA} {pairs}").quiet().read().or_else(|_| {
        // The program has said why.
        eprintln!("{DATA} cannot be measured: generated data of its size instead");
        cmd!(shell, "{program} - {pairs}").quiet().read()
    })?;
    let mut rows = parse(&output)?;
    if let Some(python) = &arguments.python {
        let threads = std::thread::available_parallelism()?.get().to_string();
        let script = "crates/cloze-cf/benches/peer_implicit.py";
        rows.extend(parse(&cmd!(shell, "{python} {script} {pairs} {threads}").quiet().read()?)?);
    }
    add_ratios(&mut rows, |row| row["engine"] == "cloze", "median_s", "times_ours");
    Ok(rows)
}
