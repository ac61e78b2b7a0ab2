//! The items that have weights: all, or the most popular ones of a catalogue that is too large.

use cloze_data::{DataError, Sequences};

/// No place among the kept items.
const NONE: u32 = u32::MAX;

/// Kept items, numbered by place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// The item at each place, ascending.
    items: Vec<u32>,
    /// The place of each item, or [`NONE`].
    places: Vec<u32>,
}

impl Kept {
    /// The `most` items with the largest counts (0: all); of equal counts the first.
    pub(crate) fn popular(counts: &[u64], most: usize) -> Self {
        let mut items: Vec<u32> = (0..counts.len() as u32).collect();
        if most > 0 && most < items.len() {
            items.sort_by_key(|&item| std::cmp::Reverse(counts[item as usize]));
            items.truncate(most);
            items.sort_unstable();
        }
        Self::new(items, counts.len())
    }

    /// Items from a file: says what is wrong with them, if anything is.
    pub(crate) fn checked(items: Vec<u32>, catalogue: usize) -> Result<Self, String> {
        if let Some([before, item]) = items.array_windows().find(|[before, item]| before >= item) {
            return Err(format!("kept item {before} stands before {item}"));
        }
        match items.last() {
            Some(&last) if last as usize >= catalogue => {
                Err(format!("kept item {last} is outside the catalogue of {catalogue} items"))
            }
            _ => Ok(Self::new(items, catalogue)),
        }
    }

    fn new(items: Vec<u32>, catalogue: usize) -> Self {
        let mut places = vec![NONE; catalogue];
        for (place, &item) in (0_u32..).zip(&items) {
            places[item as usize] = place;
        }
        Self { items, places }
    }

    pub(crate) fn items(&self) -> &[u32] {
        &self.items
    }

    /// The place of an item below the catalogue.
    pub(crate) fn place(&self, item: u32) -> Option<usize> {
        let place = self.places[item as usize];
        (place != NONE).then_some(place as usize)
    }

    /// The sequences of the kept items' places, without the other items.
    pub(crate) fn of(&self, train: &Sequences) -> Result<Sequences, DataError> {
        if self.items.len() == self.places.len() {
            return Ok(train.clone());
        }
        let lists: Vec<Vec<u32>> = train
            .iter()
            .map(|list| list.iter().filter_map(|&item| self.place(item)).map(|place| place as u32).collect())
            .collect();
        Sequences::from_lists(&lists, None)
    }

    /// Moves what stands at the places of the kept items, the first of `row`, to the items; the others become 0.
    pub(crate) fn spread(&self, row: &mut [f32]) {
        row[self.items.len()..].fill(0.0);
        // No item is below its place: from the last to the first, nothing is overwritten before it is moved.
        for (place, &item) in self.items.iter().enumerate().rev() {
            if item as usize != place {
                row[item as usize] = std::mem::take(&mut row[place]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_popular_items_are_kept_and_their_scores_go_to_them() {
        let kept = Kept::popular(&[1, 5, 0, 5, 1], 3);
        assert_eq!(kept.items(), [0, 1, 3]);
        assert_eq!((kept.place(3), kept.place(4)), (Some(2), None));
        let mut row = [7.0, 8.0, 9.0, f32::NAN, f32::NAN];
        kept.spread(&mut row);
        assert_eq!(row.map(f32::to_bits), [7.0_f32, 8.0, 0.0, 9.0, 0.0].map(f32::to_bits));
        assert_eq!(Kept::popular(&[1, 5], 0), Kept::popular(&[1, 5], 2));
    }

    #[test]
    fn a_list_that_is_no_set_of_items_is_refused() {
        assert!(Kept::checked(vec![0, 2, 2], 4).unwrap_err().contains("2 stands before 2"));
        assert!(Kept::checked(vec![0, 4], 4).unwrap_err().contains("outside"));
        assert_eq!(Kept::checked(vec![], 0), Ok(Kept::popular(&[], 0)));
    }
}
