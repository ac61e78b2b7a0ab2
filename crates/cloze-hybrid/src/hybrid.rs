//! HybridBERT4Rec: two towers and a head.

use crate::head::{Example, Head};
use crate::options::{HybridOptions, Variant};
use crate::pairs::Pairs;
use cloze_encoder::{AdamW, AdamWOptions, OptimizerState, Schedule};
use cloze_eval::{Cases, EvaluationOptions, Metric, ModelError, Protocol, Query, Recommender, evaluate};
use cloze_sequential::{Bert4Rec, Tower, validation_cases};
use cloze_train::{Model, ModelFolder, NamedTensor, Plan, Run, Step, Task, TrainError, TrainingData, train};

/// HybridBERT4Rec (Channarong et al. 2022).
///
/// - Content tower: BERT4Rec over a user's items. A user's profile p is its vector for the \[MASK\] appended to the
///   history.
/// - Collaborative tower: the same encoder over an item's users in time order (by number where the data have no times, which
///   the training notes). An item's profile q is its vector for
///   the \[MASK\] appended to the item's users. Users of held-out interactions are not among them.
/// - Head: `r(u, v) = σ(w · (p ∗ q) + b)`, log loss, towers frozen.
///
/// The paper multiplies a distribution over items with one over users, which have different lengths; here the
/// profiles are the vectors that the output layers compare with the token vectors. Nothing in the training aligns
/// the two towers' spaces: see [`Variant`].
///
/// Item profiles are computed once, after training, and kept with the model.
pub struct HybridBert4Rec {
    options: HybridOptions,
    cbf: Tower,
    cf: Tower,
    head: Head,
    /// Raw item profiles q, `[items, width]`.
    profiles: Vec<f32>,
    /// The same as the head sees them, q̂.
    mapped: Vec<f32>,
}

/// What becomes of the collaborative tower where the order of an item's users can't be known.
const WITHOUT_TIMES: &str = "the data have no times: an item's users stand in the order of their numbers, so the \
                             collaborative tower sees who had an item, but not in which order";

const CBF: &str = "cbf.";
const CF: &str = "cf.";
const HEAD: &str = "head";
const PROFILES: &str = "profiles.items";

impl HybridBert4Rec {
    /// Cached item profiles, `[items, width]`.
    pub fn item_profiles(&self) -> &[f32] {
        &self.profiles
    }

    /// Profiles of users with these histories, `[histories, width]`.
    ///
    /// # Errors
    /// An item beyond the catalogue.
    pub fn user_profiles(&mut self, histories: &[&[u32]]) -> Result<Vec<f32>, TrainError> {
        self.cbf.profiles(histories, self.options.variant.profile())
    }

    fn width(&self) -> usize {
        self.options.cbf.hidden
    }

    fn train_head(&mut self, data: &TrainingData<'_>, run: &mut Run<'_>) -> Result<(), TrainError> {
        let o = self.options.clone();
        let (pairs, histories) = match o.variant {
            Variant::Paper | Variant::Hidden => {
                Pairs::of_whole_histories(data.sequences, data.items, o.head_negatives, run.seed)
            }
            Variant::TrainedProjections => {
                Pairs::of_prefixes(data.sequences, data.items, o.prefixes, o.head_negatives, run.seed)
            }
        };
        if pairs.is_empty() {
            return Err(TrainError::Data(
                "no user has two interactions: there is nothing to predict".to_owned(),
            ));
        }
        let users = self.profiles_in_steps(&histories, run)?;
        let held = data.validation.filter(|targets| targets.iter().any(Option::is_some));
        let validation = match held {
            Some(targets) => {
                let cases = validation_cases(data.sequences, targets, data.items)?;
                let profiles = self.user_profiles(cases.histories())?;
                Some((cases, profiles))
            }
            None => None,
        };
        let options = AdamWOptions { weight_decay: 0.0, ..AdamWOptions::default() };
        let plan = Plan {
            schedule: Schedule { peak: o.head_learning_rate, warmup: 0, steps: o.head_steps },
            validate_every: if validation.is_some() && o.cbf.validate_every > 0 {
                o.head_steps.div_ceil(10)
            } else {
                0
            },
        };
        let mut task = HeadTask {
            optimizer: AdamW::flat(self.head.values().len(), options),
            head: &mut self.head,
            pairs,
            users,
            items: &self.profiles,
            validation,
            batch: o.head_batch,
        };
        train(&mut task, "head", &plan, run)
    }

    /// User profiles with a bar: there may be a hundred thousand prefixes.
    fn profiles_in_steps(&mut self, histories: &[&[u32]], run: &mut Run<'_>) -> Result<Vec<f32>, TrainError> {
        let mut all = Vec::with_capacity(histories.len() * self.width());
        run.reporter.start("profiles", histories.len() as u64, "histories");
        for chunk in histories.chunks(1024) {
            all.extend(self.user_profiles(chunk)?);
            run.reporter.advance_to((all.len() / self.width()) as u64, String::new);
        }
        run.reporter.finish(&format!("{} user profiles", histories.len()));
        Ok(all)
    }
}

/// The towers of a run: those of the folder given for reuse, the rest trained.
fn towers(
    data: &TrainingData<'_>,
    options: &mut HybridOptions,
    run: &mut Run<'_>,
) -> Result<(Tower, Tower), TrainError> {
    let users = data.sequences.len();
    let reused = run.reuse.as_deref().map(ModelFolder::open).transpose()?;
    let cbf = if let Some(folder) = &reused {
        same_origin(folder, data)?;
        if folder.card.model == HybridBert4Rec::NAME {
            let HybridOptions { cbf, user_max_length, cf_steps, .. } =
                folder.options(HybridBert4Rec::NAME)?;
            (options.cbf, options.user_max_length, options.cf_steps) = (cbf, user_max_length, cf_steps);
            let cbf = Tower::load(folder, CBF, &options.cbf, data.items)?;
            return Ok((cbf, Tower::load(folder, CF, &options.cf(), users)?));
        }
        options.cbf = folder.options(Bert4Rec::NAME)?;
        let tower = Tower::load(folder, "", &options.cbf, data.items)?;
        folder.check_all_read()?;
        tower
    } else {
        let mut tower = Tower::new(&options.cbf, data.items, run.seed)?;
        tower.train("content", data.sequences, data.validation, run)?;
        tower
    };
    let mut cf = Tower::new(&options.cf(), users, run.seed)?;
    cf.train("collaborative", &data.sequences.transpose(data.items)?, None, run)?;
    Ok((cbf, cf))
}

/// A tower of other data, or of another fit, may have been trained on what is held out here.
fn same_origin(folder: &ModelFolder, data: &TrainingData<'_>) -> Result<(), TrainError> {
    if folder.card.trained_on == *data.origin {
        return Ok(());
    }
    let (theirs, ours) = (&folder.card.trained_on, data.origin);
    let problem = format!(
        "was trained on `{}` ({}, split {}), this run is on `{}` ({}, split {}): its tower may know what is held \
         out here",
        theirs.dataset, theirs.fit, theirs.split_hash, ours.dataset, ours.fit, ours.split_hash
    );
    Err(TrainError::Reuse { path: folder.path().to_owned(), problem })
}

impl Model for HybridBert4Rec {
    const NAME: &'static str = "hybridbert4rec";
    const ABOUT: &'static str =
        "HybridBERT4Rec: BERT4Rec over a user's items times BERT4Rec over an item's users";
    const HELP: &'static [(&'static str, &'static str)] = HybridOptions::HELP;
    type Options = HybridOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        options.validate()?;
        if !data.sequences.has_times() {
            run.reporter.note(WITHOUT_TIMES);
        }
        let mut options = options.clone();
        let (cbf, mut cf) = towers(data, &mut options, run)?;
        let item_sequences = data.sequences.transpose(data.items)?;
        let users: Vec<&[u32]> = item_sequences.iter().collect();
        let profiles = cf.profiles(&users, options.variant.profile())?;
        let head = Head::new(options.cbf.hidden, options.variant == Variant::TrainedProjections);
        let mut model = Self { options, cbf, cf, head, profiles, mapped: Vec::new() };
        model.train_head(data, run)?;
        model.mapped = model.head.map_items(&model.profiles);
        Ok(model)
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let mut tensors = self.cbf.tensors(CBF)?;
        tensors.extend(self.cf.tensors(CF)?);
        let (head, width) = (self.head.values(), self.width());
        tensors.push(NamedTensor::f32(HEAD, &[head.len()], head.to_vec()));
        let shape = [self.profiles.len() / width, width];
        tensors.push(NamedTensor::f32(PROFILES, &shape, self.profiles.clone()));
        Ok(tensors)
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: HybridOptions = folder.options(Self::NAME)?;
        options.validate()?;
        let (items, users) = (folder.vocabularies.items.len(), folder.vocabularies.users.len());
        let (width, projects) = (options.cbf.hidden, options.variant == Variant::TrainedProjections);
        let cbf = Tower::load(folder, CBF, &options.cbf, items)?;
        let cf = Tower::load(folder, CF, &options.cf(), users)?;
        let values = folder.f32(HEAD, Some(&[Head::len(width, projects)]))?;
        let head = Head::from_values(width, projects, values)
            .ok_or_else(|| TrainError::Data("the head has another size than its options say".to_owned()))?;
        let profiles = folder.f32(PROFILES, Some(&[items, width]))?;
        let mapped = head.map_items(&profiles);
        Ok(Self { options, cbf, cf, head, profiles, mapped })
    }
}

impl Recommender for HybridBert4Rec {
    fn name(&self) -> String {
        self.options.variant.model_name().to_owned()
    }

    fn catalogue(&self) -> usize {
        self.cbf.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        let profiles = self.user_profiles(&histories)?;
        self.head.rank(&profiles, &self.mapped, scores);
        Ok(())
    }
}

/// Training of the head over fixed profiles, for the loop.
struct HeadTask<'a> {
    head: &'a mut Head,
    optimizer: AdamW,
    pairs: Pairs<'a>,
    /// Profiles that the pairs name.
    users: Vec<f32>,
    items: &'a [f32],
    /// Validation users with their profiles.
    validation: Option<(Cases<'a>, Vec<f32>)>,
    batch: usize,
}

impl Task for HeadTask<'_> {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        let drawn = self.pairs.batch(step, self.batch);
        let width = self.head.width();
        let examples: Vec<Example<'_>> = drawn
            .iter()
            .map(|(profile, items)| {
                let start = *profile as usize * width;
                Example { profile: &self.users[start..start + width], items }
            })
            .collect();
        let mut gradient = vec![0.0; self.head.values().len()];
        let loss = self.head.loss(&examples, self.items, &mut gradient);
        let norm = self.optimizer.update(self.head.values_mut(), &gradient, rate)?;
        Ok(Step { loss, norm, items: examples.iter().map(|example| example.items.len()).sum() })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some((cases, profiles)) = &self.validation else { return Ok(None) };
        let options = EvaluationOptions {
            protocols: vec![Protocol::Full],
            batch: cases.len(),
            ..EvaluationOptions::default()
        };
        let mapped = self.head.map_items(self.items);
        let mut scorer = Fixed { head: self.head, profiles, mapped };
        let ranks = evaluate(&mut scorer, cases, &options, &mut |_, _| {})?;
        Ok(ranks.first().map(|ranks| ranks.mean(Metric::Ndcg(10))))
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok(self.head.values().to_vec())
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        let (found, expected) = (parameters.len(), self.head.values().len());
        if found != expected {
            return Err(TrainError::Data(format!("{found} values for a head of {expected}")));
        }
        self.head.values_mut().copy_from_slice(parameters);
        Ok(())
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        Ok(self.optimizer.state())
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        Ok(self.optimizer.load_state(state)?)
    }
}

/// Scores one fixed batch of users from their profiles.
struct Fixed<'a> {
    head: &'a Head,
    profiles: &'a [f32],
    mapped: Vec<f32>,
}

impl Recommender for Fixed<'_> {
    fn name(&self) -> String {
        HybridBert4Rec::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.mapped.len() / self.head.width()
    }

    fn score(&mut self, _: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        self.head.rank(self.profiles, &self.mapped, scores);
        Ok(())
    }
}
