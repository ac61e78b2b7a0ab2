//! How different two items are.

use crate::error::EvalError;

/// An item of more users than one in this many keeps them as bits: 32 bits an id is what a list would need.
const DENSE: usize = 32;

/// Distances between items: 1 - cosine of their vectors, between 0 and 2 (0 and 1 where no value is negative).
///
/// A vector of zeros, such as that of an item that training never shows, has distance 1 to everything.
#[derive(Debug, Clone)]
pub struct ItemDistances(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Vectors of length 1 (or 0), one after another.
    Vectors { dimension: usize, unit: Vec<f32> },
    /// The users of each item.
    CoOccurrence(Vec<Members>),
}

#[derive(Debug, Clone)]
enum Members {
    Sorted(Vec<u32>),
    Bits { bits: Vec<u64>, count: usize },
}

impl ItemDistances {
    /// Distances between given vectors, `dimension` numbers for each item of the catalogue.
    ///
    /// # Errors
    /// [`EvalError::Option`] when the numbers are not a whole number of vectors, [`EvalError::NotFinite`] for NaN
    /// or infinity among them.
    pub fn vectors(dimension: usize, numbers: &[f32]) -> Result<Self, EvalError> {
        if dimension == 0 || !numbers.len().is_multiple_of(dimension) {
            let problem = format!("{} numbers are no vectors of {dimension}", numbers.len());
            return Err(EvalError::Option { option: "item vectors", problem });
        }
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let value = f64::from(numbers[at]);
            return Err(EvalError::NotFinite { what: "item vector component", at, value });
        }
        let mut unit = numbers.to_vec();
        for vector in unit.chunks_exact_mut(dimension) {
            let norm = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                for x in vector {
                    *x = (f64::from(*x) / norm) as f32;
                }
            }
        }
        Ok(Self(Kind::Vectors { dimension, unit }))
    }

    /// Distances by co-occurrence: an item's vector has a 1 for each sequence (user) of the training part that
    /// holds it, so that the cosine is `both / sqrt(one * other)`.
    ///
    /// Takes no more memory than the sequences.
    ///
    /// # Errors
    /// [`EvalError::ItemOutOfRange`] for an item outside the catalogue.
    pub fn co_occurrence<'a>(
        catalogue: usize,
        sequences: impl IntoIterator<Item = &'a [u32]>,
    ) -> Result<Self, EvalError> {
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); catalogue];
        let mut users = 0;
        for sequence in sequences {
            for &item in sequence {
                let Some(list) = members.get_mut(item as usize) else {
                    let user = Some(users);
                    return Err(EvalError::ItemOutOfRange { user, item, place: "training", catalogue });
                };
                if list.last() != Some(&users) {
                    list.push(users);
                }
            }
            users += 1;
        }
        let pack = |list: Vec<u32>| Members::new(list, users as usize);
        Ok(Self(Kind::CoOccurrence(members.into_iter().map(pack).collect())))
    }

    /// Number of items.
    pub fn catalogue(&self) -> usize {
        match &self.0 {
            Kind::Vectors { dimension, unit } => unit.len() / dimension,
            Kind::CoOccurrence(members) => members.len(),
        }
    }

    /// `co-occurrence` or `vectors`.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Kind::Vectors { .. } => "vectors",
            Kind::CoOccurrence(_) => "co-occurrence",
        }
    }

    /// The distance of two items of the catalogue.
    pub fn between(&self, a: u32, b: u32) -> f64 {
        let (a, b) = (a as usize, b as usize);
        match &self.0 {
            Kind::Vectors { dimension, unit } => {
                let vector = |item: usize| &unit[item * dimension..][..*dimension];
                let products = vector(a).iter().zip(vector(b)).map(|(x, y)| f64::from(*x) * f64::from(*y));
                1.0 - products.sum::<f64>()
            }
            Kind::CoOccurrence(members) => {
                let both = members[a].common(&members[b]) as f64;
                let sizes = members[a].count() as f64 * members[b].count() as f64;
                if sizes > 0.0 { 1.0 - both / sizes.sqrt() } else { 1.0 }
            }
        }
    }

    /// The mean over the pairs of a list; none for a list without pairs.
    pub(crate) fn within(&self, list: &[u32]) -> Option<f64> {
        let pairs = list.len() * list.len().saturating_sub(1) / 2;
        let of = |(at, &item): (usize, &u32)| {
            list[..at].iter().map(|&other| self.between(item, other)).sum::<f64>()
        };
        (pairs > 0).then(|| list.iter().enumerate().map(of).sum::<f64>() / pairs as f64)
    }
}

impl Members {
    fn new(sorted: Vec<u32>, users: usize) -> Self {
        if sorted.len() <= users / DENSE {
            return Self::Sorted(sorted);
        }
        let mut bits = vec![0_u64; users.div_ceil(64)];
        for &user in &sorted {
            bits[user as usize / 64] |= 1 << (user % 64);
        }
        Self::Bits { bits, count: sorted.len() }
    }

    fn count(&self) -> usize {
        match self {
            Self::Sorted(list) => list.len(),
            Self::Bits { count, .. } => *count,
        }
    }

    fn common(&self, other: &Self) -> usize {
        match (self, other) {
            (Self::Bits { bits: a, .. }, Self::Bits { bits: b, .. }) => {
                a.iter().zip(b).map(|(a, b)| (a & b).count_ones() as usize).sum()
            }
            (Self::Bits { bits, .. }, Self::Sorted(list)) | (Self::Sorted(list), Self::Bits { bits, .. }) => {
                list.iter().filter(|&&user| bits[user as usize / 64] >> (user % 64) & 1 == 1).count()
            }
            (Self::Sorted(a), Self::Sorted(b)) => {
                let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
                short.iter().filter(|user| long.binary_search(user).is_ok()).count()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn co_occurrence_is_worked_out_by_hand() {
        // Item 0 is in three sequences, item 1 in two, both in two; item 3 in none.
        let sequences: [&[u32]; 3] = [&[0, 1, 0], &[1, 0], &[0, 2]];
        let distances = ItemDistances::co_occurrence(4, sequences).unwrap();
        assert!((distances.between(0, 1) - (1.0 - 2.0 / 6.0_f64.sqrt())).abs() < 1e-15);
        assert!((distances.between(1, 2) - 1.0).abs() < 1e-15);
        assert!((distances.between(0, 3) - 1.0).abs() < 1e-15);
        assert!(distances.between(0, 0).abs() < 1e-15);
        let outside = ItemDistances::co_occurrence(2, sequences).unwrap_err();
        assert!(matches!(outside, EvalError::ItemOutOfRange { item: 2, user: Some(2), .. }));
    }

    #[test]
    fn bits_and_lists_count_alike() {
        let a: Vec<u32> = (0..400).filter(|user| user % 3 == 0).collect();
        let b: Vec<u32> = (0..400).filter(|user| user % 5 == 0).collect();
        let bits = |list: &[u32]| Members::new(list.to_vec(), 400);
        assert!(matches!(bits(&a), Members::Bits { .. }));
        let (sorted_a, sorted_b) = (Members::Sorted(a.clone()), Members::Sorted(b.clone()));
        for left in [&bits(&a), &sorted_a] {
            for right in [&bits(&b), &sorted_b] {
                assert_eq!(left.common(right), 27, "multiples of 15 below 400, and 0");
            }
        }
    }

    #[test]
    fn vectors_have_a_cosine() {
        let distances = ItemDistances::vectors(2, &[1.0, 0.0, 3.0, 3.0, 0.0, 0.0, -2.0, 0.0]).unwrap();
        for (a, b, expected) in [(0, 1, 1.0 - 0.5_f64.sqrt()), (0, 2, 1.0), (0, 3, 2.0), (1, 1, 0.0)] {
            assert!((distances.between(a, b) - expected).abs() < 1e-6, "{a} {b}");
        }
        // Pairs (0,1), (0,3), (1,3).
        let mean = ((1.0 - 0.5_f64.sqrt()) + 2.0 + (1.0 + 0.5_f64.sqrt())) / 3.0;
        assert!((distances.within(&[0, 1, 3]).unwrap() - mean).abs() < 1e-6);
        assert_eq!(distances.within(&[2]), None);
        assert!(ItemDistances::vectors(3, &[0.0; 4]).unwrap_err().to_string().contains("4 numbers"));
        assert!(ItemDistances::vectors(1, &[0.0, f32::NAN]).is_err());
    }
}
