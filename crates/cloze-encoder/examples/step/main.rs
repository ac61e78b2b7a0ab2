//! Times training steps, inference and epochs of the engines:
//! `cargo run --release -p cloze-encoder --example step -- --help`.
//!
//! Prints a JSON object: shape, engine, level, threads, dropout, slope, sequences that share drawn items, milliseconds (median, least), of them what preparing the next batch takes, peak memory, loss.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "an example")]

mod epoch;

use candle_core::{DType, Device};
use cloze_encoder::cpu::{CpuEngine, Level};
use cloze_encoder::cuda::{CudaEngine, Precision};
use cloze_encoder::reference::ReferenceEngine;
use cloze_encoder::{
    Activation, AdamWOptions, EncoderConfig, Engine, Head, Loss, Mode, Negatives, ParameterLayout, Sharing,
};
use cloze_testkit::splitmix::{self, SplitMix};
use epoch::Sequences;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
Times training steps, inference and epochs of the engines.

Arguments, all optional, as name=value:
  shape=s64        s64, s128 or s256: 256 sequences of up to 200 tokens, 2 layers, 3,420 items, 30 masked each,
                   and hidden 64 (2 heads), 128 (2) or 256 (4); ml20m: 512 sequences, hidden 256 (4 heads), 3 layers,
                   26,744 items, 36 masked each; shop: 768 sequences of up to 7 tokens, hidden 64, 2 layers,
                   54,542 items, 1 masked each
  engine=cpu       cpu, cuda (bfloat16), cuda-f32 or reference
  loss=softmax     softmax over all items, or sampled: over 2,048 drawn items
  together=24      for sampled: sequences that share the drawn items
  dropout=0.0      probability of dropping
  slope=0.0        what a place of distance takes from attention scores
  steps=10         timed steps, after one that warms up; or epochs
  mode=train       train (loss, gradients, AdamW), infer (hidden states of 1 row a sequence, and its logits) or
                   epoch (train on a file's sequences as they are, batches of 256, 0.3 masked)
  data=FILE        for epoch: lines of `user item`, those of a user together and in order
  users=6040       for epoch: the first users only

The number of threads is rayon's: RAYON_NUM_THREADS=1. CLOZE_CPU=avx2 takes an older processor's kernels.";

/// Milliseconds of each repetition, and the last loss.
struct Timing {
    times: Vec<f64>,
    loss: f32,
    /// Milliseconds that the last batch's preparation took, meanwhile.
    preparing: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument.contains("help")) {
        println!("{HELP}");
        return;
    }
    let value = |name: &str, default: &str| {
        let given = arguments.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='));
        given.unwrap_or(default).to_owned()
    };
    let (shape, name, mode) = (value("shape", "s64"), value("engine", "cpu"), value("mode", "train"));
    let small = |hidden, heads| Shape {
        hidden,
        heads,
        layers: 2,
        items: 3420,
        sequences: 256,
        length: 200,
        masked: 30,
    };
    let sizes = match shape.as_str() {
        "s64" => small(64, 2),
        "s128" => small(128, 2),
        "s256" => small(256, 4),
        "ml20m" => Shape { layers: 3, items: 26_744, sequences: 512, masked: 36, ..small(256, 4) },
        "shop" => Shape { items: 54_542, sequences: 768, length: 7, masked: 1, ..small(64, 2) },
        _ => panic!("unknown shape {shape}\n{HELP}"),
    };
    let dropout: f64 = value("dropout", "0.0").parse().unwrap();
    let slope: f64 = value("slope", "0.0").parse().unwrap();
    let sloping = |config| EncoderConfig { distance_slope: slope, ..config };
    let steps: usize = value("steps", "10").parse().unwrap();
    let together: Option<NonZeroUsize> = match value("loss", "softmax").as_str() {
        "softmax" => None,
        "sampled" => Some(value("together", "24").parse().unwrap()),
        other => panic!("unknown loss {other}\n{HELP}"),
    };
    let mut timing = if mode == "epoch" {
        let sequences = Sequences::read(&value("data", ""), value("users", "6040").parse().unwrap());
        let config = sloping(sequences.config(sizes.hidden, sizes.heads, dropout));
        let mut engine = engine(&name, config, Sequences::options());
        sequences.time(engine.as_mut(), steps)
    } else {
        let mut engine = engine(&name, sloping(sizes.config(dropout)), AdamWOptions::default());
        let negatives = together.map(|together| sizes.negatives(together));
        time_steps(engine.as_mut(), &sizes, negatives.as_ref(), &mode, steps)
    };
    timing.times.sort_by(f64::total_cmp);
    let row = serde_json::json!({
        "shape": shape,
        "mode": mode,
        "engine": name,
        "level": Level::chosen().unwrap().name(),
        "threads": rayon_threads(),
        "together": together,
        "dropout": dropout,
        "slope": slope,
        "median_ms": rounded(timing.times[timing.times.len() / 2]),
        "least_ms": rounded(timing.times[0]),
        "preparing_ms": rounded(timing.preparing),
        "peak_mib": peak_mib(),
        "loss": timing.loss,
    });
    println!("{row}");
}

/// Sizes of a step.
struct Shape {
    hidden: usize,
    heads: usize,
    layers: usize,
    items: usize,
    sequences: usize,
    length: usize,
    masked: usize,
}

impl Shape {
    /// Drawn items that so many sequences share.
    fn negatives(&self, together: NonZeroUsize) -> Negatives {
        const COUNT: usize = 2048;
        let mut generator = SplitMix::new(8);
        let drawn = self.sequences.div_ceil(together.get()) * COUNT;
        let ids: Vec<u32> = (0..drawn).map(|_| (generator.next_u64() % self.items as u64) as u32).collect();
        let log_expected = vec![(COUNT as f32 / self.items as f32).ln(); drawn];
        Negatives::new(Sharing::Sequences(together), COUNT, ids, log_expected).unwrap()
    }

    fn config(&self, dropout: f64) -> EncoderConfig {
        EncoderConfig {
            vocabulary: self.items + 2,
            outputs: self.items + 2,
            dropout,
            activation: Activation::GeluTanh,
            head: Head::Plain,
            ..EncoderConfig::bert4rec(self.items, self.hidden, self.layers, self.heads, self.length)
        }
    }
}

fn engine(name: &str, config: EncoderConfig, options: AdamWOptions) -> Box<dyn Engine> {
    let start = splitmix::parameters(&Arc::new(ParameterLayout::new(&config)));
    match name {
        "cpu" => Box::new(CpuEngine::new(config, start, options, 0, Level::chosen().unwrap()).unwrap()),
        "cuda" => Box::new(CudaEngine::new(config, &start, options, 0, Precision::Bf16, 0).unwrap()),
        "cuda-f32" => Box::new(CudaEngine::new(config, &start, options, 0, Precision::F32, 0).unwrap()),
        "reference" => {
            Box::new(ReferenceEngine::new(config, start, options, 0, Device::Cpu, DType::F32).unwrap())
        }
        _ => panic!("unknown engine {name}\n{HELP}"),
    }
}

fn time_steps(
    engine: &mut dyn Engine,
    sizes: &Shape,
    negatives: Option<&Negatives>,
    mode: &str,
    steps: usize,
) -> Timing {
    let masked = if mode == "train" { sizes.masked } else { 1 };
    let Shape { sequences, items, length, .. } = *sizes;
    let batch = splitmix::batch(splitmix::Shape { sequences, length, items, masked });
    let (kind, mut loss) = (negatives.map_or(Loss::Softmax, Loss::SampledSoftmax), 0.0);
    let preparer = engine.preparer();
    let preparing = Cell::new(0.0);
    let prepare = || {
        let began = Instant::now();
        let prepared = preparer.prepare(batch.clone(), &kind).unwrap();
        preparing.set(began.elapsed().as_secs_f64() * 1e3);
        prepared
    };
    let mut next = prepare();
    let step = |_| {
        let began = Instant::now();
        if mode == "train" {
            // As training does it: the next batch is prepared during the step.
            let mut prepared = None;
            let mut meanwhile = || prepared = Some(prepare());
            loss = engine.train_step(&next, &kind, 1e-3, &mut meanwhile).unwrap().0;
            next = prepared.unwrap();
        } else {
            engine.forward(&batch, Mode::Inference).unwrap();
            std::hint::black_box(engine.logits().unwrap());
        }
        began.elapsed().as_secs_f64() * 1e3
    };
    let times = (0..=steps).map(step).skip(1).collect();
    Timing { times, loss, preparing: preparing.get() }
}

fn rounded(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

/// The most memory that the process has had, on Linux.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

fn rayon_threads() -> usize {
    std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
