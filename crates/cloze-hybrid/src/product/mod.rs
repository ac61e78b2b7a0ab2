//! The collaborative side as the paper has it: a tower over each item's users, and a head that multiplies an item's
//! profile with a user's.

mod head;
mod joint;
mod pairs;
mod profiles;
mod softmax;
mod task;

use crate::options::{HybridOptions, ItemProfiles, Variant};
use cloze_sequential::Tower;
use cloze_train::{ModelFolder, NamedTensor, Run, TrainError, TrainingData, validation_cases};
pub(crate) use head::{Head, dot};
use joint::{Towers, train_together};
pub(crate) use pairs::Pairs;
use profiles::of_items;
pub(crate) use profiles::{of_users, tower_over_users};
pub(crate) use task::{Draw, HeadData, Look, quality, train_head};

const CF: &str = "cf.";
const HEAD: &str = "head";
const PROFILES: &str = "profiles.items";

/// Looks at the validation items in a phase.
const VALIDATIONS: u64 = 10;

/// Tower, head, and the item profiles that both lead to.
pub(crate) struct Product {
    /// Where item profiles are its.
    cf: Option<Tower>,
    head: Head,
    /// Raw item profiles q, `[items, width]`.
    profiles: Vec<f32>,
    /// The same as the head sees them, q̂.
    mapped: Vec<f32>,
}

impl Product {
    /// Trains the head, and the tower unless one is given.
    ///
    /// # Errors
    /// Data without a pair to predict, or divergence.
    pub(crate) fn fit(
        data: &TrainingData<'_>,
        options: &HybridOptions,
        cbf: &mut Tower,
        given: Option<Tower>,
        run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        let (mut cf, mut profiles) = of_items(data, options, cbf, given, run)?;
        let mut head = Head::new(options.cbf.hidden, projects(options));
        fit_head(&mut head, &profiles, data, options, cbf, run)?;
        if let (Variant::EndToEnd, Some(tower)) = (options.variant, &mut cf) {
            train_together(Towers { cbf, cf: tower }, &mut head, data, options, run)?;
            let users = data.sequences.transpose(data.items)?;
            profiles = tower.profiles(&users.iter().collect::<Vec<_>>(), options.variant.profile())?;
        }
        let mapped = head.map_items(&profiles);
        Ok(Self { cf, head, profiles, mapped })
    }

    /// Raw item profiles, `[items, width]`.
    pub(crate) fn profiles(&self) -> &[f32] {
        &self.profiles
    }

    /// The head.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The collaborative tower, where item profiles are its.
    pub(crate) fn tower_mut(&mut self) -> Option<&mut Tower> {
        self.cf.as_mut()
    }

    /// Scores of all items for each user profile, `[users, items]`.
    pub(crate) fn rank(&self, profiles: &[f32], scores: &mut [f32]) {
        self.head.rank(profiles, &self.mapped, scores);
    }

    /// The tower of a trained hybrid, with `options` as they are stored there.
    pub(crate) fn tower(
        folder: &ModelFolder,
        options: &HybridOptions,
        users: usize,
    ) -> Result<Tower, TrainError> {
        Tower::load(folder, CF, &options.cf(), users)
    }

    pub(crate) fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let mut tensors = self.cf.as_ref().map_or_else(|| Ok(Vec::new()), |tower| tower.tensors(CF))?;
        let (head, width) = (self.head.values(), self.head.width());
        tensors.push(NamedTensor::f32(HEAD, &[head.len()], head.to_vec()));
        let shape = [self.profiles.len() / width, width];
        tensors.push(NamedTensor::f32(PROFILES, &shape, self.profiles.clone()));
        Ok(tensors)
    }

    pub(crate) fn load(folder: &ModelFolder, options: &HybridOptions) -> Result<Self, TrainError> {
        let (items, users) = (folder.vocabularies.items.len(), folder.vocabularies.users.len());
        let (width, projects) = (options.cbf.hidden, projects(options));
        let has_tower = options.item_profiles == ItemProfiles::Tower;
        let cf = has_tower.then(|| Self::tower(folder, options, users)).transpose()?;
        let values = folder.f32(HEAD, Some(&[Head::len(width, projects)]))?;
        let head = Head::from_values(width, projects, values)
            .ok_or_else(|| TrainError::Data("the head has another size than its options say".to_owned()))?;
        let profiles = folder.f32(PROFILES, Some(&[items, width]))?;
        let mapped = head.map_items(&profiles);
        Ok(Self { cf, head, profiles, mapped })
    }
}

fn projects(options: &HybridOptions) -> bool {
    matches!(options.variant, Variant::TrainedProjections | Variant::EndToEnd)
}

fn fit_head(
    head: &mut Head,
    items: &[f32],
    data: &TrainingData<'_>,
    o: &HybridOptions,
    cbf: &mut Tower,
    run: &mut Run<'_>,
) -> Result<(), TrainError> {
    let (pairs, histories) = Pairs::of(data, o, run.seed)?;
    let users = of_users(&histories, o, cbf, run)?;
    let look = match validation_cases(data.sequences, data.validation, data.items)? {
        Some(cases) => {
            let profiles = cbf.profiles(cases.histories(), o.variant.profile())?;
            let look = move |head: &Head| {
                let mapped = head.map_items(items);
                quality(&cases, |places, scores| head.rank_some(&profiles, places, &mapped, scores))
            };
            Some(Box::new(look) as Look<'_>)
        }
        None => None,
    };
    train_head(head, HeadData { pairs: &pairs, users, items, look }, o, run)
}
