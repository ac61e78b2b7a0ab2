//! Times a profile store and the search in it: `cargo run --release -p cloze-hybrid --example profiles -- ml-1m`.
//!
//! The argument is a data set, by default generated data of MovieLens 1M's size. A JSON object a line: what was done, how often,
//! milliseconds (median, least). The model is trained for a few steps only: its speed does not depend on its quality.
#![allow(clippy::print_stdout, reason = "the result of the example")]

mod timing;

use std::hint::black_box;
use std::time::Instant;

use cloze_data::{DataOptions, Sequences, Silent, load};
use cloze_hybrid::{HybridBert4Rec, HybridOptions, ItemSearch, ProfileStore, Side, Variant};
use cloze_sequential::Bert4RecOptions;
use cloze_train::{Model as _, Reporter, Run, TrainingData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use timing::{Failure, milliseconds, nowhere, row};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Items with their scores.
type Best = Vec<(u32, f32)>;

/// Users, items and mean length of MovieLens 1M.
const LIKE_ML_1M: (usize, usize, usize) = (6040, 3416, 165);
/// Items of a large catalogue, and the width of a profile.
const LARGE: usize = 1_000_000;
const WIDTH: usize = 64;
const TOP: usize = 10;
/// Repetitions of what is short.
const TIMES: usize = 100;
/// Pairs that are scored by both towers.
const PAIRS: usize = 256;

fn main() -> Result<(), Failure> {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let (name, sequences, items) = match std::env::args().nth(1) {
        Some(name) => {
            let data = load(&name, &DataOptions::default(), &mut Silent)?;
            (name, data.sequences, data.items.len())
        }
        None => ("generated".to_owned(), generated(&mut generator)?, LIKE_ML_1M.1),
    };
    let mut model = quick(&sequences, items)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("profiles.redb");
    let report = |what: &str, times: Vec<f64>| println!("{}", row(&format!("{name}, {what}"), times));

    let begin = Instant::now();
    let mut store = ProfileStore::build(&path, &mut model, &sequences, &mut Reporter::quiet())?;
    report("all profiles", vec![milliseconds(begin)]);
    let (mut ends, mut tops) = (Vec::new(), Vec::new());
    let latest = sequences.all_times().and_then(|times| times.iter().copied().max());
    store.recommend(0, TOP, false)?;
    for _ in 0..TIMES {
        let user = generator.random_range(0..sequences.len() as u32);
        let item = generator.random_range(0..items as u32);
        let begin = Instant::now();
        store.observe(user, item, latest)?;
        ends.push(milliseconds(begin));
        let begin = Instant::now();
        black_box(store.recommend(user, TOP, false)?);
        tops.push(milliseconds(begin));
    }
    report("one update", ends);
    report(&format!("top {TOP} of {items} items"), tops);
    let pairs = PAIRS.min(items);
    let users: Vec<Vec<u32>> =
        (0..pairs as u32).map(|user| store.sequence(Side::User, user)).collect::<Result<_, _>>()?;
    let sets: Vec<Vec<u32>> =
        (0..pairs as u32).map(|item| store.sequence(Side::Item, item)).collect::<Result<_, _>>()?;
    drop(store);
    let begin = Instant::now();
    for (history, users) in users.iter().zip(&sets) {
        black_box(model.user_profiles(&[history])?);
        black_box(model.profiles_of_items(&[users])?);
    }
    let pair = milliseconds(begin) / pairs as f64;
    report(&format!("both towers for a pair, of {pairs}"), vec![pair]);
    report(&format!("both towers for each of {items} items, reckoned from these"), vec![pair * items as f64]);

    large(&mut generator);
    Ok(())
}

/// The search in a catalogue that no model here has, beside the product with every vector.
fn large(generator: &mut ChaCha8Rng) {
    let vectors: Vec<f32> = (0..LARGE * WIDTH).map(|_| normal(generator)).collect();
    let queries: Vec<Vec<f32>> =
        (0..TIMES).map(|_| (0..WIDTH).map(|_| normal(generator)).collect()).collect();
    let search = ItemSearch::new(vectors.clone(), WIDTH);
    let timed = |find: &dyn Fn(&[f32]) -> Best| -> Vec<f64> {
        let time = |query: &Vec<f32>| {
            let begin = Instant::now();
            black_box(find(query));
            milliseconds(begin)
        };
        queries.iter().map(time).collect()
    };
    let found = timed(&|query| search.top(query, 0.0, TOP, &[]));
    println!("{}", row(&format!("generated, top {TOP} of {LARGE} items"), found));
    let found = timed(&|query| ranked(&vectors, query));
    println!("{}", row(&format!("generated, top {TOP} of {LARGE} items, every vector read"), found));
}

/// The best items by reading every vector.
fn ranked(vectors: &[f32], query: &[f32]) -> Best {
    let product = |vector: &[f32]| {
        let mut sums = [0.0f32; 8];
        let eights = |values| <[f32]>::as_chunks::<8>(values).0;
        for (a, b) in eights(query).iter().zip(eights(vector)) {
            (0..8).for_each(|i| sums[i] += a[i] * b[i]);
        }
        sums.iter().sum()
    };
    let mut all: Best = vectors
        .par_chunks_exact(WIDTH)
        .enumerate()
        .map(|(item, vector)| (item as u32, product(vector)))
        .collect();
    let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    all.select_nth_unstable_by(TOP, better);
    all.truncate(TOP);
    all.sort_unstable_by(better);
    all
}

/// Nearly normal: the sum of four uniform numbers.
fn normal(generator: &mut ChaCha8Rng) -> f32 {
    (0..4).map(|_| generator.random_range(-1.0f32..1.0)).sum()
}

/// Users with items drawn evenly, at times that grow.
fn generated(generator: &mut ChaCha8Rng) -> Result<Sequences, Failure> {
    let (users, items, mean) = LIKE_ML_1M;
    let lists: Vec<Vec<u32>> = (0..users)
        .map(|_| {
            (0..generator.random_range(20..2 * mean - 20))
                .map(|_| generator.random_range(0..items as u32))
                .collect()
        })
        .collect();
    let times: Vec<Vec<i64>> = lists
        .iter()
        .map(|list| {
            (0..list.len() as i64).map(|step| 1000 * step + generator.random_range(0..1000)).collect()
        })
        .collect();
    Ok(Sequences::from_lists(&lists, Some(&times))?)
}

/// A model of the usual sizes, trained for two steps a phase.
fn quick(sequences: &Sequences, items: usize) -> Result<HybridBert4Rec, Failure> {
    let cbf = Bert4RecOptions {
        hidden: WIDTH,
        steps: 2,
        warmup: 1,
        validate_every: 0,
        ..Bert4RecOptions::default()
    };
    let options = HybridOptions {
        cbf,
        variant: Variant::TrainedProjections,
        cf_steps: 2,
        head_steps: 2,
        prefixes: Some(1),
        ..HybridOptions::default()
    };
    let origin = nowhere();
    let data = TrainingData::new(sequences, items, &origin);
    let mut reporter = Reporter::stderr();
    Ok(HybridBert4Rec::fit(&data, &options, &mut Run::new(1, &mut reporter))?)
}
