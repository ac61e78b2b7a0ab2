//! Batches made ready for an engine before it is asked for their step.

use crate::batch::PackedBatch;
use crate::cuda::{LaidOut, Stager};
use crate::error::Result;
use crate::loss::Loss;
use std::sync::Arc;

/// A batch and what an engine has laid out of it, for [`crate::Engine::train_step`].
pub struct PreparedBatch {
    pub(crate) batch: PackedBatch,
    pub(crate) laid_out: Option<LaidOut>,
}

impl PreparedBatch {
    /// The batch.
    pub fn batch(&self) -> &PackedBatch {
        &self.batch
    }
}

/// Does an engine's work on the host for a batch ahead of its step; needs nothing of the engine while it does.
#[derive(Clone, Default)]
pub struct Preparer(Option<Arc<Stager>>);

impl Preparer {
    /// For a device that wants batches laid out.
    pub(crate) fn staging(stager: Arc<Stager>) -> Self {
        Self(Some(stager))
    }

    /// Makes `batch` ready for a step with `loss`.
    ///
    /// # Errors
    /// As [`crate::Engine::loss_step`]; an engine on the processor finds them in the step.
    pub fn prepare(&self, batch: PackedBatch, loss: &Loss<'_>) -> Result<PreparedBatch> {
        let laid_out = self.0.as_ref().map(|stager| stager.lesson(&batch, loss)).transpose()?;
        Ok(PreparedBatch { batch, laid_out })
    }
}
