//! The tokenizer of a model's folder.

use std::path::Path;

use cloze_encoder::EncoderConfig;
use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{Tokenizer, TruncationParams};

use crate::error::ReviewError;

/// Tables of vectors may be padded to a multiple of this, so that a tokenizer has a few tokens less.
const PADDING: usize = 128;

/// What `tokenizer_config.json` says.
#[derive(Deserialize)]
struct Settings {
    #[serde(default = "yes")]
    do_lower_case: bool,
}

fn yes() -> bool {
    true
}

/// Opens `tokenizer.json`, or makes BERT's word pieces from `vocab.txt`. Texts are cut to `length` tokens, `[CLS]` and `[SEP]`
/// included, and not padded, whatever the file says.
///
/// # Errors
/// A missing or damaged file, or another vocabulary than the model's.
pub(crate) fn open(folder: &Path, config: &EncoderConfig, length: usize) -> Result<Tokenizer, ReviewError> {
    let (file, words) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
    let (path, opened) = if file.exists() || !words.exists() {
        let opened = Tokenizer::from_file(&file);
        (file, opened)
    } else {
        let opened = from_words(folder, &words);
        (words, opened)
    };
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| ReviewError::Tokenizer {
        path: path.clone(),
        reason: error.to_string(),
    };
    let mut tokenizer = opened.map_err(broken)?;
    let truncation = TruncationParams { max_length: length, ..TruncationParams::default() };
    tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(broken)?;
    let other = |problem: String| Err(ReviewError::OtherVocabulary { folder: folder.to_owned(), problem });
    let (knows, rows) = (tokenizer.get_vocab_size(true), config.vocabulary);
    if knows > rows || rows - knows >= PADDING {
        return other(format!("knows {knows} word pieces, the model {rows}"));
    }
    if let Some(missing) =
        ["[CLS]", "[SEP]", "[MASK]"].into_iter().find(|name| tokenizer.token_to_id(name).is_none())
    {
        return other(format!("has no {missing}"));
    }
    Ok(tokenizer)
}

fn from_words(folder: &Path, words: &Path) -> tokenizers::Result<Tokenizer> {
    let settings = std::fs::read(folder.join("tokenizer_config.json")).ok();
    let settings = settings.map(|text| serde_json::from_slice(&text)).transpose()?;
    let Settings { do_lower_case } = settings.unwrap_or(Settings { do_lower_case: true });
    let model = WordPiece::from_file(&words.to_string_lossy()).unk_token("[UNK]".to_owned()).build()?;
    let mut tokenizer = Tokenizer::new(model);
    let marks = ["[SEP]", "[CLS]"].map(|mark| tokenizer.token_to_id(mark).map(|id| (mark.to_owned(), id)));
    let [Some(separator), Some(begin)] = marks else {
        return Err("it has no [CLS] or no [SEP]".into());
    };
    tokenizer
        .with_normalizer(Some(BertNormalizer::new(true, true, None, do_lower_case)))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(BertProcessing::new(separator, begin)));
    Ok(tokenizer)
}
