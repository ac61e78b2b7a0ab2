//! Times training steps and inference of the engines: `cargo run --release -p cloze-encoder --example step -- --help`.
//!
//! Prints a JSON object a line: shape, engine, level, threads, dropout, milliseconds (median, least), loss.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "an example")]

use candle_core::{DType, Device};
use cloze_encoder::cpu::{CpuEngine, Level};
use cloze_encoder::reference::ReferenceEngine;
use cloze_encoder::{Activation, AdamWOptions, EncoderConfig, Engine, Head, Mode, ParameterLayout};
use cloze_testkit::splitmix;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
Times training steps and inference of the engines.

Arguments, all optional, as name=value:
  shape=s64        s64, s128 or s256: 256 sequences of up to 200 tokens, 2 layers, 3,420 items, 30 masked each,
                   and hidden 64 (2 heads), 128 (2) or 256 (4)
  engine=cpu       cpu or reference
  dropout=0.0      probability of dropping
  steps=10         timed steps, after one that warms up
  mode=train       train (loss, gradients, AdamW) or infer (hidden states of 1 row a sequence, and its logits)

The number of threads is rayon's: RAYON_NUM_THREADS=1. CLOZE_CPU=avx2 takes an older processor's kernels.";

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
    let (hidden, heads) = match shape.as_str() {
        "s64" => (64, 2),
        "s128" => (128, 2),
        "s256" => (256, 4),
        _ => panic!("unknown shape {shape}\n{HELP}"),
    };
    let dropout: f64 = value("dropout", "0.0").parse().unwrap();
    let steps: usize = value("steps", "10").parse().unwrap();
    let items = 3420;
    let config = EncoderConfig {
        vocabulary: items + 2,
        outputs: items + 2,
        dropout,
        activation: Activation::GeluTanh,
        head: Head::Plain,
        ..EncoderConfig::bert4rec(items, hidden, 2, heads, 200)
    };
    let layout = Arc::new(ParameterLayout::new(&config));
    let (start, options) = (splitmix::parameters(&layout), AdamWOptions::default());
    let level = Level::chosen().unwrap();
    let mut engine: Box<dyn Engine> = match name.as_str() {
        "cpu" => Box::new(CpuEngine::new(config, start, options, 0, level).unwrap()),
        "reference" => {
            Box::new(ReferenceEngine::new(config, start, options, 0, Device::Cpu, DType::F32).unwrap())
        }
        _ => panic!("unknown engine {name}\n{HELP}"),
    };
    let masked = if mode == "train" { 30 } else { 1 };
    let batch = splitmix::batch(splitmix::Shape { sequences: 256, length: 200, items, masked });
    let mut loss = 0.0;
    let mut times: Vec<f64> = (0..=steps)
        .map(|_| {
            let began = Instant::now();
            if mode == "train" {
                loss = engine.cloze_step(&batch).unwrap();
                engine.optimizer_step(1e-3).unwrap();
            } else {
                engine.forward(&batch, Mode::Inference).unwrap();
                std::hint::black_box(engine.logits().unwrap());
            }
            began.elapsed().as_secs_f64() * 1e3
        })
        .skip(1)
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{{\"shape\":\"{shape}\",\"mode\":\"{mode}\",\"engine\":\"{name}\",\"level\":\"{level}\",\"threads\":{},\"dropout\":{dropout},\"median_ms\":{:.1},\"least_ms\":{:.1},\"loss\":{loss:.5}}}",
        rayon_threads(),
        times[steps / 2],
        times[0]
    );
}

fn rayon_threads() -> usize {
    std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
