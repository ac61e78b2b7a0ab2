//! The collaborative side that works: the scores of linear item-item models, added to the content tower's.

mod choice;
mod gate;
mod linear;
mod weights;

use crate::options::HybridOptions;
use choice::FEW;
pub(crate) use choice::{Choice, Optional, add, choose, log_softmax, sum};
use cloze_eval::Cases;
use cloze_sequential::Tower;
use cloze_train::{ModelFolder, NamedTensor, Run, TrainError, TrainingData, validation_cases};
pub(crate) use linear::Linear;
use rayon::prelude::*;
use std::ops::Range;

/// `s(u, v) = ln P(v | u) + Σ_k α_k · f_k(u, v)`: P is the content tower's softmax over all items, `f_k` a score of [`Linear`].
///
/// The linear models learn from all users at once what the tower would need far more steps for; it knows what they cannot
/// express. The weights are those of [`choose`]. With a gate, the weight of every score, ln P's too, is `α + β · ln((1 + n) / 64)`
/// for a history of n items.
pub(crate) struct Fusion {
    linear: Linear,
    gate: bool,
    /// α of each score that is added, and behind them β of all.
    alpha: Vec<f64>,
}

impl Fusion {
    /// Solves EASE and SLIT and, unless the options name them, finds the weights.
    ///
    /// # Errors
    /// Options or a catalogue that these refuse.
    pub(crate) fn fit(
        data: &TrainingData<'_>,
        options: &HybridOptions,
        cbf: &mut Tower,
        run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        let linear = Linear::fit(data, options)?;
        let mut this = Self { linear, gate: options.gate, alpha: options.usual_alpha() };
        if options.alpha.is_some() {
            return Ok(this);
        }
        let Some(cases) = deciding(data, &this.alpha, run)? else { return Ok(this) };
        let (start, groups) = (this.alpha.clone(), this.groups());
        let optional = Optional { groups: &groups, gate: this.gate_places() };
        let choice = choose(&cases, &start, &optional, run, |part| this.features(part.histories(), cbf))?;
        let left_out = choice.left_out(this.linear.named().map(|(name, _)| name).zip(groups.iter().cloned()));
        let Choice { alpha, quality, alone, users } = choice;
        run.reporter.finish(&format!(
            "{} weigh {alpha:.2?}{left_out}: NDCG@10 {quality:.4} for {users} validation users, content alone {alone:.4}",
            this.linear.described(),
        ));
        this.alpha = alpha;
        Ok(this)
    }

    /// Weight of each score that is added: EASE's by decay, then SLIT's; with a gate, its share in the weights of all.
    pub(crate) fn alpha(&self) -> &[f64] {
        &self.alpha
    }

    /// Places in alpha of the gate: β of ln P, then those of the scores that are added.
    fn gate_places(&self) -> Range<usize> {
        let rows = self.linear.rows();
        if self.gate { rows..2 * rows + 1 } else { 0..0 }
    }

    /// Places in alpha of EASE's scores and of SLIT's: either model can be left out.
    fn groups(&self) -> Vec<Vec<usize>> {
        let gated = |row| self.gate_places().nth(1 + row);
        let places = |rows: Range<usize>| rows.flat_map(|row| [Some(row), gated(row)]).flatten().collect();
        self.linear.named().map(|(_, rows)| places(rows)).collect()
    }

    /// What is summed, `[histories, 1 + added, items]`: ln P, the scores of EASE and those of SLIT; with a gate, all of them again,
    /// times what it is.
    fn features(&self, histories: &[&[u32]], cbf: &mut Tower) -> Result<Vec<f32>, TrainError> {
        let items = cbf.catalogue().max(1);
        let logits = cbf.logits(histories)?;
        let rows = 1 + self.alpha.len();
        let mut features = vec![0.0; logits.len() * rows];
        let rows = features.par_chunks_exact_mut(items * rows);
        rows.zip(logits.par_chunks_exact(items)).zip(histories).try_for_each(
            |((row, logits), history)| {
                let (content, linear) = row.split_at_mut(items);
                content.copy_from_slice(logits);
                log_softmax(content);
                self.linear.scores(history, &mut linear[..items * self.linear.rows()])?;
                if self.gate {
                    gate::add_rows(row, history);
                }
                Ok::<_, TrainError>(())
            },
        )?;
        Ok(features)
    }

    /// Scores of all items for each history, `[histories, items]`.
    pub(crate) fn rank(
        &self,
        histories: &[&[u32]],
        cbf: &mut Tower,
        scores: &mut [f32],
    ) -> Result<(), TrainError> {
        let features = self.features(histories, cbf)?;
        sum(&features, &self.alpha, cbf.catalogue(), scores);
        Ok(())
    }

    /// The two terms of a history's scores: `ln P` and what is added.
    pub(crate) fn terms(
        &self,
        history: &[u32],
        cbf: &mut Tower,
    ) -> Result<Vec<(&'static str, Vec<f32>)>, TrainError> {
        let items = cbf.catalogue();
        let features = self.features(&[history], cbf)?;
        let (mut content, mut collaborative) = (features[..items].to_vec(), vec![0.0; items]);
        let (plain, gated) = self.alpha.split_at(self.linear.rows());
        add(&features[items..], plain, &mut collaborative);
        if let Some((of_content, of_linear)) = gated.split_first() {
            let rows = &features[items * (1 + plain.len())..];
            add(&rows[..items], &[*of_content], &mut content);
            add(&rows[items..], of_linear, &mut collaborative);
        }
        Ok(vec![("content", content), ("collaborative", collaborative)])
    }

    pub(crate) fn tensors(&self) -> Vec<NamedTensor<'static>> {
        self.linear.tensors()
    }

    pub(crate) fn load(folder: &ModelFolder, options: &HybridOptions) -> Result<Self, TrainError> {
        let linear = Linear::load(folder, options)?;
        Ok(Self { linear, gate: options.gate, alpha: options.usual_alpha() })
    }
}

/// The validation users who choose weights, where there are enough of them; else it is said that these stay.
///
/// # Errors
/// Validation items that do not fit the data.
pub(crate) fn deciding<'d>(
    data: &TrainingData<'d>,
    weights: &[f64],
    run: &mut Run<'_>,
) -> Result<Option<Cases<'d>>, TrainError> {
    let cases = validation_cases(data.sequences, data.validation, data.items)?;
    let users = cases.as_ref().map_or(0, Cases::len);
    if users >= FEW {
        return Ok(cases);
    }
    let who = match users {
        0 => "no validation items are held out".to_owned(),
        1 => "a single validation item is held out".to_owned(),
        _ => format!("the validation items of {users} users are too few"),
    };
    run.reporter.note(&format!(
        "{who} to choose alpha by: it is {weights:?}; a run with at least {FEW} finds others, which --alpha takes"
    ));
    Ok(None)
}

#[cfg(test)]
mod tests;
