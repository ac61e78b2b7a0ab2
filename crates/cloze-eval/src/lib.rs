//! Honest evaluation of recommenders: candidate protocols, metrics, intervals, tables.
//!
//! A model implements [`Recommender`]; everything that decides a figure happens here, once, for all models:
//!
//! 1. [`evaluate`] ranks each user's held-out item among the candidates of each [`Protocol`];
//! 2. an [`Evaluation`] keeps the ranks, a row per user and protocol, as Parquet;
//! 3. [`results`] turns evaluations into means with bootstrap intervals, beside [`Published`] figures;
//! 4. [`analyse`] adds paired tests against a baseline, figures beyond accuracy and breakdowns;
//! 5. [`report_with`] writes all of it as Markdown, [`html`] as a page with plots, [`write_results`] as JSON.
//!
//! Three rules hold throughout. A tie counts against the model, so a constant scorer is ranked last. A score
//! that is no number is an error. Evaluations of different splits never meet in one table.
//!
//! The crate knows nothing about files of interactions or about training: ids are dense `u32`, histories are
//! slices, so it can be used with any data layer.

mod analysis;
mod bootstrap;
mod breakdown;
mod candidates;
mod cases;
mod categories;
mod chance;
mod comparable;
mod comparison;
mod curve;
mod difficulty;
mod error;
mod evaluate;
mod evaluation;
mod explain;
mod files;
mod guard;
mod html;
mod lists;
mod marks;
mod metrics;
mod neighbours;
mod order;
mod paired;
mod part;
mod pooling;
mod predictions;
mod protocol;
mod published;
mod questions;
mod random;
mod ranking;
mod ranks;
mod ratings;
mod recommender;
mod report;
mod report_analysis;
mod results;
mod storage;
mod table;

pub use analysis::{Analysis, ListRow, analyse, write_analysis};
pub use bootstrap::{Bootstrap, Interval, quantile};
pub use breakdown::{BreakdownRow, Factor, breakdowns};
pub use candidates::NegativeSampler;
pub use cases::Cases;
pub use categories::Categories;
pub use chance::chance;
pub use comparable::held_before;
pub use comparison::{Comparison, Finding, comparisons};
pub use curve::CurvePoint;
pub use difficulty::{Aim, Difficulty, DifficultyRow, Success, TOLERANCE, Whose, difficulties};
pub use error::EvalError;
pub use evaluate::{EvaluationOptions, evaluate, evaluate_lists, evaluate_with};
pub use evaluation::{Coverage, Evaluation, Fit, Meta, Target};
pub use explain::{Explanation, explain};
pub use files::write_together;
pub use html::{Heading, html};
pub use lists::{ItemDistances, ListStatistics};
pub use metrics::Metric;
pub use neighbours::{Neighbour, neighbours};
pub use order::ordered;
pub use paired::{PairedT, Wilcoxon, Zeros, holm, paired_t, wilcoxon};
pub use pooling::{Judged, JudgedMean, Measure, judge, judged_means, pool, sample_users};
pub use predictions::Predictions;
pub use protocol::Protocol;
pub use published::{Published, Verdict};
pub use questions::{Answer, Question, ScarceTargets, Side, answers};
pub use ranks::ProtocolRanks;
pub use ratings::{RatingError, rating_error};
pub use recommender::{ModelError, Query, Quotation, Recommender, recommend};
pub use report::{report, report_with};
pub use results::{ResultRow, results, results_with, write_results};
