//! Hybrids of content and collaboration: HybridBERT4Rec (Channarong et al. 2022, IEEE Access 10:56193).

mod head;
mod hybrid;
mod options;
mod pairs;

pub use hybrid::HybridBert4Rec;
pub use options::{HybridOptions, Variant};
