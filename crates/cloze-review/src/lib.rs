//! Recommending from what people wrote: text through a pretrained BERT (Devlin et al. 2019, arXiv 1810.04805), as a vector for each
//! text.
#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare values that are exact by construction"))]

mod bert_rs;
mod components;
mod embeddings;
mod error;
mod fine_tuning;
mod reviews;
mod source;
mod text_model;
mod wordpiece;

pub use bert_rs::{
    BertRs, BertRsKind, BertRsOptions, ReviewProfiles, ReviewProfilesOptions, TextOptions, Variant,
};
pub use components::Components;
pub use embeddings::Embeddings;
pub use error::ReviewError;
pub use fine_tuning::{FineTuned, FineTuningOptions, Provenance, TextQuality, fine_tune, fine_tuned};
pub use reviews::Reviews;
pub use source::{resolve, stay_offline};
pub use text_model::{Pooling, TextModel};
