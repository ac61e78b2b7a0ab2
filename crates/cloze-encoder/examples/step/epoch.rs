//! One epoch of BERT4Rec on real sequences.

use crate::Timing;
use cloze_encoder::{AdamWOptions, EncoderConfig, Engine, Loss, PackedBatch};
use cloze_testkit::splitmix::SplitMix;
use std::collections::HashMap;
use std::time::Instant;

const MAX_LENGTH: usize = 200;
const BATCH: usize = 256;
/// As `Bert4RecOptions` has them by default.
const MASK_PROBABILITY: f64 = 0.3;
const LAST_MASK_SHARE: f64 = 0.1;

/// The sequences of the file's first users: lines of `user item`, those of a user together and in order.
pub(crate) struct Sequences {
    items: usize,
    lists: Vec<Vec<u32>>,
}

impl Sequences {
    pub(crate) fn read(path: &str, users: usize) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (mut ids, mut lists, mut last) = (HashMap::new(), Vec::<Vec<u32>>::new(), None);
        for line in text.lines() {
            let (user, item) =
                line.split_once(' ').unwrap_or_else(|| panic!("{path}: no `user item`: {line}"));
            if last != Some(user) {
                if lists.len() == users {
                    break;
                }
                lists.push(Vec::new());
                last = Some(user);
            }
            let next = ids.len() as u32;
            lists.last_mut().expect("pushed above").push(*ids.entry(item).or_insert(next));
        }
        Self { items: ids.len(), lists }
    }

    pub(crate) fn config(&self, hidden: usize, heads: usize, dropout: f64) -> EncoderConfig {
        EncoderConfig { dropout, ..EncoderConfig::bert4rec(self.items, hidden, 2, heads, MAX_LENGTH) }
    }

    pub(crate) fn options() -> AdamWOptions {
        AdamWOptions { weight_decay: 0.01, clip: Some(5.0), ..AdamWOptions::default() }
    }

    /// Times whole epochs, the making of batches included.
    pub(crate) fn time(&self, engine: &mut dyn Engine, epochs: usize) -> Timing {
        let mut generator = SplitMix::new(7);
        let (mut loss, preparer) = (0.0, engine.preparer());
        let times = (0..epochs)
            .map(|_| {
                let began = Instant::now();
                let mut parts = self.lists.chunks(BATCH);
                let mut make = || {
                    Some(preparer.prepare(self.batch(parts.next()?, &mut generator), &Loss::Softmax).unwrap())
                };
                let mut next = make();
                while let Some(batch) = next.take() {
                    let mut meanwhile = || next = make();
                    loss = engine.train_step(&batch, &Loss::Softmax, 1e-3, &mut meanwhile).unwrap().0;
                }
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        Timing { times, loss, preparing: 0.0 }
    }

    fn batch(&self, lists: &[Vec<u32>], generator: &mut SplitMix) -> PackedBatch {
        let mut batch = PackedBatch::new();
        for list in lists {
            let mut tokens = list[list.len().saturating_sub(MAX_LENGTH)..].to_vec();
            let last = tokens.len() as u32 - 1;
            let rows: Vec<u32> = if generator.unit() < LAST_MASK_SHARE {
                vec![last]
            } else {
                let drawn: Vec<u32> = (0..=last).filter(|_| generator.unit() < MASK_PROBABILITY).collect();
                if drawn.is_empty() { vec![last] } else { drawn }
            };
            let targets: Vec<u32> = rows.iter().map(|&row| tokens[row as usize]).collect();
            for &row in &rows {
                tokens[row as usize] = self.items as u32;
            }
            batch.push(&tokens, MAX_LENGTH as u32 - last - 1, &rows, &targets).unwrap();
        }
        batch
    }
}
