//! The content of a pair as the paper prints it: the vector of the pair's own review, squared, since it multiplies user and item.

use cloze_cf::PairContent;

use super::content::drawn;

/// A vector for every review, of held-out pairs too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OwnReviews {
    pub(super) width: usize,
    /// User and item of each review, ascending.
    pub(super) pairs: Vec<(u32, u32)>,
    /// `[reviews, width]`.
    pub(super) vectors: Vec<f32>,
    /// Whether a pair without a review, as all that are drawn, has anybody's; else it has none.
    pub(super) borrow: bool,
}

impl OwnReviews {
    fn write(&self, user: u32, item: u32, step: u64, out: &mut [f32]) {
        let own = self.pairs.binary_search(&(user, item)).ok();
        let borrowed = || drawn(user, item, step, self.pairs.len()).filter(|_| self.borrow);
        let Some(number) = own.or_else(borrowed) else { return out.fill(0.0) };
        let vector = &self.vectors[number * self.width..][..self.width];
        out.iter_mut().zip(vector).for_each(|(out, value)| *out = value * value);
    }
}

impl PairContent for OwnReviews {
    fn width(&self) -> usize {
        self.width
    }

    fn of_group(&self, user: u32, items: &[u32], step: u64, vectors: &mut [f32]) {
        for (&item, vector) in items.iter().zip(vectors.chunks_exact_mut(self.width)) {
            self.write(user, item, step, vector);
        }
    }

    fn of_items(&self, user: u32, first: u32, vectors: &mut [f32]) {
        for (item, vector) in (first..).zip(vectors.chunks_exact_mut(self.width)) {
            self.write(user, item, 0, vector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_its_own_review_and_another_pair_anybody_s_or_none() {
        let mut content =
            OwnReviews { width: 1, pairs: vec![(0, 1), (2, 0)], vectors: vec![3.0, 5.0], borrow: true };
        let mut vectors = [0.0; 2];
        let mut drawn = std::collections::BTreeSet::new();
        for step in 0..30 {
            content.of_group(0, &[1, 0], step, &mut vectors);
            assert_eq!(vectors[0], 9.0);
            drawn.insert(vectors[1] as i32);
        }
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [9, 25]);
        content.of_items(2, 0, &mut vectors);
        assert_eq!(vectors[0], 25.0);
        content.borrow = false;
        content.of_items(2, 0, &mut vectors);
        assert_eq!(vectors, [25.0, 0.0]);
    }
}
