//! Models stored by transformers: hidden states equal its own, and what can't be read is refused by name.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device};
use cloze_encoder::cpu::{CpuEngine, Level};
use cloze_encoder::hugging_face::{self, HuggingFaceError, Stored};
use cloze_encoder::reference::ReferenceEngine;
use cloze_encoder::{Activation, AdamWOptions, Engine, Head, Mode, Output};
use cloze_testkit::compare::{assert_close, relative_error};
use cloze_testkit::golden::Golden;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::{Path, PathBuf};

fn fixture(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hugging_face").join(model)
}

fn engines(stored: &Stored) -> [Box<dyn Engine>; 2] {
    let (config, options) = (stored.config.clone(), AdamWOptions::default());
    let reference = ReferenceEngine::new(
        config.clone(),
        stored.parameters.clone(),
        options.clone(),
        0,
        Device::Cpu,
        DType::F32,
    );
    let cpu = CpuEngine::new(config, stored.parameters.clone(), options, 0, Level::detect());
    [Box::new(reference.unwrap()), Box::new(cpu.unwrap())]
}

fn assert_agrees(model: &str, stored: &Stored) {
    let golden = Golden::open(fixture(model).join("expected.safetensors"));
    for mut engine in engines(stored) {
        engine.forward(&golden.batch(), Mode::Inference).unwrap();
        let what = format!("{model}, {}", engine.name());
        assert_close(&what, &engine.hidden().unwrap(), &golden.floats("expected.hidden"), 1e-5);
        if stored.config.head != Head::Plain {
            assert_close(&what, &engine.logits().unwrap(), &golden.floats("expected.logits"), 1e-5);
        }
    }
}

#[test]
fn an_encoder_alone_gives_transformers_hidden_states() {
    let stored = hugging_face::open(&fixture("bert")).unwrap();
    assert!(stored.unused.is_empty(), "{:?}", stored.unused);
    assert!(stored.pooler.is_some());
    assert_eq!((stored.config.head, stored.config.activation), (Head::Plain, Activation::GeluErf));
    assert!(stored.parameters.get("cls.predictions.bias").unwrap().iter().all(|&bias| bias == 0.0));
    assert_agrees("bert", &stored);
}

#[test]
fn a_masked_language_model_in_half_precision_gives_transformers_logits() {
    let stored = hugging_face::open(&fixture("masked")).unwrap();
    assert!(stored.unused.is_empty(), "{:?}", stored.unused);
    assert_eq!((stored.config.head, stored.config.activation), (Head::TransformNorm, Activation::GeluTanh));
    assert_agrees("masked", &stored);
}

/// A named array of a file.
struct Array {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// A copy of a model, with its configuration and arrays changed.
struct Copy {
    folder: tempfile::TempDir,
    config: serde_json::Value,
    arrays: Vec<Array>,
}

impl Copy {
    fn of(model: &str) -> Self {
        let text = std::fs::read(fixture(model).join("config.json")).unwrap();
        let image = std::fs::read(fixture(model).join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&image).unwrap();
        let array = |(name, view): (&str, TensorView<'_>)| Array {
            name: name.to_owned(),
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            data: view.data().to_vec(),
        };
        let arrays = file.iter().map(array).collect();
        Self { folder: tempfile::tempdir().unwrap(), config: serde_json::from_slice(&text).unwrap(), arrays }
    }

    fn with(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.config[key] = value.into();
        self
    }

    fn array(&mut self, name: &str) -> &mut Array {
        self.arrays.iter_mut().find(|array| array.name == name).unwrap()
    }

    fn write(&self) -> &Path {
        let views = self
            .arrays
            .iter()
            .map(|a| (a.name.as_str(), TensorView::new(a.dtype, a.shape.clone(), &a.data).unwrap()));
        let image = safetensors::serialize(views, None).unwrap();
        std::fs::write(self.weights(), image).unwrap();
        std::fs::write(self.folder.path().join("config.json"), self.config.to_string()).unwrap();
        self.folder.path()
    }

    fn weights(&self) -> PathBuf {
        self.folder.path().join("model.safetensors")
    }

    fn open(&self) -> Result<Stored, HuggingFaceError> {
        hugging_face::open(self.write())
    }
}

#[test]
fn tensorflows_names_of_norms_are_understood() {
    let mut copy = Copy::of("bert");
    for array in &mut copy.arrays {
        array.name = array.name.replace("LayerNorm.weight", "LayerNorm.gamma");
        array.name = array.name.replace("LayerNorm.bias", "LayerNorm.beta");
    }
    assert_agrees("bert", &copy.open().unwrap());
}

#[test]
fn bfloat16_weights_keep_their_eight_bits() {
    let exact = hugging_face::open(&fixture("bert")).unwrap();
    let mut copy = Copy::of("bert");
    for array in &mut copy.arrays {
        // The upper half of a float32.
        let (values, _) = array.data.as_chunks::<4>();
        array.data = values.iter().flat_map(|bytes| [bytes[2], bytes[3]]).collect();
        array.dtype = Dtype::BF16;
    }
    let found = copy.open().unwrap();
    for (value, exact) in found.parameters.values().iter().zip(exact.parameters.values()) {
        assert_eq!(value.to_bits(), exact.to_bits() & 0xffff_0000);
    }
    assert!(relative_error(found.parameters.values(), exact.parameters.values()) < 1.0 / 256.0);
}

#[test]
fn an_untied_output_matrix_is_read_and_a_tied_copy_left_out() {
    let mut copy = Copy::of("masked");
    let table = copy.array("bert.embeddings.word_embeddings.weight");
    let (name, dtype) = ("cls.predictions.decoder.weight".to_owned(), table.dtype);
    let decoder = Array { name, dtype, shape: table.shape.clone(), data: table.data.clone() };
    copy.arrays.push(decoder);
    let tied = copy.open().unwrap();
    assert_eq!(
        (tied.config.output, tied.unused),
        (Output::Tied, vec!["cls.predictions.decoder.weight".to_owned()])
    );
    let separate = copy.with("tie_word_embeddings", false).open().unwrap();
    assert_eq!(separate.config.output, Output::Separate);
    assert_agrees("masked", &separate); // the matrix has the table's values
}

#[test]
fn options_that_the_encoder_does_not_have_are_named() {
    let refused = |key: &str, value: serde_json::Value| match Copy::of("bert").with(key, value).open() {
        Err(HuggingFaceError::Unsupported { key, .. }) => key,
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(refused("hidden_act", "silu".into()), "hidden_act");
    assert_eq!(refused("position_embedding_type", "relative_key".into()), "position_embedding_type");
    assert_eq!(refused("model_type", "roberta".into()), "model_type");
    assert_eq!(refused("is_decoder", true.into()), "is_decoder");
    assert_eq!(refused("add_cross_attention", true.into()), "add_cross_attention");
    assert_eq!(refused("attention_probs_dropout_prob", 0.0.into()), "attention_probs_dropout_prob");
}

#[test]
fn configurations_that_are_none_are_refused() {
    let error = |key: &str, value: serde_json::Value| Copy::of("bert").with(key, value).open().unwrap_err();
    assert!(matches!(error("num_attention_heads", 5.into()), HuggingFaceError::Encoder(_)));
    assert!(matches!(error("hidden_size", (-1).into()), HuggingFaceError::Config { .. }));
    let mut copy = Copy::of("bert");
    copy.config.as_object_mut().unwrap().remove("vocab_size");
    let error = copy.open().unwrap_err();
    assert!(matches!(&error, HuggingFaceError::Config { .. }) && error.to_string().contains("vocab_size"));
}

#[test]
fn sizes_beyond_the_file_are_refused_before_anything_is_allocated() {
    let keys =
        ["vocab_size", "max_position_embeddings", "type_vocab_size", "intermediate_size", "hidden_size"];
    for key in keys.into_iter().chain(["num_hidden_layers"]) {
        for size in [1_u64 << 28, 1 << 62] {
            let error = Copy::of("bert").with(key, size).open().unwrap_err();
            let (shape, unsupported) = (
                matches!(error, HuggingFaceError::Shape { .. }),
                matches!(error, HuggingFaceError::Unsupported { key: "num_hidden_layers", .. }),
            );
            assert!(shape || unsupported || matches!(error, HuggingFaceError::Encoder(_)), "{key}: {error}");
        }
    }
}

#[test]
fn tensors_missing_or_of_another_shape_or_type_are_named() {
    const NAME: &str = "encoder.layer.1.output.dense.bias";
    const POOLER: &str = "pooler.dense.bias";
    let mut copy = Copy::of("bert");
    copy.array(NAME).shape = vec![4, 4];
    assert!(
        matches!(copy.open(), Err(HuggingFaceError::Shape { name, found, .. }) if name == NAME && found == [4, 4])
    );

    let mut copy = Copy::of("bert");
    copy.array(NAME).dtype = Dtype::I32;
    assert!(matches!(copy.open(), Err(HuggingFaceError::Type { name, .. }) if name == NAME));

    let mut copy = Copy::of("bert");
    copy.array(NAME).data[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(matches!(copy.open(), Err(HuggingFaceError::NotFinite { name, place: 1, .. }) if name == NAME));

    let mut copy = Copy::of("bert");
    copy.arrays.retain(|array| array.name != NAME);
    assert!(matches!(copy.open(), Err(HuggingFaceError::Missing { name, .. }) if name == NAME));

    let one_more = Copy::of("bert").with("num_hidden_layers", 3).open();
    assert!(
        matches!(one_more, Err(HuggingFaceError::Missing { name, .. }) if name.starts_with("encoder.layer.2"))
    );
    // A part of a model is what somebody may want, but the rest is not dropped in silence.
    let one_less = Copy::of("bert").with("num_hidden_layers", 1).open().unwrap();
    assert_eq!(one_less.unused.len(), 16);

    // The pooler may be absent, but not half.
    let mut copy = Copy::of("bert");
    copy.arrays.retain(|array| array.name != POOLER);
    assert!(matches!(copy.open(), Err(HuggingFaceError::Missing { name, .. }) if name == POOLER));
    copy.arrays.retain(|array| array.name != "pooler.dense.weight");
    assert!(copy.open().unwrap().pooler.is_none());
}

#[test]
fn files_cut_off_or_absent_are_refused() {
    let copy = Copy::of("bert");
    let folder = copy.write();
    let image = std::fs::read(copy.weights()).unwrap();
    for length in [0, 4, 100, image.len() / 2, image.len() - 1] {
        std::fs::write(copy.weights(), &image[..length]).unwrap();
        let found = hugging_face::open(folder);
        assert!(matches!(found, Err(HuggingFaceError::Weights { .. })), "{length} bytes");
    }
    std::fs::remove_file(copy.weights()).unwrap();
    assert!(matches!(hugging_face::open(folder), Err(HuggingFaceError::NoWeights { .. })));
    std::fs::remove_file(folder.join("config.json")).unwrap();
    let error = hugging_face::open(folder).unwrap_err();
    assert!(error.to_string().contains("config.json"), "{error}");
}
