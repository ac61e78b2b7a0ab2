//! What a model has to offer to be evaluated and served.

use std::cmp::Ordering;

use crate::error::EvalError;
use crate::marks::Marks;

/// A user to score for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Dense id of a user that the model was trained with; `None` for anybody else.
    pub user: Option<u32>,
    /// The user's items in time order, oldest first, as dense ids; may be empty and may repeat items.
    pub history: &'a [u32],
}

/// Something that was written and speaks for an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Quotation {
    /// The item that it was written about.
    pub about: u32,
    /// Whether the user wrote it.
    pub own: bool,
    /// What was written.
    pub text: String,
    /// Cosine to the profile that it speaks for.
    pub similarity: f32,
}

/// Whatever a model fails with.
pub type ModelError = Box<dyn std::error::Error + Send + Sync>;

/// What every model implements: scores of all items for a batch of users.
///
/// A whole model, with its evaluation:
///
/// ```
/// use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Query, Recommender, evaluate};
///
/// /// Recommends what follows the last item most often.
/// struct Follows {
///     items: usize,
///     counts: Vec<f32>, // counts[last * items + next]
/// }
///
/// impl Follows {
///     fn fit(items: usize, train: &[&[u32]]) -> Self {
///         let mut counts = vec![0.0; items * items];
///         for sequence in train {
///             for pair in sequence.windows(2) {
///                 counts[pair[0] as usize * items + pair[1] as usize] += 1.0;
///             }
///         }
///         Self { items, counts }
///     }
/// }
///
/// impl Recommender for Follows {
///     fn name(&self) -> String {
///         "follows".to_owned()
///     }
///
///     fn catalogue(&self) -> usize {
///         self.items
///     }
///
///     fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
///         for (query, row) in queries.iter().zip(scores.chunks_exact_mut(self.items)) {
///             match query.history.last() {
///                 Some(&last) => row.copy_from_slice(&self.counts[last as usize * self.items..][..self.items]),
///                 None => row.fill(0.0), // every score must be written, also for an empty history
///             }
///         }
///         Ok(())
///     }
/// }
///
/// let train: [&[u32]; 2] = [&[0, 1, 2], &[0, 1, 3]];
/// let mut model = Follows::fit(4, &train);
/// let cases = Cases::new(vec![0, 1], train.to_vec(), vec![3, 2], vec![2, 2, 1, 1])?;
/// let ranks = evaluate(&mut model, &cases, &EvaluationOptions::default(), &mut |_, _| {})?;
/// assert_eq!(ranks[0].mean(Metric::Recall(1)), 1.0); // one candidate is left to each user
/// # Ok::<(), cloze_eval::EvalError>(())
/// ```
pub trait Recommender {
    /// The model's name in results and file names, kebab-case: `item-knn`.
    fn name(&self) -> String;

    /// Number of items; ids are `0..catalogue`.
    fn catalogue(&self) -> usize;

    /// Writes the scores of all items for each query; a higher score is a better item.
    ///
    /// `scores` has `queries.len() * catalogue()` places, a row per query, and holds NaN before the call, so
    /// that a place left unwritten is found. Negative infinity means "never recommend this". NaN and positive
    /// infinity are refused by the caller: they are the marks of an overflow, and would order items by
    /// accident. Do not lower the scores of items in the history: the caller removes them where it should.
    ///
    /// # Errors
    /// Whatever keeps the model from scoring.
    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError>;

    /// Whether scores are predicted ratings, in the unit of the data's: [`rating_error`](crate::rating_error) then says how far
    /// off they are.
    fn predicts_ratings(&self) -> bool {
        false
    }

    /// Whether scores join the history with what is known of the user beside it, such as how hard things are for that user:
    /// [`explain`](crate::explain) then asks for the same user with parts of the history. Without it parts of a history are anybody's:
    /// a model that knows its users by heart would answer from memory, whatever the history lacks.
    fn joins_user_and_history(&self) -> bool {
        false
    }

    /// The terms that a query's scores are the sum of, each with its name and its scores of all items; none for a model
    /// whose score is no sum.
    ///
    /// # Errors
    /// As [`Recommender::score`].
    fn parts(&mut self, _query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, ModelError> {
        Ok(Vec::new())
    }

    /// What else a person may want to know of each of the items, a few words; none for most models.
    ///
    /// # Errors
    /// As [`Recommender::score`].
    fn remarks(&mut self, _query: &Query<'_>, _items: &[u32]) -> Result<Vec<String>, ModelError> {
        Ok(Vec::new())
    }

    /// What was written that speaks for each of the items; none for a model that reads nothing.
    ///
    /// # Errors
    /// As [`Recommender::score`], and texts that are no longer there.
    fn quotations(&mut self, _query: &Query<'_>, _items: &[u32]) -> Result<Vec<Vec<Quotation>>, ModelError> {
        Ok(Vec::new())
    }

    /// A vector for each query by which users can be compared, `[queries, width]`; empty for a model that makes none.
    ///
    /// # Errors
    /// As [`Recommender::score`].
    fn profiles(&mut self, _queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        Ok(Vec::new())
    }
}

/// The `k` best items for a user with their scores, best first; equal scores in the order of ids.
///
/// Fewer than `k` come back when the catalogue has no more, when `exclude_seen` removes the items of the
/// history, or when the model scores items with negative infinity ("never").
///
/// # Errors
/// [`EvalError::ItemOutOfRange`] for a history item outside the catalogue, [`EvalError::Model`] when the model
/// fails, [`EvalError::BadScore`] for NaN or +infinity among the items that could be recommended.
pub fn recommend(
    model: &mut dyn Recommender,
    query: &Query<'_>,
    k: usize,
    exclude_seen: bool,
) -> Result<Vec<(u32, f32)>, EvalError> {
    let catalogue = model.catalogue();
    let mut seen = Marks::new(catalogue);
    for &item in query.history {
        if item as usize >= catalogue {
            return Err(EvalError::ItemOutOfRange { user: query.user, item, place: "history", catalogue });
        }
        if exclude_seen {
            seen.insert(item);
        }
    }
    let mut scores = vec![f32::NAN; catalogue];
    model
        .score(std::slice::from_ref(query), &mut scores)
        .map_err(|source| EvalError::Model { model: model.name(), source })?;
    check_scores(&model.name(), query.user, &scores, &seen)?;

    let mut items: Vec<(u32, f32)> = (0_u32..)
        .zip(scores)
        .filter(|&(item, score)| score > f32::NEG_INFINITY && !seen.contains(item))
        .collect();
    let best_first =
        |a: &(u32, f32), b: &(u32, f32)| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0));
    if k < items.len() {
        items.select_nth_unstable_by(k, best_first);
        items.truncate(k);
    }
    items.sort_unstable_by(best_first);
    Ok(items)
}

/// Refuses NaN and +infinity outside of the `ignored` items.
pub(crate) fn check_scores(
    model: &str,
    user: Option<u32>,
    scores: &[f32],
    ignored: &Marks,
) -> Result<(), EvalError> {
    // Written without a branch, so that the pass that every user pays is vectorized.
    let bad = |score: f32| score.is_nan() || score == f32::INFINITY;
    if !scores.iter().fold(false, |any, &score| any | bad(score)) {
        return Ok(());
    }
    match (0_u32..).zip(scores).find(|&(item, &score)| bad(score) && !ignored.contains(item)) {
        Some((item, &score)) => Err(EvalError::BadScore { model: model.to_owned(), user, item, score }),
        None => Ok(()),
    }
}
