//! A pretrained BERT that makes a vector of each text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cloze_encoder::PackedBatch;
use cloze_encoder::engine::{self, Engine, InferencePrecision, Mode};
use cloze_encoder::hugging_face::{self, Pooler};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokenizers::Tokenizer;

use crate::error::ReviewError;
use crate::{source, wordpiece};

/// Tokens of a batch at most, a longer text aside.
const BATCH_TOKENS: usize = 4096;
/// Texts that are cut into word pieces together.
const TEXTS: usize = 4096;

/// How the hidden states of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The pooler's `tanh(W h + b)`, h that of `[CLS]`: BERT-RS.
    Pooler,
    /// h of `[CLS]`.
    Cls,
    /// The mean over all tokens, as sentence-transformers trains it.
    Mean,
}

impl Pooling {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pooler => "pooler",
            Self::Cls => "cls",
            Self::Mean => "mean",
        }
    }
}

/// A BERT with its tokenizer, for texts of at most `length` word pieces.
pub struct TextModel {
    folder: PathBuf,
    tokenizer: Tokenizer,
    engine: Box<dyn Engine>,
    pooler: Option<Pooler>,
    pooling: Pooling,
    fingerprint: String,
}

impl TextModel {
    /// Opens a model by its folder or its id on the hub; `length` counts `[CLS]` and `[SEP]`, and is cut to what the model takes.
    ///
    /// # Errors
    /// [`ReviewError`] for files that can't be had, are damaged or do not belong together, for [`Pooling::Pooler`] of a model
    /// without one, and for a precision that the engine does not compute in.
    pub fn open(
        name: &str,
        pooling: Pooling,
        length: usize,
        precision: InferencePrecision,
    ) -> Result<Self, ReviewError> {
        let folder = source::resolve(name)?;
        let stored = hugging_face::open(&folder)?;
        let length = length.clamp(3, stored.config.max_length);
        let tokenizer = wordpiece::open(&folder, &stored.config, length)?;
        if pooling == Pooling::Pooler && stored.pooler.is_none() {
            return Err(ReviewError::NoPooler { folder });
        }
        let engine = engine::open_for_inference(stored.config, stored.parameters, precision)?;
        // A GPU computes in bfloat16.
        let computed = if engine.name() == "cuda" { "bfloat16" } else { precision.name() };
        let fingerprint = fingerprint(&folder, pooling, length, computed)?;
        Ok(Self { folder, tokenizer, engine, pooler: stored.pooler, pooling, fingerprint })
    }

    /// The folder that it was read from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Width of a vector.
    pub fn width(&self) -> usize {
        self.engine.config().hidden
    }

    /// A hash of all that a vector depends on beside its text: weights, tokenizer, pooling, length and precision.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The vectors of `texts`, `[texts, width]`, in their order. `progress` hears how many are done.
    ///
    /// # Errors
    /// A failure of tokenizer or engine.
    pub fn embed(
        &mut self,
        texts: &[&str],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>, ReviewError> {
        let width = self.width();
        let mut vectors = vec![0.0; texts.len() * width];
        let mut done = 0;
        for (texts, vectors) in texts.chunks(TEXTS).zip(vectors.chunks_mut(TEXTS * width)) {
            let tokens = self.tokens(texts)?;
            let mut order: Vec<usize> = (0..tokens.len()).collect();
            // Texts of one length together: a batch is as slow as its longest.
            order.sort_by_key(|&text| std::cmp::Reverse(tokens[text].len()));
            let mut rest = &order[..];
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(batch_of(rest, &tokens));
                let found =
                    self.embed_batch(&batch.iter().map(|&text| &tokens[text][..]).collect::<Vec<_>>())?;
                for (&text, vector) in batch.iter().zip(found.chunks_exact(width)) {
                    vectors[text * width..][..width].copy_from_slice(vector);
                }
                done += batch.len();
                progress(done);
                rest = later;
            }
        }
        Ok(vectors)
    }

    /// The word pieces of each text, between `[CLS]` and `[SEP]`.
    fn tokens(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, ReviewError> {
        let (tokenizer, folder) = (&self.tokenizer, &self.folder);
        let of_text = |text: &&str| match tokenizer.encode_fast(*text, true) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => {
                let path = folder.join("tokenizer.json");
                Err(ReviewError::Tokenizer { path, reason: error.to_string() })
            }
        };
        texts.par_iter().map(of_text).collect()
    }

    /// Vectors of texts that fit into one pass.
    fn embed_batch(&mut self, texts: &[&[u32]]) -> Result<Vec<f32>, ReviewError> {
        let mut batch = PackedBatch::new();
        for tokens in texts {
            let all: Vec<u32> = (0..tokens.len() as u32).collect();
            batch.push(tokens, 0, if self.pooling == Pooling::Mean { &all } else { &all[..1] }, &[])?;
        }
        self.engine.forward(&batch, Mode::Inference)?;
        let hidden = self.engine.hidden()?;
        Ok(match (self.pooling, &self.pooler) {
            (Pooling::Mean, _) => means(&hidden, self.width(), texts),
            (Pooling::Pooler, Some(pooler)) => {
                hidden.par_chunks_exact(self.width()).flat_map_iter(|first| pooler.apply(first)).collect()
            }
            (Pooling::Pooler | Pooling::Cls, _) => hidden,
        })
    }
}

/// How many of the texts, in this order, make the next batch.
fn batch_of(order: &[usize], tokens: &[Vec<u32>]) -> usize {
    let mut sum = 0;
    let fits = order.iter().take_while(|&&text| {
        sum += tokens[text].len();
        sum <= BATCH_TOKENS
    });
    fits.count().max(1)
}

/// The mean of each text's rows.
fn means(hidden: &[f32], width: usize, texts: &[&[u32]]) -> Vec<f32> {
    let mut means = vec![0.0; texts.len() * width];
    let mut rows = hidden.chunks_exact(width);
    for (mean, tokens) in means.chunks_exact_mut(width).zip(texts) {
        for row in rows.by_ref().take(tokens.len()) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        for sum in mean {
            *sum /= tokens.len() as f32;
        }
    }
    means
}

/// See [`TextModel::fingerprint`].
fn fingerprint(
    folder: &Path,
    pooling: Pooling,
    length: usize,
    computed: &str,
) -> Result<String, ReviewError> {
    let mut hash = Sha256::new();
    for file in ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"] {
        let path = folder.join(file);
        match std::fs::File::open(&path) {
            Ok(mut opened) => {
                let copied = std::io::copy(&mut opened, &mut hash);
                copied.map_err(|error| ReviewError::Stored { path, reason: error.to_string() })?;
            }
            // Either of the last two is enough.
            Err(_) => hash.update([0]),
        }
    }
    hash.update(format!("{} {length}", pooling.name()));
    // Vectors in float32 were kept before there was another precision.
    if computed != InferencePrecision::Float32.name() {
        hash.update(computed);
    }
    Ok(hex(&hash.finalize()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
