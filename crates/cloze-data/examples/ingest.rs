//! Times the way from a large CSV to split sequences, and says the peak of memory.
//!
//! ```text
//! cargo run --release -p cloze-data --example ingest -- generate /tmp/log.csv 25000000
//! cargo run --release -p cloze-data --example ingest -- read /tmp/log.csv 2
//! python crates/cloze-data/benches/peer_polars.py /tmp/log.csv 2
//! ```
#![allow(clippy::print_stdout, reason = "an example talks")]

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use cloze_data::log::{BadRows, LogOptions, read_log_report};
use cloze_data::read::Column;
use cloze_data::{Filters, LeaveOneOut, Silent};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const USAGE: &str = "usage: ingest generate FILE ROWS | ingest read FILE THREADS";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [command, file, number] = words.as_slice() else { return Err(USAGE.into()) };
    match command.as_str() {
        "generate" => generate(Path::new(file), number.parse()?),
        "read" => read(Path::new(file), number.parse()?),
        _ => Err(USAGE.into()),
    }
}

/// Rows in no order: users and items of a skewed popularity, so that a core removes some.
fn generate(path: &Path, rows: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    writeln!(file, "user,item,rating,time")?;
    let (users, items) = (rows / 150 + 1, rows / 400 + 1);
    for _ in 0..rows {
        let (u, i): (f64, f64) = (random.random(), random.random());
        let (user, item) = ((u.powf(1.5) * users as f64) as u64, (i * i * i * items as f64) as u64);
        let (stars, half) = (random.random_range(0..5_u32), random.random::<bool>());
        let time = random.random_range(800_000_000..1_600_000_000_u64);
        writeln!(file, "{user},{item},{stars}.{},{time}", if half { 5 } else { 0 })?;
    }
    Ok(file.flush()?)
}

fn read(path: &Path, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
    let named = |name: &str| Column::Name(name.to_owned());
    let mut log = LogOptions::new(path, named("user"), named("item"));
    (log.time, log.value, log.threads) = (Some(named("time")), Some(named("rating")), Some(threads));
    let begin = Instant::now();
    let (data, report) = read_log_report(&log, &Filters::k_core(5), &BadRows::Error, &mut Silent)?;
    let prepared = begin.elapsed().as_secs_f64();
    let split = LeaveOneOut::new(&data.sequences)?;
    let whole = begin.elapsed().as_secs_f64();
    println!(
        "{{\"rows\": {}, \"threads\": {threads}, \"users\": {}, \"items\": {}, \"interactions\": {}, \
         \"held_out\": {}, \"prepare_s\": {prepared:.3}, \"split_s\": {:.3}, \"total_s\": {whole:.3}, \
         \"peak_mib\": {}}}",
        report.rows,
        data.users.len(),
        data.items.len(),
        data.sequences.interactions(),
        split.held_out(),
        whole - prepared,
        peak_mib().map_or_else(|| "null".to_owned(), |mib| mib.to_string()),
    );
    Ok(())
}

/// The peak of resident memory, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}
