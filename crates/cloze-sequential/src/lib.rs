//! Sequential recommenders: BERT4Rec (Sun et al. 2019, arXiv 1904.06690).

mod bert4rec;
mod options;
mod sampler;
mod tower;

pub use bert4rec::Bert4Rec;
pub use options::{Bert4RecOptions, Windows};
pub use sampler::ClozeSampler;
pub use tower::{Profile, Tower, validation_cases};
