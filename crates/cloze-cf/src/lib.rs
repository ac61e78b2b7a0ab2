//! Collaborative filtering: counts, neighbours, linear models, factorizations, and the neural ones of He et al. 2017.
//!
//! | model | what it does |
//! |---|---|
//! | [`Popularity`] | counts |
//! | [`PopularityRecent`] | counts in the most recent part of training |
//! | [`ItemKnn`] | cosine neighbours with shrinkage |
//! | [`ItemKnnDecay`] | the same on a history whose older items count less |
//! | [`Rp3Beta`] | random walks against popularity |
//! | [`Ease`] | linear autoencoder in closed form |
//! | [`EaseDecay`] | the same on a history whose older items count less |
//! | [`Ials`] | matrix factorization with a weight on what was not observed |
//! | [`PureSvd`] | the matrix of users and items from its largest singular vectors |
//! | [`Slit`] | linear prediction of the next item in closed form |
//! | [`Mf`], [`Bpr`] | product of a user's and an item's vector, by gradient steps |
//! | [`Gmf`], [`Mlp`], [`NeuMf`] | the same weighed, layers over both vectors, both together |
//!
//! All need seconds to minutes where a transformer needs hours, and a well-set neighbourhood model beats many published
//! neural ones (Ferrari Dacrema et al. 2019, "Are We Really Making Much Progress?"). A result without them says
//! little.
//!
//! ```
//! use cloze_cf::{ItemKnn, ItemKnnOptions};
//! use cloze_data::Sequences;
//! use cloze_eval::{Query, recommend};
//!
//! let train = Sequences::from_lists(&[vec![0, 1], vec![0, 1, 2], vec![2, 3]], None)?;
//! let mut model = ItemKnn::fit(&train, 4, &ItemKnnOptions::default())?;
//! let best = recommend(&mut model, &Query { user: None, history: &[0] }, 1, true)?;
//! assert_eq!(best[0].0, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decay;
mod decayed;
mod ease;
mod error;
mod factors;
mod ials;
mod item_item;
mod item_knn;
mod neighbours;
mod popularity;
mod popularity_recent;
mod pure_svd;
mod queries;
mod rp3beta;
mod sets;
mod similarity;
mod slit;
mod sparse;

pub use decayed::{DecayOption, Decayed, DecayedOptions, Decays};
pub use ease::{Ease, EaseOptions};
pub use error::CfError;
pub use factors::{
    Bpr, BprKind, FactorLoss, FactorOptions, Factors, Gmf, GmfKind, Kind, KindOptions, Mf, MfKind, Mlp,
    MlpKind, NeuMf, NeuMfKind, Optimizer, PairContent, help,
};
pub use ials::{Ials, IalsOptions, IalsSolver};
pub use item_knn::{ItemKnn, ItemKnnOptions};
pub use popularity::{Popularity, PopularityOptions};
pub use popularity_recent::{PopularityRecent, PopularityRecentOptions};
pub use pure_svd::{PureSvd, PureSvdOptions};
pub use rp3beta::{Rp3Beta, Rp3BetaOptions};
pub use slit::{Slit, SlitOptions};

/// [`ItemKnn`] as `item-knn-decay`.
pub type ItemKnnDecay = Decayed<ItemKnn>;
/// [`Ease`] as `ease-decay`.
pub type EaseDecay = Decayed<Ease>;
