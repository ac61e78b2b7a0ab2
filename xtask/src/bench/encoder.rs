//! The encoder beside PyTorch, and an epoch on real sequences beside RecTools.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::{Arguments, Row, add_ratios, example, parse};

const SHAPES: [&str; 3] = ["s64", "s128", "s256"];
/// Instructions that the timed ones are compared with, where the processor has them.
const LEVELS: [&str; 2] = ["avx512", "avx2"];
/// Where a folder of raw data has sequences of real lengths.
const SEQUENCES: &str = "ml-1m/ml-1m_sasrec.txt.gz";
/// Timed epochs of ours; of RecTools it is one, which takes minutes.
const OUR_EPOCHS: u64 = 3;

/// Every shape, engine, level and number of threads that says something, then the peers on the same cores.
///
/// `times_ours` is the time in units of our default (best level, all threads) at the same work.
pub(super) fn measure(shell: &Shell, arguments: &Arguments) -> Result<Vec<Row>> {
    let program = example(shell, "step")?;
    let step = Step { shell, program: &program, steps: arguments.steps };
    let threads = std::thread::available_parallelism()?.get();
    let mut rows = Vec::new();
    for shape in SHAPES {
        rows.extend(step.time(&format!("shape={shape}"), threads, None)?);
        rows.extend(step.time(&format!("shape={shape} mode=infer"), threads, None)?);
    }
    rows.extend(step.time("shape=s64 dropout=0.2", threads, None)?);
    rows.extend(step.time("shape=s64", 1, None)?);
    rows.extend(step.time("shape=s64 mode=infer", 1, None)?);
    for level in LEVELS {
        rows.extend(step.time("shape=s64", threads, Some(level)).unwrap_or_default());
    }
    rows.extend(step.time("shape=s64 engine=reference", threads, None)?);
    for loss in ["sampled", "sampled together=1", "softmax"] {
        rows.extend(step.time(&format!("shape=shop loss={loss}"), threads, None)?);
    }
    if let Some(python) = &arguments.python {
        for shape in SHAPES {
            let (threads, steps) = (threads.to_string(), arguments.steps.to_string());
            let script = "crates/cloze-encoder/benches/peer_torch.py";
            rows.extend(parse(&cmd!(shell, "{python} {script} {shape} {threads} {steps}").quiet().read()?)?);
        }
    }
    rows.extend(epochs(&step, arguments, threads)?);
    add_ratios(&mut rows, |row| row["engine"] == "cpu", "least_ms", "times_ours");
    Ok(rows)
}

/// The timed program.
struct Step<'a> {
    shell: &'a Shell,
    program: &'a Path,
    steps: u64,
}

impl Step<'_> {
    fn time(&self, words: &str, threads: usize, level: Option<&str>) -> Result<Vec<Row>> {
        let (shell, program, words) = (self.shell, self.program, words.split_whitespace());
        let steps = format!("steps={}", self.steps);
        let mut command = cmd!(shell, "{program} {steps} {words...}").quiet();
        command = command.env("RAYON_NUM_THREADS", threads.to_string());
        if let Some(level) = level {
            command = command.env("CLOZE_CPU", level);
        }
        parse(&command.read()?)
    }
}

/// An epoch on real sequences, ours and RecTools'; a note where the log or RecTools is not there.
fn epochs(step: &Step<'_>, arguments: &Arguments, threads: usize) -> Result<Vec<Row>> {
    let Step { shell, program, .. } = step;
    let folder = shell.create_temp_dir()?;
    let Some(log) = sequences(shell, arguments.sequences.clone(), folder.path())? else {
        eprintln!(
            "no epochs are timed: name a log by --sequences, or set CLOZE_DATA_DIR to a folder with {SEQUENCES}"
        );
        return Ok(Vec::new());
    };
    let (users, threads) = (arguments.users.to_string(), threads.to_string());
    let words = ["mode=epoch", "dropout=0.2", &format!("users={users}"), &format!("steps={OUR_EPOCHS}")];
    let data = format!("data={}", log.display());
    let ours = cmd!(shell, "{program} {words...} {data}").quiet().env("RAYON_NUM_THREADS", &threads);
    let mut rows = parse(&ours.read()?)?;
    let Some(python) = &arguments.python else { return Ok(rows) };
    if cmd!(shell, "{python} -c 'import rectools'").quiet().ignore_stderr().run().is_err() {
        eprintln!("RecTools is not timed: {} has no rectools", python.display());
        return Ok(rows);
    }
    let script = "crates/cloze-encoder/benches/peer_rectools.py";
    let peer = cmd!(shell, "{python} {script} {log} {users} {threads} 1").quiet().ignore_stderr();
    rows.extend(parse(&peer.read()?)?);
    Ok(rows)
}

/// The log as plain text: the one given, or MovieLens 1M's if the folder of raw data has it.
fn sequences(shell: &Shell, given: Option<PathBuf>, folder: &Path) -> Result<Option<PathBuf>> {
    let raw = || Some(PathBuf::from(std::env::var_os("CLOZE_DATA_DIR")?).join(SEQUENCES));
    let Some(path) = given.or_else(|| raw().filter(|path| path.exists())) else { return Ok(None) };
    let path = std::path::absolute(path)?; // programs run in the repository's root
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok(Some(path));
    }
    let plain = folder.join("sequences.txt");
    let text = cmd!(shell, "gzip -dc {path}").quiet().output()?.stdout;
    fs::write(&plain, text).with_context(|| format!("cannot write {}", plain.display()))?;
    Ok(Some(plain))
}
