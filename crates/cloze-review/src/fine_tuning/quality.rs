//! How well a model tells masked word pieces and pairs, on reviews that it does not learn from.

use cloze_encoder::Loss;
use cloze_encoder::engine::Mode;
use cloze_train::TrainError;
use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, Example};
use super::task::{FineTuningTask, foreign, packed};

/// Examples of a pass.
const BATCH: usize = 16;
/// Examples of each review: single ones say little of a short text.
const EXAMPLES: u64 = 4;

/// Means over examples of reviews that nothing was learned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TextQuality {
    /// `exp` of the mean cross-entropy of masked word pieces: as if so many were equally likely.
    pub perplexity: f64,
    /// Share of the pairs of which it is told whether the second text follows the first.
    pub next_sentence: f64,
}

impl TextQuality {
    /// Of a model on the documents of a corpus.
    pub(super) fn of(task: &mut FineTuningTask, corpus: &Corpus) -> Result<Self, TrainError> {
        let (mut loss, mut asked, mut right, mut pairs) = (0.0, 0, 0, 0);
        let numbers: Vec<(usize, u64)> =
            (0..corpus.len()).flat_map(|number| (0..EXAMPLES).map(move |epoch| (number, epoch))).collect();
        for numbers in numbers.chunks(BATCH) {
            let examples: Vec<Example> =
                numbers.iter().map(|&(number, epoch)| corpus.example(number, epoch)).collect();
            let words = packed(&examples, true)?;
            let count = words.outputs().len();
            loss += task.engine.loss(&words, &Loss::Softmax)? * count as f64;
            asked += count;
            task.engine.forward(&packed(&examples, false)?, Mode::Inference)?;
            right += task.head.judge(&task.engine.hidden()?, &foreign(&examples)).right;
            pairs += examples.len();
        }
        Ok(Self {
            perplexity: (loss / f64::from(asked.max(1) as u32)).exp(),
            next_sentence: right as f64 / pairs.max(1) as f64,
        })
    }
}
