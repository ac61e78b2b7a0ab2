//! What each exercise is for.

use cloze_train::{ModelFolder, NamedTensor, TrainError};

const OFFSETS: &str = "objectives.offsets";
const VALUES: &str = "objectives.values";

/// The objectives of each exercise; one that all exercises without any share comes last, if there are such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objectives {
    count: usize,
    of: Vec<Vec<u32>>,
}

impl Objectives {
    /// The names of the objectives, by number.
    pub(super) fn names(genres: Option<&[Vec<String>]>) -> Vec<&str> {
        let mut names: Vec<&str> = genres.into_iter().flatten().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(super) fn new(genres: Option<&[Vec<String>]>, exercises: usize) -> Self {
        let names = Self::names(genres);
        let number =
            |name: &String| names.binary_search(&name.as_str()).map_or(names.len() as u32, |at| at as u32);
        let own = |exercise: usize| {
            let listed = genres.and_then(|genres| genres.get(exercise));
            let mut own: Vec<u32> = listed.into_iter().flatten().map(number).collect();
            own.sort_unstable();
            own.dedup();
            if own.is_empty() { vec![names.len() as u32] } else { own }
        };
        let of: Vec<Vec<u32>> = (0..exercises).map(own).collect();
        let without = of.iter().flatten().any(|&objective| objective as usize == names.len());
        Self { count: names.len() + usize::from(without), of }
    }

    /// From what [`Objectives::parts`] gave; none if it is not that.
    fn from_parts(offsets: &[u64], values: &[u32], count: usize) -> Option<Self> {
        let one = |pair: &[u64]| values.get(pair[0] as usize..pair[1] as usize).map(<[u32]>::to_vec);
        let of = offsets.windows(2).map(one).collect::<Option<Vec<_>>>()?;
        let known = values.iter().all(|&objective| (objective as usize) < count);
        (known && of.iter().all(|own| !own.is_empty())).then_some(Self { count, of })
    }

    /// Where the objectives of each exercise begin among all, and these.
    pub(super) fn parts(&self) -> (Vec<u64>, Vec<u32>) {
        let ends = self.of.iter().scan(0, |end, own| {
            *end += own.len() as u64;
            Some(*end)
        });
        (std::iter::once(0).chain(ends).collect(), self.of.concat())
    }

    /// As a model's folder has them.
    pub(super) fn tensors(&self) -> Vec<NamedTensor<'static>> {
        let (offsets, values) = self.parts();
        vec![
            NamedTensor::u64(OFFSETS, &[offsets.len()], offsets),
            NamedTensor::u32(VALUES, &[values.len()], values),
        ]
    }

    /// Those of a folder; `count` objectives, or as many as exercises have.
    ///
    /// # Errors
    /// A damaged folder.
    pub(super) fn load(folder: &ModelFolder, count: Option<usize>) -> Result<Self, TrainError> {
        let offsets = folder.u64(OFFSETS, Some(&[folder.vocabularies.items.len() + 1]))?;
        let values = folder.u32(VALUES, None)?;
        let most = values.iter().max().map_or(0, |most| *most as usize + 1);
        let damaged =
            || TrainError::Data("the objectives of the exercises are damaged: train again".to_owned());
        Self::from_parts(&offsets, &values, count.unwrap_or(most)).ok_or_else(damaged)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn exercises(&self) -> usize {
        self.of.len()
    }

    pub(super) fn of(&self, exercise: u32) -> &[u32] {
        &self.of[exercise as usize]
    }
}
