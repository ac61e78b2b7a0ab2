//! One encoder for items, users and words, a transformer or gated recurrent units, with its engines.
//!
//! A model describes its encoder by an [`EncoderConfig`], hands [`PackedBatch`]es to an [`Engine`] and never learns
//! which engine it is. [`reference::ReferenceEngine`] is the truth that every other engine is tested against.
#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare values that are exact by construction"))]

pub mod batch;
pub mod config;
pub mod cpu;
pub mod cuda;
pub mod dropout;
pub mod engine;
pub mod error;
pub mod hugging_face;
pub mod layout;
pub mod loss;
pub mod optimizer;
pub mod parameters;
pub mod philox;
mod plan;
pub mod prepared;
pub mod reference;

pub use batch::PackedBatch;
pub use config::{Activation, Attention, Body, EncoderConfig, Head, Norm, Output, Positions};
pub use engine::{Engine, Mode};
pub use error::EncoderError;
pub use layout::{Entry, ParameterLayout, Role};
pub use loss::{Loss, Negatives, Sharing};
pub use optimizer::{AdamW, AdamWOptions, GradientNorm, OptimizerState, Schedule};
pub use parameters::Parameters;
pub use philox::Philox;
pub use prepared::{PreparedBatch, Preparer};
