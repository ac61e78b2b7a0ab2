//! The small encoders that engines are tested with.

use cloze_encoder::{Attention, Body, EncoderConfig, Head, Norm, Output, Positions};

/// A small encoder with the given body.
pub(crate) fn config(body: Body) -> EncoderConfig {
    match body {
        Body::Transformer => {
            EncoderConfig { distance_slope: 0.5, ..transformer(Norm::Post, Attention::Both) }
        }
        // As many tokens and positions as the transformer has.
        Body::Gru => EncoderConfig {
            vocabulary: 20,
            positions: Positions::Learned,
            dropout: 0.0,
            ..EncoderConfig::gru4rec(19, 16, 2, 12)
        },
    }
}

pub(crate) fn transformer(norm: Norm, attention: Attention) -> EncoderConfig {
    EncoderConfig { norm, attention, dropout: 0.0, ..EncoderConfig::bert4rec(19, 16, 2, 4, 12) }
}

/// What bodies of this kind differ in.
pub(crate) fn kinds(body: Body) -> Vec<EncoderConfig> {
    let base = config(body);
    match body {
        Body::Transformer => [Norm::Post, Norm::Pre]
            .into_iter()
            .flat_map(|norm| {
                [Attention::Both, Attention::Causal].map(|attention| transformer(norm, attention))
            })
            .chain([EncoderConfig { token_types: 2, output: Output::Separate, ..base }])
            .collect(),
        Body::Gru => vec![
            base.clone(),
            EncoderConfig { layers: 1, positions: Positions::None, ..base.clone() },
            EncoderConfig {
                layers: 3,
                embedding_norm: true,
                token_types: 2,
                head: Head::TransformNorm,
                output: Output::Separate,
                ..base
            },
        ],
    }
}
