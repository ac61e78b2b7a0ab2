//! Judging by people, as test collections of information retrieval do it (Spärck Jones & van Rijsbergen 1975): the best items
//! of several models in one pool, graded without knowing whose they are, and each model measured by the grades.

mod judged;

pub use judged::{Judged, JudgedMean, Measure, judge, judged_means};

use crate::random::{below, generator};

/// Tell the generators' keys apart from those of candidates and bootstrap.
const USERS: u64 = 4;
const ORDER: u64 = 5;

/// `count` of the users `0..users`, each as likely as any other, ascending; all of them where there are no more.
pub fn sample_users(users: u32, count: usize, seed: u64) -> Vec<u32> {
    let mut all: Vec<u32> = (0..users).collect();
    shuffle(&mut all, [seed, USERS, users.into(), 0]);
    all.truncate(count);
    all.sort_unstable();
    all
}

/// The union of several models' lists for a user, each item once, in an order drawn by `seed` and user: it depends on which
/// items there are, and not on the models, their order or their ranks.
pub fn pool(lists: &[Vec<u32>], user: u32, seed: u64) -> Vec<u32> {
    let mut items = lists.concat();
    items.sort_unstable();
    items.dedup();
    shuffle(&mut items, [seed, ORDER, user.into(), 0]);
    items
}

/// Fisher and Yates.
fn shuffle(items: &mut [u32], key: [u64; 4]) {
    let mut rng = generator(key);
    for last in (1..items.len()).rev() {
        items.swap(last, below(&mut rng, last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::{pool, sample_users};

    #[test]
    fn a_pool_has_every_item_once_in_an_order_that_tells_nothing_of_the_models() {
        let (a, b): (Vec<u32>, Vec<u32>) = ((0..10).collect(), (5..15).rev().collect());
        let one = pool(&[a.clone(), b.clone()], 3, 1);
        assert_eq!(one, pool(&[b.clone(), a.clone()], 3, 1), "the models' order does not matter");
        let mut sorted = one.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..15).collect::<Vec<u32>>());
        assert_ne!(one, sorted);
        assert_ne!(one, pool(&[a.clone(), b.clone()], 4, 1), "another user");
        assert_ne!(one, pool(&[a, b], 3, 2), "another seed");
    }

    #[test]
    fn the_first_place_of_a_pool_is_anybodys() {
        let firsts: Vec<u32> = (0..2000).map(|user| pool(&[vec![0, 1, 2, 3]], user, 0)[0]).collect();
        for item in 0..4 {
            let count = firsts.iter().filter(|&&first| first == item).count();
            assert!((420..580).contains(&count), "{item} is first {count} times of 2000");
        }
    }

    #[test]
    fn users_are_drawn_without_replacement() {
        let drawn = sample_users(100, 30, 7);
        assert_eq!(drawn.len(), 30);
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]) && drawn[29] < 100);
        assert_ne!(drawn, sample_users(100, 30, 8));
        assert_eq!(sample_users(3, 30, 7), [0, 1, 2]);
    }
}
