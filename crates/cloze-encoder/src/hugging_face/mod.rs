//! Reads BERT models in the form in which Hugging Face's transformers stores them.
//!
//! ```no_run
//! use cloze_encoder::{AdamWOptions, engine, hugging_face};
//!
//! let stored = hugging_face::open("bert-base-uncased".as_ref())?;
//! println!("left out: {}", stored.unused.join(", "));
//! let engine = engine::open(stored.config, stored.parameters, AdamWOptions::default(), 1)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod error;
mod weights;

pub use error::HuggingFaceError;

use crate::config::EncoderConfig;
use crate::layout::ParameterLayout;
use crate::parameters::Parameters;
use config::BertConfig;
use memmap2::Mmap;
use std::path::Path;
use std::sync::Arc;
use weights::{OUTPUT_BIAS, Weights};

/// The pooler's tensors.
pub const POOLER: [&str; 2] = ["bert.pooler.dense.weight", "bert.pooler.dense.bias"];
/// Those of the head for pairs of texts.
pub const NEXT_SENTENCE: [&str; 2] = ["cls.seq_relationship.weight", "cls.seq_relationship.bias"];

/// A stored model as an encoder.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The encoder's configuration: all tokens of the vocabulary are outputs. With a masked-language head in the file
    /// it has [`crate::Head::TransformNorm`], else [`crate::Head::Plain`].
    pub config: EncoderConfig,
    /// Its parameters. Without a masked-language head the output layer's bias is 0.
    pub parameters: Parameters,
    /// The layer over the first token's hidden state, where the file has one.
    pub pooler: Option<Pooler>,
    /// The layer over the pooler's vector that says whether one text follows another, where the file has one.
    pub next_sentence: Option<NextSentence>,
    /// Tensors that the encoder has no place for, in order: other heads, copies of tied weights.
    pub unused: Vec<String>,
}

/// BERT's pooler: `tanh(W h + b)` of the hidden state h of the first token stands for the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooler {
    /// W, `[hidden, hidden]`, row-major, outputs first.
    pub weight: Vec<f32>,
    /// b, `[hidden]`.
    pub bias: Vec<f32>,
}

/// BERT's head for pairs of texts: the logits `W p + b` of the pooler's vector p, the first that the second text follows the first, the
/// second that it does not.
#[derive(Debug, Clone, PartialEq)]
pub struct NextSentence {
    /// W, `[2, hidden]`, row-major.
    pub weight: Vec<f32>,
    /// b, `[2]`.
    pub bias: Vec<f32>,
}

impl Pooler {
    /// The vector of a text, from the hidden state of its first token.
    ///
    /// # Panics
    /// If the hidden state has another width.
    pub fn apply(&self, hidden: &[f32]) -> Vec<f32> {
        assert_eq!(hidden.len(), self.bias.len(), "width of the hidden state");
        let rows = self.weight.chunks_exact(hidden.len()).zip(&self.bias);
        rows.map(|(row, bias)| (bias + row.iter().zip(hidden).map(|(w, h)| w * h).sum::<f32>()).tanh())
            .collect()
    }
}

/// Opens the model in `folder`: `config.json` and `model.safetensors`, as `save_pretrained` writes them for `BertModel`,
/// `BertForMaskedLM` and any other model with a BERT inside. Weights may be of 32 or 16 bits.
///
/// # Errors
/// A file that can't be read, is cut off or damaged; an option that the encoder does not have (relative positions, an
/// activation unknown here, a decoder); a tensor that is missing, or of another shape or type.
pub fn open(folder: &Path) -> Result<Stored, HuggingFaceError> {
    let (options, tensors) = (folder.join("config.json"), folder.join("model.safetensors"));
    let text = read(&options)?;
    let stored: BertConfig = serde_json::from_slice(&text)
        .map_err(|source| HuggingFaceError::Config { path: options.clone(), source })?;
    if folder.is_dir() && !tensors.exists() {
        return Err(HuggingFaceError::NoWeights { folder: folder.to_owned() });
    }
    let image = map(&tensors)?;
    let mut weights = Weights::new(&tensors, &image)?;
    let config = stored.encoder(&options, weights.has_head())?;
    check_sizes(&config, &options, &mut weights)?;
    let layout = Arc::new(ParameterLayout::new(&config));
    let without_head = !weights.has_head();
    let parameters = Parameters::read(layout, |name, shape| {
        if name == OUTPUT_BIAS && without_head {
            return Ok(vec![0.0; config.outputs]);
        }
        weights.read(name, shape)
    })?;
    let hidden = config.hidden;
    let mut layer = |[weight, bias]: [&str; 2], outputs: usize| {
        if !weights.has(weight) {
            return Ok(None);
        }
        Ok::<_, HuggingFaceError>(Some((
            weights.read(weight, &[outputs, hidden])?,
            weights.read(bias, &[outputs])?,
        )))
    };
    let pooler = layer(POOLER, hidden)?.map(|(weight, bias)| Pooler { weight, bias });
    let next_sentence = layer(NEXT_SENTENCE, 2)?.map(|(weight, bias)| NextSentence { weight, bias });
    let unused = weights.unused();
    Ok(Stored { config, parameters, pooler, next_sentence, unused })
}

fn read(path: &Path) -> Result<Vec<u8>, HuggingFaceError> {
    std::fs::read(path).map_err(|source| HuggingFaceError::Read { path: path.to_owned(), source })
}

/// A file in memory as it is read, so that weights are not there twice.
fn map(path: &Path) -> Result<Mmap, HuggingFaceError> {
    let failed = |source| HuggingFaceError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    // SAFETY: the map is read while this function's caller opens the model, and dropped then. A file that somebody else cuts in
    // that moment would end the process; so would one that is deleted from under any reader of maps.
    unsafe { Mmap::map(&file) }.map_err(failed)
}

/// That the sizes are those of tensors in the file, before anything is allocated by them.
fn check_sizes(
    config: &EncoderConfig,
    path: &Path,
    weights: &mut Weights<'_>,
) -> Result<(), HuggingFaceError> {
    if config.layers > weights.len() {
        return Err(HuggingFaceError::Unsupported {
            path: path.to_owned(),
            key: "num_hidden_layers",
            value: config.layers.to_string(),
            rule: "model.safetensors has fewer tensors than that",
        });
    }
    let hidden = config.hidden;
    weights.check("bert.embeddings.word_embeddings.weight", &[config.vocabulary, hidden])?;
    weights.check("bert.embeddings.position_embeddings.weight", &[config.max_length, hidden])?;
    if config.token_types > 0 {
        weights.check("bert.embeddings.token_type_embeddings.weight", &[config.token_types, hidden])?;
    }
    weights.check("bert.encoder.layer.0.attention.self.query.weight", &[hidden, hidden])?;
    weights.check("bert.encoder.layer.0.intermediate.dense.weight", &[config.intermediate, hidden])?;
    Ok(())
}
