//! Sequential recommenders: BERT4Rec (Sun et al. 2019, arXiv 1904.06690), SASRec (Kang & McAuley 2018, arXiv 1808.09781),
//! GRU4Rec (Hidasi et al. 2016, arXiv 1511.06939) and Caser (Tang & Wang 2018, arXiv 1809.07426). The first three are a
//! [`Tower`], an encoder with an [`Objective`]: what an example is, and what input asks for the next item.

mod bert4rec;
mod caser;
mod epochs;
mod gru4rec;
mod lessons;
mod loss;
mod model;
mod next_item;
mod objective;
mod options;
mod sampler;
mod sasrec;
mod tower;

pub use bert4rec::Bert4Rec;
pub use caser::{Caser, CaserActivation, CaserOptions};
pub use gru4rec::{Gru4Rec, Gru4RecOptions};
pub use loss::{LossKind, TrainingLoss};
pub use objective::{Objective, Training, Windows};
pub use options::Bert4RecOptions;
pub use sampler::Sampler;
pub use sasrec::{SasRec, SasRecOptions};
pub use tower::{Profile, Tower};
