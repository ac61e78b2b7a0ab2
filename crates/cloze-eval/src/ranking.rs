//! The rank of one user's target among its candidates.

use crate::candidates::NegativeSampler;
use crate::categories::Categories;
use crate::error::EvalError;
use crate::lists::{K, List, best};
use crate::marks::Marks;
use crate::recommender::check_scores;

/// Where a target came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Number of candidates, the target among them.
    pub(crate) candidates: u32,
    /// 1 + the number of other candidates that score at least as high: a tie counts against the model.
    pub(crate) rank: u32,
}

/// A user to rank for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) user: u32,
    pub(crate) history: &'a [u32],
    pub(crate) target: u32,
}

/// What a target is ranked against.
pub(crate) enum Candidates<'a> {
    /// The full catalogue.
    All,
    /// Drawn negatives.
    Drawn(NegativeSampler),
    /// Items that share a category with the target.
    Kin(&'a Categories),
}

/// Ranks for one model under all protocols.
pub(crate) struct Ranker<'a> {
    pub(crate) model: &'a str,
    /// One entry a protocol.
    pub(crate) candidates: &'a [Candidates<'a>],
    pub(crate) exclude_seen: bool,
    /// Whether the top of the full ranking is asked for.
    pub(crate) lists: bool,
}

impl Ranker<'_> {
    /// Writes the user's places, one per protocol, and returns the top of the full ranking. `marks` is empty before
    /// and after.
    pub(crate) fn rank(
        &self,
        marks: &mut Marks,
        case: Case<'_>,
        scores: &[f32],
        places: &mut [Place],
    ) -> Result<List, EvalError> {
        let Case { user, history, target } = case;
        if self.exclude_seen {
            for &item in history {
                marks.insert(item);
            }
            if marks.contains(target) {
                marks.truncate(0);
                return Err(EvalError::RepeatedTarget { user, item: target });
            }
        }
        let ranked = self.rank_marked(marks, user, target, scores, places);
        let list = if self.lists { best(scores, K, |item| marks.contains(item)) } else { List::default() };
        marks.truncate(0);
        ranked.map(|()| list)
    }

    /// `seen` holds what is no candidate.
    fn rank_marked(
        &self,
        seen: &mut Marks,
        user: u32,
        target: u32,
        scores: &[f32],
        places: &mut [Place],
    ) -> Result<(), EvalError> {
        check_scores(self.model, Some(user), scores, seen)?;
        for (place, candidates) in places.iter_mut().zip(self.candidates) {
            let before = seen.items().len();
            *place = match candidates {
                Candidates::All => full(seen, target, scores),
                Candidates::Drawn(sampler) => {
                    seen.insert(target);
                    let first = seen.items().len();
                    sampler.draw(user, seen);
                    sampled(&seen.items()[first..], target, scores)
                }
                Candidates::Kin(categories) => {
                    seen.insert(target);
                    let first = seen.items().len();
                    categories.kin(target).for_each(|item| {
                        seen.insert(item);
                    });
                    sampled(&seen.items()[first..], target, scores)
                }
            };
            seen.truncate(before);
        }
        Ok(())
    }
}

fn full(seen: &Marks, target: u32, scores: &[f32]) -> Place {
    let bar = scores[target as usize];
    let at_least = |score: &f32| *score >= bar;
    let ahead_and_itself = scores.iter().filter(|score| at_least(score)).count();
    let seen_ahead = seen.items().iter().filter(|&&item| at_least(&scores[item as usize])).count();
    Place {
        candidates: (scores.len() - seen.items().len()) as u32,
        rank: (ahead_and_itself - seen_ahead) as u32,
    }
}

fn sampled(negatives: &[u32], target: u32, scores: &[f32]) -> Place {
    let bar = scores[target as usize];
    let ahead = negatives.iter().filter(|&&item| scores[item as usize] >= bar).count();
    Place { candidates: negatives.len() as u32 + 1, rank: ahead as u32 + 1 }
}
