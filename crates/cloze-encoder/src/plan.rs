//! Where each layer's parameters stand in the flat buffer.

use crate::config::{Body, EncoderConfig, Head, Norm, Output, Positions};
use crate::layout::{DECODER, ParameterLayout, TOKEN_TYPES};
use std::cell::Cell;
use std::ops::Range;

/// A linear layer: weight `[out, in]` and bias `[out]`.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// Its place in [`Plan::linears`].
    pub(crate) number: usize,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
}

/// A transformer layer. Norms are scale and then bias.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) query: Linear,
    /// Key and value, adjacent: one `[2 · hidden, hidden]` layer.
    pub(crate) key_value: Linear,
    pub(crate) attention_output: Linear,
    pub(crate) attention_norm: Range<usize>,
    pub(crate) intermediate: Linear,
    pub(crate) output: Linear,
    pub(crate) output_norm: Range<usize>,
}

/// A layer of gated recurrent units: two `[3 · hidden, hidden]` layers, the gates in the order r, z, n.
#[derive(Debug, Clone)]
pub(crate) struct Recurrent {
    /// Of what comes from below.
    pub(crate) input: Linear,
    /// Of the state before.
    pub(crate) state: Linear,
}

/// All of an encoder.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) tokens: Range<usize>,
    pub(crate) positions: Option<Range<usize>>,
    pub(crate) token_types: Option<Range<usize>>,
    pub(crate) embedding_norm: Option<Range<usize>>,
    /// Of a transformer.
    pub(crate) layers: Vec<Layer>,
    /// Of a recurrent body.
    pub(crate) recurrent: Vec<Recurrent>,
    pub(crate) final_norm: Option<Range<usize>>,
    pub(crate) transform: Option<Linear>,
    pub(crate) transform_norm: Option<Range<usize>>,
    /// The output layer's matrix, `[outputs, hidden]`.
    pub(crate) output: Range<usize>,
    pub(crate) output_bias: Range<usize>,
}

impl Plan {
    pub(crate) fn new(config: &EncoderConfig, layout: &ParameterLayout) -> Self {
        let find = |name: &str| layout.get(name).expect("the layout is this configuration's").range();
        // Pairs that the layout keeps adjacent become one range.
        let join = |first: Range<usize>, last: Range<usize>| {
            debug_assert_eq!(first.end, last.start);
            first.start..last.end
        };
        let norm = |prefix: &str| join(find(&format!("{prefix}.weight")), find(&format!("{prefix}.bias")));
        // Counts up in the order of `linears`.
        let next = Cell::new(0);
        let linear_at = |weight, bias| Linear { number: next.replace(next.get() + 1), weight, bias };
        let linear =
            |prefix: &str| linear_at(find(&format!("{prefix}.weight")), find(&format!("{prefix}.bias")));
        let layer = |number: usize| {
            let prefix = format!("bert.encoder.layer.{number}");
            let pair = |kind: &str| {
                let at = |part: &str| find(&format!("{prefix}.attention.self.{part}.{kind}"));
                join(at("key"), at("value"))
            };
            Layer {
                query: linear(&format!("{prefix}.attention.self.query")),
                key_value: linear_at(pair("weight"), pair("bias")),
                attention_output: linear(&format!("{prefix}.attention.output.dense")),
                attention_norm: norm(&format!("{prefix}.attention.output.LayerNorm")),
                intermediate: linear(&format!("{prefix}.intermediate.dense")),
                output: linear(&format!("{prefix}.output.dense")),
                output_norm: norm(&format!("{prefix}.output.LayerNorm")),
            }
        };
        let recurrent = |number: usize| {
            let part = |part: &str| {
                linear_at(
                    find(&format!("gru.weight_{part}_l{number}")),
                    find(&format!("gru.bias_{part}_l{number}")),
                )
            };
            Recurrent { input: part("ih"), state: part("hh") }
        };
        let of = |body: Body| 0..if config.body == body { config.layers } else { 0 };
        let tokens = find("bert.embeddings.word_embeddings.weight");
        Self {
            token_types: (config.token_types > 0).then(|| find(TOKEN_TYPES)),
            output: match config.output {
                Output::Tied => tokens.start..tokens.start + config.outputs * config.hidden,
                Output::Separate => find(DECODER),
            },
            tokens,
            positions: (config.positions == Positions::Learned)
                .then(|| find("bert.embeddings.position_embeddings.weight")),
            embedding_norm: config.embedding_norm.then(|| norm("bert.embeddings.LayerNorm")),
            layers: of(Body::Transformer).map(layer).collect(),
            recurrent: of(Body::Gru).map(recurrent).collect(),
            final_norm: (config.norm == Norm::Pre).then(|| norm("bert.encoder.LayerNorm")),
            transform: (config.head != Head::Plain).then(|| linear("cls.predictions.transform.dense")),
            transform_norm: (config.head == Head::TransformNorm)
                .then(|| norm("cls.predictions.transform.LayerNorm")),
            output_bias: find("cls.predictions.bias"),
        }
    }

    /// The tables whose vectors are summed at the bottom, each with its list of rows.
    pub(crate) fn embeddings<'a>(
        &'a self,
        tokens: &'a [u32],
        positions: &'a [u32],
        token_types: &'a [u32],
    ) -> impl Iterator<Item = (&'a Range<usize>, &'a [u32])> {
        let tables = [
            (Some(&self.tokens), tokens),
            (self.positions.as_ref(), positions),
            (self.token_types.as_ref(), token_types),
        ];
        tables.into_iter().filter_map(|(range, ids)| Some((range?, ids)))
    }

    /// All linear layers.
    pub(crate) fn linears<'a>(&'a self) -> impl Iterator<Item = &'a Linear> {
        let of_layer = |layer: &'a Layer| {
            [&layer.query, &layer.key_value, &layer.attention_output, &layer.intermediate, &layer.output]
        };
        let of_recurrent = |layer: &'a Recurrent| [&layer.input, &layer.state];
        let recurrent = self.recurrent.iter().flat_map(of_recurrent);
        self.layers.iter().flat_map(of_layer).chain(recurrent).chain(&self.transform)
    }
}
