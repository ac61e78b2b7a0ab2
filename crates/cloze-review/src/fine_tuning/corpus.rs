//! Examples for BERT's two tasks: pairs of texts with masked word pieces (Devlin et al. 2019, section 3.1).

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tokenizers::Tokenizer;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::error::ReviewError;

/// Streams of the generator: orders of epochs and examples never share numbers.
const ORDER_STREAM: u64 = 1 << 62;
/// Share of the chosen word pieces that become `[MASK]`, and up to where they become another one; the rest stay.
const MASKED: f64 = 0.8;
const REPLACED: f64 = 0.9;

/// Ids that mean something to BERT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) begin: u32,
    pub(super) separator: u32,
    pub(super) mask: u32,
}

/// Reviews as sentences of word pieces.
pub(super) struct Corpus {
    /// Of each review its sentences, none empty.
    documents: Vec<Vec<Vec<u32>>>,
    marks: Marks,
    vocabulary: u32,
    /// Word pieces of an example at most, `[CLS]` and two `[SEP]` among them.
    length: usize,
    mask_probability: f64,
    seed: u64,
    /// The documents in the order of `epoch`.
    order: Vec<u32>,
    epoch: u64,
}

/// `[CLS] A [SEP] B [SEP]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) tokens: Vec<u32>,
    /// 0 up to the first `[SEP]`, then 1.
    pub(super) types: Vec<u32>,
    /// Rows whose word piece is asked for, ascending; one at least.
    pub(super) asked: Vec<u32>,
    /// What stood there.
    pub(super) targets: Vec<u32>,
    /// Whether B is anybody's text and not what follows A.
    pub(super) foreign: bool,
}

/// How examples are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) marks: Marks,
    pub(super) vocabulary: u32,
    pub(super) length: usize,
    pub(super) mask_probability: f64,
    pub(super) seed: u64,
}

impl Corpus {
    /// The texts that have a word piece.
    ///
    /// # Errors
    /// A text that the tokenizer can't cut.
    pub(super) fn new(texts: &[&str], tokenizer: &Tokenizer, recipe: Recipe) -> Result<Self, ReviewError> {
        let pieces = |sentence: &str| -> Result<Vec<u32>, ReviewError> {
            let encoding = tokenizer.encode_fast(sentence, false);
            encoding.map(|encoding| encoding.get_ids().to_vec()).map_err(|error| ReviewError::Text {
                text: sentence.chars().take(60).collect(),
                reason: error.to_string(),
            })
        };
        let document = |text: &&str| -> Result<Vec<Vec<u32>>, ReviewError> {
            let mut sentences = text.unicode_sentences().map(pieces).collect::<Result<Vec<_>, _>>()?;
            sentences.retain(|sentence| !sentence.is_empty());
            Ok(sentences)
        };
        let mut documents = texts.par_iter().map(document).collect::<Result<Vec<_>, _>>()?;
        documents.retain(|document| !document.is_empty());
        Ok(Self::of(documents, recipe))
    }

    fn of(documents: Vec<Vec<Vec<u32>>>, recipe: Recipe) -> Self {
        let Recipe { marks, vocabulary, length, mask_probability, seed } = recipe;
        Self {
            documents,
            marks,
            vocabulary,
            length,
            mask_probability,
            seed,
            order: Vec::new(),
            epoch: u64::MAX,
        }
    }

    /// Number of documents: an epoch has an example of each.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// The examples of a step, `batch` at most: they depend on the seed and the number only.
    pub(super) fn batch(&mut self, step: u64, batch: usize) -> Vec<Example> {
        let steps = self.len().div_ceil(batch) as u64;
        let (epoch, place) = (step / steps, (step % steps) as usize);
        if epoch != self.epoch {
            let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
            generator.set_stream(ORDER_STREAM + epoch);
            self.order = (0..self.len() as u32).collect();
            self.order.shuffle(&mut generator);
            self.epoch = epoch;
        }
        let numbers = &self.order[place * batch..self.len().min((place + 1) * batch)];
        numbers.iter().map(|&number| self.example(number as usize, epoch)).collect()
    }

    /// The example of a document in an epoch: a cut between two of its sentences, and with probability 1/2, or where there is no
    /// such cut, somebody else's text behind it.
    pub(super) fn example(&self, number: usize, epoch: u64) -> Example {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(epoch * self.len() as u64 + number as u64);
        let document = &self.documents[number];
        let cut = if document.len() > 1 { generator.random_range(1..document.len()) } else { 1 };
        let mut first = document[..cut].concat();
        let others = self.len() > 1;
        let foreign = others && (document.len() == 1 || generator.random_bool(0.5));
        let mut second = if foreign {
            let other = generator.random_range(0..self.len() - 1);
            let other = &self.documents[other + usize::from(other >= number)];
            other[generator.random_range(0..other.len())..].concat()
        } else {
            document[cut..].concat()
        };
        // The longer one loses word pieces, at either end.
        while first.len() + second.len() > self.length - 3 {
            let longer = if first.len() > second.len() { &mut first } else { &mut second };
            if generator.random_bool(0.5) {
                longer.pop();
            } else {
                longer.remove(0);
            }
        }
        self.masked(&first, &second, foreign, &mut generator)
    }

    fn masked(&self, first: &[u32], second: &[u32], foreign: bool, generator: &mut ChaCha8Rng) -> Example {
        let Marks { begin, separator, mask } = self.marks;
        let mut tokens = vec![begin];
        tokens.extend_from_slice(first);
        tokens.push(separator);
        let mut types = vec![0; tokens.len()];
        tokens.extend_from_slice(second);
        tokens.push(separator);
        types.resize(tokens.len(), 1);
        let mut places: Vec<u32> =
            (1..tokens.len() as u32 - 1).filter(|&row| row as usize != first.len() + 1).collect();
        let count = ((places.len() as f64 * self.mask_probability).round() as usize).clamp(1, places.len());
        places.shuffle(generator);
        places.truncate(count);
        places.sort_unstable();
        let targets = places.iter().map(|&row| tokens[row as usize]).collect();
        for &row in &places {
            let what = generator.random::<f64>();
            if what < MASKED {
                tokens[row as usize] = mask;
            } else if what < REPLACED {
                tokens[row as usize] = generator.random_range(0..self.vocabulary);
            }
        }
        Example { tokens, types, asked: places, targets, foreign }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks { begin: 90, separator: 91, mask: 92 };

    /// Documents of one to four sentences of three word pieces, which say where they are from.
    fn corpus(length: usize) -> Corpus {
        let sentence = |document: u32, n: u32| (0..3).map(|k| 20 * document + 3 * n + k).collect();
        let documents = (0..4).map(|d: u32| (0..=d).map(|n| sentence(d, n)).collect()).collect();
        Corpus::of(documents, Recipe { marks: MARKS, vocabulary: 90, length, mask_probability: 0.2, seed: 3 })
    }

    fn restored(example: &Example) -> Vec<u32> {
        let mut tokens = example.tokens.clone();
        for (&row, &target) in example.asked.iter().zip(&example.targets) {
            tokens[row as usize] = target;
        }
        tokens
    }

    #[test]
    fn an_example_is_two_texts_of_which_the_second_follows_or_is_anybody_s() {
        let (corpus, mut kinds) = (corpus(40), [0, 0]);
        for (number, epoch) in (0..4).flat_map(|number| (0..50).map(move |epoch| (number, epoch))) {
            let example = corpus.example(number, epoch);
            let tokens = restored(&example);
            let parts: Vec<&[u32]> = tokens[1..].split(|token| *token == MARKS.separator).collect();
            let [first, second, rest] = parts[..] else { panic!("{tokens:?}") };
            assert!(tokens[0] == MARKS.begin && rest.is_empty() && !second.is_empty());
            let ones = example.types.iter().position(|kind| *kind == 1);
            assert_eq!(ones, Some(first.len() + 2));
            let of =
                |text: &[u32]| text.iter().map(|token| token / 20).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(of(first).into_iter().collect::<Vec<_>>(), [number as u32]);
            if example.foreign {
                assert!(!of(second).contains(&(number as u32)));
            } else {
                assert_eq!(second[0], first[first.len() - 1] + 1);
            }
            kinds[usize::from(example.foreign)] += usize::from(number > 0);
            assert_eq!(example.asked.len(), ((first.len() + second.len()) as f64 * 0.2).round() as usize);
        }
        assert!(kinds.iter().all(|count| *count > 50), "{kinds:?}");
        assert!((0..50).all(|epoch| corpus.example(0, epoch).foreign), "one sentence has no cut");
    }

    #[test]
    fn long_examples_are_cut_and_word_pieces_masked_as_by_bert() {
        let corpus = corpus(9);
        let (mut masks, mut same, mut other) = (0, 0, 0);
        for epoch in 0..3000 {
            let example = corpus.example(3, epoch);
            assert!(example.tokens.len() <= 9);
            for (&row, &target) in example.asked.iter().zip(&example.targets) {
                match example.tokens[row as usize] {
                    token if token == MARKS.mask => masks += 1,
                    token if token == target => same += 1,
                    _ => other += 1,
                }
            }
        }
        let all = f64::from(masks + same + other);
        let share = |count: i32| f64::from(count) / all;
        assert!(
            (share(masks) - 0.8).abs() < 0.03 && (share(same) - 0.1).abs() < 0.03,
            "{masks} {same} {other}"
        );
    }

    #[test]
    fn an_epoch_has_every_document_and_a_batch_depends_on_its_number_only() {
        let mut corpus = corpus(40);
        let all: Vec<Vec<Example>> = (0..4).map(|step| corpus.batch(step, 3)).collect();
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 3, 1]);
        assert_ne!(all[0], all[2]);
        for step in [2, 0, 3, 1] {
            assert_eq!(corpus.batch(step, 3), all[step as usize]);
        }
    }
}
