//! Hybrids of content and collaboration: HybridBERT4Rec (Channarong et al. 2022, IEEE Access 10:56193), and what makes
//! its idea work.
#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare values that are exact by construction"))]

mod fusion;
mod help;
mod hybrid;
mod learning;
mod options;
mod product;
mod reused;
mod search;
mod started;
mod store;
#[cfg(test)]
mod testing;
mod titles;
mod unread;

pub use hybrid::HybridBert4Rec;
pub use learning::{
    LearnerHybrid, LearnerHybridOptions, LearnerStore, LearnerVariant, Neighbours, Pfa, PfaOptions,
    PopularityInObjective, PopularityInObjectiveOptions, Renewed, TargetProfiles,
};
pub use options::{HeadLoss, HybridOptions, ItemProfiles, UserTokens, Variant};
pub use search::ItemSearch;
pub use started::{Initializer, MfBert4Rec, MfBert4RecOptions};
pub use store::{ProfileStore, Side, StoreError};
