//! Where each parameter lives in the one flat buffer.

use crate::config::{Body, EncoderConfig, Head, Norm, Output, Positions};
use crate::error::{EncoderError, Result};
use std::ops::Range;

/// The table of token types.
pub(crate) const TOKEN_TYPES: &str = "bert.embeddings.token_type_embeddings.weight";
/// The output layer's matrix where it is not the token table.
pub(crate) const DECODER: &str = "cls.predictions.decoder.weight";

/// What a parameter is for: decides how it starts and whether weight decay touches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A matrix: starts normal, decays.
    Matrix,
    /// A norm's scale: starts at 1, does not decay.
    Scale,
    /// A bias: starts at 0, does not decay.
    Bias,
}

/// One parameter: a slice of the flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name, as Hugging Face's `BertForMaskedLM` has it; of recurrent layers as `torch.nn.GRU` has it, behind `gru.`.
    pub name: String,
    /// Shape, row-major. Linear layers are `[out, in]`.
    pub shape: Vec<usize>,
    /// First element in the flat buffer.
    pub offset: usize,
    /// Role.
    pub role: Role,
}

impl Entry {
    /// The elements of the flat buffer that are this parameter's.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }
}

/// Names, shapes and offsets of all parameters of an encoder, in buffer order.
///
/// Query, key and value weights of a layer are adjacent, as are their biases, so that an engine can take each triple
/// as one `[3·hidden, hidden]` matrix or one `[3·hidden]` vector. A recurrent layer's matrices are `[3·hidden, hidden]` each,
/// the gates in the order r, z, n.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterLayout {
    entries: Vec<Entry>,
    len: usize,
}

impl ParameterLayout {
    /// The layout of `config`'s encoder.
    pub fn new(config: &EncoderConfig) -> Self {
        let mut layout = Self { entries: Vec::new(), len: 0 };
        let hidden = config.hidden;
        layout.push("bert.embeddings.word_embeddings.weight", &[config.vocabulary, hidden], Role::Matrix);
        if config.positions == Positions::Learned {
            layout.push(
                "bert.embeddings.position_embeddings.weight",
                &[config.max_length, hidden],
                Role::Matrix,
            );
        }
        if config.token_types > 0 {
            layout.push(TOKEN_TYPES, &[config.token_types, hidden], Role::Matrix);
        }
        if config.embedding_norm {
            layout.norm("bert.embeddings.LayerNorm", hidden);
        }
        for layer in 0..config.layers {
            match config.body {
                Body::Transformer => {
                    layout.layer(&format!("bert.encoder.layer.{layer}"), hidden, config.intermediate);
                }
                Body::Gru => layout.recurrent(layer, hidden),
            }
        }
        if config.norm == Norm::Pre {
            layout.norm("bert.encoder.LayerNorm", hidden);
        }
        if config.head != Head::Plain {
            layout.linear("cls.predictions.transform.dense", hidden, hidden);
        }
        if config.head == Head::TransformNorm {
            layout.norm("cls.predictions.transform.LayerNorm", hidden);
        }
        if config.output == Output::Separate {
            layout.push(DECODER, &[config.outputs, hidden], Role::Matrix);
        }
        layout.push("cls.predictions.bias", &[config.outputs], Role::Bias);
        layout
    }

    /// All parameters, in buffer order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of values in the flat buffer.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters (never so for a valid configuration).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    fn layer(&mut self, prefix: &str, hidden: usize, intermediate: usize) {
        for part in ["query", "key", "value"] {
            self.push(&format!("{prefix}.attention.self.{part}.weight"), &[hidden, hidden], Role::Matrix);
        }
        for part in ["query", "key", "value"] {
            self.push(&format!("{prefix}.attention.self.{part}.bias"), &[hidden], Role::Bias);
        }
        self.linear(&format!("{prefix}.attention.output.dense"), hidden, hidden);
        self.norm(&format!("{prefix}.attention.output.LayerNorm"), hidden);
        self.linear(&format!("{prefix}.intermediate.dense"), intermediate, hidden);
        self.linear(&format!("{prefix}.output.dense"), hidden, intermediate);
        self.norm(&format!("{prefix}.output.LayerNorm"), hidden);
    }

    fn recurrent(&mut self, layer: usize, hidden: usize) {
        for part in ["ih", "hh"] {
            self.push(&format!("gru.weight_{part}_l{layer}"), &[3 * hidden, hidden], Role::Matrix);
        }
        for part in ["ih", "hh"] {
            self.push(&format!("gru.bias_{part}_l{layer}"), &[3 * hidden], Role::Bias);
        }
    }

    fn linear(&mut self, prefix: &str, out: usize, input: usize) {
        self.push(&format!("{prefix}.weight"), &[out, input], Role::Matrix);
        self.push(&format!("{prefix}.bias"), &[out], Role::Bias);
    }

    fn norm(&mut self, prefix: &str, width: usize) {
        self.push(&format!("{prefix}.weight"), &[width], Role::Scale);
        self.push(&format!("{prefix}.bias"), &[width], Role::Bias);
    }

    fn push(&mut self, name: &str, shape: &[usize], role: Role) {
        self.entries.push(Entry { name: name.to_owned(), shape: shape.to_vec(), offset: self.len, role });
        self.len += shape.iter().product::<usize>();
    }
}

/// That parameters of layout `found` are an engine's of layout `expected`.
pub(crate) fn same_layout(expected: &ParameterLayout, found: &ParameterLayout) -> Result<()> {
    let pairs = expected.entries().iter().zip(found.entries());
    match pairs.into_iter().find(|(a, b)| a != b) {
        Some((a, b)) => Err(EncoderError::Parameter {
            name: a.name.clone(),
            problem: format!("shape {:?} expected, found `{}` of shape {:?}", a.shape, b.name, b.shape),
        }),
        None if expected.len() != found.len() => Err(EncoderError::Parameter {
            name: "(all)".to_owned(),
            problem: format!("{} values expected, {} found", expected.len(), found.len()),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_tile_the_buffer_and_names_are_unique() {
        for config in [EncoderConfig::bert4rec(11, 8, 2, 2, 5), EncoderConfig::gru4rec(11, 8, 2, 5)] {
            let layout = ParameterLayout::new(&config);
            let mut end = 0;
            for entry in layout.entries() {
                assert_eq!(entry.offset, end, "{}", entry.name);
                end = entry.range().end;
            }
            assert_eq!(end, layout.len());
            let mut names: Vec<_> = layout.entries().iter().map(|entry| &entry.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), layout.entries().len());
        }
    }

    #[test]
    fn query_key_and_value_are_adjacent() {
        let layout = ParameterLayout::new(&EncoderConfig::bert4rec(11, 8, 1, 2, 5));
        for kind in ["weight", "bias"] {
            let at = |part: &str| {
                layout.get(&format!("bert.encoder.layer.0.attention.self.{part}.{kind}")).unwrap().range()
            };
            assert_eq!(at("query").end, at("key").start);
            assert_eq!(at("key").end, at("value").start);
        }
    }
}
