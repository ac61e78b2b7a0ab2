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
    let vectors = folder.path().join("vectors");
    let mut rows = parse(&cmd!(shell, "{program} {model} {texts} {vectors}").quiet().read()?)?;
    if let Some(python) = &arguments.python {
        let threads = std::thread::available_parallelism()?.get().to_string();
        let script = "crates/cloze-review/benches/peer_transformers.py";
        rows.extend(parse(
            &cmd!(shell, "{python} {script} {model} {texts} {threads} {vectors}").quiet().read()?,
        )?);
    }
    add_ratios(&mut rows, |row| row["engine"] == "cloze", "seconds", "times_ours");
    Ok(rows)
}
