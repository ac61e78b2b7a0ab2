//! A share of the users, for the question what fewer data are worth.

use cloze_data::Sequences;
use rand::{SeedableRng as _, seq::index};
use rand_chacha::ChaCha8Rng;

/// What a share of the users can teach, drawn by `seed`: the others stay in their places with nothing, so that numbers of users
/// mean the same. At least one user is kept.
pub fn share_of_users(
    sequences: &Sequences,
    validation: Option<&[Option<u32>]>,
    share: f64,
    seed: u64,
) -> (Sequences, Option<Vec<Option<u32>>>) {
    let users = sequences.len();
    let count = ((users as f64 * share).round() as usize).clamp(1.min(users), users);
    let mut kept = vec![false; users];
    for user in index::sample(&mut ChaCha8Rng::seed_from_u64(seed), users, count) {
        kept[user] = true;
    }
    let part = sequences.beginnings(|user| if kept[user] { sequences.get(user).len() } else { 0 });
    let held_out = |(target, kept): (&Option<u32>, &bool)| target.filter(|_| *kept);
    (part, validation.map(|validation| validation.iter().zip(&kept).map(held_out).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_kept_whole_or_not_at_all_with_their_validation_items() {
        let lists: Vec<Vec<u32>> = (0..50).map(|user| vec![user; 1 + user as usize % 3]).collect();
        let sequences = Sequences::from_lists(&lists, None).unwrap();
        let validation: Vec<Option<u32>> = (0..50).map(|user| (user % 5 > 0).then_some(user)).collect();
        let kept = |share, seed| {
            let (part, held_out) = share_of_users(&sequences, Some(&validation), share, seed);
            let held_out = held_out.unwrap();
            for user in 0..50 {
                let whole = part.get(user) == sequences.get(user);
                assert!(whole || part.get(user).is_empty());
                assert_eq!(held_out[user], validation[user].filter(|_| whole));
            }
            part.iter().filter(|list| !list.is_empty()).count()
        };
        assert_eq!([kept(0.3, 1), kept(1.0, 1), kept(1e-9, 1)], [15, 50, 1]);
        let lists = |seed| share_of_users(&sequences, None, 0.3, seed).0;
        assert_eq!(lists(4), lists(4));
        assert_ne!(lists(4), lists(5));
        assert_eq!(share_of_users(&Sequences::from_lists(&[], None).unwrap(), None, 0.5, 1).0.len(), 0);
    }
}
