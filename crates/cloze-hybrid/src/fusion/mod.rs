//! The collaborative side that works: the scores of linear item-item models, added to the content tower's.

mod weights;

use crate::options::HybridOptions;
use cloze_cf::{Ease, EaseOptions, Slit, SlitOptions};
use cloze_data::Sequences;
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_sequential::{Tower, validation_cases};
use cloze_train::{ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use rayon::prelude::*;
use weights::{LOOKS, Likelihood, most_likely};

/// Validation users that are scored at a time.
const TOGETHER: usize = 256;
/// Validation users that the weights are chosen by at most: a few numbers need no more.
const ENOUGH: usize = 4096;
/// The content tower's weight in the search is at least this: the others are given in its units.
const SOME: f64 = 1e-3;
const EASE: &str = "ease.";
const SLIT: &str = "slit.";

/// `s(u, v) = ln P(v | u) + Σ_k α_k · f_k(u, v)`: P is the content tower's softmax over all items, `f_k` a score of EASE, which
/// knows what goes together, or of SLIT, which knows what follows on what, both for histories with some decay.
///
/// The linear models learn from all users at once what the tower would need far more steps for; it knows what they cannot
/// express. The weights are those under which the validation items are most likely (a conditional logit); where content alone
/// has no lower NDCG@10 on them, nothing is added.
pub(crate) struct Fusion {
    ease: Ease,
    slit: Slit,
    ease_decays: Vec<f64>,
    slit_decays: Vec<f64>,
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
        let ease = Ease::fit(data.sequences, data.items, &ease_options(options))?;
        let slit = Slit::fit(data.sequences, data.items, &slit_options(options))?;
        let mut this = Self::new(ease, slit, options);
        if options.alpha.is_some() {
            return Ok(this);
        }
        let held = data.validation.filter(|targets| targets.iter().any(Option::is_some));
        match held {
            Some(targets) => this.choose(data.sequences, targets, data.items, cbf, run)?,
            None => run.reporter.note(&format!(
                "no validation items are held out to choose alpha by: it is {:?}; a run with validation items finds \
                 others, which --alpha takes",
                this.alpha
            )),
        }
        Ok(this)
    }

    fn new(ease: Ease, slit: Slit, options: &HybridOptions) -> Self {
        let (ease_decays, slit_decays) = (options.ease_decays.clone(), options.slit_decays.clone());
        Self { ease, slit, ease_decays, slit_decays, alpha: options.usual_alpha() }
    }

    /// Weight of each score that is added: EASE's by decay, then SLIT's.
    pub(crate) fn alpha(&self) -> &[f64] {
        &self.alpha
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
        let parts = parts(&cases)?;
        let users: usize = parts.iter().map(|part| part.users().len()).sum();
        run.reporter.start("alpha", (users * LOOKS) as u64, "users");
        let mut done = 0;
        let start: Vec<f64> = [1.0].into_iter().chain(self.alpha.iter().copied()).collect();
        let found = most_likely(start, |weights| {
            let mut sum = Likelihood::zero(weights.len());
            for part in &parts {
                let features = self.features(part.histories(), cbf)?;
                let of_user = |(user, features): (usize, &[f32])| {
                    Likelihood::of(features, weights, part.histories()[user], part.targets()[user])
                };
                let rows = features.par_chunks_exact(weights.len() * items);
                // In the order of users, whatever the threads do.
                let each: Vec<Likelihood> = rows.enumerate().map(of_user).collect();
                for one in &each {
                    sum.add(one);
                }
                done += each.len();
                run.reporter.advance_to(done as u64, String::new);
            }
            Ok::<_, TrainError>(sum.mean(users, weights))
        })?;
        let content = found[0].max(SOME);
        self.alpha = found[1..].iter().map(|weight| weight / content).collect();
        let (alone, with) = self.quality(&parts, cbf)?;
        if with <= alone {
            self.alpha.fill(0.0);
        }
        run.reporter.finish(&format!(
            "EASE of decays {:?} and SLIT of {:?} weigh {:.2?}: validation NDCG@10 {:.4}, content alone {alone:.4}",
            self.ease_decays,
            self.slit_decays,
            self.alpha,
            with.max(alone)
        ));
        Ok(())
    }

    /// Mean NDCG@10 of the content tower alone, and of the sum.
    fn quality(&self, parts: &[Cases<'_>], cbf: &mut Tower) -> Result<(f64, f64), TrainError> {
        let (mut alone, mut with, mut users) = (0.0, 0.0, 0.0);
        let options = EvaluationOptions {
            protocols: vec![Protocol::Full],
            batch: TOGETHER,
            ..EvaluationOptions::default()
        };
        for part in parts {
            let features = self.features(part.histories(), cbf)?;
            for (alpha, sum) in [(&vec![0.0; self.alpha.len()], &mut alone), (&self.alpha, &mut with)] {
                let mut given = Given { features: &features, alpha, items: cbf.catalogue() };
                let ranks = evaluate(&mut given, part, &options, &mut |_, _| {})?;
                *sum += ranks.iter().flat_map(|ranks| ranks.values(Metric::Ndcg(10))).sum::<f64>();
            }
            users += part.users().len() as f64;
        }
        Ok((alone / users, with / users))
    }

    /// What is summed, `[histories, 1 + added, items]`: ln P, the scores of EASE and those of SLIT.
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
                let (ease, slit) = linear.split_at_mut(items * self.ease_decays.len());
                self.ease.raw_scores(history, &self.ease_decays, ease)?;
                self.slit.raw_scores(history, &self.slit_decays, slit)
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
        let mut collaborative = vec![0.0; items];
        add(&features[items..], &self.alpha, &mut collaborative);
        Ok(vec![("content", features[..items].to_vec()), ("collaborative", collaborative)])
    }

    pub(crate) fn tensors(&self) -> Vec<NamedTensor<'static>> {
        let mut tensors = self.ease.tensors_behind(EASE);
        tensors.extend(self.slit.tensors_behind(SLIT));
        tensors
    }

    pub(crate) fn load(folder: &ModelFolder, options: &HybridOptions) -> Result<Self, TrainError> {
        let ease = Ease::load_behind(folder, EASE, ease_options(options))?;
        let slit = Slit::load_behind(folder, SLIT, slit_options(options))?;
        Ok(Self::new(ease, slit, options))
    }
}

/// The validation users, evenly thinned to what is enough, in parts that are scored together.
fn parts<'a>(cases: &Cases<'a>) -> Result<Vec<Cases<'a>>, TrainError> {
    let places: Vec<usize> = (0..cases.len()).step_by(cases.len().div_ceil(ENOUGH).max(1)).collect();
    let part = |places: &[usize]| {
        Cases::new(
            places.iter().map(|&place| cases.users()[place]).collect(),
            places.iter().map(|&place| cases.histories()[place]).collect(),
            places.iter().map(|&place| cases.targets()[place]).collect(),
            cases.popularity().to_vec(),
        )
    };
    Ok(places.chunks(TOGETHER).map(part).collect::<Result<_, _>>()?)
}

fn ease_options(options: &HybridOptions) -> EaseOptions {
    EaseOptions { lambda: options.lambda, max_items: options.max_items, ..EaseOptions::default() }
}

fn slit_options(options: &HybridOptions) -> SlitOptions {
    // The first decay of a history is that of training.
    let decay = options.slit_decays.first().copied().unwrap_or(SlitOptions::default().decay);
    SlitOptions { lambda: options.lambda, max_items: options.max_items, decay, ..SlitOptions::default() }
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

/// Adds the weighted rows of `linear`, `[added, items]`.
fn add(linear: &[f32], alpha: &[f64], scores: &mut [f32]) {
    for (row, &alpha) in linear.chunks_exact(scores.len().max(1)).zip(alpha) {
        scores.iter_mut().zip(row).for_each(|(score, value)| *score += alpha as f32 * value);
    }
}

/// The scores of what [`Fusion::features`] has.
fn sum(features: &[f32], alpha: &[f64], items: usize, scores: &mut [f32]) {
    let rows = features.par_chunks_exact((items * (1 + alpha.len())).max(1));
    rows.zip(scores.par_chunks_exact_mut(items.max(1))).for_each(|(features, scores)| {
        scores.copy_from_slice(&features[..items]);
        add(&features[items..], alpha, scores);
    });
}

/// Scores of users that are known already.
struct Given<'a> {
    features: &'a [f32],
    alpha: &'a [f64],
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
        sum(self.features, self.alpha, self.items, scores);
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

    fn only_ease(alpha: Option<Vec<f64>>) -> HybridOptions {
        let slit_decays = Vec::new();
        HybridOptions { alpha, ease_decays: vec![1.0], slit_decays, lambda: 5.0, ..HybridOptions::default() }
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
        let alpha = alpha.map(|alpha| vec![alpha]);
        let options = only_ease(alpha);
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
        fusion.quality(&[cases], &mut tower()).unwrap().1
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
        some.ease.raw_scores(&[1, 2, 3], &[1.0], &mut linear).unwrap();
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
        assert!(chosen.alpha()[0] > 0.0, "users stay in their group, which EASE knows");
        assert!(quality(&chosen, &next) > quality(&fit(Some(0.0), None, &mut Vec::new()), &next));
        // An untrained tower is not sure of anything: the wrong group is as good as the right one.
        let other: Vec<Option<u32>> = next.iter().map(|item| item.map(|item| (item + 12) % 24)).collect();
        assert!(fit(None, Some(&other), &mut Vec::new()).alpha()[0] <= 0.0);
    }

    #[test]
    fn each_score_has_a_weight_of_its_own() {
        let (sequences, next) = groups();
        let options = HybridOptions {
            ease_decays: vec![1.0, 0.3],
            slit_decays: vec![0.6],
            alpha: Some(vec![2.0, 4.0, 8.0]),
            ..only_ease(None)
        };
        let ease = Ease::fit(&sequences, ITEMS, &ease_options(&options)).unwrap();
        let slit = Slit::fit(&sequences, ITEMS, &slit_options(&options)).unwrap();
        assert_eq!(
            Slit::fit(&sequences, ITEMS, &SlitOptions { lambda: 5.0, decay: 0.6, ..SlitOptions::default() })
                .unwrap(),
            slit
        );
        let mut added = vec![f32::NAN; 3 * ITEMS];
        ease.raw_scores(&[1, 2, 3], &[1.0, 0.3], &mut added[..2 * ITEMS]).unwrap();
        slit.raw_scores(&[1, 2, 3], &[0.6], &mut added[2 * ITEMS..]).unwrap();
        let mut fusion = Fusion::new(ease, slit, &options);
        let content = scores(&fit(Some(0.0), None, &mut Vec::new()), &[1, 2, 3]);
        for (item, score) in scores(&fusion, &[1, 2, 3]).iter().enumerate() {
            let row = |k: usize| added[k * ITEMS + item];
            let expected = content[item] + 2.0 * row(0) + 4.0 * row(1) + 8.0 * row(2);
            assert!((score - expected).abs() < 1e-5, "{item}: {score}, expected {expected}");
        }
        let mut reporter = Reporter::quiet();
        fusion.choose(&sequences, &next, ITEMS, &mut tower(), &mut Run::new(3, &mut reporter)).unwrap();
        assert!(
            fusion.alpha()[2] > fusion.alpha()[0],
            "here an item follows on another: {:?}",
            fusion.alpha()
        );
    }

    #[test]
    fn without_validation_items_the_usual_weight_is_taken_and_said() {
        let mut notes = Vec::new();
        assert_eq!(fit(None, None, &mut notes).alpha(), [5.0]);
        assert!(notes.len() == 1 && notes[0].contains("alpha"), "{notes:?}");
        assert_eq!(fit(None, Some(&[None; USERS]), &mut notes).alpha(), [5.0]);
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
