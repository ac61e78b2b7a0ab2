//! What reviews say of a pair: the product of what the user wrote and what was written about the item.

use cloze_cf::PairContent;
use cloze_encoder::Philox;

use crate::reviews::Reviews;

/// Stream of the generator that draws reviews.
const DRAWN_STREAM: u32 = 0x3000_0000;

/// Means of the vectors of reviews, by user and by item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profiles {
    pub(super) width: usize,
    /// `[users, width]`; zeros of one who wrote nothing.
    pub(super) users: Vec<f32>,
    /// `[items, width]`.
    pub(super) items: Vec<f32>,
}

impl PairContent for Profiles {
    fn width(&self) -> usize {
        self.width
    }

    /// Nothing is left out here: for the scores of a trained model only.
    fn of_group(&self, user: u32, items: &[u32], _step: u64, vectors: &mut [f32]) {
        for (&item, vector) in items.iter().zip(vectors.chunks_exact_mut(self.width)) {
            self.of_items(user, item, vector);
        }
    }

    fn of_items(&self, user: u32, first: u32, vectors: &mut [f32]) {
        let user = &self.users[user as usize * self.width..][..self.width];
        let items = self.items[first as usize * self.width..].chunks_exact(self.width);
        for (vector, item) in vectors.chunks_exact_mut(self.width).zip(items) {
            vector.iter_mut().zip(user.iter().zip(item)).for_each(|(value, (a, b))| *value = a * b);
        }
    }
}

/// The same in training. A pair's own review is left out of both means, or the pair would tell itself. An item that was drawn
/// lacks one of its reviews too, or the number of reviews would tell which item was observed.
#[derive(Debug)]
pub(super) struct LeftOut {
    width: usize,
    /// User and item of each review, ascending.
    pairs: Vec<(u32, u32)>,
    /// `[reviews, width]`.
    vectors: Vec<f32>,
    users: Sums,
    items: Sums,
    /// Reviews of each item.
    by_item: Vec<Vec<u32>>,
    /// For validation.
    profiles: Profiles,
}

/// Sums of vectors of reviews, for users or items.
#[derive(Debug)]
struct Sums {
    /// `[rows, width]`.
    rows: Vec<f32>,
    counts: Vec<u32>,
    /// Reviews that say nothing, added to those of each row.
    shrinkage: f32,
}

impl Sums {
    fn of(
        ids: impl Iterator<Item = u32>,
        rows: usize,
        vectors: &[f32],
        width: usize,
        shrinkage: f32,
    ) -> Self {
        let mut this = Self { rows: vec![0.0; rows * width], counts: vec![0; rows], shrinkage };
        for (id, vector) in ids.zip(vectors.chunks_exact(width)) {
            this.counts[id as usize] += 1;
            let sum = &mut this.rows[id as usize * width..][..width];
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        }
        this
    }

    fn means(&self, width: usize) -> Vec<f32> {
        let mut means = self.rows.clone();
        for (row, &count) in means.chunks_exact_mut(width).zip(&self.counts) {
            let count = (count as f32 + self.shrinkage).max(1.0);
            for value in row {
                *value /= count;
            }
        }
        means
    }

    /// Multiplies a row's mean without one of its vectors into `out`.
    fn times_mean(&self, id: u32, without: Option<&[f32]>, out: &mut [f32]) {
        let sum = &self.rows[id as usize * out.len()..][..out.len()];
        let count = self.counts[id as usize] as f32 + self.shrinkage;
        if let Some(own) = without {
            let share = 1.0 / (count - 1.0).max(1.0);
            out.iter_mut()
                .zip(sum.iter().zip(own))
                .for_each(|(value, (sum, own))| *value *= (sum - own) * share);
        } else {
            let share = 1.0 / count.max(1.0);
            out.iter_mut().zip(sum).for_each(|(value, sum)| *value *= sum * share);
        }
    }
}

impl LeftOut {
    /// From the reviews' vectors, `[reviews, width]`.
    pub(super) fn new(
        reviews: &Reviews,
        vectors: Vec<f32>,
        width: usize,
        (users, items): (usize, usize),
        shrinkage: f32,
    ) -> Self {
        let pairs = reviews.pairs().to_vec();
        let mut by_item = vec![Vec::new(); items];
        for (number, &(_, item)) in (0..).zip(&pairs) {
            by_item[item as usize].push(number);
        }
        let users = Sums::of(pairs.iter().map(|pair| pair.0), users, &vectors, width, shrinkage);
        let items = Sums::of(pairs.iter().map(|pair| pair.1), items, &vectors, width, shrinkage);
        let profiles = Profiles { width, users: users.means(width), items: items.means(width) };
        Self { width, pairs, vectors, users, items, by_item, profiles }
    }

    pub(super) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    fn vector(&self, number: usize) -> &[f32] {
        &self.vectors[number * self.width..][..self.width]
    }
}

impl PairContent for LeftOut {
    fn width(&self) -> usize {
        self.width
    }

    fn of_group(&self, user: u32, items: &[u32], step: u64, vectors: &mut [f32]) {
        let own = items.first().and_then(|&item| self.pairs.binary_search(&(user, item)).ok());
        let own = own.map(|number| self.vector(number));
        let mut of_user = vec![1.0; self.width];
        self.users.times_mean(user, own, &mut of_user);
        for ((place, &item), vector) in items.iter().enumerate().zip(vectors.chunks_exact_mut(self.width)) {
            let written = &self.by_item[item as usize];
            let without = match place {
                0 => own,
                // Where the observed pair has none to leave out, the number of reviews must not tell which it is.
                _ if own.is_none() => None,
                _ => drawn(user, item, step, written.len()).map(|place| self.vector(written[place] as usize)),
            };
            vector.copy_from_slice(&of_user);
            self.items.times_mean(item, without, vector);
        }
    }

    fn of_items(&self, user: u32, first: u32, vectors: &mut [f32]) {
        self.profiles.of_items(user, first, vectors);
    }
}

/// One of so many, the same for the same pair and step; none of none.
pub(super) fn drawn(user: u32, item: u32, step: u64, count: usize) -> Option<usize> {
    let pair = u64::from(user) << 32 | u64::from(item);
    let [word, ..] = Philox::new(pair ^ step.rotate_left(40), DRAWN_STREAM).block();
    (count > 0).then(|| word as usize % count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users 0 and 1 wrote about item 0, user 0 also about item 1; nobody about item 2.
    fn content(shrinkage: f32) -> LeftOut {
        let pairs = vec![(0, 0), (0, 1), (1, 0)];
        let reviews = Reviews::new(pairs, ["a", "b", "c"].map(str::to_owned).to_vec());
        LeftOut::new(&reviews, vec![1.0, 10.0, 2.0, 20.0, 4.0, 40.0], 2, (2, 3), shrinkage)
    }

    #[test]
    fn the_pair_s_own_review_is_in_neither_mean() {
        let mut vectors = [0.0; 2];
        content(0.0).of_group(0, &[0], 0, &mut vectors);
        // Without (1, 10): the user wrote (2, 20), of the item there is (4, 40).
        assert_eq!(vectors, [8.0, 800.0]);
        content(1.0).of_group(0, &[0], 0, &mut vectors);
        assert_eq!(vectors, [2.0, 200.0]);
        content(0.0).of_group(0, &[1], 0, &mut vectors);
        assert_eq!(vectors, [0.0, 0.0], "nobody else wrote about it");
    }

    #[test]
    fn a_drawn_item_lacks_one_of_its_reviews_too() {
        let content = content(0.0);
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..50 {
            let mut vectors = [0.0; 6];
            // User 1 wrote one review, which is left out: the user's part is told apart by user 0.
            content.of_group(0, &[1, 0, 2], step, &mut vectors);
            // The user's without (2, 20) is (1, 10); the drawn item's is one of (1, 10) and (4, 40).
            seen.insert(vectors[2] as i32);
            assert_eq!((vectors[3], &vectors[4..]), (vectors[2] * 100.0, &[0.0, 0.0][..]));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn where_the_observed_pair_has_no_review_a_drawn_item_lacks_none() {
        let mut vectors = [0.0; 4];
        content(0.0).of_group(1, &[2, 0], 0, &mut vectors);
        assert_eq!(vectors, [0.0, 0.0, 4.0 * 2.5, 40.0 * 25.0]);
    }

    #[test]
    fn scores_see_all_reviews() {
        let mut vectors = [0.0; 4];
        content(0.0).of_items(0, 0, &mut vectors);
        assert_eq!(vectors, [1.5 * 2.5, 15.0 * 25.0, 1.5 * 2.0, 15.0 * 20.0]);
    }
}
