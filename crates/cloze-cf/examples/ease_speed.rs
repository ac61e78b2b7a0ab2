//! Seconds of fitting EASE and of scoring all users: `cargo run --release -p cloze-cf --example ease_speed -- ml-1m`.
//!
//! The best of five runs each, one JSON line. Give the machine with the numbers.

use std::time::Instant;

use cloze_cf::{Ease, EaseOptions};
use cloze_data::{DataOptions, LeaveOneOut, Silent, load};
use cloze_eval::{Query, Recommender};

type Failure = Box<dyn std::error::Error>;

/// Users scored at a time, as in an evaluation.
const BATCH: usize = 256;
const RUNS: usize = 5;

#[allow(clippy::print_stdout, reason = "the result of the example")]
fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "synthetic".to_owned());
    let data = load(&name, &DataOptions::default(), &mut Silent)?;
    let split = LeaveOneOut::new(&data.sequences)?;
    let items = data.items.len();
    let histories = split.train_and_validation();
    let queries: Vec<Query<'_>> = histories.iter().map(|history| Query { user: None, history }).collect();
    let mut places = vec![0.0; BATCH * items];

    let (mut fit, mut score) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        let begin = Instant::now();
        let mut model = Ease::fit(&split.train, items, &EaseOptions::default())?;
        fit = fit.min(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        for batch in queries.chunks(BATCH) {
            model.score(batch, &mut places[..batch.len() * items]).map_err(|error| error.to_string())?;
        }
        score = score.min(begin.elapsed().as_secs_f64());
    }
    let (users, threads) = (queries.len(), std::thread::available_parallelism()?);
    println!(
        r#"{{"data": "{name}", "users": {users}, "items": {items}, "threads": {threads}, "fit": {fit:.3}, "score": {score:.3}}}"#
    );
    Ok(())
}
