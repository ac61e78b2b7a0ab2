//! Times Algorithm 1 for learners, pair by pair and from a store: `cargo run --release -p cloze-hybrid --example learners --
//! assistments-2009`.
//!
//! The argument is a data set with answers, by default a generated one of that size. A JSON object a line: what was done, how often,
//! milliseconds (median, least). The model is trained for a few steps only: its speed does not depend on its quality.
#![allow(clippy::print_stdout, reason = "the result of the example")]

mod timing;

use std::hint::black_box;
use std::time::Instant;

use cloze_data::{DataOptions, ItemDetails, Sequences, Silent, load};
use cloze_hybrid::{LearnerHybrid, LearnerHybridOptions, LearnerStore, LearnerVariant, Side};
use cloze_sequential::Bert4RecOptions;
use cloze_train::{Model as _, Reporter, Run, TrainingData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use timing::{Failure, milliseconds, nowhere, row};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Learners, exercises, objectives and mean length of `ASSISTments` 2009.
const LIKE_ASSISTMENTS: (usize, usize, usize, usize) = (4151, 16_891, 110, 66);
const TOP: usize = 10;
/// Repetitions of what is short.
const TIMES: usize = 1000;
/// Pairs of a learner and a target that Algorithm 1 goes through as it is written.
const PAIRS: usize = 256;

fn main() -> Result<(), Failure> {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let (name, sequences, details) = match std::env::args().nth(1) {
        Some(name) => {
            let data = load(&name, &DataOptions::default(), &mut Silent)?;
            (name, data.sequences, data.details)
        }
        None => ("generated".to_owned(), generated(&mut generator)?, objectives()),
    };
    let exercises = sequences.values().iter().max().map_or(0, |most| *most as usize + 1);
    let report = |what: &str, times: Vec<f64>| println!("{}", row(&format!("{name}, {what}"), times));
    let mut model = quick(&sequences, &details, exercises)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("profiles.redb");
    let begin = Instant::now();
    let mut store = LearnerStore::build(&path, &mut model, &sequences, &mut Reporter::quiet())?;
    report("all profiles", vec![milliseconds(begin)]);

    let learners = sequences.len();
    let begin = Instant::now();
    for learner in 0..learners as u32 {
        black_box(store.recommend(learner, None, TOP, false)?);
    }
    report(&format!("top {TOP} of {exercises} exercises for {learners} learners"), vec![milliseconds(begin)]);

    let latest = sequences.all_times().and_then(|times| times.iter().copied().max());
    let (mut ends, mut tops, mut renewed) = (Vec::new(), Vec::new(), 0);
    for step in 0..TIMES {
        let learner = generator.random_range(0..learners as u32);
        // Learners go on with what others took: an exercise of the data, drawn by its popularity.
        let exercise = sequences.values()[generator.random_range(0..sequences.values().len())];
        let right = f32::from(u8::from(generator.random_bool(0.65)));
        let begin = Instant::now();
        renewed +=
            store.answer(learner, exercise, latest.map(|time| time + step as i64), Some(right))?.targets;
        ends.push(milliseconds(begin));
        let begin = Instant::now();
        black_box(store.recommend(learner, None, TOP, false)?);
        tops.push(milliseconds(begin));
    }
    let mean = ends.iter().sum::<f64>() / TIMES as f64;
    report(
        &format!("one answer, {:.2} target profiles renewed on average", renewed as f64 / TIMES as f64),
        ends,
    );
    report("one answer, mean", vec![mean]);
    report(&format!("top {TOP} for one learner"), tops);

    let sizes = [learners, store.targets()];
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let [learner, target] = sizes.map(|size| generator.random_range(0..size as u32));
        pairs.push((store.sequence(Side::User, learner)?, store.sequence(Side::Item, target)?));
    }
    drop(store);
    let begin = Instant::now();
    for (history, neighbours) in &pairs {
        black_box(model.learner_profiles(&[history])?);
        black_box(model.target_profiles(&[neighbours])?);
    }
    let pair = milliseconds(begin) / PAIRS as f64;
    report(&format!("Algorithm 1 as written, one pair, of {PAIRS}"), vec![pair]);
    let all = learners as f64 * model.relations() as f64;
    report(&format!("Algorithm 1 as written, all {all} pairs, reckoned from these"), vec![pair * all]);
    Ok(())
}

/// Learners who work on objectives one after the other.
fn generated(generator: &mut ChaCha8Rng) -> Result<Sequences, Failure> {
    let (learners, exercises, objectives, mean) = LIKE_ASSISTMENTS;
    let each = exercises / objectives;
    let (mut lists, mut times, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..learners {
        let length = generator.random_range(2..2 * mean);
        let first = generator.random_range(0..objectives);
        let exercise = |step: usize| (first + step / 8) % objectives * each;
        let drawn = |step: usize, within: usize| (exercise(step) + within) as u32;
        lists
            .push((0..length).map(|step| drawn(step, generator.random_range(0..each))).collect::<Vec<u32>>());
        times.push((0..length as i64).collect());
        values.extend((0..length).map(|_| f32::from(u8::from(generator.random_bool(0.65)))));
    }
    Ok(Sequences::from_lists(&lists, Some(&times))?.with_ratings(Some(values))?)
}

fn objectives() -> ItemDetails {
    let (_, exercises, objectives, _) = LIKE_ASSISTMENTS;
    let each = exercises / objectives;
    let genres = (0..exercises).map(|exercise| vec![(exercise / each).to_string()]).collect();
    ItemDetails { genres: Some(genres), text: None }
}

/// A model of the usual sizes, trained for two steps a phase.
fn quick(sequences: &Sequences, details: &ItemDetails, exercises: usize) -> Result<LearnerHybrid, Failure> {
    let cbf =
        Bert4RecOptions { hidden: 64, steps: 2, warmup: 1, validate_every: 0, ..Bert4RecOptions::default() };
    let options = LearnerHybridOptions {
        cbf,
        variant: LearnerVariant::TrainedProjections,
        cf_steps: 2,
        head_steps: 2,
        ..LearnerHybridOptions::default()
    };
    let origin = nowhere();
    let data = TrainingData { details: Some(details), ..TrainingData::new(sequences, exercises, &origin) };
    let mut reporter = Reporter::stderr();
    Ok(LearnerHybrid::fit(&data, &options, &mut Run::new(1, &mut reporter))?)
}
