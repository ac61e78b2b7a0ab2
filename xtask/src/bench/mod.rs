//! `cargo xtask bench`: the hot paths timed on this machine, beside the programs that they are compared with.

mod encoder;
mod factorize;
mod hybrid;
mod table;
mod text;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use xshell::{Shell, cmd};

use crate::workspace;

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What to time
    #[arg(required = true)]
    parts: Vec<Part>,
    /// Python with the peers installed: torch and rectools for `encoder`, polars for `ingest`, numpy for `eval`, implicit for
    /// `factorize`, transformers for `text`; without it only cloze is timed
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// Rows of the log that `ingest` generates and reads
    #[arg(long, value_name = "N", default_value_t = 25_000_000)]
    rows: u64,
    /// Timed steps of `encoder`, and of its peer
    #[arg(long, value_name = "N", default_value_t = 10)]
    steps: u64,
    /// Log for the epochs of `encoder`, lines of `user item`, may be gzip; without it MovieLens 1M in `CLOZE_DATA_DIR`
    #[arg(long, value_name = "FILE")]
    sequences: Option<PathBuf>,
    /// Users of that log, the first ones
    #[arg(long, value_name = "N", default_value_t = 2048)]
    users: u64,
    /// The BERT of `text`: a folder with config.json, model.safetensors and tokenizer.json
    #[arg(long, value_name = "DIR")]
    text_model: Option<PathBuf>,
    /// The texts of `text`, one a line; without it generated ones
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Also write the figures, with the machine and the revision, to this file (JSON)
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The benchmarks.
#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// A training step, inference and an epoch of the encoder's engines; peers: PyTorch and RecTools
    Encoder,
    /// A large CSV to split sequences; peer: polars
    Ingest,
    /// The ranking of MovieLens 1M's size; peer: numpy
    Eval,
    /// Factorizations, neighbours and EASE; peers: implicit and numpy
    Factorize,
    /// Vectors of texts by a BERT (`--text-model`); peer: transformers on PyTorch
    Text,
    /// A hybrid's profile store and the search in it, beside both towers for each pair
    Hybrid,
    /// The same for learners: Algorithm 1 pair by pair and from the store, and answers in real time
    Learners,
}

/// One measurement: what was measured, and figures by name.
pub(crate) type Row = BTreeMap<String, Value>;

/// Runs the benchmarks one after the other and prints a table of each.
///
/// # Errors
/// If something does not build, or a program fails.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = at_root()?;
    let mut results = BTreeMap::new();
    for part in &arguments.parts {
        let (name, rows) = match part {
            Part::Encoder => ("encoder", encoder::measure(&shell, arguments)?),
            Part::Ingest => ("ingest", ingest(&shell, arguments)?),
            Part::Eval => ("eval", eval(&shell, arguments)?),
            Part::Factorize => ("factorize", factorize::measure(&shell, arguments)?),
            Part::Text => ("text", text::measure(&shell, arguments)?),
            Part::Hybrid => ("hybrid", hybrid::measure(&shell)?),
            Part::Learners => ("learners", hybrid::measure_learners(&shell)?),
        };
        println!("\n{name}\n\n{}", table::render(&rows));
        results.insert(name, rows);
    }
    if let Some(path) = &arguments.output {
        let text = serde_json::to_string_pretty(&json!({ "host": host(&shell), "results": results }))?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The part `hybrid` alone.
///
/// # Errors
/// As [`run`].
pub(crate) fn hybrid() -> Result<Vec<Row>> {
    hybrid::measure(&at_root()?)
}

/// The part `learners` alone.
///
/// # Errors
/// As [`run`].
pub(crate) fn learners() -> Result<Vec<Row>> {
    hybrid::measure_learners(&at_root()?)
}

fn at_root() -> Result<Shell> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    Ok(shell)
}

fn ingest(shell: &Shell, arguments: &Arguments) -> Result<Vec<Row>> {
    let program = example(shell, "ingest")?;
    let folder = shell.create_temp_dir()?;
    let log = folder.path().join("log.csv");
    let (rows, threads) =
        (arguments.rows.to_string(), std::thread::available_parallelism()?.get().to_string());
    cmd!(shell, "{program} generate {log} {rows}").quiet().run()?;
    let mut measured = parse(&cmd!(shell, "{program} read {log} {threads}").quiet().read()?)?;
    if let Some(python) = &arguments.python {
        let script = "crates/cloze-data/benches/peer_polars.py";
        measured.extend(parse(&cmd!(shell, "{python} {script} {log} {threads}").quiet().read()?)?);
    }
    for row in &mut measured {
        let peer = row.remove("polars").and_then(|version| Some(format!("polars {}", version.as_str()?)));
        row.insert("engine".to_owned(), peer.unwrap_or_else(|| "cloze".to_owned()).into());
    }
    add_ratios(&mut measured, |row| row["engine"] == "cloze", "total_s", "times_ours");
    add_ratios(&mut measured, |row| row["engine"] == "cloze", "peak_mib", "memory_of_ours");
    Ok(measured)
}

/// The benchmark that has a target, and the target in milliseconds.
const RANKING: (&str, u64) = ("6,040 users, 3,416 items/full ranking", 200);

/// Criterion prints its own report; the mean is read from what it stores.
fn eval(shell: &Shell, arguments: &Arguments) -> Result<Vec<Row>> {
    cmd!(shell, "cargo bench --workspace --bench ranking").quiet().run()?;
    let mut rows = Vec::new();
    let root = target(shell)?.join("criterion");
    for path in estimates(&root)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: Value = serde_json::from_str(&text)?;
        let nanoseconds = value["mean"]["point_estimate"].as_f64().context("criterion stored no mean")?;
        let name = path.strip_prefix(&root)?.to_string_lossy().replace("/new/estimates.json", "");
        rows.push(Row::from([
            ("benchmark".to_owned(), name.into()),
            ("engine".to_owned(), "cloze".into()),
            ("mean_ms".to_owned(), ((nanoseconds / 1e4).round() / 100.0).into()),
        ]));
    }
    if let Some(python) = &arguments.python {
        let script = "crates/cloze-eval/benches/peer_numpy.py";
        rows.extend(parse(&cmd!(shell, "{python} {script}").quiet().read()?)?);
    }
    add_target(&mut rows);
    add_ratios(&mut rows, |row| row["engine"] == "cloze", "mean_ms", "times_ours");
    Ok(rows)
}

fn add_target(rows: &mut [Row]) {
    for row in rows.iter_mut().filter(|row| row["engine"] == "cloze" && row["benchmark"] == RANKING.0) {
        row.insert("target_ms".to_owned(), RANKING.1.into());
    }
}

/// The files `new/estimates.json` below `folder`, in order.
fn estimates(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.ends_with("new/estimates.json") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Builds an example as it is to be timed, and returns its path. Of the whole workspace: with one package's features,
/// dependencies would be built anew for every benchmark.
fn example(shell: &Shell, name: &str) -> Result<PathBuf> {
    let messages = cmd!(
        shell,
        "cargo build --release --workspace --example {name} --message-format json-render-diagnostics"
    )
    .read()?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| anyhow!("cargo named no example {name}"))
}

fn target(shell: &Shell) -> Result<PathBuf> {
    let metadata = cmd!(shell, "cargo metadata --format-version 1 --no-deps").quiet().read()?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(PathBuf::from(folder))
}

/// The JSON objects of a program's output, one a line.
fn parse(output: &str) -> Result<Vec<Row>> {
    let rows: Vec<Row> = output
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("no measurement: {line}")))
        .collect::<Result<_>>()?;
    if rows.is_empty() {
        bail!("the program printed no measurement:\n{output}");
    }
    Ok(rows)
}

/// Adds to every row, as `name`, its figure divided by that of the first row that `is_ours` accepts and that has the
/// same benchmark, shape, mode and dropout.
fn add_ratios(rows: &mut [Row], is_ours: impl Fn(&Row) -> bool, figure: &str, name: &str) {
    let ours: Vec<Row> = rows.iter().filter(|row| is_ours(row)).cloned().collect();
    for row in rows {
        let keys = ["benchmark", "shape", "mode", "dropout"];
        let same = |one: &&Row| keys.iter().all(|key| one.get(*key) == row.get(*key));
        let base = ours.iter().find(same).and_then(|one| one.get(figure)?.as_f64());
        let own = row.get(figure).and_then(Value::as_f64);
        if let (Some(base), Some(own)) = (base, own) {
            row.insert(name.to_owned(), ((own / base * 100.0).round() / 100.0).into());
        }
    }
}

/// What the figures were measured on.
fn host(shell: &Shell) -> Value {
    let read = |words: &[&str]| {
        let (program, rest) = (words[0], &words[1..]);
        cmd!(shell, "{program} {rest...}").quiet().ignore_stderr().read().unwrap_or_default()
    };
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find(|line| line.starts_with("model name")).unwrap_or("unknown");
    json!({
        "processor": processor.rsplit(": ").next(),
        "threads": std::thread::available_parallelism().map_or(0, usize::from),
        "rustc": read(&["rustc", "--version"]),
        "revision": read(&["git", "rev-parse", "--short", "HEAD"]),
        "changed": !read(&["git", "status", "--porcelain"]).is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_read_line_by_line() {
        let rows = parse("note\n{\"shape\":\"s64\",\"least_ms\":2.0}\n").unwrap();
        assert_eq!(rows[0]["shape"], "s64");
        assert!(parse("nothing here").unwrap_err().to_string().contains("nothing here"));
        assert!(parse("{\"half\":").is_err());
    }

    #[test]
    fn a_ratio_compares_the_same_work() {
        let row = |engine: &str, shape: &str, ms: f64| {
            Row::from([
                ("engine".to_owned(), engine.into()),
                ("shape".to_owned(), shape.into()),
                ("least_ms".to_owned(), ms.into()),
            ])
        };
        let mut rows =
            vec![row("cpu", "s64", 200.0), row("torch", "s64", 500.0), row("torch", "s256", 900.0)];
        add_ratios(&mut rows, |row| row["engine"] == "cpu", "least_ms", "times_ours");
        assert_eq!(rows[1]["times_ours"], 2.5);
        assert!(!rows[2].contains_key("times_ours"));
    }

    #[test]
    fn the_ranking_has_its_target_and_its_peer_a_ratio() {
        let row = |engine: &str, benchmark: &str, ms: f64| {
            Row::from([
                ("engine".to_owned(), engine.into()),
                ("benchmark".to_owned(), benchmark.into()),
                ("mean_ms".to_owned(), ms.into()),
            ])
        };
        let mut rows = vec![
            row("cloze", "another", 1.0),
            row("cloze", RANKING.0, 50.0),
            row("numpy 2", RANKING.0, 400.0),
        ];
        add_target(&mut rows);
        add_ratios(&mut rows, |row| row["engine"] == "cloze", "mean_ms", "times_ours");
        assert_eq!((rows[1]["target_ms"].as_u64(), rows[2]["times_ours"].as_f64()), (Some(200), Some(8.0)));
        assert!(!rows[0].contains_key("target_ms") && !rows[2].contains_key("target_ms"));
        let root = workspace::root();
        let script = fs::read_to_string(root.join("crates/cloze-eval/benches/peer_numpy.py")).unwrap();
        assert!(script.contains(RANKING.0), "the peer names the same benchmark");
    }
}
