//! The scores of any system, as a recommender.

use rayon::prelude::*;

use crate::cases::Cases;
use crate::error::EvalError;
use crate::evaluation::Coverage;
use crate::marks::Marks;
use crate::recommender::{ModelError, Query, Recommender};

/// Scores that another system gave to pairs of user and item.
///
/// An item without a score ranks below every item with one, and is tied with the others that have none: a target
/// without a score comes last. Of the scores only each user's order is kept, exactly: rounded to `f32`, near scores would become ties,
/// which count against the system. Takes 8 bytes a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    name: String,
    catalogue: usize,
    /// The scores of user u are at `offsets[u]..offsets[u + 1]`, in the order of items.
    offsets: Vec<usize>,
    items: Vec<u32>,
    /// The place of each score among the user's distinct ones, from 0 for the lowest; negative infinity as it is.
    scores: Vec<f32>,
}

impl Predictions {
    /// Scores by (user, item, score) in dense ids, in any order; users are `0..users`, items `0..catalogue`.
    ///
    /// # Errors
    /// [`EvalError::DuplicateScore`] for a pair with two scores, [`EvalError::BadScore`] for NaN or +infinity,
    /// [`EvalError::ItemOutOfRange`] and [`EvalError::UserOutOfRange`].
    pub fn new(
        name: &str,
        users: usize,
        catalogue: usize,
        triples: &[(u32, u32, f64)],
    ) -> Result<Self, EvalError> {
        let mut counts = vec![0_usize; users + 1];
        for &(user, item, score) in triples {
            if user as usize >= users {
                return Err(EvalError::UserOutOfRange { user, users });
            }
            if item as usize >= catalogue {
                let place = "predictions";
                return Err(EvalError::ItemOutOfRange { user: Some(user), item, place, catalogue });
            }
            if score.is_nan() || score == f64::INFINITY {
                let (model, score) = (name.to_owned(), score as f32);
                return Err(EvalError::BadScore { model, user: Some(user), item, score });
            }
            counts[user as usize + 1] += 1;
        }
        for user in 0..users {
            counts[user + 1] += counts[user];
        }
        let offsets = counts.clone();
        let mut pairs = vec![(0_u32, 0.0_f64); triples.len()];
        for &(user, item, score) in triples {
            let place = &mut counts[user as usize];
            pairs[*place] = (item, score);
            *place += 1;
        }
        for user in 0..users {
            let of_user = &mut pairs[offsets[user]..offsets[user + 1]];
            of_user.sort_unstable_by_key(|pair| pair.0);
            if let Some(twice) = of_user.array_windows().find(|[a, b]| a.0 == b.0) {
                return Err(EvalError::DuplicateScore { user: user as u32, item: twice[0].0 });
            }
        }
        let scores = offsets.array_windows().flat_map(|&[from, to]| places(&pairs[from..to])).collect();
        let items = pairs.into_iter().map(|(item, _)| item).collect();
        Ok(Self { name: name.to_owned(), catalogue, offsets, items, scores })
    }

    /// The scored items of a user, ascending; none for a user beyond the number given.
    fn scored(&self, user: u32) -> std::ops::Range<usize> {
        let user = user as usize;
        if user + 1 < self.offsets.len() { self.offsets[user]..self.offsets[user + 1] } else { 0..0 }
    }

    /// What the scores cover of these cases; [`Coverage::unknown`] is 0.
    pub fn coverage(&self, cases: &Cases<'_>) -> Coverage {
        let mut coverage = Coverage::default();
        for (&user, target) in cases.users().iter().zip(cases.targets()) {
            let items = &self.items[self.scored(user)];
            coverage.scores += items.len() as u64;
            coverage.users += usize::from(!items.is_empty());
            coverage.targets += usize::from(items.binary_search(target).is_ok());
        }
        coverage
    }

    /// Whether every item that may be a candidate has a score, for all cases: with `exclude_seen` those that are no part of a user's
    /// history, else all. Only then do sampled candidates rank the system's scores, and not the absence of scores.
    pub fn is_complete(&self, cases: &Cases<'_>, exclude_seen: bool) -> bool {
        let mut covered = Marks::new(self.catalogue);
        (0..cases.len()).all(|case| {
            covered.truncate(0);
            let target = cases.targets()[case];
            let scored = self.items[self.scored(cases.users()[case])].iter();
            let history = cases.histories()[case].iter().filter(|item| exclude_seen && **item != target);
            for &item in scored.chain(history) {
                covered.insert(item);
            }
            covered.items().len() == self.catalogue
        })
    }
}

/// The place of each score of a user among the distinct ones. There are fewer than 2^24 items with different scores, so that a place
/// is exact.
fn places(of_user: &[(u32, f64)]) -> Vec<f32> {
    let mut distinct: Vec<f64> =
        of_user.iter().map(|(_, score)| *score).filter(|score| score.is_finite()).collect();
    distinct.sort_unstable_by(f64::total_cmp);
    // -0 and 0 are one score.
    distinct.dedup();
    let place = |score: f64| distinct.partition_point(|other| *other < score) as f32;
    of_user
        .iter()
        .map(|&(_, score)| if score.is_finite() { place(score) } else { f32::NEG_INFINITY })
        .collect()
}

impl Recommender for Predictions {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn catalogue(&self) -> usize {
        self.catalogue
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let rows = scores.par_chunks_exact_mut(self.catalogue.max(1));
        rows.zip(queries).for_each(|(row, query)| {
            row.fill(f32::NEG_INFINITY);
            let range = query.user.map_or(0..0, |user| self.scored(user));
            for (&item, &score) in self.items[range.clone()].iter().zip(&self.scores[range]) {
                row[item as usize] = score;
            }
        });
        Ok(())
    }
}
