//! End to end: both towers and the head learn from the same loss.

use super::head::Head;
use super::pairs::{Pairs, Positive};
use super::softmax::{Answered, Asked};
use super::task::quality;
use crate::options::HybridOptions;
use cloze_data::Sequences;
use cloze_encoder::{AdamW, AdamWOptions, GradientNorm, OptimizerState, Schedule};
use cloze_eval::Cases;
use cloze_sequential::Tower;
use cloze_train::{Plan, Run, Step, Task, TrainError, TrainingData, train, validation_cases};

/// The two towers of the product.
pub(super) struct Towers<'a> {
    pub(super) cbf: &'a mut Tower,
    pub(super) cf: &'a mut Tower,
}

/// Goes on from trained towers and head: each step asks for the item after a prefix, among the items of the batch. A score
/// gets `−ln c` of how often its item is asked for in all, because popular items are in more batches; items that a user has
/// are not held against it. Whoever is asked for an item in this batch is taken out of the item's users first: otherwise the
/// answer would stand in the question.
///
/// # Errors
/// Divergence, or a failure of an engine.
pub(super) fn train_together(
    towers: Towers<'_>,
    head: &mut Head,
    data: &TrainingData<'_>,
    o: &HybridOptions,
    run: &mut Run<'_>,
) -> Result<(), TrainError> {
    let cuts = o.cuts().max(1);
    let (pairs, histories) = Pairs::of_prefixes(data.sequences, data.items, cuts, o.head_negatives, run.seed);
    if pairs.is_empty() {
        return Err(TrainError::Data("no user has two interactions: there is nothing to predict".to_owned()));
    }
    let users_of = data.sequences.transpose(data.items)?;
    let cases = validation_cases(data.sequences, data.validation, data.items)?;
    let steps = o.joint_steps;
    let every = if o.cbf.validate_every == 0 { 0 } else { steps.div_ceil(super::VALIDATIONS) };
    let plan = Plan {
        schedule: Schedule { peak: o.joint_learning_rate, warmup: steps / 10, steps },
        validate_every: if cases.is_some() { every } else { 0 },
    };
    let optimizer =
        AdamW::flat(head.values().len(), AdamWOptions { weight_decay: 0.0, ..AdamWOptions::default() });
    let offsets = pairs.counts().iter().map(|&count| -(count.max(1) as f32).ln()).collect();
    // One count of steps for all three. What the towers' own training remembers is of another loss.
    for tower in [&mut *towers.cbf, &mut *towers.cf] {
        let blank = vec![0.0; tower.parameters()?.len()];
        tower.load_optimizer(OptimizerState { step: 0, first: blank.clone(), second: blank })?;
    }
    let mut task = JointTask {
        towers,
        head,
        optimizer,
        pairs,
        histories,
        users_of,
        sequences: data.sequences,
        offsets,
        cases,
        batch: o.joint_batch,
    };
    train(&mut task, "end-to-end", &plan, run)
}

struct JointTask<'a> {
    towers: Towers<'a>,
    head: &'a mut Head,
    optimizer: AdamW,
    pairs: Pairs<'a>,
    /// The prefixes that the pairs name.
    histories: Vec<&'a [u32]>,
    /// Each item's users.
    users_of: Sequences,
    sequences: &'a Sequences,
    /// What is added to each item's scores.
    offsets: Vec<f32>,
    cases: Option<Cases<'a>>,
    batch: usize,
}

impl JointTask<'_> {
    /// The batch's items, each once, and its users without those who are asked for it.
    fn items(&self, drawn: &[Positive]) -> (Vec<u32>, Vec<Vec<u32>>) {
        let mut items: Vec<u32> = drawn.iter().map(|positive| positive.item).collect();
        items.sort_unstable();
        items.dedup();
        let mut asked: Vec<(u32, u32)> = drawn.iter().map(|one| (one.item, one.user)).collect();
        asked.sort_unstable();
        let others = |asking: &[(u32, u32)]| {
            let asks = |user: u32| asking.iter().any(|one| one.1 == user);
            self.users_of.get(asking[0].0 as usize).iter().copied().filter(|&user| !asks(user)).collect()
        };
        let users = asked.chunk_by(|a, b| a.0 == b.0).map(others).collect();
        (items, users)
    }

    /// Loss and gradients of a batch, those of towers and head added up.
    fn learn(&mut self, drawn: &[Positive], gradient: &mut [f32]) -> Result<f64, TrainError> {
        let (items, others) = self.items(drawn);
        let histories: Vec<&[u32]> = drawn.iter().map(|one| self.histories[one.profile as usize]).collect();
        let others: Vec<&[u32]> = others.iter().map(Vec::as_slice).collect();
        let users = self.towers.cbf.forward(&histories)?;
        let profiles = self.towers.cf.forward(&others)?;
        let place = |one: &Positive| items.partition_point(|&item| item < one.item) as u32;
        let targets: Vec<u32> = drawn.iter().map(place).collect();
        let asked = Asked { users: &users, targets: &targets, items: &profiles };
        let offset = |row: usize, at: usize| {
            let (one, item) = (&drawn[row], items[at]);
            let has = item != one.item && self.sequences.get(one.user as usize).contains(&item);
            if has { f32::NEG_INFINITY } else { self.offsets[item as usize] }
        };
        let Answered { loss, users, items } = self.head.softmax(&asked, offset, gradient);
        self.towers.cbf.backward(&self.head.user_profile_gradient(&users))?;
        self.towers.cf.backward(&self.head.item_profile_gradient(&items))?;
        Ok(loss)
    }

    /// Lengths of the parameters of either tower.
    fn lengths(&self) -> Result<[usize; 2], TrainError> {
        Ok([self.towers.cbf.parameters()?.len(), self.towers.cf.parameters()?.len()])
    }

    /// Cuts what belongs to the three apart.
    fn parts<'v>(&self, values: &'v [f32]) -> Result<[&'v [f32]; 3], TrainError> {
        let [cbf, cf] = self.lengths()?;
        let expected = cbf + cf + self.head.values().len();
        if values.len() != expected {
            let found = values.len();
            return Err(TrainError::Data(format!("{found} values for towers and head of {expected}")));
        }
        let (first, rest) = values.split_at(cbf);
        let (second, third) = rest.split_at(cf);
        Ok([first, second, third])
    }
}

impl Task for JointTask<'_> {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let drawn = self.pairs.positives(step, self.batch);
        let mut gradient = vec![0.0; self.head.values().len()];
        let loss = self.learn(&drawn, &mut gradient)?;
        let norms = [
            self.towers.cbf.update(rate)?,
            self.towers.cf.update(rate)?,
            self.optimizer.update(self.head.values_mut(), &gradient, rate)?,
        ];
        let norm = GradientNorm {
            norm: norms.iter().map(|one| one.norm.powi(2)).sum::<f64>().sqrt(),
            clipped: norms.iter().any(|one| one.clipped),
        };
        Ok(Step { loss, norm, items: drawn.len() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(cases) = &self.cases else { return Ok(None) };
        let profile = cloze_sequential::Profile::Hidden;
        let profiles = self.towers.cbf.profiles(cases.histories(), profile)?;
        let users: Vec<&[u32]> = self.users_of.iter().collect();
        let mapped = self.head.map_items(&self.towers.cf.profiles(&users, profile)?);
        let rank = |places, scores: &mut [f32]| self.head.rank_some(&profiles, places, &mapped, scores);
        Ok(Some(quality(cases, rank)?))
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok([&self.towers.cbf.parameters()?, &self.towers.cf.parameters()?, self.head.values()].concat())
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        let [cbf, cf, head] = self.parts(parameters)?;
        self.towers.cbf.load_parameters(cbf)?;
        self.towers.cf.load_parameters(cf)?;
        self.head.values_mut().copy_from_slice(head);
        Ok(())
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        let (cbf, cf) = (self.towers.cbf.optimizer()?, self.towers.cf.optimizer()?);
        let head = self.optimizer.state();
        Ok(OptimizerState {
            step: head.step,
            first: [cbf.first, cf.first, head.first].concat(),
            second: [cbf.second, cf.second, head.second].concat(),
        })
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        let (first, second) = (self.parts(&state.first)?, self.parts(&state.second)?);
        let part = |at: usize| OptimizerState {
            step: state.step,
            first: first[at].to_vec(),
            second: second[at].to_vec(),
        };
        self.towers.cbf.load_optimizer(part(0))?;
        self.towers.cf.load_optimizer(part(1))?;
        Ok(self.optimizer.load_state(part(2))?)
    }
}
