//! Times the vectors of texts: `cargo run --release -p cloze-review --example embed -- MODEL TEXTS VECTORS PRECISION`, in
//! `float32` or `int8`.
//!
//! TEXTS has a text a line; where the file does not exist it is written first, with generated ones. VECTORS gets the vectors, f32 in
//! rows, for a peer to compare with. Prints a JSON object: texts, word pieces and seconds.
#![allow(clippy::print_stdout, reason = "the result of the example")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use cloze_encoder::engine::InferencePrecision;
use cloze_review::{Pooling, TextModel};

type Failure = Box<dyn std::error::Error>;

/// Generated texts, as many words in each as reviews have: a few very long.
const TEXTS: usize = 512;
const WORDS: [&str; 16] = [
    "the",
    "guitar",
    "strings",
    "sound",
    "really",
    "good",
    "and",
    "cheap",
    "but",
    "pedal",
    "broke",
    "after",
    "two",
    "weeks",
    "amplifier",
    "recommended",
];

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(format!("which {what}?"));
    let (model, path, output) = (next("model")?, next("file of texts")?, next("file for the vectors")?);
    let precision = match &next("precision")?[..] {
        "float32" => InferencePrecision::Float32,
        "int8" => InferencePrecision::Int8,
        other => return Err(format!("{other}: must be float32 or int8").into()),
    };
    if !Path::new(&path).exists() {
        std::fs::write(&path, generated())?;
    }
    let text = std::fs::read_to_string(&path)?;
    let texts: Vec<&str> = text.lines().collect();
    let mut model = TextModel::open(&model, Pooling::Mean, 256, precision)?;
    // What is done once, at the first pass, is not timed.
    model.embed(&texts[..texts.len().min(8)], &mut |_| {})?;
    let begin = Instant::now();
    let vectors = model.embed(&texts, &mut |_| {})?;
    let seconds = begin.elapsed().as_secs_f64();
    std::fs::write(output, vectors.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
    println!(
        r#"{{"benchmark":"{} texts, vectors","engine":"cloze, {}","seconds":{seconds:.3},"texts_per_s":{:.1}}}"#,
        texts.len(),
        precision.name(),
        texts.len() as f64 / seconds
    );
    Ok(())
}

fn generated() -> String {
    let mut text = String::new();
    let mut state = 1_u32;
    let mut draw = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for _ in 0..TEXTS {
        let words = 10 + draw(20) * (1 + draw(4) * draw(4));
        for _ in 0..words {
            let _ = write!(text, "{} ", WORDS[draw(WORDS.len() as u32) as usize]);
        }
        text.push('\n');
    }
    text
}
