//! The collaborative side that works: the scores of a linear item-item model, added to the content tower's.

use crate::options::HybridOptions;
use cloze_cf::{Ease, EaseOptions};
use cloze_data::Sequences;
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_sequential::{Tower, validation_cases};
use cloze_train::{ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use rayon::prelude::*;

/// Weights that are tried on validation items.
const GRID: [f64; 14] = [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0];
/// Weight where there are no validation items: between those that they choose on ml-1m at hidden 64 and 128.
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
                "no validation items are held out to choose alpha by: it is {USUAL_ALPHA}; a run with validation items \
                 finds another, which --alpha takes"
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
    pub(crate) fn rank(
        &self,
        histories: &[&[u32]],
        cbf: &mut Tower,
        scores: &mut [f32],
    ) -> Result<(), TrainError> {
        let (content, linear) = self.parts(histories, cbf)?;
        fuse(&content, &linear, self.alpha, scores);
        Ok(())
    }

    /// The two terms of a history's scores: `ln P` and `α · EASE`.
    pub(crate) fn terms(
        &self,
        history: &[u32],
        cbf: &mut Tower,
    ) -> Result<Vec<(&'static str, Vec<f32>)>, TrainError> {
        let (content, mut linear) = self.parts(&[history], cbf)?;
        let alpha = self.alpha as f32;
        for score in &mut linear {
            *score *= alpha;
        }
        Ok(vec![("content", content), ("collaborative", linear)])
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
    for logit in row {
        *logit -= shift;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use cloze_sequential::Bert4RecOptions;
    use cloze_train::{Reporter, TrainedOn};

    const ITEMS: usize = 24;
    const USERS: usize = 60;

    /// Two groups of users, each with half of the items, and what they take next.
    fn groups() -> (Sequences, Vec<Option<u32>>) {
        let item = |user: usize, step: usize| ((user % 2) * 12 + (user / 2 + step * 5) % 12) as u32;
        let lists: Vec<Vec<u32>> =
            (0..USERS).map(|user| (0..6).map(|step| item(user, step)).collect()).collect();
        let next = (0..USERS).map(|user| Some(item(user, 6))).collect();
        (Sequences::from_lists(&lists, None).unwrap(), next)
    }

    fn tower() -> Tower {
        let options = Bert4RecOptions { hidden: 8, layers: 1, max_length: 8, ..Bert4RecOptions::default() };
        Tower::new(&options, ITEMS, 3).unwrap()
    }

    fn fit(alpha: Option<f64>, validation: Option<&[Option<u32>]>, notes: &mut Vec<String>) -> Fusion {
        let (sequences, _) = groups();
        let origin = TrainedOn {
            dataset: "groups".to_owned(),
            synthetic: true,
            split: "leave-one-out".to_owned(),
            split_hash: "0".to_owned(),
            fit: "train".to_owned(),
        };
        let data =
            TrainingData { sequences: &sequences, items: ITEMS, origin: &origin, validation, leak: None };
        let options = HybridOptions { alpha, lambda: 5.0, ..HybridOptions::default() };
        let mut reporter = Reporter::quiet();
        let fusion = Fusion::fit(&data, &options, &mut tower(), &mut Run::new(3, &mut reporter)).unwrap();
        notes.extend_from_slice(reporter.notes());
        fusion
    }

    fn scores(fusion: &Fusion, history: &[u32]) -> Vec<f32> {
        let mut scores = vec![f32::NAN; ITEMS];
        fusion.rank(&[history], &mut tower(), &mut scores).unwrap();
        scores
    }

    /// NDCG@10 of the items that users take next.
    fn quality(fusion: &Fusion, next: &[Option<u32>]) -> f64 {
        let (sequences, _) = groups();
        let cases = validation_cases(&sequences, next, ITEMS).unwrap();
        let (content, linear) = fusion.parts(cases.histories(), &mut tower()).unwrap();
        let mut given = Given { content: &content, linear: &linear, alpha: fusion.alpha, items: ITEMS };
        let options = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };
        let ranks = evaluate(&mut given, &cases, &options, &mut |_, _| {}).unwrap();
        ranks[0].mean(Metric::Ndcg(10))
    }

    #[test]
    fn without_weight_the_scores_are_the_towers_log_probabilities() {
        let scores = scores(&fit(Some(0.0), None, &mut Vec::new()), &[1, 2, 3]);
        let logits = tower().logits(&[&[1, 2, 3]]).unwrap();
        let sum: f32 = scores.iter().map(|score| score.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "probabilities add up to {sum}");
        let shift = logits[0] - scores[0];
        assert!(scores.iter().zip(&logits).all(|(score, logit)| (logit - score - shift).abs() < 1e-5));
    }

    #[test]
    fn the_weight_multiplies_what_ease_says() {
        let (none, some) = (fit(Some(0.0), None, &mut Vec::new()), fit(Some(3.0), None, &mut Vec::new()));
        let mut linear = vec![f32::NAN; ITEMS];
        some.ease.raw_scores(&[1, 2, 3], &mut linear).unwrap();
        assert!(linear.iter().any(|score| *score > 0.0));
        let (without, with) = (scores(&none, &[1, 2, 3]), scores(&some, &[1, 2, 3]));
        for ((without, with), linear) in without.iter().zip(&with).zip(&linear) {
            assert!((with - without - 3.0 * linear).abs() < 1e-5);
        }
    }

    #[test]
    fn the_terms_add_up_to_the_scores() {
        let fusion = fit(Some(3.0), None, &mut Vec::new());
        let terms = fusion.terms(&[1, 2, 3], &mut tower()).unwrap();
        let names: Vec<&str> = terms.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["content", "collaborative"]);
        for ((score, content), linear) in scores(&fusion, &[1, 2, 3]).iter().zip(&terms[0].1).zip(&terms[1].1)
        {
            assert!((score - content - linear).abs() < 1e-6);
        }
    }

    #[test]
    fn validation_chooses_a_weight_where_ease_helps_and_none_where_it_misleads() {
        let (_, next) = groups();
        let chosen = fit(None, Some(&next), &mut Vec::new());
        assert!(chosen.alpha() > 0.0, "users stay in their group, which EASE knows");
        assert!(quality(&chosen, &next) > quality(&fit(Some(0.0), None, &mut Vec::new()), &next));
        let other: Vec<Option<u32>> = next.iter().map(|item| item.map(|item| (item + 12) % 24)).collect();
        assert_eq!(fit(None, Some(&other), &mut Vec::new()).alpha(), 0.0);
    }

    #[test]
    fn no_weight_on_the_grid_is_better_on_the_validation_items() {
        let (_, next) = groups();
        let mixed: Vec<Option<u32>> = (0..).zip(&next).map(|(i, item)| item.filter(|_| i % 3 > 0)).collect();
        let chosen = quality(&fit(None, Some(&mixed), &mut Vec::new()), &mixed);
        for alpha in GRID {
            let other = quality(&fit(Some(alpha), None, &mut Vec::new()), &mixed);
            assert!(other <= chosen + 1e-12, "alpha {alpha}: {other}, chosen: {chosen}");
        }
    }

    #[test]
    fn without_validation_items_the_usual_weight_is_taken_and_said() {
        let mut notes = Vec::new();
        assert_eq!(fit(None, None, &mut notes).alpha(), USUAL_ALPHA);
        assert!(notes.len() == 1 && notes[0].contains("alpha"), "{notes:?}");
        assert_eq!(fit(None, Some(&[None; USERS]), &mut notes).alpha(), USUAL_ALPHA);
    }

    #[test]
    fn a_user_without_history_gets_the_towers_answer_and_a_strange_item_is_an_error() {
        let fusion = fit(Some(3.0), None, &mut Vec::new());
        assert_eq!(scores(&fusion, &[]), scores(&fit(Some(0.0), None, &mut Vec::new()), &[]));
        let mut row = vec![0.0; ITEMS];
        let error = fusion.rank(&[&[99]], &mut tower(), &mut row).unwrap_err().to_string();
        assert!(error.contains("99"), "{error}");
    }
}
