//! What a model learns from: a part of the data, by the flags.

use cloze_data::{Dataset, Sequences, Split};
use cloze_train::{TrainedOn, share_of_users};

use super::FitArg;

/// Where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) split: &'a dyn Split,
    pub(super) origin: &'a TrainedOn,
}

/// What is learned from.
pub(super) struct Lessons {
    pub(super) sequences: Sequences,
    pub(super) validation: Option<Vec<Option<u32>>>,
    /// The whole sequences of the same users, for a model that shows what a leak is worth; `None`: those of the data.
    pub(super) leak: Option<Sequences>,
}

impl Lessons {
    pub(super) fn of(source: &Source<'_>, fit: FitArg, user_share: f64, seed: u64) -> Self {
        let split = source.split;
        let (sequences, validation) = match fit {
            FitArg::Train => (split.train().clone(), Some(split.validation().to_vec())),
            FitArg::TrainAndValidation => (split.train_and_validation(), None),
        };
        if user_share >= 1.0 {
            return Self { sequences, validation, leak: None };
        }
        // Drawn by the number of users and the seed alone: both times the same ones.
        let drawn = |all: &Sequences, validation| share_of_users(all, validation, user_share, seed);
        let (sequences, validation) = drawn(&sequences, validation.as_deref());
        Self { sequences, validation, leak: Some(drawn(&source.dataset.sequences, None).0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloze_data::{DataOptions, Silent, SplitSpec, load};

    #[test]
    fn what_leaks_is_of_the_users_that_are_learned_from() {
        let cache = tempfile::tempdir().unwrap();
        let options = DataOptions { cache: Some(cache.path().to_owned()), ..DataOptions::default() };
        let dataset = load("synthetic", &options, &mut Silent).unwrap();
        let split = SplitSpec::default().of(&dataset.sequences).unwrap();
        let origin = TrainedOn {
            dataset: "synthetic".to_owned(),
            synthetic: true,
            split: "leave-one-out".to_owned(),
            split_hash: split.hash(),
            fit: "train".to_owned(),
            user_share: 0.1,
        };
        let source = Source { dataset: &dataset, split: split.as_ref(), origin: &origin };
        assert!(Lessons::of(&source, FitArg::Train, 1.0, 1).leak.is_none());
        let Lessons { sequences, leak, .. } = Lessons::of(&source, FitArg::Train, 0.1, 1);
        let leak = leak.unwrap();
        for user in 0..sequences.len() {
            let (learned, whole) = (sequences.get(user), leak.get(user));
            assert_eq!(learned.is_empty(), whole.is_empty());
            assert!(whole.starts_with(learned) && [0, 2].contains(&(whole.len() - learned.len())));
        }
        assert_eq!(leak.iter().filter(|list| !list.is_empty()).count(), 30);
    }
}
