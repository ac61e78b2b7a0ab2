//! Honest evaluation of recommenders: candidate protocols, metrics, intervals, tables.
//!
//! A model implements [`Recommender`]; everything that decides a figure happens here, once, for all models:
//!
//! 1. [`evaluate`] ranks each user's held-out item among the candidates of each [`Protocol`];
//! 2. an [`Evaluation`] keeps the ranks, a row per user and protocol, as Parquet;
//! 3. [`results`] turns evaluations into means with bootstrap intervals, beside [`Published`] figures;
//! 4. [`report`] writes them as Markdown tables, [`write_results`] as JSON.
//!
//! Three rules hold throughout. A tie counts against the model, so a constant scorer is ranked last. A score
//! that is no number is an error. Evaluations of different splits never meet in one table.
//!
//! The crate knows nothing about files of interactions or about training: ids are dense `u32`, histories are
//! slices, so it can be used with any data layer.

mod bootstrap;
mod candidates;
mod cases;
mod chance;
mod comparable;
mod error;
mod evaluate;
mod evaluation;
mod files;
mod marks;
mod metrics;
mod protocol;
mod published;
mod random;
mod ranking;
mod ranks;
mod recommender;
mod report;
mod results;
mod storage;
mod table;

pub use bootstrap::{Bootstrap, Interval, quantile};
pub use candidates::NegativeSampler;
pub use cases::Cases;
pub use chance::chance;
pub use error::EvalError;
pub use evaluate::{EvaluationOptions, evaluate};
pub use evaluation::{Evaluation, Fit, Meta, Target};
pub use metrics::Metric;
pub use protocol::Protocol;
pub use published::{Published, Verdict};
pub use ranks::ProtocolRanks;
pub use recommender::{ModelError, Query, Recommender, recommend};
pub use report::report;
pub use results::{ResultRow, results, results_with, write_results};
