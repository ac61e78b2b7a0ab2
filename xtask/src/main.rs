//! Contributors' runner.
fn main() {}
