//! Times models that need no transformer: `cargo run --release -p cloze-cf --example factorize -- ml-1m pairs.txt`.
//!
//! The first argument is a data set, `-` for generated data of MovieLens 1M's size. The observed pairs are written to the second,
//! `user item` a line, for a peer to read. A JSON object a line: what was done, how often, seconds (median, least).
#![allow(clippy::print_stdout, reason = "the result of the example")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use cloze_cf::{
    Ease, EaseOptions, Ials, IalsOptions, IalsSolver, ItemKnn, ItemKnnOptions, Kind as _, Mf, MfKind, NeuMf,
    NeuMfKind,
};
use cloze_data::{DataOptions, Sequences, Silent, load};
use cloze_train::{Model as _, Reporter, Run, TrainedOn, TrainingData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

type Failure = Box<dyn std::error::Error>;

/// Users, items and mean length of MovieLens 1M.
const LIKE_ML_1M: (usize, usize, usize) = (6040, 3416, 165);
const TIMES: usize = 3;
/// Epochs of iALS that are timed together, so that what is done once weighs little.
const EPOCHS: u64 = 5;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (name, path) = (arguments.next().ok_or("which data set?")?, arguments.next().ok_or("which file?")?);
    let (sequences, items) = if name == "-" {
        (generated()?, LIKE_ML_1M.1)
    } else {
        let data = load(&name, &DataOptions::default(), &mut Silent)?;
        (data.sequences, data.items.len())
    };
    let mut text = String::new();
    for (user, list) in sequences.iter().enumerate() {
        list.iter().try_for_each(|item| writeln!(text, "{user} {item}"))?;
    }
    std::fs::write(path, text)?;

    for hidden in [64, 128] {
        let solvers = [
            (IalsSolver::ConjugateGradient, "three steps of conjugate gradient"),
            (IalsSolver::Exact, "exact"),
        ];
        for (solver, name) in solvers {
            let options = IalsOptions { hidden, epochs: EPOCHS, solver, ..IalsOptions::default() };
            let seconds = time(|| Ok(Ials::fit(&sequences, items, &options, 0, &mut Reporter::quiet())?))?;
            let epochs = seconds.into_iter().map(|seconds| seconds / EPOCHS as f64).collect();
            report(&format!("iALS, hidden {hidden}, {name}, an epoch"), epochs);
        }
    }
    let knn = ItemKnnOptions::default();
    report("ItemKNN, 100 neighbours", time(|| Ok(ItemKnn::fit(&sequences, items, &knn)?))?);
    report("EASE", time(|| Ok(Ease::fit(&sequences, items, &EaseOptions::default())?))?);

    let origin = TrainedOn {
        dataset: name,
        synthetic: false,
        split: "none".to_owned(),
        split_hash: "0".to_owned(),
        fit: "train".to_owned(),
        user_share: 1.0,
    };
    let data = TrainingData::new(&sequences, items, &origin);
    let mf = cloze_cf::FactorOptions { epochs: 1, ..MfKind::defaults() };
    let seconds = time(|| Ok(Mf::fit(&data, &mf.clone().into(), &mut Run::new(0, &mut Reporter::quiet()))?))?;
    report("MF, hidden 64, 4 negatives, an epoch", seconds);
    let neumf = cloze_cf::FactorOptions { epochs: 1, pretrain_epochs: 0, ..NeuMfKind::defaults() };
    let seconds =
        time(|| Ok(NeuMf::fit(&data, &neumf.clone().into(), &mut Run::new(0, &mut Reporter::quiet()))?))?;
    report("NeuMF, hidden 64 and layers of 64, 32, 16, 4 negatives, an epoch", seconds);
    Ok(())
}

/// Seconds of each repetition.
fn time<T>(mut what: impl FnMut() -> Result<T, Failure>) -> Result<Vec<f64>, Failure> {
    let mut one = || {
        let begin = Instant::now();
        black_box(what()?);
        Ok(begin.elapsed().as_secs_f64())
    };
    (0..TIMES).map(|_| one()).collect()
}

fn report(benchmark: &str, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let rounded = |seconds: f64| (seconds * 1e4).round() / 1e4;
    let row = serde_json::json!({
        "benchmark": benchmark,
        "engine": "cloze",
        "times": seconds.len(),
        "median_s": rounded(seconds[seconds.len() / 2]),
        "least_s": rounded(seconds[0]),
    });
    println!("{row}");
}

/// Users whose items are drawn by a power law.
fn generated() -> Result<Sequences, Failure> {
    let (users, items, length) = LIKE_ML_1M;
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let mut user = || {
        let length = generator.random_range(length / 2..length * 3 / 2);
        (0..length).map(|_| (items as f64 * generator.random::<f64>().powi(2)) as u32).collect::<Vec<u32>>()
    };
    Ok(Sequences::from_lists(&(0..users).map(|_| user()).collect::<Vec<_>>(), None)?)
}
