//! The users to evaluate: what each has seen and what is to be found.

use crate::categories::Categories;
use crate::error::EvalError;

/// Histories and held-out items of the evaluated users. Borrows the histories, so nothing large is copied.
#[derive(Debug, Clone)]
pub struct Cases<'a> {
    users: Vec<u32>,
    histories: Vec<&'a [u32]>,
    targets: Vec<u32>,
    popularity: Vec<u64>,
    categories: Option<&'a Categories>,
}

impl<'a> Cases<'a> {
    /// Joins the parts and checks them.
    ///
    /// - `users`: dense ids, each once; they key the candidates and pair the users of two models;
    /// - `histories`: everything before the target, in time order. For a test target of leave-one-out that is
    ///   the training part *and* the validation item;
    /// - `targets`: the item to be found;
    /// - `popularity`: count of each item in the training part; its length is the size of the catalogue.
    ///
    /// # Errors
    /// [`EvalError::NoUsers`], [`EvalError::LengthMismatch`], [`EvalError::DuplicateUser`], or
    /// [`EvalError::ItemOutOfRange`] for a history or target item outside the catalogue.
    pub fn new(
        users: Vec<u32>,
        histories: Vec<&'a [u32]>,
        targets: Vec<u32>,
        popularity: Vec<u64>,
    ) -> Result<Self, EvalError> {
        if users.is_empty() {
            return Err(EvalError::NoUsers);
        }
        let expected = users.len();
        for (what, found) in [("histories", histories.len()), ("targets", targets.len())] {
            if found != expected {
                return Err(EvalError::LengthMismatch { what, found, expected });
            }
        }
        let mut sorted = users.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(EvalError::DuplicateUser { user: pair[0] });
        }
        let cases = Self { users, histories, targets, popularity, categories: None };
        cases.check_items()?;
        Ok(cases)
    }

    /// The same cases with the items' categories: an evaluation then says how familiar targets and lists are.
    ///
    /// # Errors
    /// [`EvalError::CatalogueMismatch`] when they are those of another catalogue.
    pub fn with_categories(self, categories: &'a Categories) -> Result<Self, EvalError> {
        let (model_items, data_items) = (categories.catalogue(), self.catalogue());
        if model_items != data_items {
            return Err(EvalError::CatalogueMismatch {
                model: "of categories".to_owned(),
                model_items,
                data_items,
            });
        }
        Ok(Self { categories: Some(categories), ..self })
    }

    /// The same cases without the users whose target is in their history: whoever recommends what a user has not had, cannot be
    /// asked for it. And how many these users are.
    ///
    /// # Errors
    /// [`EvalError::OnlyRepeats`] where nobody is left.
    pub fn without_repeats(mut self) -> Result<(Self, usize), EvalError> {
        let users = self.len();
        let kept: Vec<usize> =
            (0..users).filter(|&at| !self.histories[at].contains(&self.targets[at])).collect();
        if kept.is_empty() {
            return Err(EvalError::OnlyRepeats { users });
        }
        self.users = kept.iter().map(|&at| self.users[at]).collect();
        self.histories = kept.iter().map(|&at| self.histories[at]).collect();
        self.targets = kept.iter().map(|&at| self.targets[at]).collect();
        Ok((self, users - kept.len()))
    }

    fn check_items(&self) -> Result<(), EvalError> {
        let catalogue = self.catalogue();
        for ((&user, history), &target) in self.users.iter().zip(&self.histories).zip(&self.targets) {
            let outside = |item: &u32| *item as usize >= catalogue;
            let found = if outside(&target) {
                Some((target, "target"))
            } else {
                history.iter().copied().find(outside).map(|item| (item, "history"))
            };
            if let Some((item, place)) = found {
                return Err(EvalError::ItemOutOfRange { user: Some(user), item, place, catalogue });
            }
        }
        Ok(())
    }

    /// Number of users.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Never true: cases without users cannot be made.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Number of items.
    pub fn catalogue(&self) -> usize {
        self.popularity.len()
    }

    /// Dense ids of the users, in the order of evaluation.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// The histories, in the order of [`Cases::users`].
    pub fn histories(&self) -> &[&'a [u32]] {
        &self.histories
    }

    /// The held-out items, in the order of [`Cases::users`].
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// The items' categories, where they are known.
    pub fn categories(&self) -> Option<&'a Categories> {
        self.categories
    }

    /// Count of each item in training.
    pub fn popularity(&self) -> &[u64] {
        &self.popularity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_who_had_their_target_before_can_be_left_out() {
        let histories: Vec<&[u32]> = vec![&[0, 1], &[2], &[]];
        let cases = Cases::new(vec![4, 5, 6], histories, vec![1, 1, 2], vec![1; 3]).unwrap();
        let (kept, repeats) = cases.without_repeats().unwrap();
        assert_eq!((kept.users(), kept.targets(), repeats), (&[5, 6][..], &[1, 2][..], 1));
        assert_eq!(kept.histories(), [&[2][..], &[]]);
        let all = Cases::new(vec![4], vec![&[0]], vec![0], vec![1; 3]).unwrap();
        assert!(matches!(all.without_repeats(), Err(EvalError::OnlyRepeats { users: 1 })));
    }

    #[test]
    fn bad_cases_are_refused_with_their_user() {
        let history: &[u32] = &[0, 1];
        let make = |users: Vec<u32>, targets: Vec<u32>, items: usize| {
            let histories = vec![history; users.len()];
            Cases::new(users, histories, targets, vec![1; items]).unwrap_err().to_string()
        };
        assert_eq!(make(vec![], vec![], 3), "no users to evaluate");
        assert_eq!(make(vec![4, 5], vec![2], 3), "targets: 1 given for 2 users");
        assert_eq!(make(vec![4, 5, 4], vec![2, 2, 2], 3), "user 4 appears twice among the evaluated users");
        assert_eq!(
            make(vec![4], vec![3], 3),
            "item 3 of user 4 (target) is outside the catalogue of 3 items"
        );
        assert_eq!(
            make(vec![4], vec![0], 1),
            "item 1 of user 4 (history) is outside the catalogue of 1 items"
        );
    }
}
