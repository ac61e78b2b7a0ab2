//! The learners' hybrid as a folder has it.

use super::neighbourhood::Neighbourhood;
use super::options::{LearnerHybridOptions, LearnerVariant, Neighbours, TargetProfiles};
use super::{LearnerHybrid, projects};
use crate::fusion::Linear;
use crate::learning::difficulty::Difficulty;
use crate::learning::given::Given;
use crate::learning::objectives::Objectives;
use crate::learning::targets::{Levels, Targets};
use crate::product::Head;
use cloze_sequential::Tower;
use cloze_train::{Model as _, ModelFolder, NamedTensor, TrainError};

const CBF: &str = "cbf.";
const CF: &str = "cf.";

pub(super) fn tensors(model: &LearnerHybrid) -> Result<Vec<NamedTensor<'static>>, TrainError> {
    let Neighbourhood { targets, levels, head, profiles, lifts, taken, .. } = &model.neighbourhood;
    let mut tensors = model.cbf.tensors(CBF)?;
    if let Some(tower) = &model.cf {
        tensors.extend(tower.tensors(CF)?);
    }
    tensors.extend(model.linear.iter().flat_map(Linear::tensors));
    tensors.push(NamedTensor::f32("head", &[head.values().len()], head.values().to_vec()));
    tensors.push(NamedTensor::f32("profiles.targets", &[targets.len(), head.width()], profiles.clone()));
    tensors.push(NamedTensor::f32("targets.lifts", &[targets.len()], lifts.clone()));
    tensors.push(NamedTensor::u32("targets.taken", &[targets.len()], taken.clone()));
    tensors.extend(targets.objectives_of_all().tensors());
    match levels {
        Levels::All => {}
        Levels::Random(seed) => tensors.push(NamedTensor::u64("difficulty.seed", &[1], vec![*seed])),
        Levels::Given(Given { objectives, levels }) => {
            let shape = [levels.len() / objectives, *objectives];
            let levels: Vec<u32> = levels.iter().map(|&level| u32::from(level)).collect();
            tensors.push(NamedTensor::u32("difficulty.given", &shape, levels));
        }
        Levels::Same(Difficulty { tertiles, means, credit, answers }) => {
            let shape = [credit.len() / means.len(), means.len()];
            tensors.push(NamedTensor::f32("difficulty.tertiles", &[2], tertiles.to_vec()));
            tensors.push(NamedTensor::f32("difficulty.means", &[means.len()], means.clone()));
            tensors.push(NamedTensor::f32("difficulty.credit", &shape, credit.clone()));
            tensors.push(NamedTensor::u32("difficulty.answers", &shape, answers.clone()));
        }
    }
    Ok(tensors)
}

pub(super) fn load(folder: &ModelFolder) -> Result<LearnerHybrid, TrainError> {
    let options: LearnerHybridOptions = folder.options(LearnerHybrid::NAME)?;
    options.validate()?;
    let (learners, exercises) = (folder.vocabularies.users.len(), folder.vocabularies.items.len());
    let levels = levels(folder, &options, learners)?;
    let known = match &levels {
        Levels::Same(difficulty) => Some(difficulty.means.len()),
        Levels::Given(given) => Some(given.objectives),
        Levels::All | Levels::Random(_) => None,
    };
    let objectives = Objectives::load(folder, known)?;
    let targets = Targets::new(&objectives, levels.count())?;
    let (hybrid, width) = (options.hybrid(), options.cbf.hidden);
    let cbf = Tower::load(folder, CBF, &options.cbf, exercises)?;
    let tower = options.profiles == TargetProfiles::Tower;
    let cf = tower.then(|| Tower::load(folder, CF, &hybrid.cf(), learners)).transpose()?;
    let projects = projects(&options);
    let values = folder.f32("head", Some(&[Head::len(width, projects)]))?;
    let head = Head::from_values(width, projects, values)
        .ok_or_else(|| TrainError::Data("the head has another size than its options say".to_owned()))?;
    let profiles = folder.f32("profiles.targets", Some(&[targets.len(), width]))?;
    let lifts = folder.f32("targets.lifts", Some(&[targets.len()]))?;
    let taken = folder.u32("targets.taken", Some(&[targets.len()]))?;
    let mapped = head.map_items(&profiles);
    let fused = options.variant == LearnerVariant::Fused;
    let linear = fused.then(|| Linear::load(folder, &hybrid)).transpose()?;
    Ok(LearnerHybrid {
        options,
        cbf,
        cf,
        neighbourhood: Neighbourhood { targets, levels, head, profiles, mapped, lifts, taken },
        linear,
    })
}

fn levels(
    folder: &ModelFolder,
    options: &LearnerHybridOptions,
    learners: usize,
) -> Result<Levels, TrainError> {
    Ok(match options.neighbours {
        Neighbours::All => Levels::All,
        Neighbours::Random => Levels::Random(folder.u64("difficulty.seed", Some(&[1]))?[0]),
        Neighbours::SameDifficulty if options.difficulties.is_some() => {
            let levels = folder.u32("difficulty.given", None)?;
            let objectives = levels.len() / learners.max(1);
            let levels = levels.into_iter().map(|level| u8::try_from(level).unwrap_or(u8::MAX)).collect();
            let given = Given { objectives, levels };
            if !given.is_whole(learners) {
                return Err(TrainError::Data("the difficulties are damaged: train again".to_owned()));
            }
            Levels::Given(given)
        }
        Neighbours::SameDifficulty => {
            let tertiles = folder.f32("difficulty.tertiles", Some(&[2]))?;
            let means = folder.f32("difficulty.means", None)?;
            let shape = [learners, means.len()];
            Levels::Same(Difficulty {
                tertiles: [tertiles[0], tertiles[1]],
                credit: folder.f32("difficulty.credit", Some(&shape))?,
                answers: folder.u32("difficulty.answers", Some(&shape))?,
                means,
            })
        }
    })
}
