//! Inference in integers of 8 bits is near that in float32, and nothing else changes with it.
#![allow(clippy::unwrap_used)]
#![allow(clippy::float_cmp, reason = "what has to be the same bits")]

use cloze_encoder::cpu::{CpuEngine, Level};
use cloze_encoder::engine::InferencePrecision;
use cloze_encoder::{
    Activation, AdamWOptions, Attention, EncoderConfig, Engine, Head, Mode, Norm, ParameterLayout, Parameters,
};
use cloze_testkit::{batches, compare::assert_close};
use std::sync::Arc;

/// Relative error of hidden states: two layers, each with products whose factors are off by up to 1/254 of the largest.
const BOUND: f64 = 2e-2;

fn configurations() -> Vec<EncoderConfig> {
    let base = EncoderConfig { dropout: 0.1, intermediate: 136, ..EncoderConfig::bert4rec(37, 36, 2, 4, 50) };
    vec![
        base.clone(),
        EncoderConfig { norm: Norm::Pre, embedding_norm: false, head: Head::Plain, ..base.clone() },
        EncoderConfig { activation: Activation::GeluTanh, attention: Attention::Causal, ..base.clone() },
        EncoderConfig { activation: Activation::Relu, head: Head::TransformNorm, ..base },
    ]
}

fn engine(config: &EncoderConfig, level: Level, seed: u64) -> CpuEngine {
    let parameters = Parameters::initialize(Arc::new(ParameterLayout::new(config)), 0.1, seed);
    CpuEngine::new(config.clone(), parameters, AdamWOptions::default(), 9, level).unwrap()
}

#[test]
fn hidden_states_are_near_those_in_float32_at_every_level() {
    for config in configurations() {
        let batch = batches::drawn(&config, &[50, 1, 33, 16, 17, 2], 3);
        for level in Level::present() {
            let mut engine = engine(&config, level, 2);
            let mut of = |precision| {
                engine.set_inference_precision(precision).unwrap();
                engine.forward(&batch, Mode::Inference).unwrap();
                let head = (engine.transformed().unwrap(), engine.logits().unwrap());
                let loss = engine.cloze_loss(&batch).unwrap();
                (engine.hidden().unwrap(), head, vec![loss as f32])
            };
            let (floats, integers) = (of(InferencePrecision::Float32), of(InferencePrecision::Int8));
            assert_ne!(floats.0, integers.0, "{level}: integers were computed with");
            assert_close(level.name(), &integers.0, &floats.0, BOUND);
            assert_close(level.name(), &integers.1.0, &floats.1.0, BOUND);
            assert_close(level.name(), &integers.1.1, &floats.1.1, BOUND);
            assert_close(level.name(), &integers.2, &floats.2, BOUND);
            assert_eq!(of(InferencePrecision::Float32), floats, "{level}: and back");
        }
    }
}

#[test]
fn training_stays_as_it_was_and_other_parameters_are_rounded_anew() {
    let config = configurations().swap_remove(0);
    let batch = batches::drawn(&config, &[50, 1, 33], 3);
    let (mut plain, mut rounded) = (engine(&config, Level::detect(), 2), engine(&config, Level::detect(), 2));
    rounded.set_inference_precision(InferencePrecision::Int8).unwrap();
    let anew = |parameters: Parameters| {
        let options = AdamWOptions::default();
        let mut engine = CpuEngine::new(config.clone(), parameters, options, 9, Level::detect()).unwrap();
        engine.set_inference_precision(InferencePrecision::Int8).unwrap();
        engine.forward(&batch, Mode::Inference).unwrap();
        engine.logits().unwrap()
    };
    for _ in 0..2 {
        assert_eq!(plain.cloze_step(&batch).unwrap(), rounded.cloze_step(&batch).unwrap());
        rounded.forward(&batch, Mode::Inference).unwrap();
        assert_eq!(rounded.logits().unwrap(), anew(rounded.parameters().unwrap()));
        plain.optimizer_step(0.1).unwrap();
        rounded.optimizer_step(0.1).unwrap();
        assert_eq!(plain.parameters().unwrap().values(), rounded.parameters().unwrap().values());
    }
    let other = engine(&config, Level::detect(), 5).parameters().unwrap();
    rounded.load(&other).unwrap();
    plain.load(&other).unwrap();
    rounded.forward(&batch, Mode::Inference).unwrap();
    plain.forward(&batch, Mode::Inference).unwrap();
    assert_close("loaded", &rounded.hidden().unwrap(), &plain.hidden().unwrap(), BOUND);
    assert_eq!(rounded.logits().unwrap(), anew(other));
}

#[test]
fn recurrent_units_have_no_integers() {
    let config = EncoderConfig::gru4rec(37, 32, 2, 50);
    let refused = engine(&config, Level::detect(), 2).set_inference_precision(InferencePrecision::Int8);
    assert!(refused.unwrap_err().to_string().contains("only a transformer's"));
}
