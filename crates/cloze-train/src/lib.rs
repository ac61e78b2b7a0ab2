//! The training loop, run directories and model folders.
