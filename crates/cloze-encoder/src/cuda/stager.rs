//! Lays batches out for the device: the part of a pass that is the host's alone, and may be done while the device computes.

use super::padding::Padded;
use super::staging::{Filling, StagedBatch, Staging};
use super::workspace::Demand;
use crate::batch::PackedBatch;
use crate::config::EncoderConfig;
use crate::engine::Mode;
use crate::error::Result;
use crate::loss::Loss;
use crate::plan::Plan;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What the layout of a batch follows from.
pub(crate) struct Stager {
    pub(super) config: EncoderConfig,
    pub(super) plan: Plan,
}

/// A batch as it goes to the device.
pub(crate) struct LaidOut {
    pub(super) bytes: Vec<u8>,
    pub(super) staged: StagedBatch,
    pub(super) demand: Demand,
    pub(super) mode: Mode,
    /// Of the loss that it was laid out for: [`kind`].
    pub(super) kind: u64,
}

impl Stager {
    /// Lays a batch out to be trained on with `loss`.
    ///
    /// # Errors
    /// An id without a row, missing targets, or negatives for another batch.
    pub(crate) fn lesson(&self, batch: &PackedBatch, loss: &Loss<'_>) -> Result<LaidOut> {
        self.lay_out(batch, Mode::Training, Some(loss))
    }

    /// Lays a batch out. With a `loss`, its negatives are staged too, and a batch to train on is filled up to one of few
    /// sizes.
    ///
    /// # Errors
    /// As [`Self::lesson`].
    pub(super) fn lay_out(
        &self,
        batch: &PackedBatch,
        mode: Mode,
        loss: Option<&Loss<'_>>,
    ) -> Result<LaidOut> {
        batch.validate(&self.config)?;
        if let Some(loss) = loss {
            loss.validate(batch, self.config.outputs)?;
        }
        let training = mode == Mode::Training;
        let padded = match loss {
            Some(_) if training => Some(Padded::new(batch, self.config.max_length)?),
            _ => None,
        };
        let filling = Filling {
            training,
            counted: batch.outputs().len(),
            sequences: padded.as_ref().map_or(batch.sequences(), |padded| padded.sequences),
        };
        let whole = padded.as_ref().map_or(batch, |padded| &padded.batch);
        let mut staging = Staging::default();
        let mut staged = StagedBatch::new(&mut staging, whole, &self.plan, self.config.hidden, filling);
        if let Some(loss) = loss {
            staged.add_negatives(&mut staging, [batch, whole], loss, &self.plan);
        }
        let demand = Demand {
            sizes: staged.sizes,
            staged: staging.bytes.len(),
            training,
            logits: loss.is_some_and(|loss| loss.negatives().is_none()),
            candidates: staged.sampled.as_ref().map_or(0, |negatives| negatives.count + 1),
            slots: staged.slots(),
        };
        Ok(LaidOut { bytes: staging.bytes, staged, demand, mode, kind: loss.map_or(0, kind) })
    }
}

/// What of a loss decides which kernels are launched, with what arguments.
pub(super) fn kind(loss: &Loss<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(loss).hash(&mut hasher);
    if let Loss::Binary { power, .. } = loss {
        power.to_bits().hash(&mut hasher);
    }
    let expects = loss.negatives().is_some_and(|negatives| !negatives.log_expected(0).is_empty());
    expects.hash(&mut hasher);
    hasher.finish()
}

impl LaidOut {
    /// What a training step's launches follow from, besides the encoder: equal keys, equal launches. `updates`: whether the
    /// optimizer's are among them.
    pub(super) fn key(&self, updates: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.demand, self.kind, updates).hash(&mut hasher);
        hasher.finish()
    }
}
