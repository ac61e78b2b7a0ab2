//! Vectors of texts by a pretrained BERT.

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::{Arguments, Row, add_ratios, example, parse};

pub(super) fn measure(shell: &Shell, arguments: &Arguments) -> Result<Vec<Row>> {
    let model =
        arguments.text_model.as_ref().context("`bench text` needs --text-model DIR, the folder of a BERT")?;
    let program = example(shell, "embed")?;
    let folder = shell.create_temp_dir()?;
    // The example writes generated texts where there are none.
    let texts = arguments.texts.clone().unwrap_or_else(|| folder.path().join("texts.txt"));
    let mut rows = Vec::new();
    let mut vectors = Vec::new();
    for precision in ["float32", "int8"] {
        let file = folder.path().join(precision);
        rows.extend(parse(&cmd!(shell, "{program} {model} {texts} {file} {precision}").quiet().read()?)?);
        vectors.push(format!("cloze, {precision}={}", file.display()));
    }
    if let Some(python) = &arguments.python {
        let threads = std::thread::available_parallelism()?.get().to_string();
        let script = "crates/cloze-review/benches/peer_transformers.py";
        let found = cmd!(shell, "{python} {script} {model} {texts} {threads} {vectors...}").quiet().read()?;
        for peer in parse(&found)? {
            // What the peer says of our vectors belongs to our row.
            let engine = peer.get("engine").context("the peer names no engine")?;
            match rows.iter_mut().find(|row| row.get("engine") == Some(engine)) {
                Some(row) => row.extend(peer),
                None => rows.push(peer),
            }
        }
    }
    add_ratios(&mut rows, |row| row["engine"] == "cloze, float32", "seconds", "times_float32");
    Ok(rows)
}
