//! Why a model recommends an item: what its score is made of, and which items of the history it rests on.

use crate::error::EvalError;
use crate::marks::Marks;
use crate::recommender::{Query, Recommender, check_scores};

/// Why an item has its score. All figures are lifts: how far a score is above the mean score of all items, which is
/// what decides about a rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The item.
    pub item: u32,
    /// The terms that the score is a sum of, with the lift that each gives; empty for a model whose score is no sum.
    pub parts: Vec<(&'static str, f32)>,
    /// Items of the history, each with what the item's lift loses when the history lacks it, the largest first. Items
    /// that speak against the recommendation have a negative figure.
    pub because: Vec<(u32, f32)>,
}

/// Explains the scores of `items` for a user. An item of the history counts by leaving it out, with all its repetitions,
/// and scoring again: that holds for every model. Parts of the history are nobody's, unless the model
/// [joins the user with it](Recommender::joins_user_and_history). The `latest` different items of the history are tried.
///
/// # Errors
/// [`EvalError::ItemOutOfRange`] for an item outside the catalogue, [`EvalError::Model`] and [`EvalError::BadScore`]
/// as the model fails.
pub fn explain(
    model: &mut dyn Recommender,
    query: &Query<'_>,
    items: &[u32],
    latest: usize,
) -> Result<Vec<Explanation>, EvalError> {
    let (catalogue, user) = (model.catalogue(), query.user);
    for (place, list) in [("history", query.history), ("recommendations", items)] {
        if let Some(&item) = list.iter().find(|&&item| item as usize >= catalogue) {
            return Err(EvalError::ItemOutOfRange { user, item, place, catalogue });
        }
    }
    let tried = different(query.history, latest);
    let without: Vec<Vec<u32>> = tried
        .iter()
        .map(|left_out| query.history.iter().copied().filter(|item| item != left_out).collect())
        .collect();
    // A model may know a user beyond the history: it must not answer from memory.
    let user_of_parts = user.filter(|_| model.joins_user_and_history());
    let others = without.iter().map(|history| Query { user: user_of_parts, history });
    let whole = Query { user: user_of_parts, history: query.history };
    let queries: Vec<Query<'_>> = std::iter::once(whole).chain(others).collect();
    let mut scores = vec![f32::NAN; queries.len() * catalogue];
    let failed = |model: &dyn Recommender, source| EvalError::Model { model: model.name(), source };
    model.score(&queries, &mut scores).map_err(|source| failed(model, source))?;
    check_scores(&model.name(), user, &scores, &Marks::new(catalogue))?;
    let parts = model.parts(query).map_err(|source| failed(model, source))?;
    let rows: Vec<&[f32]> = scores.chunks_exact(catalogue.max(1)).collect();
    Ok(items
        .iter()
        .map(|&item| {
            let lifted = lift(rows[0], item);
            let mut because: Vec<(u32, f32)> = tried
                .iter()
                .zip(&rows[1..])
                .map(|(&left_out, row)| (left_out, lifted - lift(row, item)))
                .collect();
            because.sort_by(|a, b| b.1.total_cmp(&a.1));
            let parts = parts.iter().map(|(name, scores)| (*name, lift(scores, item))).collect();
            Explanation { item, parts, because }
        })
        .collect())
}

/// The last `most` different items, the latest first.
fn different(history: &[u32], most: usize) -> Vec<u32> {
    let mut found = Vec::new();
    for &item in history.iter().rev() {
        if found.len() == most {
            break;
        }
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// How far an item's score is above the mean of all that can be recommended.
fn lift(scores: &[f32], item: u32) -> f32 {
    let finite = || scores.iter().filter(|score| score.is_finite());
    let sum: f64 = finite().map(|&score| f64::from(score)).sum();
    (f64::from(scores[item as usize]) - sum / finite().count().max(1) as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommender::ModelError;

    /// Scores item `v` by the sum of `10 h + v` over the history's items `h` with `h = v - 1`, plus `v`.
    struct Next;

    impl Recommender for Next {
        fn name(&self) -> String {
            "next".to_owned()
        }

        fn catalogue(&self) -> usize {
            4
        }

        fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
            for (query, row) in queries.iter().zip(scores.chunks_exact_mut(4)) {
                for (item, score) in row.iter_mut().enumerate() {
                    let follows = query.history.iter().filter(|&&had| had as usize + 1 == item).count();
                    *score = (10 * follows + item) as f32;
                }
            }
            Ok(())
        }

        fn parts(&mut self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, ModelError> {
            let mut whole = vec![0.0; 4];
            self.score(&[*query], &mut whole)?;
            let order = vec![0.0, 1.0, 2.0, 3.0];
            let follows = whole.iter().zip(&order).map(|(all, order)| all - order).collect();
            Ok(vec![("follows", follows), ("order", order)])
        }
    }

    #[test]
    fn parts_sum_to_the_lift_and_the_item_that_matters_comes_first() {
        let query = Query { user: Some(7), history: &[2, 0, 0] };
        let found = explain(&mut Next, &query, &[3, 1], 10).unwrap();
        // Scores 0, 21, 2, 13: mean 9. Without item 0: 0, 1, 2, 13, mean 4. Without item 2: 0, 21, 2, 3, mean 6.5.
        let expected = [(3, 4.0, vec![(2, 7.5), (0, -5.0)]), (1, 12.0, vec![(0, 15.0), (2, -2.5)])];
        for (explanation, (item, lift, because)) in found.iter().zip(expected) {
            assert_eq!((explanation.item, &explanation.because), (item, &because));
            let sum: f32 = explanation.parts.iter().map(|part| part.1).sum();
            assert!((sum - lift).abs() < 1e-6, "{explanation:?}");
        }
        assert_eq!(found[0].parts, [("follows", 2.5), ("order", 1.5)]);
    }

    /// As [`Next`], but who is no known user gets what went before instead of what follows.
    struct NextOfUser {
        joins: bool,
    }

    impl Recommender for NextOfUser {
        fn name(&self) -> String {
            "next-of-user".to_owned()
        }

        fn catalogue(&self) -> usize {
            4
        }

        fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
            for (query, row) in queries.iter().zip(scores.chunks_exact_mut(4)) {
                let of_one = std::slice::from_ref(query);
                Next.score(of_one, row)?;
                if query.user.is_none() {
                    row.reverse();
                }
            }
            Ok(())
        }

        fn joins_user_and_history(&self) -> bool {
            self.joins
        }
    }

    #[test]
    fn reasons_are_of_the_user_s_score_where_the_model_needs_both() {
        let (asked, history) = ([3, 1], [2, 0, 0]);
        let explained = |model: &mut dyn Recommender, user| {
            let query = Query { user, history: &history };
            explain(model, &query, &asked, 10).unwrap().into_iter().map(|one| one.because).collect::<Vec<_>>()
        };
        let own = explained(&mut Next, Some(7));
        assert_eq!(explained(&mut NextOfUser { joins: true }, Some(7)), own);
        let strangers = explained(&mut NextOfUser { joins: false }, Some(7));
        assert_ne!(strangers, own);
        assert_eq!(strangers, explained(&mut NextOfUser { joins: true }, None));
    }

    #[test]
    fn only_the_latest_items_are_tried_and_foreign_ones_refused() {
        assert_eq!(different(&[1, 2, 3, 2], 2), [2, 3]);
        let query = Query { user: None, history: &[1, 2] };
        assert_eq!(explain(&mut Next, &query, &[3], 1).unwrap()[0].because.len(), 1);
        assert!(explain(&mut Next, &query, &[4], 1).is_err());
        assert!(explain(&mut Next, &Query { user: None, history: &[9] }, &[3], 1).is_err());
        let empty = explain(&mut Next, &Query { user: None, history: &[] }, &[3], 5).unwrap();
        assert!(empty[0].because.is_empty());
    }
}
