//! The collaborative side that works: the scores of a linear item-item model, added to the content tower's.

use crate::options::HybridOptions;
use cloze_cf::{Ease, EaseOptions};
use cloze_data::Sequences;
use cloze_eval::{
    Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate,
};
use cloze_sequential::{Tower, validation_cases};
use cloze_train::{ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use rayon::prelude::*;

/// Weights that are tried on validation items.
const GRID: [f64; 14] = [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0];
/// Weight where there are no validation items: what they choose on ml-1m.
pub(crate) const USUAL_ALPHA: f64 = 4.0;
/// Validation users that are scored at a time.
const TOGETHER: usize = 256;
const EASE: &str = "ease.";

/// `s(u, v) = ln P(v | u) + α · EASE(u, v)`: P is the content tower's softmax over all items.
///
/// One is sure of what comes next, the other knows what goes together; neither contains the other. α is chosen by
/// NDCG@10 on validation items, 0 among the choices: where EASE does not help, nothing is added.
pub(crate) struct Fusion {
    ease: Ease,
    alpha: f64,
}

impl Fusion {
    /// Solves EASE and, unless the options name it, chooses α.
    ///
    /// # Errors
    /// Options or a catalogue that EASE refuses.
    pub(crate) fn fit(
        data: &TrainingData<'_>,
        options: &HybridOptions,
        cbf: &mut Tower,
        run: &mut Run<'_>,
    ) -> Result<Self, TrainError> {
        let ease = Ease::fit(data.sequences, data.items, &ease_options(options))?;
        let mut this = Self { ease, alpha: options.alpha.unwrap_or(USUAL_ALPHA) };
        if options.alpha.is_some() {
            return Ok(this);
        }
        let held = data.validation.filter(|targets| targets.iter().any(Option::is_some));
        match held {
            Some(targets) => this.choose(data.sequences, targets, data.items, cbf, run)?,
            None => run.reporter.note(&format!(
                "no validation items are held out: alpha is {USUAL_ALPHA}, the value that they choose on ml-1m"
            )),
        }
        Ok(this)
    }

    pub(crate) fn alpha(&self) -> f64 {
        self.alpha
    }

    fn choose(
        &mut self,
        sequences: &Sequences,
        targets: &[Option<u32>],
        items: usize,
        cbf: &mut Tower,
        run: &mut Run<'_>,
    ) -> Result<(), TrainError> {
        let cases = validation_cases(sequences, targets, items)?;
        let mut sums = [0.0; GRID.len()];
        run.reporter.start("alpha", cases.len() as u64, "users");
        for start in (0..cases.len()).step_by(TOGETHER) {
            let end = cases.len().min(start + TOGETHER);
            let part = Cases::new(
                cases.users()[start..end].to_vec(),
                cases.histories()[start..end].to_vec(),
                cases.targets()[start..end].to_vec(),
                cases.popularity().to_vec(),
            )?;
            let (content, linear) = self.parts(part.histories(), cbf)?;
            for (sum, alpha) in sums.iter_mut().zip(GRID) {
                let mut given = Given { content: &content, linear: &linear, alpha, items };
                let options = EvaluationOptions {
                    protocols: vec![Protocol::Full],
                    batch: TOGETHER,
                    ..EvaluationOptions::default()
                };
                let ranks = evaluate(&mut given, &part, &options, &mut |_, _| {})?;
                *sum += ranks.iter().flat_map(|ranks| ranks.values(Metric::Ndcg(10))).sum::<f64>();
            }
            run.reporter.advance_to(end as u64, String::new);
        }
        // Of equal ones the smallest: what adds nothing is left out.
        let mut best = 0;
        for place in 1..GRID.len() {
            if sums[place] > sums[best] {
                best = place;
            }
        }
        self.alpha = GRID[best];
        let users = cases.len() as f64;
        run.reporter.finish(&format!(
            "alpha {}: validation NDCG@10 {:.4}, without EASE {:.4}",
            self.alpha,
            sums[best] / users,
            sums[0] / users
        ));
        Ok(())
    }

    /// Both parts of the scores, `[histories, items]` each.
    fn parts(&self, histories: &[&[u32]], cbf: &mut Tower) -> Result<(Vec<f32>, Vec<f32>), TrainError> {
        let items = cbf.catalogue();
        let mut content = cbf.logits(histories)?;
        content.par_chunks_exact_mut(items.max(1)).for_each(log_softmax);
        let mut linear = vec![0.0; content.len()];
        let rows = linear.par_chunks_exact_mut(items.max(1)).zip(histories);
        rows.try_for_each(|(row, history)| self.ease.raw_scores(history, row))?;
        Ok((content, linear))
    }

    /// Scores of all items for each history, `[histories, items]`.
    pub(crate) fn rank(&self, histories: &[&[u32]], cbf: &mut Tower, scores: &mut [f32]) -> Result<(), TrainError> {
        let (content, linear) = self.parts(histories, cbf)?;
        fuse(&content, &linear, self.alpha, scores);
        Ok(())
    }

    pub(crate) fn tensors(&self) -> Vec<NamedTensor<'static>> {
        self.ease.tensors_behind(EASE)
    }

    pub(crate) fn load(folder: &ModelFolder, options: &HybridOptions) -> Result<Self, TrainError> {
        let ease = Ease::load_behind(folder, EASE, ease_options(options))?;
        Ok(Self { ease, alpha: options.alpha.unwrap_or(USUAL_ALPHA) })
    }
}

fn ease_options(options: &HybridOptions) -> EaseOptions {
    EaseOptions {
        lambda: options.lambda,
        decay: options.decay,
        max_items: options.max_items,
        ..EaseOptions::default()
    }
}

/// Logits of a user become the logarithms of probabilities.
fn log_softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    let shift = largest + sum.ln() as f32;
    row.iter_mut().for_each(|logit| *logit -= shift);
}

fn fuse(content: &[f32], linear: &[f32], alpha: f64, scores: &mut [f32]) {
    let alpha = alpha as f32;
    for ((score, content), linear) in scores.iter_mut().zip(content).zip(linear) {
        *score = content + alpha * linear;
    }
}

/// Scores of users that are known already.
struct Given<'a> {
    content: &'a [f32],
    linear: &'a [f32],
    alpha: f64,
    items: usize,
}

impl Recommender for Given<'_> {
    fn name(&self) -> String {
        "fusion".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.items
    }

    fn score(&mut self, _: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        fuse(self.content, self.linear, self.alpha, scores);
        Ok(())
    }
}
