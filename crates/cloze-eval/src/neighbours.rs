//! Which users are like one another, by the vectors that a model makes of them.

use crate::error::EvalError;
use crate::recommender::{Query, Recommender};

/// Users whose profiles are made at a time.
const TOGETHER: usize = 256;

/// A user and how alike it is: the cosine of the two profiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Dense id.
    pub user: u32,
    /// In [−1, 1].
    pub similarity: f32,
}

/// The `k` users whose profiles are nearest to that of the query's user, who is left out, nearest first; equal ones in the order of
/// ids. `histories` are those of all users by dense id; whoever has none is no neighbour. `None` for a model that makes no
/// profiles. `progress` is told the number of users done.
///
/// # Errors
/// [`EvalError::Model`] as the model fails.
pub fn neighbours(
    model: &mut dyn Recommender,
    query: &Query<'_>,
    histories: &[&[u32]],
    k: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<Vec<Neighbour>>, EvalError> {
    let own = profiles(model, &[query.history])?;
    if own.is_empty() {
        return Ok(None);
    }
    let others: Vec<u32> = (0..histories.len() as u32)
        .filter(|&user| Some(user) != query.user && !histories[user as usize].is_empty())
        .collect();
    let mut found = Vec::with_capacity(others.len());
    for users in others.chunks(TOGETHER) {
        let chunk: Vec<&[u32]> = users.iter().map(|&user| histories[user as usize]).collect();
        let rows = profiles(model, &chunk)?;
        let similar = users.iter().zip(rows.chunks_exact(own.len()));
        found.extend(similar.map(|(&user, row)| Neighbour { user, similarity: cosine(&own, row) }));
        progress(found.len());
    }
    let nearest_first =
        |a: &Neighbour, b: &Neighbour| b.similarity.total_cmp(&a.similarity).then(a.user.cmp(&b.user));
    found.sort_unstable_by(nearest_first);
    found.truncate(k);
    Ok(Some(found))
}

/// Profiles of histories alone: a model that knows its users must not answer from memory.
fn profiles(model: &mut dyn Recommender, histories: &[&[u32]]) -> Result<Vec<f32>, EvalError> {
    let queries: Vec<Query<'_>> = histories.iter().map(|&history| Query { user: None, history }).collect();
    let found = model.profiles(&queries);
    found.map_err(|source| EvalError::Model { model: model.name(), source })
}

/// 0 where either is the zero vector.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let size = (dot(a, a) * dot(b, b)).sqrt();
    if size > 0.0 { (dot(a, b) / size) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommender::ModelError;

    /// The profile counts even and odd items.
    struct Parity {
        profiles: bool,
    }

    impl Recommender for Parity {
        fn name(&self) -> String {
            "parity".to_owned()
        }

        fn catalogue(&self) -> usize {
            4
        }

        fn score(&mut self, _: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
            scores.fill(0.0);
            Ok(())
        }

        fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
            let count =
                |query: &Query<'_>, rest| query.history.iter().filter(|&&item| item % 2 == rest).count();
            let row = |query| [count(query, 0) as f32, count(query, 1) as f32];
            Ok(if self.profiles { queries.iter().flat_map(row).collect() } else { Vec::new() })
        }
    }

    #[test]
    fn nearest_come_first_without_the_user_and_those_who_have_nothing() {
        let histories: [&[u32]; 5] = [&[0, 2], &[1, 3], &[], &[0, 1], &[2]];
        let query = Query { user: Some(0), history: histories[0] };
        let ask = |model: &mut Parity, k| neighbours(model, &query, &histories, k, &mut |_| {}).unwrap();
        let found = ask(&mut Parity { profiles: true }, 9).unwrap();
        let users: Vec<u32> = found.iter().map(|one| one.user).collect();
        assert_eq!(users, [4, 3, 1]);
        for (one, similarity) in found.iter().zip([1.0, 0.5f32.sqrt(), 0.0]) {
            assert!((one.similarity - similarity).abs() < 1e-6, "{one:?}");
        }
        assert_eq!(ask(&mut Parity { profiles: true }, 1).unwrap(), found[..1]);
        assert_eq!(ask(&mut Parity { profiles: false }, 3), None);
        let nothing = Query { user: None, history: &[] };
        let found = neighbours(&mut Parity { profiles: true }, &nothing, &histories, 9, &mut |_| {}).unwrap();
        assert!(found.unwrap().iter().all(|one| one.similarity == 0.0), "a newcomer is like nobody");
    }
}
