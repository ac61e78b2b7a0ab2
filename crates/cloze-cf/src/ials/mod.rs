//! Matrix factorization of implicit feedback by alternating least squares.

mod conjugate;
mod options;
mod side;

use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Reporter, Run, TrainError, TrainingData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::error::CfError;
use crate::popularity::{COUNTS, write_counts};
use crate::queries::{check_items, inner_products, score_each};
use crate::sets::set;
pub use options::{IalsOptions, IalsSolver};
use side::Side;

const VECTORS: &str = "items";

/// iALS (Hu et al. 2008, "Collaborative Filtering for Implicit Feedback Datasets") with the regularization of Rendle et al. 2022
/// ("Revisiting the Performance of iALS on Item Recommendation Benchmarks"): user vectors w and item vectors h minimize
///
/// `Σ_observed (1 - w_u·h_i)² + α₀ Σ_all (w_u·h_i)² + λ (Σ_u (n_u + α₀ I)^ν |w_u|² + Σ_i (n_i + α₀ U)^ν |h_i|²)`
///
/// with n the number of distinct interactions, U users and I items, those who have any: whoever is there for evaluation alone
/// changes nothing. One side's best vectors for given vectors of the other are a
/// small linear system for each row, solved exactly or improved by [some steps](IalsSolver); an epoch is one such step for users and
/// one for items. The loss never rises.
///
/// A user's vector is solved from the history that is asked about, so that one who was not in training is a user like any other:
/// `score(u, i) = w(history)·h_i`. A user without history gets the order of popularity, as from
/// [`Popularity`](crate::Popularity).
#[derive(Debug, Clone, PartialEq)]
pub struct Ials {
    options: IalsOptions,
    /// `[items, hidden]`.
    items: Vec<f32>,
    counts: Vec<u64>,
}

impl Ials {
    /// Factorizes; `catalogue` is the number of items, and `seed` that of the first vectors.
    ///
    /// # Errors
    /// [`CfError::Option`] for an option outside its range, [`CfError::ItemOutOfRange`] for an item that is not below
    /// `catalogue`, [`CfError::Singular`] where lambda is lost in rounding.
    pub fn fit(
        train: &Sequences,
        catalogue: usize,
        options: &IalsOptions,
        seed: u64,
        reporter: &mut Reporter,
    ) -> Result<Self, CfError> {
        options.check()?;
        check_items(train.values(), catalogue)?;
        let lists: Vec<Vec<u32>> = train.iter().filter(|list| !list.is_empty()).map(set).collect();
        let users = Sequences::from_lists(&lists, None)?;
        let of_items = users.transpose(catalogue)?;
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        // Uniform with the wanted deviation: a vector's length is what counts.
        let reach = options.initial_scale * (3.0 / options.hidden as f64).sqrt();
        let mut items: Vec<f32> =
            (0..catalogue * options.hidden).map(|_| generator.random_range(-reach..=reach) as f32).collect();
        for (vector, users) in items.chunks_exact_mut(options.hidden).zip(of_items.iter()) {
            if users.is_empty() {
                vector.fill(0.0);
            }
        }
        let counts = train.counts(catalogue);
        let present = present(&counts);
        let mut vectors = vec![0.0; users.len() * options.hidden];
        reporter.start("ials", options.epochs, "epochs");
        for epoch in 1..=options.epochs {
            Side::new(&items, present, options).solve_all(&users, &mut vectors)?;
            Side::new(&vectors, users.len(), options).solve_all(&of_items, &mut items)?;
            reporter.advance_to(epoch, String::new);
        }
        reporter.finish(&format!("{} epochs", options.epochs));
        Ok(Self { options: options.clone(), items, counts })
    }

    /// What users' vectors are solved from.
    fn users(&self) -> Side<'_> {
        Side::new(&self.items, present(&self.counts), &self.options)
    }

    /// The item vectors, `[items, hidden]`.
    pub fn item_vectors(&self) -> &[f32] {
        &self.items
    }

    /// The vector of a user with this history, `[hidden]`.
    ///
    /// # Errors
    /// [`CfError::ItemOutOfRange`] for an item beyond the catalogue, [`CfError::Singular`] as in training.
    pub fn user_vector(&self, history: &[u32]) -> Result<Vec<f32>, CfError> {
        check_items(history, self.counts.len())?;
        self.users().solve(&set(history))
    }
}

/// Number of items that have interactions.
fn present(counts: &[u64]) -> usize {
    counts.iter().filter(|count| **count > 0).count()
}

impl Model for Ials {
    const NAME: &'static str = "ials";
    const ABOUT: &'static str =
        "Matrix factorization with a weight on what was not observed, by alternating least squares";
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("hidden", "width of user and item vectors"),
        ("epochs", "passes over both sides"),
        ("unobserved-weight", "weight of all pairs of a user and an item against that of an observed one"),
        ("lambda", "weight of the squared norms"),
        (
            "frequency-exponent",
            "how the weight of a norm grows with interactions: 0 not at all, 1 in proportion",
        ),
        ("initial-scale", "standard deviation of the first vectors' length"),
        (
            "solver",
            "how vectors are found: exact, or conjugate-gradient from the last epoch's, faster for wide ones",
        ),
        ("solver-steps", "steps of conjugate-gradient"),
    ];
    type Options = IalsOptions;

    fn fit(data: &TrainingData<'_>, options: &IalsOptions, run: &mut Run<'_>) -> Result<Self, TrainError> {
        Ok(Self::fit(data.sequences, data.items, options, run.seed, run.reporter)?)
    }

    fn options(&self) -> &IalsOptions {
        &self.options
    }

    /// f32 `items` `[items, hidden]`, u64 `counts` `[items]`.
    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let items = self.counts.len();
        Ok(vec![
            NamedTensor::f32(VECTORS, &[items, self.options.hidden], self.items.clone()),
            NamedTensor::u64(COUNTS, &[items], self.counts.clone()),
        ])
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: IalsOptions = folder.options(Self::NAME)?;
        options.check()?;
        let count = folder.vocabularies.items.len();
        let items = folder.f32(VECTORS, Some(&[count, options.hidden]))?;
        Ok(Self { options, items, counts: folder.u64(COUNTS, Some(&[count]))? })
    }
}

impl Recommender for Ials {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.counts.len()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let side = self.users();
        score_each(queries, scores, self.counts.len(), |history, row| {
            if history.is_empty() {
                write_counts(&self.counts, row);
                return Ok(());
            }
            let user = side.solve(&set(history))?;
            if user.iter().all(|value| *value == 0.0) {
                // Nobody had any of these items in training.
                write_counts(&self.counts, row);
            } else {
                inner_products(&user, &self.items, row);
            }
            Ok(())
        })?;
        Ok(())
    }
}
