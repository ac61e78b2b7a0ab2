//! Test support: gradient checks, golden fixtures, generated data, the engine contract.
