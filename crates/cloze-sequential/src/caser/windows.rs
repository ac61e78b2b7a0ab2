//! What Caser learns from: windows of items with the items that follow them.

use super::network::PAD;
use super::options::CaserOptions;
use crate::epochs::Epochs;
use crate::loss::{LossKind, TrainingLoss, draw_outside};
use cloze_data::Sequences;
use cloze_encoder::{EncoderError, Loss, Negatives, Sharing};
use cloze_train::TrainError;

/// The windows of one step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    /// `[windows, L]`, the latest item last; [`PAD`] in front where there are fewer.
    pub(super) inputs: Vec<u32>,
    /// Each window's user.
    pub(super) users: Vec<u32>,
    /// The items to predict, window by window.
    pub(super) targets: Vec<u32>,
    /// Where each window's targets begin and, at last, end.
    pub(super) ends: Vec<u32>,
}

/// Draws batches of windows. Batch number n is a function of the seed and n alone, so a run can go on from any step.
pub(super) struct Windows {
    sequences: Sequences,
    /// Windows of all users before each one, and of all.
    counts: Vec<u32>,
    length: usize,
    targets: usize,
    edges: bool,
    batch: usize,
    loss: TrainingLoss,
    /// Every user's items in ascending order, where negatives must be none of them.
    sorted: Vec<Vec<u32>>,
    epochs: Epochs,
    catalogue: usize,
}

impl Windows {
    /// The windows of every user's sequence of items below `catalogue`.
    ///
    /// # Errors
    /// No window, or more than 2³².
    pub(super) fn new(
        sequences: &Sequences,
        catalogue: usize,
        options: &CaserOptions,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let loss = options.training_loss();
        let sorted = |items: &[u32]| {
            let mut items = items.to_vec();
            items.sort_unstable();
            items
        };
        let outside = loss.kind == LossKind::Bce;
        let mut windows = Self {
            sequences: sequences.clone(),
            counts: vec![0],
            length: options.max_length,
            targets: options.targets,
            edges: options.edges,
            batch: options.batch,
            loss,
            sorted: if outside { sequences.iter().map(sorted).collect() } else { Vec::new() },
            epochs: Epochs::new(0, seed),
            catalogue,
        };
        let mut all = 0_u32;
        for sequence in sequences.iter() {
            let more = u32::try_from(windows.places(sequence.len()).len()).ok();
            let Some(sum) = more.and_then(|more| all.checked_add(more)) else {
                return Err(TrainError::Data(format!("there are more than {} windows", u32::MAX)));
            };
            all = sum;
            windows.counts.push(all);
        }
        if all == 0 {
            let nothing = "no user has two interactions left to train on: there is no next item to predict";
            return Err(TrainError::Data(nothing.to_owned()));
        }
        windows.epochs = Epochs::new(all, seed);
        Ok(windows)
    }

    /// Where the targets of the windows of a sequence of `items` begin.
    fn places(&self, items: usize) -> std::ops::Range<usize> {
        let whole = self.length + self.targets;
        match items {
            0 | 1 => 0..0,
            _ if self.edges => 1..items,
            // As the authors do: one window, filled up in front.
            _ if items < whole => {
                let place = items.saturating_sub(self.targets).max(1);
                place..place + 1
            }
            _ => self.length..items - self.targets + 1,
        }
    }

    /// Whether a user has a window.
    pub(super) fn has(&self, user: usize) -> bool {
        self.counts[user] < self.counts[user + 1]
    }

    /// Batch number `step`: windows in the drawn order of their epoch, epochs one after the other.
    pub(super) fn batch(&mut self, step: u64) -> Batch {
        let mut batch = Batch {
            inputs: Vec::with_capacity(self.batch * self.length),
            users: Vec::with_capacity(self.batch),
            targets: Vec::with_capacity(self.batch * self.targets),
            ends: vec![0],
        };
        for offset in 0..self.batch as u64 {
            let number = self.epochs.at(step * self.batch as u64 + offset);
            let user = self.counts.partition_point(|&before| before <= number) - 1;
            let sequence = self.sequences.get(user);
            let place = self.places(sequence.len()).start + (number - self.counts[user]) as usize;
            push_window(&mut batch.inputs, &sequence[..place], self.length);
            batch.users.push(user as u32);
            batch.targets.extend(sequence[place..].iter().take(self.targets));
            batch.ends.push(batch.targets.len() as u32);
        }
        batch
    }

    /// The negatives of batch number `step`, where the loss has any: a function of the seed and `step` alone.
    ///
    /// # Errors
    /// [`EncoderError::Config`] where they would not fit.
    pub(super) fn negatives(&self, step: u64, batch: &Batch) -> Result<Option<Negatives>, EncoderError> {
        let (count, items) = (self.loss.count(), self.catalogue as u32);
        self.loss.check_room(batch.targets.len())?;
        let mut generator = self.epochs.of_negatives(step);
        Ok(Some(match self.loss.kind {
            LossKind::Softmax => return Ok(None),
            LossKind::SampledSoftmax => {
                self.loss.shared(batch.users.len(), self.catalogue, &mut generator)?
            }
            LossKind::Gbce => self.loss.anywhere(batch.targets.len(), items, &mut generator)?,
            LossKind::Bce => {
                let mut ids = Vec::with_capacity(batch.targets.len() * count);
                for (ends, &user) in batch.ends.windows(2).zip(&batch.users) {
                    let seen = &self.sorted[user as usize];
                    for _ in 0..(ends[1] - ends[0]) as usize * count {
                        ids.push(draw_outside(items, &mut generator, |item| {
                            seen.binary_search(&item).is_ok()
                        }));
                    }
                }
                Negatives::new(Sharing::Row, count, ids, Vec::new())?
            }
        }))
    }

    /// The loss over the negatives that [`Self::negatives`] gave.
    pub(super) fn loss<'a>(&self, negatives: Option<&'a Negatives>) -> Loss<'a> {
        self.loss.over(negatives, self.catalogue)
    }
}

/// Appends the last `length` items of a history, filled up in front.
pub(super) fn push_window(inputs: &mut Vec<u32>, history: &[u32], length: usize) {
    let last = &history[history.len().saturating_sub(length)..];
    inputs.extend(std::iter::repeat_n(PAD, length - last.len()));
    inputs.extend_from_slice(last);
}
