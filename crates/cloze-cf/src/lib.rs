//! Collaborative filtering baselines: Popularity, `ItemKNN`.
//!
//! Both need seconds where a neural model needs hours, and a well-set neighbourhood model beats many published
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

mod error;
mod item_knn;
mod popularity;
mod similarity;
mod sparse;

pub use error::CfError;
pub use item_knn::{ItemKnn, ItemKnnOptions};
pub use popularity::{Popularity, PopularityOptions};
