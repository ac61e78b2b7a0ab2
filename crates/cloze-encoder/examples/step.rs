//! Times a training step of each engine on one shape: `cargo run --release -p cloze-encoder --example step [steps]`.
//!
//! The shape is 256 sequences of up to 200 tokens, hidden 64, 2 layers, 2 heads, 3,420 items, 30 masked positions each.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example")]

use candle_core::{DType, Device};
use cloze_encoder::cpu::{CpuEngine, Level};
use cloze_encoder::reference::ReferenceEngine;
use cloze_encoder::{Activation, AdamWOptions, EncoderConfig, Engine, Head, ParameterLayout};
use cloze_testkit::splitmix;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let steps = std::env::args().nth(1).map_or(10, |steps| steps.parse().unwrap());
    let items = 3420;
    for dropout in [0.0, 0.2] {
        let config = EncoderConfig {
            vocabulary: items + 2,
            outputs: items + 2,
            dropout,
            activation: Activation::GeluTanh,
            head: Head::Plain,
            ..EncoderConfig::bert4rec(items, 64, 2, 2, 200)
        };
        let layout = Arc::new(ParameterLayout::new(&config));
        let start = splitmix::parameters(&layout);
        let batch = splitmix::batch(splitmix::Shape { sequences: 256, length: 200, items, masked: 30 });
        let options = AdamWOptions::default();
        let cpu = CpuEngine::new(config.clone(), start.clone(), options.clone(), 0, Level::detect()).unwrap();
        let reference = ReferenceEngine::new(config, start, options, 0, Device::Cpu, DType::F32).unwrap();
        let engines: [(Box<dyn Engine>, usize); 2] = [(Box::new(cpu), steps), (Box::new(reference), 2)];
        for (mut engine, steps) in engines {
            let mut times: Vec<f64> = (0..steps)
                .map(|_| {
                    let began = Instant::now();
                    engine.cloze_step(&batch).unwrap();
                    engine.optimizer_step(1e-3).unwrap();
                    began.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            times.sort_by(f64::total_cmp);
            println!(
                "{:>9}, dropout {dropout}: median {:.0} ms, best {:.0} ms",
                engine.name(),
                times[steps / 2],
                times[0]
            );
        }
    }
}
