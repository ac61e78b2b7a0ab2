//! The processor's engine keeps the contract and agrees with the reference engine, dropout on and off.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device};
use cloze_encoder::cpu::{CpuEngine, Level};
use cloze_encoder::reference::ReferenceEngine;
use cloze_encoder::{
    Activation, AdamWOptions, Attention, EncoderConfig, Engine, Head, Loss, Mode, Norm, Output,
    ParameterLayout, Parameters, Positions,
};
use cloze_testkit::compare::{assert_close, assert_gradients_close};
use cloze_testkit::{batches, golden::Golden, splitmix};
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Relative error of a tensor's gradients. `ReLU`'s slope jumps at 0: where rounding moves an input across, the error is
/// that of a whole element, however fine the rounding.
fn bound(level: Level, activation: Activation) -> f64 {
    match (level.rounds(), activation) {
        (false, _) => 1e-5,
        (true, Activation::Relu) => 0.2,
        (true, _) => 2e-2,
    }
}

fn exact(config: EncoderConfig, parameters: Parameters, options: AdamWOptions, seed: u64) -> Box<dyn Engine> {
    Box::new(CpuEngine::new(config, parameters, options, seed, Level::detect().exact()).unwrap())
}

fn highest_level() -> Level {
    Level::present().last().unwrap()
}

/// At the processor's highest level, which may round.
fn highest(
    config: EncoderConfig,
    parameters: Parameters,
    options: AdamWOptions,
    seed: u64,
) -> Box<dyn Engine> {
    Box::new(CpuEngine::new(config, parameters, options, seed, highest_level()).unwrap())
}

mod contract {
    cloze_testkit::engine_contract!(super::exact, 1e-5);
}

mod contract_at_the_highest_level {
    cloze_testkit::engine_contract!(super::highest, 2e-2);
}

mod contract_of_recurrent_units {
    cloze_testkit::engine_contract!(super::exact, 1e-5, cloze_encoder::Body::Gru);
}

mod contract_of_recurrent_units_at_the_highest_level {
    cloze_testkit::engine_contract!(super::highest, 2e-2, cloze_encoder::Body::Gru);
}

fn configurations() -> Vec<EncoderConfig> {
    let base = EncoderConfig { dropout: 0.0, intermediate: 40, ..EncoderConfig::bert4rec(37, 32, 2, 4, 50) };
    let gru = EncoderConfig { dropout: 0.0, ..EncoderConfig::gru4rec(37, 32, 2, 50) };
    vec![
        base.clone(),
        EncoderConfig { norm: Norm::Pre, embedding_norm: false, head: Head::Plain, ..base.clone() },
        EncoderConfig { activation: Activation::GeluTanh, attention: Attention::Causal, ..base.clone() },
        EncoderConfig {
            norm: Norm::Pre,
            attention: Attention::Causal,
            layers: 1,
            distance_slope: 0.3,
            ..base.clone()
        },
        EncoderConfig {
            activation: Activation::Relu,
            positions: Positions::None,
            head: Head::Transform,
            ..base.clone()
        },
        EncoderConfig { token_types: 3, distance_slope: 1.0, output: Output::Separate, ..base },
        gru.clone(),
        EncoderConfig { layers: 1, ..gru.clone() },
        // Widths off the grid of vector registers.
        EncoderConfig { intermediate: 13, dropout: 0.0, ..EncoderConfig::bert4rec(37, 9, 2, 9, 50) },
        EncoderConfig { dropout: 0.0, ..EncoderConfig::gru4rec(37, 11, 2, 50) },
        EncoderConfig {
            positions: Positions::Learned,
            embedding_norm: true,
            head: Head::TransformNorm,
            output: Output::Separate,
            ..gru
        },
    ]
}

#[test]
fn every_configuration_and_level_agrees_with_the_reference() {
    for config in configurations() {
        for dropout in [0.0, 0.3] {
            let config = EncoderConfig { dropout, ..config.clone() };
            let layout = Arc::new(ParameterLayout::new(&config));
            let start = Parameters::initialize(layout.clone(), 0.1, 2);
            let options = AdamWOptions::default();
            let mut truth = ReferenceEngine::new(
                config.clone(),
                start.clone(),
                options.clone(),
                9,
                Device::Cpu,
                DType::F64,
            )
            .unwrap();
            let batch = batches::drawn(&config, &[50, 1, 33, 16, 17, 2], 3);
            truth.forward(&batch, Mode::Training).unwrap();
            let make = |level| {
                let engine = CpuEngine::new(config.clone(), start.clone(), options.clone(), 9, level);
                (level, engine.unwrap())
            };
            let mut engines: Vec<(Level, CpuEngine)> = Level::present().map(make).collect();
            for (level, engine) in &mut engines {
                engine.forward(&batch, Mode::Training).unwrap();
                let bound = bound(*level, config.activation);
                let close =
                    |what, found: Vec<f32>, truth: Vec<f32>| assert_close(what, &found, &truth, bound);
                close("hidden", engine.hidden().unwrap(), truth.hidden().unwrap());
                close("transformed", engine.transformed().unwrap(), truth.transformed().unwrap());
                close("logits", engine.logits().unwrap(), truth.logits().unwrap());
            }
            batches::every_loss(&config, &batch, |loss| {
                let value = truth.loss_step(&batch, loss).unwrap();
                let gradients = truth.gradients().unwrap();
                truth.optimizer_step(0.0).unwrap(); // another step, another dropout
                for (level, engine) in &mut engines {
                    let bound = bound(*level, config.activation);
                    assert_close("loss", &[engine.loss_step(&batch, loss).unwrap()], &[value], bound);
                    assert_gradients_close(&layout, &engine.gradients().unwrap(), &gradients, bound);
                    engine.optimizer_step(0.0).unwrap();
                }
            });
        }
    }
}

/// A sequence with more masked places than the softmax takes at a time, and one that begins behind them.
#[test]
fn blocks_of_the_softmax_agree_with_the_reference() {
    let config = EncoderConfig { dropout: 0.0, ..EncoderConfig::bert4rec(3422, 16, 1, 2, 100) };
    let layout = Arc::new(ParameterLayout::new(&config));
    let start = Parameters::initialize(layout.clone(), 0.1, 2);
    let options = AdamWOptions::default();
    let mut truth =
        ReferenceEngine::new(config.clone(), start.clone(), options.clone(), 9, Device::Cpu, DType::F64)
            .unwrap();
    let batch = splitmix::batch(splitmix::Shape { sequences: 3, length: 100, items: 3420, masked: 90 });
    let value = truth.loss_step(&batch, &Loss::Softmax).unwrap();
    let gradients = truth.gradients().unwrap();
    for level in Level::present() {
        let mut engine = CpuEngine::new(config.clone(), start.clone(), options.clone(), 9, level).unwrap();
        let bound = bound(level, config.activation);
        assert_close("loss", &[engine.loss_step(&batch, &Loss::Softmax).unwrap()], &[value], bound);
        assert_gradients_close(&layout, &engine.gradients().unwrap(), &gradients, bound);
    }
}

/// Matrices for inference that were made before those of training, which then need the output layer too.
#[test]
fn a_loss_after_a_step_of_another_loss_finds_its_output_layer() {
    let config = EncoderConfig::bert4rec(37, 16, 1, 2, 20);
    let start = Parameters::initialize(Arc::new(ParameterLayout::new(&config)), 0.1, 2);
    let batch = batches::drawn(&config, &[20, 5], 3);
    for level in Level::present() {
        let make =
            || CpuEngine::new(config.clone(), start.clone(), AdamWOptions::default(), 9, level).unwrap();
        let expected = make().loss(&batch, &Loss::Softmax).unwrap();
        batches::every_loss(&config, &batch, |loss| {
            let mut engine = make();
            engine.loss(&batch, loss).unwrap();
            engine.loss_step(&batch, loss).unwrap();
            let found = engine.loss(&batch, &Loss::Softmax).unwrap();
            assert_eq!(found.to_bits(), expected.to_bits(), "{loss:?} at {level}");
        });
    }
}

const GOLDEN: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/gru"),
];

#[test]
fn hidden_states_and_gradients_agree_with_pytorch() {
    for (name, golden) in GOLDEN.into_iter().flat_map(Golden::all) {
        let config = golden.config();
        let layout = Arc::new(ParameterLayout::new(&config));
        for level in Level::present() {
            let bound = bound(level, config.activation);
            let (parameters, options) = (golden.parameters(&layout), AdamWOptions::default());
            let mut engine = CpuEngine::new(config.clone(), parameters, options, 0, level).unwrap();
            golden.assert_agrees(&format!("{name} at {level}"), &mut engine, bound);
        }
    }
}

#[test]
fn full_size_losses_follow_the_pytorch_sequence() {
    let items = 3420;
    let config = EncoderConfig {
        vocabulary: items + 2,
        outputs: items + 2,
        dropout: 0.0,
        activation: Activation::GeluTanh,
        head: Head::Plain,
        ..EncoderConfig::bert4rec(items, 64, 2, 2, 200)
    };
    let layout = Arc::new(ParameterLayout::new(&config));
    let options = AdamWOptions { decay_vectors: true, clip: None, ..AdamWOptions::default() };
    let batch = splitmix::batch(splitmix::Shape { sequences: 256, length: 200, items, masked: 30 });
    for level in [Level::detect().exact(), highest_level()] {
        let bound = if level.rounds() { 2e-4 } else { 2e-5 };
        let start = splitmix::parameters(&layout);
        let mut engine = CpuEngine::new(config.clone(), start, options.clone(), 0, level).unwrap();
        for expected in [8.14797, 8.09269, 8.03759, 7.98260, 7.92824, 7.87528] {
            let loss = engine.cloze_step(&batch).unwrap();
            assert!((loss - expected).abs() < bound, "{level}: loss {loss}, PyTorch's is {expected}");
            engine.optimizer_step(1e-3).unwrap();
        }
    }
}
