//! Vectors of texts equal transformers', are kept, and what does not belong together is refused by name.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use cloze_encoder::engine::InferencePrecision;
use cloze_review::{Embeddings, Pooling, ReviewError, TextModel};
use cloze_testkit::compare::assert_close;
use cloze_testkit::golden::Golden;
use serde::Deserialize;
use tokenizers::Tokenizer;

/// Tokens of the fixture's texts.
const LENGTH: usize = 16;

#[derive(Deserialize)]
struct Texts {
    length: usize,
    texts: Vec<String>,
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny")
}

fn texts() -> Texts {
    serde_json::from_slice(&fs::read(fixture().join("texts.json")).unwrap()).unwrap()
}

fn open(folder: &Path, pooling: Pooling) -> Result<TextModel, ReviewError> {
    TextModel::open(folder.to_str().unwrap(), pooling, texts().length, InferencePrecision::Float32)
}

/// A copy of the model without some files.
fn copy_without(missing: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture()).unwrap() {
        let entry = entry.unwrap();
        if !missing.contains(&entry.file_name().to_str().unwrap()) {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    folder
}

fn embed(model: &mut TextModel, texts: &[String]) -> Vec<f32> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    model.embed(&texts, &mut |_| {}).unwrap()
}

#[test]
fn vectors_are_transformers_for_every_pooling_and_either_file_of_words() {
    let (golden, texts) = (Golden::open(fixture().join("expected.safetensors")), texts().texts);
    let only_words = copy_without(&["tokenizer.json"]);
    for folder in [&fixture(), only_words.path()] {
        for pooling in [Pooling::Pooler, Pooling::Cls, Pooling::Mean] {
            let found = embed(&mut open(folder, pooling).unwrap(), &texts);
            assert_close(pooling.name(), &found, &golden.floats(pooling.name()), 1e-5);
        }
    }
}

/// The same model by another implementation in the same language.
#[test]
fn hidden_states_are_those_of_candle_s_bert() {
    let (folder, texts) = (fixture(), texts().texts);
    let config: Config = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    let tensors = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let theirs =
        BertModel::load(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), &config).unwrap();
    let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
    let mut ours = open(&folder, Pooling::Cls).unwrap();
    for text in &texts {
        let mut tokens = tokenizer.encode(text.as_str(), true).unwrap().get_ids().to_vec();
        if tokens.len() > LENGTH {
            tokens.truncate(LENGTH - 1);
            tokens.push(tokenizer.token_to_id("[SEP]").unwrap());
        }
        let tokens = Tensor::new(&tokens[..], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let states = theirs.forward(&tokens, &tokens.zeros_like().unwrap(), None).unwrap();
        let first: Vec<f32> = states.get(0).unwrap().get(0).unwrap().to_vec1().unwrap();
        assert_close(text, &embed(&mut ours, std::slice::from_ref(text)), &first, 1e-5);
    }
}

#[test]
fn vectors_in_int8_are_near_those_in_float32_and_kept_apart() {
    let (folder, texts) = (fixture(), texts());
    let open = |precision| {
        TextModel::open(folder.to_str().unwrap(), Pooling::Mean, texts.length, precision).unwrap()
    };
    let (mut floats, mut integers) = (open(InferencePrecision::Float32), open(InferencePrecision::Int8));
    assert_ne!(floats.fingerprint(), integers.fingerprint());
    let (floats, integers) = (embed(&mut floats, &texts.texts), embed(&mut integers, &texts.texts));
    assert_ne!(floats, integers);
    assert_close("int8", &integers, &floats, 2e-2);
}

#[test]
fn a_text_has_the_same_vector_whatever_stands_beside_it() {
    let (mut model, texts) = (open(&fixture(), Pooling::Mean).unwrap(), texts().texts);
    let all = embed(&mut model, &texts);
    for (text, together) in texts.iter().zip(all.chunks(16)) {
        assert_close("alone", &embed(&mut model, std::slice::from_ref(text)), together, 1e-6);
    }
}

#[test]
fn a_second_run_encodes_nothing() {
    let (folder, texts) = (tempfile::tempdir().unwrap(), texts().texts);
    let twice: Vec<&str> = texts.iter().chain(&texts).map(String::as_str).collect();
    let mut model = open(&fixture(), Pooling::Pooler).unwrap();
    let mut run = |texts: &[&str]| {
        let mut kept = Embeddings::open(folder.path(), &model).unwrap();
        let mut made = 0;
        let vectors = kept.of(texts, &mut model, &mut |done, _| made = done).unwrap();
        (vectors, made, kept.len())
    };
    let (first, made, len) = run(&twice);
    assert_eq!((made, len), (6, 6), "a text that comes twice is encoded once");
    let (second, made, _) = run(&twice);
    assert_eq!((&second, made), (&first, 0));
    let (_, made, len) = run(&["something new", twice[0]]);
    assert_eq!((made, len), (1, 7));
    // Another model's vectors are no answer.
    let other = open(&fixture(), Pooling::Mean).unwrap();
    assert!(Embeddings::open(folder.path(), &other).unwrap().is_empty());
}

#[test]
fn a_damaged_file_of_vectors_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = open(&fixture(), Pooling::Pooler).unwrap();
    Embeddings::open(folder.path(), &model).unwrap().of(&["one"], &mut model, &mut |_, _| {}).unwrap();
    let part = fs::read_dir(folder.path().join(model.fingerprint())).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&part).unwrap();
    for damaged in [&whole[..whole.len() / 2], &b"not arrow"[..]] {
        fs::write(&part, damaged).unwrap();
        let error = Embeddings::open(folder.path(), &model).err().unwrap().to_string();
        assert!(error.contains(part.to_str().unwrap()) && error.contains("remove it"), "{error}");
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let says = |folder: &Path, pooling: Pooling, words: &[&str]| {
        let error = open(folder, pooling).err().unwrap().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let other = copy_without(&["tokenizer.json"]);
    let words = fs::read_to_string(other.path().join("vocab.txt")).unwrap();
    fs::write(other.path().join("vocab.txt"), words.clone() + "more\nwords\n").unwrap();
    says(other.path(), Pooling::Mean, &["knows 30 word pieces, the model 28"]);
    fs::write(other.path().join("vocab.txt"), words.replace("[MASK]", "[HIDE]")).unwrap();
    says(other.path(), Pooling::Mean, &["no [MASK]"]);
    fs::write(other.path().join("vocab.txt"), words.replace("[SEP]", "[END]")).unwrap();
    says(other.path(), Pooling::Mean, &["vocab.txt", "[SEP]"]);
    let none = copy_without(&["tokenizer.json", "vocab.txt"]);
    says(none.path(), Pooling::Mean, &["tokenizer.json"]);
    let broken = copy_without(&[]);
    fs::write(broken.path().join("tokenizer.json"), "{\"version\": ").unwrap();
    says(broken.path(), Pooling::Mean, &["tokenizer.json", "line 1"]);
    let weights = copy_without(&["model.safetensors"]);
    says(weights.path(), Pooling::Mean, &["model.safetensors"]);
}
