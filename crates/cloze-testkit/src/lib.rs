//! Test support, used as a dev-dependency only: relative norms, gradient checks by finite differences, golden files,
//! a generator that PyTorch can repeat, and the contract that every encoder engine keeps.
//!
//! Functions here panic on failure: they are the bodies of tests.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "bodies of tests")]

pub mod batches;
mod bodies;
pub mod compare;
pub mod engine_contract;
pub mod finite_differences;
pub mod golden;
pub mod splitmix;
mod unbiased;
mod whole_steps;
