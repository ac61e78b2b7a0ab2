use super::*;
use cloze_encoder::Loss;
use cloze_encoder::cpu::{CpuEngine, Level};
use cloze_encoder::engine::{InferencePrecision, Mode};
use cloze_testkit::compare::{assert_close, assert_gradients_close};
use cloze_testkit::golden::Golden;
use cloze_train::{Checkpoints, Reporter, RunIdentity, TrainedOn};
use corpus::Example;
use serde_json::json;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn losses_and_gradients_of_both_tasks_are_transformers() {
    let folder = golden("pretraining");
    let text = std::fs::read(folder.join("examples.json")).unwrap();
    let expected: Value = serde_json::from_slice(&text).unwrap();
    let list = |one: &Value, key: &str| -> Vec<u32> { serde_json::from_value(one[key].clone()).unwrap() };
    let examples: Vec<Example> = expected["examples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let (tokens, first) = (list(one, "tokens"), one["first"].as_u64().unwrap() as usize);
            Example {
                types: (0..tokens.len()).map(|row| u32::from(row >= first)).collect(),
                tokens,
                asked: list(one, "asked"),
                targets: list(one, "targets"),
                foreign: one["foreign"] == 1,
            }
        })
        .collect();
    let options = FineTuningOptions::default();
    let stored = hugging_face::open(&folder).unwrap();
    let (tokenizer, recipe) = recipe(&folder, &stored, &options, 0).unwrap();
    let corpus = Corpus::new(&["a guitar. it was good."], &tokenizer, recipe).unwrap();
    // Without rounding to 16 bits, which training does where the processor can.
    let (config, parameters) = (stored.config.clone(), stored.parameters.clone());
    let exact = Level::detect().exact();
    let engine = CpuEngine::new(config, parameters, AdamWOptions::default(), 0, exact).unwrap();
    let mut task = FineTuningTask { engine: Box::new(engine), ..task(stored, corpus, &options, 0).unwrap() };
    let masked = task.engine.loss_step(&task::packed(&examples, true).unwrap(), &Loss::Softmax).unwrap();
    task.engine.forward(&task::packed(&examples, false).unwrap(), Mode::Training).unwrap();
    let judged = task.head.judge(&task.engine.hidden().unwrap(), &task::foreign(&examples));
    task.engine.backward(&judged.hidden).unwrap();
    for (found, key) in [(f64::from(masked), "masked"), (judged.loss, "pairs")] {
        let expected = expected[key].as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < 1e-5, "{key}: {found}, {expected} expected");
    }
    let gradients = Golden::open(folder.join("gradients.safetensors"));
    let found = task.engine.gradients().unwrap();
    let layout = task.engine.layout().clone();
    let expected: Vec<f32> =
        layout.entries().iter().flat_map(|entry| gradients.floats(&entry.name)).collect();
    assert_gradients_close(&layout, &found, &expected, 1e-4);
    let n = task.engine.config().hidden;
    let mut rest = &judged.parameters[..];
    for (name, len) in [(POOLER[0], n * n), (POOLER[1], n), (NEXT_SENTENCE[0], 2 * n), (NEXT_SENTENCE[1], 2)]
    {
        let (own, others) = rest.split_at(len);
        assert_close(name, own, &gradients.floats(name), 1e-4);
        rest = others;
    }
}

/// Reviews of two kinds, each with words that belong together.
fn reviews() -> Vec<String> {
    let kinds = [
        ["the guitar sounded good.", "it was good, and playing it was good."],
        ["a bad string!", "the strings sounded bad! bad!"],
    ];
    (0..80).map(|n| kinds[n % 2].join(" ").repeat(1 + n % 3)).collect()
}

fn tuned(output: &Path, checkpoints: Option<Checkpoints>, epochs: u64) -> Result<FineTuned, TrainError> {
    let reviews = reviews();
    let texts: Vec<&str> = reviews.iter().map(String::as_str).collect();
    let options = FineTuningOptions {
        text_model: golden("tiny").to_str().unwrap().to_owned(),
        text_length: 20,
        epochs,
        batch: 16,
        learning_rate: 5e-3,
        ..FineTuningOptions::default()
    };
    let mut reporter = Reporter::quiet();
    let run = &mut Run { checkpoints, ..Run::new(3, &mut reporter) };
    fine_tune(&texts, Provenance { dataset: "d", split_hash: "h" }, &options, output, run)
}

#[test]
fn word_pieces_are_learned_and_the_folder_is_a_text_model() {
    let parent = tempfile::tempdir().unwrap();
    let output = parent.path().join("tuned");
    let done = tuned(&output, None, 60).unwrap();
    assert!(!done.had_head && done.learned == 76 && done.measured == 4, "{done:?}");
    // The new head knows nothing at first; then it knows which words these are.
    assert!(done.before.perplexity > 28.0 && done.after.perplexity < 10.0, "{done:?}");
    assert!((0.0..=1.0).contains(&done.after.next_sentence));
    assert_eq!(fine_tuned(&output).unwrap().as_ref(), Some(&done));
    assert_eq!(fine_tuned(&golden("tiny")).unwrap(), None);
    let mut model = crate::TextModel::open(
        output.to_str().unwrap(),
        crate::Pooling::Pooler,
        16,
        InferencePrecision::Float32,
    )
    .unwrap();
    let vectors = model.embed(&["the guitar sounded good."], &mut |_| {}).unwrap();
    assert!(vectors.iter().all(|value| value.abs() < 1.0));
    // With both heads, whose weights are taken the next time.
    let again = hugging_face::open(&output).unwrap();
    assert!(
        again.config.head == Head::TransformNorm && again.pooler.is_some() && again.next_sentence.is_some()
    );
    assert!(again.unused.is_empty());
}

#[test]
fn an_interrupted_run_ends_with_the_same_bits() {
    let parent = tempfile::tempdir().unwrap();
    let [straight, stopped] = ["straight", "stopped"].map(|name| parent.path().join(name));
    tuned(&straight, None, 3).unwrap();
    let identity = || RunIdentity {
        model: "fine-tuning".to_owned(),
        options: json!({}),
        reuse: None,
        trained_on: TrainedOn {
            dataset: "d".to_owned(),
            synthetic: true,
            split: "leave-one-out".to_owned(),
            split_hash: "h".to_owned(),
            fit: "train".to_owned(),
            user_share: 1.0,
        },
        seed: 3,
        version: "0".to_owned(),
        engine: String::new(),
    };
    let interrupt = cloze_train::Interrupt::default();
    interrupt.asked().store(true, std::sync::atomic::Ordering::Relaxed);
    let checkpoints = Checkpoints::open(&stopped, identity(), false).unwrap().interruptible(interrupt);
    let error = tuned(&stopped, Some(checkpoints), 3).unwrap_err();
    assert!(matches!(error, TrainError::Interrupted { step: 1, .. }), "{error}");
    let checkpoints = Checkpoints::open(&stopped, identity(), true).unwrap();
    tuned(&stopped, Some(checkpoints), 3).unwrap();
    let weights = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert!(weights(&straight) == weights(&stopped));
}

#[test]
fn what_cannot_be_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let mut reporter = Reporter::quiet();
    let mut fails = |options: FineTuningOptions, texts: &[&str]| {
        let run = &mut Run::new(0, &mut reporter);
        let from = Provenance { dataset: "d", split_hash: "h" };
        fine_tune(texts, from, &options, &parent.path().join("x"), run).unwrap_err().to_string()
    };
    let usual = FineTuningOptions {
        text_model: golden("tiny").to_str().unwrap().to_owned(),
        ..FineTuningOptions::default()
    };
    assert!(fails(usual.clone(), &["the guitar"]).contains("at least 40"));
    assert!(fails(FineTuningOptions { text_length: 2, ..usual.clone() }, &[]).contains("text-length = 2"));
    assert!(
        fails(FineTuningOptions { mask_probability: 0.0, ..usual }, &[]).contains("mask-probability = 0")
    );
}
