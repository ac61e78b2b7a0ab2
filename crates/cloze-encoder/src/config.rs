//! The encoder's configuration.

use crate::error::{EncoderError, Result};
use crate::layout::ParameterLayout;
use serde::{Deserialize, Serialize};

/// Most parameters that an encoder may have. In training each takes 16 bytes: value, gradient and two moments.
pub const MAX_PARAMETERS: u64 = 1 << 32;
/// Most layers.
pub const MAX_LAYERS: usize = 1000;
/// Most that a place of distance may take from an attention score.
pub const MAX_SLOPE: f64 = 1000.0;

/// What stands between the embeddings and the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Transformer layers (BERT4Rec, SASRec).
    #[default]
    Transformer,
    /// Gated recurrent units (Cho et al. 2014) one above the other, as `torch.nn.GRU` has them (GRU4Rec):
    /// `r = σ(W_ir x + b_ir + W_hr h + b_hr)`, z likewise, `n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))`,
    /// `h' = (1 − z) ⊙ n + z ⊙ h`, from h = 0 before a sequence's first token.
    Gru,
}

/// Where layer normalization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Nowhere: gated recurrent units.
    None,
    /// After each residual sum: `x = LN(x + f(x))` (BERT, BERT4Rec).
    Post,
    /// Before each block: `x = x + f(LN(x))`, with one more norm at the end.
    Pre,
}

/// Activation of the feed-forward blocks and of the head's transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x · Φ(x)` by the error function.
    GeluErf,
    /// GELU's tanh form: `x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³)))`.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// Position information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// A learned vector for each position, added to the token's.
    Learned,
    /// None: the encoder sees a set.
    None,
}

/// Who may attend to whom within a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// Every token to every token (BERT).
    Both,
    /// Every token to itself and to earlier ones (SASRec).
    Causal,
}

/// What stands between the last hidden state and the output layer `t Eᵀ + b_O`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Nothing: `t = h`.
    Plain,
    /// `t = act(h W_p + b_p)`: BERT4Rec's equation 7.
    Transform,
    /// `t = LN(act(h W_p + b_p))`: BERT's masked-language head, and BERT4Rec's original code.
    TransformNorm,
}

/// The output layer's matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The token table's leading rows: input and output share their vectors (BERT, BERT4Rec, SASRec).
    #[default]
    Tied,
    /// A matrix of its own (MiniBERT4Rec).
    Separate,
}

/// Everything that shapes an encoder: equal configurations have equal parameter layouts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Rows of the token table, special tokens included.
    pub vocabulary: usize,
    /// Tokens that the output layer scores, the first of the vocabulary. Special tokens stand behind them, so that they
    /// are never computed, let alone recommended.
    pub outputs: usize,
    /// What the layers are.
    #[serde(default)]
    pub body: Body,
    /// Width of a hidden state.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`. 0 where there is no attention.
    pub heads: usize,
    /// Width of the feed-forward block. 0 where there is none.
    pub intermediate: usize,
    /// Longest sequence, the rows of the position table.
    pub max_length: usize,
    /// Probability of dropping an element of a hidden state (after the embedding and after each block, or what a recurrent
    /// layer hands up) or an attention probability.
    pub dropout: f64,
    /// Place of the layers' norms.
    pub norm: Norm,
    /// Whether the sum of the embeddings is normalized (BERT: yes).
    pub embedding_norm: bool,
    /// Added to the variance under the root.
    pub norm_epsilon: f64,
    /// Activation.
    pub activation: Activation,
    /// Positions.
    pub positions: Positions,
    /// Rows of the table of token types, whose vectors are added to the tokens' (BERT: 2, for pairs of texts; items
    /// have none: 0).
    #[serde(default)]
    pub token_types: usize,
    /// Attention. A recurrent body sees what is causal.
    pub attention: Attention,
    /// What a place of distance takes from the first head's attention scores, as [`Self::slope`] has it; 0: nothing.
    #[serde(default)]
    pub distance_slope: f64,
    /// Head.
    pub head: Head,
    /// The output layer's matrix.
    #[serde(default)]
    pub output: Output,
}

impl EncoderConfig {
    /// BERT4Rec over `items` items: post-norm, GELU, learned positions, attention to both sides; one special token,
    /// \[MASK\], right behind the items.
    pub fn bert4rec(items: usize, hidden: usize, layers: usize, heads: usize, max_length: usize) -> Self {
        Self {
            vocabulary: items + 1,
            outputs: items,
            body: Body::Transformer,
            hidden,
            layers,
            heads,
            // Too large is found by `validate`, which comes after.
            intermediate: hidden.saturating_mul(4),
            max_length,
            dropout: 0.2,
            norm: Norm::Post,
            embedding_norm: true,
            norm_epsilon: 1e-12,
            activation: Activation::GeluErf,
            positions: Positions::Learned,
            token_types: 0,
            attention: Attention::Both,
            distance_slope: 0.0,
            head: Head::TransformNorm,
            output: Output::Tied,
        }
    }

    /// GRU4Rec over `items` items: gated recurrent units, no positions, no special token, no norm; the output layer shares
    /// the items' vectors.
    pub fn gru4rec(items: usize, hidden: usize, layers: usize, max_length: usize) -> Self {
        Self {
            vocabulary: items,
            outputs: items,
            body: Body::Gru,
            hidden,
            layers,
            heads: 0,
            intermediate: 0,
            max_length,
            dropout: 0.2,
            norm: Norm::None,
            embedding_norm: false,
            norm_epsilon: 1e-12,
            activation: Activation::GeluErf,
            positions: Positions::None,
            token_types: 0,
            attention: Attention::Causal,
            distance_slope: 0.0,
            head: Head::Plain,
            output: Output::Tied,
        }
    }

    /// Width of one attention head.
    pub fn head_width(&self) -> usize {
        self.hidden / self.heads
    }

    /// How steeply the attention scores of `head` fall with distance (`ALiBi`, Press et al. 2022, to both sides): from that of
    /// row i for row j, `slope · |i − j|` is taken before the softmax. The first head's is `distance_slope`, each next one's a
    /// quarter of the one before, so that some see what is near and others all.
    pub fn slope(&self, head: usize) -> f64 {
        self.distance_slope * 0.25f64.powi(head as i32)
    }

    /// Checks every rule, [`MAX_PARAMETERS`] and [`MAX_LAYERS`] among them; called before anything is allocated.
    ///
    /// # Errors
    /// [`EncoderError::Config`] for the first rule that is broken, [`EncoderError::Size`].
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("vocabulary", self.vocabulary),
            ("outputs", self.outputs),
            ("hidden", self.hidden),
            ("layers", self.layers),
            ("max_length", self.max_length),
        ];
        for (key, value) in positive {
            check(value > 0, key, value, "must be at least 1")?;
        }
        check(self.outputs <= self.vocabulary, "outputs", self.outputs, "cannot exceed the vocabulary")?;
        for (key, value) in [("vocabulary", self.vocabulary), ("max_length", self.max_length)] {
            check(u32::try_from(value).is_ok(), key, value, "must fit 32 bits")?;
        }
        check(self.layers <= MAX_LAYERS, "layers", self.layers, "must be at most 1000")?;
        match self.body {
            Body::Transformer => self.check_transformer()?,
            Body::Gru => self.check_gru()?,
        }
        check((0.0..1.0).contains(&self.dropout), "dropout", self.dropout, "must be in [0, 1)")?;
        check(self.norm_epsilon > 0.0, "norm_epsilon", self.norm_epsilon, "must be positive")?;
        self.check_size()
    }

    fn check_transformer(&self) -> Result<()> {
        for (key, value) in [("heads", self.heads), ("intermediate", self.intermediate)] {
            check(value > 0, key, value, "must be at least 1")?;
        }
        let heads = format!("{} (hidden = {})", self.heads, self.hidden);
        check(self.hidden.is_multiple_of(self.heads), "heads", heads, "must divide hidden")?;
        let slope = self.distance_slope;
        check((0.0..=MAX_SLOPE).contains(&slope), "distance_slope", slope, "must be in [0, 1000]")?;
        check(self.norm != Norm::None, "norm", "none", "a transformer's is post or pre")
    }

    /// What a recurrent body has not is absent rather than ignored: equal encoders have equal configurations.
    fn check_gru(&self) -> Result<()> {
        let rule = "must be 0: gated recurrent units have none";
        check(self.heads == 0, "heads", self.heads, rule)?;
        check(self.intermediate == 0, "intermediate", self.intermediate, rule)?;
        check(self.distance_slope == 0.0, "distance_slope", self.distance_slope, rule)?;
        let causal = self.attention == Attention::Causal;
        check(causal, "attention", "both", "must be causal: gated recurrent units see no later token")?;
        let given = if self.norm == Norm::Pre { "pre" } else { "post" };
        check(self.norm == Norm::None, "norm", given, "must be none between gated recurrent units")
    }

    /// The number of parameters: each table's first, so that nothing overflows in the sum.
    fn check_size(&self) -> Result<()> {
        let tables = [
            ("hidden", self.hidden),
            ("intermediate", self.intermediate),
            ("vocabulary", self.vocabulary),
            ("outputs", self.outputs),
            ("max_length", self.max_length),
            ("token_types", self.token_types),
        ];
        let hidden = self.hidden;
        for (key, rows) in tables {
            if rows.checked_mul(hidden).is_none_or(|size| size as u64 > MAX_PARAMETERS) {
                return Err(EncoderError::Size {
                    what: format!("{key} \u{d7} hidden = {rows} \u{d7} {hidden}"),
                });
            }
        }
        let parameters = ParameterLayout::new(self).len();
        if parameters as u64 > MAX_PARAMETERS {
            let (layers, length, vocabulary) = (self.layers, self.max_length, self.vocabulary);
            return Err(EncoderError::Size {
                what: format!(
                    "hidden = {hidden}, layers = {layers}, max_length = {length} and {vocabulary} tokens give \
                     {parameters}"
                ),
            });
        }
        Ok(())
    }
}

fn check(holds: bool, key: &'static str, value: impl std::fmt::Display, rule: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(EncoderError::Config { key, value: value.to_string(), rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that would overflow, or that no memory holds, are refused before anything is allocated.
    #[test]
    fn absurd_sizes_are_errors_that_name_the_key() {
        let config = |hidden, layers, length| EncoderConfig::bert4rec(100, hidden, layers, 1, length);
        for (config, parts) in [
            (config(100_000_000_000, 2, 200), ["hidden = 100000000000", "4294967296"]),
            (config(1 << 63, 2, 200), ["hidden = 9223372036854775808", "4294967296"]),
            (config(usize::MAX, 2, 200), ["hidden", "4294967296"]),
            (config(60_000, 2, 200), ["intermediate \u{d7} hidden = 240000 \u{d7} 60000", "4294967296"]),
            (config(20_000, 10, 200), ["hidden = 20000, layers = 10", "4294967296"]),
            (config(64, 1_000_000_000, 200), ["layers = 1000000000", "at most 1000"]),
            (config(64, 2, 1_000_000_000_000_000), ["max_length = 1000000000000000", "32 bits"]),
            (config(64, 2, 4_000_000_000), ["max_length \u{d7} hidden = 4000000000 \u{d7} 64", "4294967296"]),
            (
                EncoderConfig { token_types: usize::MAX, ..config(64, 2, 200) },
                ["token_types \u{d7} hidden", "4294967296"],
            ),
        ] {
            let error = config.validate().unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        let gru = EncoderConfig::gru4rec(100, 20_000, 2, 200).validate().unwrap_err().to_string();
        assert!(gru.contains("hidden = 20000, layers = 2"), "{gru}");
        // 1.6e9 parameters: large, but someone may have the memory.
        EncoderConfig::bert4rec(100, 8192, 2, 1, 200).validate().unwrap();
    }

    #[test]
    fn what_a_body_has_not_is_an_error_and_not_ignored() {
        let gru = EncoderConfig::gru4rec(10, 8, 2, 5);
        gru.validate().unwrap();
        let transformer = EncoderConfig::bert4rec(10, 8, 2, 2, 5);
        for (config, key) in [
            (EncoderConfig { heads: 2, ..gru.clone() }, "heads = 2: must be 0"),
            (EncoderConfig { intermediate: 32, ..gru.clone() }, "intermediate = 32: must be 0"),
            (EncoderConfig { attention: Attention::Both, ..gru.clone() }, "attention = both: must be causal"),
            (EncoderConfig { norm: Norm::Pre, ..gru.clone() }, "norm = pre: must be none"),
            (EncoderConfig { distance_slope: 1.0, ..gru.clone() }, "distance_slope = 1: must be 0"),
            (EncoderConfig { layers: 0, ..gru }, "layers = 0"),
            (
                EncoderConfig { distance_slope: f64::NAN, ..transformer.clone() },
                "distance_slope = NaN: must be in",
            ),
            (
                EncoderConfig { distance_slope: 1001.0, ..transformer.clone() },
                "distance_slope = 1001: must be in",
            ),
            (EncoderConfig { norm: Norm::None, ..transformer.clone() }, "norm = none: a transformer's"),
            (EncoderConfig { heads: 0, ..transformer.clone() }, "heads = 0: must be at least 1"),
            (EncoderConfig { intermediate: 0, ..transformer }, "intermediate = 0: must be at least 1"),
        ] {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
