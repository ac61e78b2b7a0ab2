//! The `cloze` binary.
fn main() {}
