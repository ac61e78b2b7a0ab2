//! What the hidden states of a batch's output rows are trained for.

use crate::batch::PackedBatch;
use crate::error::{EncoderError, Result};
use std::num::NonZeroUsize;

/// A loss over the output rows of a batch, the mean of its rows. Below, `s⁺` is the target's logit in a row, `sⱼ` that
/// of its negative j, `s = t · E + b_O`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss<'a> {
    /// Cross-entropy of the softmax over all outputs: `log Σ eˢ − s⁺`.
    Softmax,
    /// Cross-entropy over the target and its negatives with logQ correction (Bengio & Senécal 2008):
    /// `log(e^{s⁺} + Σⱼ e^{sⱼ} / nⱼ) − s⁺`, where nⱼ is how often a draw of that many negatives is expected to hold j
    /// ([`Negatives::log_expected`]): the sum estimates the whole softmax's without bias.
    SampledSoftmax(&'a Negatives),
    /// Binary cross-entropy: `−(power · log σ(s⁺) + Σⱼ log(1 − σ(sⱼ))) / (1 + K)` with K negatives. Power 1 is BCE (SASRec
    /// with K = 1); [`Loss::calibrated_power`] makes it gBCE (Petrov & Macdonald 2023).
    Binary {
        /// The negatives.
        negatives: &'a Negatives,
        /// Weight of the target's term, `β`.
        power: f32,
    },
}

impl<'a> Loss<'a> {
    /// gBCE's power `β = α (t (1 − 1/α) + 1/α)`, for the share `α` of the negative items that is drawn and the calibration
    /// t: 1 makes up for the sampling, 0 gives BCE.
    pub fn calibrated_power(share: f64, calibration: f64) -> f32 {
        (share * (calibration * (1.0 - 1.0 / share) + 1.0 / share)) as f32
    }

    /// The negatives, if the loss has any.
    pub fn negatives(&self) -> Option<&'a Negatives> {
        match self {
            Self::Softmax => None,
            Self::SampledSoftmax(negatives) | Self::Binary { negatives, .. } => Some(negatives),
        }
    }

    /// Checks the loss against a batch and the number of outputs; an engine calls it before it computes anything.
    ///
    /// # Errors
    /// A batch without targets, or negatives for another batch or beyond the outputs.
    pub fn validate(&self, batch: &PackedBatch, outputs: usize) -> Result<()> {
        if batch.targets().is_empty() && !batch.outputs().is_empty() {
            return Err(EncoderError::Batch("has no targets, so there is no loss".to_owned()));
        }
        let Some(negatives) = self.negatives() else { return Ok(()) };
        let lists = match negatives.sharing {
            Sharing::Row => batch.outputs().len(),
            Sharing::Sequences(together) => batch.sequences().div_ceil(together.get()),
        };
        if negatives.ids.len() != lists * negatives.count {
            let (found, count) = (negatives.ids.len(), negatives.count);
            return Err(EncoderError::Batch(format!("has {found} negatives for {lists} lists of {count}")));
        }
        match negatives.ids.iter().position(|&id| id as usize >= outputs) {
            Some(place) => {
                let (target, row) = (negatives.ids[place], place / negatives.count);
                Err(EncoderError::Target { target, row, outputs })
            }
            None => Ok(()),
        }
    }
}

/// Who shares a list of negatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: each output row has its own.
    Row,
    /// The output rows of so many sequences, one after the other in the batch.
    Sequences(NonZeroUsize),
}

/// Sampled outputs that targets are compared with: `count` in each list. One that is a row's own target is no negative of
/// that row and left out of its loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Negatives {
    sharing: Sharing,
    count: usize,
    ids: Vec<u32>,
    log_expected: Vec<f32>,
}

impl Negatives {
    /// Lists of `count` negatives, one after the other in the order of the batch. `log_expected` holds for each of them
    /// the logarithm of `count` times the chance to draw it; without values it is 0.
    ///
    /// # Errors
    /// No negatives, or another number of values.
    pub fn new(sharing: Sharing, count: usize, ids: Vec<u32>, log_expected: Vec<f32>) -> Result<Self> {
        if count == 0 || !ids.len().is_multiple_of(count) {
            return Err(EncoderError::Batch(format!("has {} negatives in lists of {count}", ids.len())));
        }
        if !log_expected.is_empty() && log_expected.len() != ids.len() {
            let (found, expected) = (log_expected.len(), ids.len());
            return Err(EncoderError::Batch(format!("has {found} expectations for {expected} negatives")));
        }
        Ok(Self { sharing, count, ids, log_expected })
    }

    /// Who shares a list.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Negatives in a list.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of the list that output row `row` of the batch is compared with, which belongs to sequence `sequence`.
    pub fn list_of(&self, sequence: usize, row: usize) -> usize {
        match self.sharing {
            Sharing::Row => row,
            Sharing::Sequences(together) => sequence / together,
        }
    }

    /// How many lists there are.
    pub fn lists(&self) -> usize {
        self.ids.len() / self.count
    }

    /// List number `list`.
    pub fn list(&self, list: usize) -> &[u32] {
        &self.ids[list * self.count..(list + 1) * self.count]
    }

    /// `log n` of list number `list`, or nothing where all are 0.
    pub fn log_expected(&self, list: usize) -> &[f32] {
        if self.log_expected.is_empty() {
            return &[];
        }
        &self.log_expected[list * self.count..(list + 1) * self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_runs_from_bce_to_full_calibration() {
        assert_eq!(Loss::calibrated_power(0.1, 0.0), 1.0);
        assert!((Loss::calibrated_power(0.1, 1.0) - 0.1).abs() < 1e-7);
        assert!((Loss::calibrated_power(0.1, 0.75) - 0.325).abs() < 1e-7);
        assert_eq!(Loss::calibrated_power(1.0, 0.75), 1.0);
    }

    #[test]
    fn negatives_of_another_batch_are_refused() {
        let mut batch = PackedBatch::new();
        for _ in 0..3 {
            batch.push(&[1, 2], 0, &[0, 1], &[1, 2]).unwrap();
        }
        let together = Sharing::Sequences(NonZeroUsize::new(2).unwrap());
        let check = |sharing, ids: &[u32]| {
            let negatives = Negatives::new(sharing, 2, ids.to_vec(), Vec::new()).unwrap();
            Loss::SampledSoftmax(&negatives).validate(&batch, 5)
        };
        assert!(check(Sharing::Row, &[0; 12]).is_ok());
        assert!(check(together, &[0, 1, 4, 2]).is_ok());
        assert!(matches!(check(Sharing::Row, &[0, 1]), Err(EncoderError::Batch(_))));
        assert!(matches!(check(together, &[0, 1]), Err(EncoderError::Batch(_))));
        assert!(matches!(check(together, &[0, 5, 1, 1]), Err(EncoderError::Target { target: 5, .. })));
        assert!(Negatives::new(Sharing::Row, 0, Vec::new(), Vec::new()).is_err());
        assert!(Negatives::new(Sharing::Row, 2, vec![1], Vec::new()).is_err());
        assert!(Negatives::new(Sharing::Row, 1, vec![1], vec![0.0, 0.0]).is_err());
    }
}
