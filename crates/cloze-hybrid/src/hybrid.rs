//! HybridBERT4Rec: a content tower and a collaborative side.

use crate::fusion::Fusion;
use crate::options::{HybridOptions, ItemProfiles, Variant};
use crate::product::{Head, Product};
use crate::reused;
use crate::store::{Profiled, Side};
use cloze_eval::{ModelError, Query, Recommender};
use cloze_sequential::{Bert4Rec, Profile, Tower};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};

/// HybridBERT4Rec (Channarong et al. 2022), as it works and as it is printed: see [`Variant`].
///
/// Content: BERT4Rec over a user's items. Collaboration: by default EASE and SLIT, whose scores are added to the tower's
/// log-probabilities; in the variants of the paper
///
/// - a user's profile p is the content tower's vector for the \[MASK\] appended to the history;
/// - an item's profile q is the same vector of a second tower, over the item's users in time order (by number where the
///   data have no times, which the training notes). Users of held-out interactions are not among them;
/// - the head is `r(u, v) = σ(w · (p ∗ q) + b)`, log loss, towers frozen.
///
/// The paper multiplies a distribution over items with one over users, which have different lengths; here the
/// profiles are the vectors that the output layers compare with the token vectors. Nothing in the training aligns
/// the two towers' spaces, unless the second tower's tokens are the first one's profiles: see
/// [`UserTokens`](crate::UserTokens).
///
/// Item profiles are computed once, after training, and kept with the model.
pub struct HybridBert4Rec {
    options: HybridOptions,
    cbf: Tower,
    collaborative: Collaborative,
}

/// The collaborative side.
enum Collaborative {
    Fusion(Box<Fusion>),
    Product(Box<Product>),
}

/// What becomes of the collaborative tower where the order of an item's users can't be known.
const WITHOUT_TIMES: &str = "the data have no times: an item's users stand in the order of their numbers, so the \
                             collaborative tower sees who had an item, but not in which order";

/// What the variant that leaks is good for.
const LEAK: &str = "the held-out interactions were left in the items' user sequences, as printed: these figures show what that \
                    leak is worth, and are to be compared with those of the variant paper only";

const CBF: &str = "cbf.";

impl HybridBert4Rec {
    /// Cached item profiles, `[items, width]`; `None` where the collaborative side has none, which is so for the default.
    pub fn item_profiles(&self) -> Option<&[f32]> {
        match &self.collaborative {
            Collaborative::Fusion(_) => None,
            Collaborative::Product(product) => Some(product.profiles()),
        }
    }

    /// Profiles of users with these histories, `[histories, width]`.
    ///
    /// # Errors
    /// An item beyond the catalogue.
    pub fn user_profiles(&mut self, histories: &[&[u32]]) -> Result<Vec<f32>, TrainError> {
        self.cbf.profiles(histories, self.options.variant.profile())
    }

    /// Profiles of items with these users, `[items, width]`; `None` where no tower makes them.
    ///
    /// # Errors
    /// A user beyond those that it was trained with.
    pub fn profiles_of_items(&mut self, users: &[&[u32]]) -> Result<Option<Vec<f32>>, TrainError> {
        self.tower(Side::Item).map(|(tower, profile)| tower.profiles(users, profile)).transpose()
    }
}

impl Profiled for HybridBert4Rec {
    fn tower(&mut self, side: Side) -> Option<(&mut Tower, Profile)> {
        let tower = match (side, &mut self.collaborative) {
            (_, Collaborative::Fusion(_)) => None,
            (Side::User, Collaborative::Product(_)) => Some(&mut self.cbf),
            (Side::Item, Collaborative::Product(product)) => product.tower_mut(),
        };
        tower.map(|tower| (tower, self.options.variant.profile()))
    }

    fn head(&self) -> Option<&Head> {
        match &self.collaborative {
            Collaborative::Fusion(_) => None,
            Collaborative::Product(product) => Some(product.head()),
        }
    }

    /// No user where there is no collaborative tower.
    fn sizes(&mut self) -> [usize; 2] {
        let items = self.cbf.catalogue();
        [self.tower(Side::Item).map_or(0, |(tower, _)| tower.catalogue()), items]
    }

    fn identity(&self) -> Result<(String, Vec<NamedTensor<'static>>), TrainError> {
        let options = serde_json::to_string(&self.options)
            .map_err(|error| TrainError::Data(format!("the options cannot be written: {error}")))?;
        Ok((options, self.tensors()?))
    }
}

/// The content tower, and the collaborative one where the folder given for reuse has one that is asked for; `options`
/// become those of what is reused.
fn towers(
    data: &TrainingData<'_>,
    options: &mut HybridOptions,
    run: &mut Run<'_>,
) -> Result<(Tower, Option<Tower>), TrainError> {
    let Some(folder) = reused::folder(data, run)? else {
        let mut tower = Tower::new(&options.cbf, data.items, run.seed)?;
        tower.train("content", data.sequences, data.validation, run)?;
        return Ok((tower, None));
    };
    if folder.card.model != HybridBert4Rec::NAME {
        options.cbf = folder.options(Bert4Rec::NAME)?;
        let tower = Tower::load(&folder, "", &options.cbf, data.items)?;
        folder.check_all_read()?;
        return Ok((tower, None));
    }
    let stored: HybridOptions = folder.options(HybridBert4Rec::NAME)?;
    if stored.variant == Variant::EndToEnd {
        let problem =
            "has towers that were trained end to end: give the folder of another variant, or of its BERT4Rec";
        return Err(TrainError::Reuse { path: folder.path().to_owned(), problem: problem.to_owned() });
    }
    options.cbf = stored.cbf.clone();
    let cbf = Tower::load(&folder, CBF, &options.cbf, data.items)?;
    // A tower that has seen what is held out is no other variant's.
    let leaks = |options: &HybridOptions| options.variant == Variant::AsPrinted;
    let has_tower = |options: &HybridOptions| {
        options.variant != Variant::Fused && options.item_profiles == ItemProfiles::Tower
    };
    let other = leaks(options) != leaks(&stored) || options.user_tokens != stored.user_tokens;
    if other || !has_tower(options) || !has_tower(&stored) {
        return Ok((cbf, None));
    }
    (options.user_max_length, options.cf_steps) = (stored.user_max_length, stored.cf_steps);
    let cf = Product::tower(&folder, options, data.sequences.len())?;
    Ok((cbf, Some(cf)))
}

impl Model for HybridBert4Rec {
    const NAME: &'static str = "hybridbert4rec";
    const ABOUT: &'static str =
        "HybridBERT4Rec: BERT4Rec over a user's items with a collaborative side, by default EASE and SLIT";
    const HELP: &'static [(&'static str, &'static str)] = HybridOptions::HELP;
    type Options = HybridOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, run: &mut Run<'_>) -> Result<Self, TrainError> {
        options.validate()?;
        options.check_read(run)?;
        let mut options = options.clone();
        if options.variant != Variant::Fused && !data.sequences.has_times() {
            run.reporter.note(WITHOUT_TIMES);
        }
        if options.variant == Variant::AsPrinted {
            run.reporter.note(LEAK);
        }
        let (mut cbf, cf) = towers(data, &mut options, run)?;
        let collaborative = if options.variant == Variant::Fused {
            let fusion = Fusion::fit(data, &options, &mut cbf, run)?;
            options.alpha = Some(fusion.alpha().to_vec());
            Collaborative::Fusion(Box::new(fusion))
        } else {
            Collaborative::Product(Box::new(Product::fit(data, &options, &mut cbf, cf, run)?))
        };
        Ok(Self { options, cbf, collaborative })
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let mut tensors = self.cbf.tensors(CBF)?;
        tensors.extend(match &self.collaborative {
            Collaborative::Fusion(fusion) => fusion.tensors(),
            Collaborative::Product(product) => product.tensors()?,
        });
        Ok(tensors)
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: HybridOptions = folder.options(Self::NAME)?;
        options.validate()?;
        let cbf = Tower::load(folder, CBF, &options.cbf, folder.vocabularies.items.len())?;
        let collaborative = if options.variant == Variant::Fused {
            Collaborative::Fusion(Box::new(Fusion::load(folder, &options)?))
        } else {
            Collaborative::Product(Box::new(Product::load(folder, &options)?))
        };
        Ok(Self { options, cbf, collaborative })
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
        match &self.collaborative {
            Collaborative::Fusion(fusion) => fusion.rank(&histories, &mut self.cbf, scores)?,
            Collaborative::Product(product) => {
                let profiles = self.cbf.profiles(&histories, self.options.variant.profile())?;
                product.rank(&profiles, scores);
            }
        }
        Ok(())
    }

    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        let histories: Vec<&[u32]> = queries.iter().map(|query| query.history).collect();
        Ok(self.user_profiles(&histories)?)
    }

    fn parts(&mut self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, ModelError> {
        match &self.collaborative {
            Collaborative::Fusion(fusion) => Ok(fusion.terms(query.history, &mut self.cbf)?),
            // A product of profiles is no sum of what each tower says.
            Collaborative::Product(_) => Ok(Vec::new()),
        }
    }
}
