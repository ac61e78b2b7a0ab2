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
        for &item in history.iter().filter(|&&item| item != target) {
            marks.insert(item);
        }
        let ranked = self.rank_marked(marks, user, target, scores, places);
        let list = if self.lists { self.list(marks, history, target, scores) } else { List::default() };
        marks.truncate(0);
        ranked.map(|()| list)
    }

    /// What the user would be shown: a target had before is hidden here, although it stays a candidate.
    fn list(&self, seen: &Marks, history: &[u32], target: u32, scores: &[f32]) -> List {
        if !self.exclude_seen {
            return best(scores, K, |_| false);
        }
        let repeated = history.contains(&target);
        best(scores, K, |item| seen.contains(item) || (repeated && item == target))
    }

    /// `seen` holds the history without the target: a repeated target stays a candidate.
    fn rank_marked(
        &self,
        seen: &mut Marks,
        user: u32,
        target: u32,
        scores: &[f32],
        places: &mut [Place],
    ) -> Result<(), EvalError> {
        check_scores(self.model, Some(user), scores, self.exclude_seen.then_some(&*seen))?;
        for (place, candidates) in places.iter_mut().zip(self.candidates) {
            let before = seen.items().len();
            *place = match candidates {
                Candidates::All => self.full(seen, target, scores),
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

    fn full(&self, seen: &Marks, target: u32, scores: &[f32]) -> Place {
        let bar = scores[target as usize];
        let at_least = scores.iter().filter(|&&score| score >= bar).count();
        let (mut candidates, mut rank) = (scores.len(), at_least); // the target itself is the "1 +" of the rank
        if self.exclude_seen {
            candidates -= seen.items().len();
            rank -= seen.items().iter().filter(|&&item| scores[item as usize] >= bar).count();
        }
        Place { candidates: candidates as u32, rank: rank as u32 }
    }
}

fn sampled(negatives: &[u32], target: u32, scores: &[f32]) -> Place {
    let bar = scores[target as usize];
    let ahead = negatives.iter().filter(|&&item| scores[item as usize] >= bar).count();
    Place { candidates: negatives.len() as u32 + 1, rank: ahead as u32 + 1 }
}
