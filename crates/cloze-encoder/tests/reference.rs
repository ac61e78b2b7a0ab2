//! The reference engine keeps the contract, agrees with finite differences and with PyTorch.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device};
use cloze_encoder::reference::ReferenceEngine;
use cloze_encoder::{
    Activation, AdamWOptions, Attention, EncoderConfig, Engine, Head, Loss, Norm, Output, ParameterLayout,
    Parameters, Positions,
};
use cloze_testkit::{batches, finite_differences, golden::Golden, splitmix};
use std::sync::Arc;

/// Autograd allocates a large tensor for every edge; the system's allocator maps and unmaps each of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn engine(
    config: EncoderConfig,
    parameters: Parameters,
    options: AdamWOptions,
    seed: u64,
) -> Box<dyn Engine> {
    Box::new(ReferenceEngine::new(config, parameters, options, seed, Device::Cpu, DType::F32).unwrap())
}

mod contract {
    cloze_testkit::engine_contract!(super::engine, 1e-5);
}

mod contract_of_recurrent_units {
    cloze_testkit::engine_contract!(super::engine, 1e-5, cloze_encoder::Body::Gru);
}

/// Every configuration differs from BERT4Rec's or GRU4Rec's in a few places.
fn configurations() -> Vec<EncoderConfig> {
    let base = EncoderConfig { dropout: 0.0, intermediate: 12, ..EncoderConfig::bert4rec(7, 8, 2, 2, 6) };
    let gru = EncoderConfig { dropout: 0.0, ..EncoderConfig::gru4rec(7, 8, 2, 6) };
    vec![
        base.clone(),
        EncoderConfig { norm: Norm::Pre, embedding_norm: false, head: Head::Plain, ..base.clone() },
        EncoderConfig { activation: Activation::GeluTanh, attention: Attention::Causal, ..base.clone() },
        EncoderConfig {
            activation: Activation::Relu,
            positions: Positions::None,
            head: Head::Transform,
            ..base.clone()
        },
        EncoderConfig { distance_slope: 0.7, attention: Attention::Causal, ..base.clone() },
        EncoderConfig { token_types: 3, distance_slope: 1.0, output: Output::Separate, ..base },
        gru.clone(),
        EncoderConfig {
            layers: 1,
            positions: Positions::Learned,
            embedding_norm: true,
            output: Output::Separate,
            ..gru
        },
    ]
}

#[test]
fn gradients_agree_with_finite_differences() {
    for config in configurations() {
        let layout = Arc::new(ParameterLayout::new(&config));
        let parameters = Parameters::initialize(layout, 0.3, 2);
        let mut engine = ReferenceEngine::new(
            config.clone(),
            parameters,
            AdamWOptions::default(),
            0,
            Device::Cpu,
            DType::F64,
        )
        .unwrap();
        let batch = batches::drawn(&config, &[6, 1, 4], 3);
        // What a loss sends back does not depend on the layers below: all losses for one configuration.
        if config.output == Output::Separate {
            batches::every_loss(&config, &batch, |loss| {
                finite_differences::assert_gradients(&mut engine, &batch, loss, 1e-6);
            });
        } else {
            finite_differences::assert_gradients(&mut engine, &batch, &Loss::Softmax, 1e-6);
        }
    }
}

const GOLDEN: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/gru"),
];

#[test]
fn hidden_states_and_gradients_agree_with_pytorch() {
    for (name, golden) in GOLDEN.into_iter().flat_map(Golden::all) {
        for (dtype, bound) in [(DType::F64, 1e-6), (DType::F32, 1e-5)] {
            let config = golden.config();
            let layout = Arc::new(ParameterLayout::new(&config));
            let parameters = golden.parameters(&layout);
            let options = AdamWOptions::default();
            let engine = ReferenceEngine::new(config, parameters, options, 0, Device::Cpu, dtype);
            golden.assert_agrees(&name, &mut engine.unwrap(), bound);
        }
    }
}

/// Six optimizer steps at full size (256 sequences of up to 200) meet the losses that PyTorch's step gives from the
/// same weights and batch, to the five digits printed.
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
    let parameters = splitmix::parameters(&layout);
    let mut engine = ReferenceEngine::new(config, parameters, options, 0, Device::Cpu, DType::F32).unwrap();
    let batch = splitmix::batch(splitmix::Shape { sequences: 256, length: 200, items, masked: 30 });
    for expected in [8.14797, 8.09269, 8.03759, 7.98260, 7.92824, 7.87528] {
        let loss = engine.cloze_step(&batch).unwrap();
        assert!((loss - expected).abs() < 2e-5, "loss {loss}, PyTorch's is {expected}");
        engine.optimizer_step(1e-3).unwrap();
    }
}
