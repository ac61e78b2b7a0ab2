//! A wish to stop that reaches the training loop from a signal handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Two flags, which is all that a signal handler may touch.
#[derive(Debug, Clone)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    exits: Arc<AtomicBool>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { asked: Arc::new(AtomicBool::new(false)), exits: Arc::new(AtomicBool::new(true)) }
    }
}

impl Interrupt {
    /// To be set: the training loop then writes a checkpoint after its step and stops.
    pub fn asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Whether a signal is to end the process at once, because no training loop is there to heed it. To be set by a
    /// signal too: whoever asks twice wants to go now.
    pub fn exits(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.exits)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn listen(&self, listens: bool) {
        self.exits.store(!listens, Ordering::SeqCst);
    }
}
