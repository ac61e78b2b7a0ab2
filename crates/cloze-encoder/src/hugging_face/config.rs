//! BERT's configuration as transformers writes it.

use super::error::HuggingFaceError;
use crate::config::{Activation, Attention, Body, EncoderConfig, Head, Norm, Output, Positions};
use serde::Deserialize;
use std::path::Path;

/// The keys of `config.json` that shape the encoder. What may be absent has the default of transformers' `BertConfig`,
/// which old versions did not write; the sizes must be there. Other keys (labels, versions, the tokenizer's ids)
/// do not shape it.
#[derive(Deserialize)]
pub(super) struct BertConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    hidden_act: String,
    #[serde(default = "norm_epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "dropout")]
    hidden_dropout_prob: f64,
    #[serde(default = "dropout")]
    attention_probs_dropout_prob: f64,
    #[serde(default = "positions")]
    position_embedding_type: String,
    #[serde(default = "tied")]
    tie_word_embeddings: bool,
    #[serde(default)]
    is_decoder: bool,
    #[serde(default)]
    add_cross_attention: bool,
}

fn norm_epsilon() -> f64 {
    1e-12
}

fn dropout() -> f64 {
    0.1
}

fn positions() -> String {
    "absolute".to_owned()
}

fn tied() -> bool {
    true
}

impl BertConfig {
    /// Our configuration of the same encoder; `head` says whether the weights have a masked-language head.
    pub(super) fn encoder(&self, path: &Path, head: bool) -> Result<EncoderConfig, HuggingFaceError> {
        let unsupported = |key, value: &dyn std::fmt::Display, rule| HuggingFaceError::Unsupported {
            path: path.to_owned(),
            key,
            value: value.to_string(),
            rule,
        };
        if self.model_type != "bert" {
            return Err(unsupported("model_type", &self.model_type, "only bert is read"));
        }
        if self.position_embedding_type != "absolute" {
            let (key, value) = ("position_embedding_type", &self.position_embedding_type);
            return Err(unsupported(key, value, "only absolute positions are supported"));
        }
        if self.is_decoder || self.add_cross_attention {
            let key = if self.is_decoder { "is_decoder" } else { "add_cross_attention" };
            return Err(unsupported(key, &true, "only encoders are read"));
        }
        let dropout = self.hidden_dropout_prob;
        if (dropout - self.attention_probs_dropout_prob).abs() > 0.0 {
            let (key, value) = ("attention_probs_dropout_prob", &self.attention_probs_dropout_prob);
            return Err(unsupported(key, value, "must equal hidden_dropout_prob: edit one of them"));
        }
        let activation = match self.hidden_act.as_str() {
            "gelu" => Activation::GeluErf,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            _ => {
                let rule = "must be gelu, gelu_new, gelu_pytorch_tanh or relu";
                return Err(unsupported("hidden_act", &self.hidden_act, rule));
            }
        };
        let own_output = head && !self.tie_word_embeddings;
        let config = EncoderConfig {
            vocabulary: self.vocab_size,
            outputs: self.vocab_size,
            body: Body::Transformer,
            hidden: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            intermediate: self.intermediate_size,
            max_length: self.max_position_embeddings,
            dropout,
            norm: Norm::Post,
            embedding_norm: true,
            norm_epsilon: self.layer_norm_eps,
            activation,
            positions: Positions::Learned,
            token_types: self.type_vocab_size,
            attention: Attention::Both,
            distance_slope: 0.0,
            head: if head { Head::TransformNorm } else { Head::Plain },
            output: if own_output { Output::Separate } else { Output::Tied },
        };
        config.validate()?;
        Ok(config)
    }
}
