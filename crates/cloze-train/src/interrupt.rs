//! A wish to stop that reaches the training loop from a signal handler.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by a handler, looked at after every step.
#[derive(Debug, Default)]
pub struct Interrupt {
    asked: AtomicBool,
    /// Whether a training loop is running, which will write a checkpoint before it stops.
    heard: AtomicBool,
}

impl Interrupt {
    /// Nothing asked yet.
    pub const fn new() -> Self {
        Self { asked: AtomicBool::new(false), heard: AtomicBool::new(false) }
    }

    /// Asks the training loop to stop after its step. `false` if it will not: no loop is running, or it was asked
    /// before; whoever asks twice wants to go at once.
    pub fn ask(&self) -> bool {
        !self.asked.swap(true, Ordering::SeqCst) && self.heard.load(Ordering::SeqCst)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn listen(&self, listens: bool) {
        self.heard.store(listens, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_wish_during_training_is_heeded() {
        let interrupt = Interrupt::new();
        interrupt.listen(true);
        assert!(!interrupt.is_asked());
        assert!(interrupt.ask() && interrupt.is_asked());
        assert!(!interrupt.ask());
        let idle = Interrupt::new();
        assert!(!idle.ask(), "nobody listens");
    }
}
