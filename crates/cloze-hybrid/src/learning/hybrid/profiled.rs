//! What a profile store needs of the learners' hybrid.

use super::LearnerHybrid;
use crate::product::Head;
use crate::store::{Profiled, Side};
use cloze_sequential::{Profile, Tower};
use cloze_train::{NamedTensor, TrainError};

impl Profiled for LearnerHybrid {
    fn tower(&mut self, side: Side) -> Option<(&mut Tower, Profile)> {
        let profile = self.options.hybrid().variant.profile();
        let tower = match side {
            Side::User => Some(&mut self.cbf),
            Side::Item => self.cf.as_mut(),
        };
        tower.map(|tower| (tower, profile))
    }

    fn head(&self) -> Option<&Head> {
        Some(&self.neighbourhood.head)
    }

    fn sizes(&mut self) -> [usize; 2] {
        let learners = self.cf.as_ref().map_or(0, Tower::catalogue);
        [learners, self.neighbourhood.targets.len()]
    }

    fn identity(&self) -> Result<(String, Vec<NamedTensor<'static>>), TrainError> {
        let options = serde_json::to_string(&self.options)
            .map_err(|error| TrainError::Data(format!("the options cannot be written: {error}")))?;
        Ok((options, super::stored::tensors(self)?))
    }
}
