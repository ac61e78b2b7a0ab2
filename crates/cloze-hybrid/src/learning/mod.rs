//! Learners, exercises and learning objectives: what a learner takes next, and what a learner answers right.

mod attempts;
mod difficulty;
mod given;
mod hybrid;
mod objectives;
mod pfa;
mod popular;
mod targets;

pub use hybrid::{
    LearnerHybrid, LearnerHybridOptions, LearnerStore, LearnerVariant, Neighbours, Renewed, TargetProfiles,
};
pub use pfa::{Pfa, PfaOptions};
pub use popular::{PopularityInObjective, PopularityInObjectiveOptions};
