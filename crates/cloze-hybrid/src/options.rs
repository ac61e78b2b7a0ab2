//! The options of HybridBERT4Rec.

use crate::help::{lines, with_bert4rec};
use cloze_sequential::{Bert4RecOptions, Profile};
use cloze_train::TrainError;
use serde::{Deserialize, Serialize};

/// What the collaborative side is. All but the first are readings of the paper, whose product of two distributions is
/// ill-typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// `ln P(v | u) + Σ α · f(u, v)`: the content tower's log-probability with scores of two linear item-item models, EASE and SLIT.
    Fused,
    /// The literal reading: projected profiles of whole histories, frozen towers; only w and b are trained.
    Paper,
    /// As `paper`, with the held-out interactions left in the items' user sequences, as the printed text leaves them: the user who
    /// is asked for stands in the answer's own sequence. It shows what that leak is worth.
    AsPrinted,
    /// As `paper` with the hidden states for profiles.
    Hidden,
    /// A trained linear map on either profile aligns the two spaces; each positive is predicted from the history
    /// before it.
    TrainedProjections,
    /// From there on end to end: the towers learn from the head's loss too, a softmax over the items of a batch. Profiles are
    /// hidden states.
    EndToEnd,
}

impl Variant {
    /// The vector that stands for a sequence.
    pub fn profile(self) -> Profile {
        match self {
            Self::Fused | Self::Paper | Self::AsPrinted | Self::TrainedProjections => Profile::Projected,
            Self::Hidden | Self::EndToEnd => Profile::Hidden,
        }
    }

    /// The model's name in results.
    pub fn model_name(self) -> &'static str {
        match self {
            Self::Fused => "hybridbert4rec",
            Self::Paper => "hybridbert4rec-paper",
            Self::AsPrinted => "hybridbert4rec-as-printed",
            Self::Hidden => "hybridbert4rec-hidden",
            Self::TrainedProjections => "hybridbert4rec-trained-projections",
            Self::EndToEnd => "hybridbert4rec-end-to-end",
        }
    }
}

/// Where an item's profile comes from, in the variants of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemProfiles {
    /// The paper's collaborative tower over the item's users.
    Tower,
    /// The mean of its users' profiles: collaboration without a transformer. Zero where it has no user.
    Users,
    /// What matrix factorization makes of the item: collaboration without order. Of `PureSVD`, whose vectors are those of EASE
    /// too: the inverse of a Gram matrix has its eigenvectors.
    Svd,
    /// Of iALS.
    Ials,
    /// The content tower's own vector of the item: no collaboration at all.
    Content,
}

/// The user vectors of the collaborative tower, which its output layer has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserTokens {
    /// Learned with it, as in the paper.
    Learned,
    /// The content tower's profiles of the users, at the deviation of the other matrices, frozen: an item's profile is then trained
    /// to be near those of its users, so that the two towers' spaces are one.
    Profiles,
}

/// What the head learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadLoss {
    /// The paper's: `−ln σ(s)` of a positive, `−ln σ(−s)` of each sampled negative.
    Log,
    /// `−ln softmax(s)` of a positive among all items.
    Softmax,
}

/// Options of HybridBERT4Rec: those of BERT4Rec for both towers, with `max-length` and `steps` for the content tower,
/// and the rest here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct HybridOptions {
    /// Options of the content tower.
    #[serde(flatten)]
    pub cbf: Bert4RecOptions,
    /// The collaborative side.
    pub variant: Variant,
    /// `fused`: weight of each score that is added to the log-probability, for each of `ease_decays`, then of `slit_decays`; `None`
    /// for those chosen on validation items, 0 for EASE or SLIT where it is left out. What was chosen stands in the model's folder.
    pub alpha: Option<Vec<f64>>,
    /// `fused`: every weight, that of the log-probability too, changes with the logarithm of the history's length; `alpha` then has
    /// by how much as well, for the log-probability and for each of the scores.
    pub gate: bool,
    /// `fused`: EASE's and SLIT's weight of the squared norm.
    pub lambda: f64,
    /// `fused`: weights of an item of a history against that of the next one, for each of which there is a score of EASE.
    pub ease_decays: Vec<f64>,
    /// `fused`: the same for SLIT, which is fitted with the first.
    pub slit_decays: Vec<f64>,
    /// `fused`: most popular items that EASE and SLIT model; 0 for all.
    pub max_items: usize,
    /// Longest user sequence of the collaborative tower.
    pub user_max_length: usize,
    /// The collaborative tower's vectors of users.
    pub user_tokens: UserTokens,
    /// Optimizer steps of the collaborative tower.
    pub cf_steps: u64,
    /// Optimizer steps of the head.
    pub head_steps: u64,
    /// Positives a step of the head.
    pub head_batch: usize,
    /// Learning rate of the head.
    pub head_learning_rate: f64,
    /// What the head learns from.
    pub head_loss: HeadLoss,
    /// Sampled negatives for each positive of the head; the softmax takes none.
    pub head_negatives: usize,
    /// Prefixes of each history that the head learns from, each with the item after it; 0: whole histories with the items in
    /// them, as in the paper. `None`: 16 for trained projections and end to end, otherwise 0.
    pub prefixes: Option<usize>,
    /// Where item profiles come from.
    pub item_profiles: ItemProfiles,
    /// Steps that towers and head take together.
    pub joint_steps: u64,
    /// Prefixes a step of these.
    pub joint_batch: usize,
    /// Learning rate of towers and head then.
    pub joint_learning_rate: f64,
}

impl Default for HybridOptions {
    fn default() -> Self {
        Self {
            cbf: Bert4RecOptions::default(),
            variant: Variant::Fused,
            alpha: None,
            gate: false,
            lambda: 300.0,
            ease_decays: vec![1.0],
            slit_decays: vec![0.8, 0.4],
            max_items: 0,
            user_max_length: 300,
            user_tokens: UserTokens::Learned,
            cf_steps: 5000,
            head_steps: 2000,
            head_batch: 512,
            head_learning_rate: 1e-3,
            head_loss: HeadLoss::Log,
            head_negatives: 4,
            prefixes: None,
            item_profiles: ItemProfiles::Tower,
            joint_steps: 1500,
            joint_batch: 256,
            joint_learning_rate: 5e-4,
        }
    }
}

/// A weight of a score is at most this far from 0.
pub(crate) const LARGEST_WEIGHT: f64 = 1e6;

/// Whether a score may have this weight: no number is none.
pub(crate) fn is_weight(weight: f64) -> bool {
    weight.abs() <= LARGEST_WEIGHT
}

/// Scores that are added at most: each takes the memory of all scores once more.
const MOST_ADDED: usize = 8;
/// Weights of the default decays where there are no validation items: between those that are chosen on ml-1m and ml-100k.
const USUAL: [f64; 3] = [5.5, 25.0, 64.0];
/// Weight of any other decay then.
const USUAL_OF_ANY: f64 = 5.0;

/// Prefixes of a history that trained projections learn from, unless the options say how many.
const USUAL_PREFIXES: usize = 16;

/// Lines of help beyond BERT4Rec's.
const OWN_HELP: [(&str, &str); 20] = [
    (
        "variant",
        "Collaborative side: fused (EASE and SLIT); as the paper may be read: paper, as-printed (with its leak), hidden, trained-projections, end-to-end",
    ),
    (
        "alpha",
        "fused: weights of the scores that are added, for each of ease-decays, then slit-decays, such as [5.5, 25, 64]; none: chosen on validation items",
    ),
    ("gate", "fused: let every weight change with the logarithm of the history's length"),
    ("lambda", "fused: EASE's and SLIT's weight of the squared norm"),
    (
        "ease-decays",
        "fused: weights of an item against that of the next one in a history, for each a score of EASE; 1: order has no effect",
    ),
    ("slit-decays", "fused: the same for SLIT, which is fitted with the first"),
    ("max-items", "fused: most popular items that EASE and SLIT model, for large catalogues; 0 for all"),
    ("user-max-length", "Longest user sequence of the collaborative tower"),
    (
        "user-tokens",
        "Vectors of users in the collaborative tower: learned, or profiles (the content tower's, frozen: one space for both)",
    ),
    ("cf-steps", "Optimizer steps of the collaborative tower"),
    ("head-steps", "Optimizer steps of the head"),
    ("head-batch", "Positives a step of the head"),
    ("head-learning-rate", "Learning rate of the head"),
    ("head-loss", "What the head learns from: log (sampled negatives, as the paper) or softmax (all items)"),
    ("head-negatives", "Sampled negatives for each positive of the head, with the log loss"),
    (
        "prefixes",
        "Prefixes of each history that the head learns from; 0: whole ones; none: as the variant has it",
    ),
    (
        "item-profiles",
        "An item's profile: tower (the paper's), users (mean of its users'), svd (of PureSVD), ials or content (no collaboration)",
    ),
    ("joint-steps", "end-to-end: steps that towers and head take together, after the head's own"),
    ("joint-batch", "end-to-end: prefixes a step, each asking for its item among those of the step"),
    ("joint-learning-rate", "end-to-end: learning rate of towers and head together"),
];

impl HybridOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [(&'static str, &'static str)] =
        &with_bert4rec::<{ lines(OWN_HELP.len()) }>(&OWN_HELP);

    /// Prefixes of each history that the head learns from; 0 for whole histories.
    pub(crate) fn cuts(&self) -> usize {
        let aligned = matches!(self.variant, Variant::TrainedProjections | Variant::EndToEnd);
        self.prefixes.unwrap_or(if aligned { USUAL_PREFIXES } else { 0 })
    }

    /// Weight of each score that is added, where validation items do not choose it.
    pub(crate) fn usual_alpha(&self) -> Vec<f64> {
        let default = Self::default();
        let usual = self.ease_decays == default.ease_decays && self.slit_decays == default.slit_decays;
        let any = vec![USUAL_OF_ANY; self.ease_decays.len() + self.slit_decays.len()];
        let plain = if usual { USUAL.to_vec() } else { any };
        let unchanged = vec![0.0; self.weights() - plain.len()];
        self.alpha.clone().unwrap_or_else(|| [plain, unchanged].concat())
    }

    /// How many weights `alpha` has.
    fn weights(&self) -> usize {
        let added = self.ease_decays.len() + self.slit_decays.len();
        if self.gate { 2 * added + 1 } else { added }
    }

    /// Options of the collaborative tower.
    pub fn cf(&self) -> Bert4RecOptions {
        let steps = self.cf_steps;
        // A short run keeps the share of its warm-up.
        let warmup = u128::from(self.cbf.warmup) * u128::from(steps) / u128::from(self.cbf.steps.max(1));
        let warmup = u64::try_from(warmup).unwrap_or(u64::MAX);
        Bert4RecOptions { max_length: self.user_max_length, steps, warmup, ..self.cbf.clone() }
    }

    /// Checks what the towers do not check themselves.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    pub fn validate(&self) -> Result<(), TrainError> {
        let counts = [
            ("cf-steps", self.cf_steps as usize),
            ("head-steps", self.head_steps as usize),
            ("head-batch", self.head_batch),
            ("head-negatives", self.head_negatives),
            ("joint-steps", self.joint_steps as usize),
            ("joint-batch", self.joint_batch),
        ];
        if let Some((key, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(TrainError::option(key, value, "must be at least 1"));
        }
        // What a step makes in memory.
        let sizes = [
            ("head-batch", self.head_batch),
            ("head-negatives", self.head_negatives),
            ("joint-batch", self.joint_batch),
        ];
        if let Some((key, value)) = sizes.into_iter().find(|(_, value)| *value > 1_000_000) {
            return Err(TrainError::option(key, value, "must be at most 1000000"));
        }
        if self.user_max_length < 2 {
            return Err(TrainError::option("user-max-length", self.user_max_length, "must be at least 2"));
        }
        self.validate_fusion()?;
        if self.item_profiles != ItemProfiles::Tower {
            let rule = match self.variant {
                Variant::EndToEnd => Some("must be tower with --variant end-to-end, which trains it"),
                Variant::AsPrinted => {
                    Some("must be tower with --variant as-printed: its leak is in the tower's sequences")
                }
                _ => None,
            };
            if let Some(rule) = rule {
                return Err(TrainError::option("item-profiles", "users, svd, ials or content", rule));
            }
        }
        if self.variant == Variant::Fused && self.cbf.shuffle {
            let rule = "must be false with --variant fused, whose EASE and SLIT see the true order: what order is worth is measured with \
                        bert4rec --shuffle true, or another --variant";
            return Err(TrainError::option("shuffle", true, rule));
        }
        let rates = [
            ("head-learning-rate", self.head_learning_rate),
            ("joint-learning-rate", self.joint_learning_rate),
        ];
        match rates.into_iter().find(|(_, rate)| !(*rate > 0.0 && rate.is_finite())) {
            Some((key, rate)) => Err(TrainError::option(key, rate, "must be positive")),
            None => Ok(()),
        }
    }

    fn validate_fusion(&self) -> Result<(), TrainError> {
        let decays = [("ease-decays", &self.ease_decays), ("slit-decays", &self.slit_decays)];
        for (key, decays) in decays {
            if let Some(decay) = decays.iter().find(|decay| !(**decay > 0.0 && **decay <= 1.0)) {
                return Err(TrainError::option(key, decay, "must be above 0 and at most 1"));
            }
        }
        let count = self.ease_decays.len() + self.slit_decays.len();
        if count > MOST_ADDED {
            let rule = format!("must be at most {MOST_ADDED} together with ease-decays");
            return Err(TrainError::option("slit-decays", format!("{:?}", self.slit_decays), rule));
        }
        let Some(alpha) = &self.alpha else { return Ok(()) };
        let weights = self.weights();
        if alpha.len() != weights {
            let gate =
                if self.gate { ", then of the gate for the log-probability and each of these" } else { "" };
            let rule = format!(
                "must have {weights} weights: for each of ease-decays {:?} and of slit-decays {:?}{gate}",
                self.ease_decays, self.slit_decays
            );
            return Err(TrainError::option("alpha", format!("{alpha:?}"), rule));
        }
        match alpha.iter().find(|&&weight| !is_weight(weight)) {
            Some(weight) => {
                let rule = format!("must be from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}");
                Err(TrainError::option("alpha", weight, rule))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_a_line_of_help_and_no_line_is_stale() {
        let options = serde_json::to_value(HybridOptions::default()).unwrap();
        let mut keys: Vec<&str> = options.as_object().unwrap().keys().map(String::as_str).collect();
        let mut lines: Vec<&str> = HybridOptions::HELP.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        lines.sort_unstable();
        assert_eq!(keys, lines);
    }

    #[test]
    fn what_would_not_be_what_its_name_says_is_refused() {
        let refused = |options: HybridOptions| options.validate().unwrap_err().to_string();
        let (variant, item_profiles) = (Variant::AsPrinted, ItemProfiles::Ials);
        let error = refused(HybridOptions { variant, item_profiles, ..HybridOptions::default() });
        assert!(error.contains("item-profiles") && error.contains("leak"), "{error}");
        let cbf = Bert4RecOptions { shuffle: true, ..Bert4RecOptions::default() };
        let shuffled = HybridOptions { cbf, ..HybridOptions::default() };
        assert!(refused(shuffled.clone()).contains("EASE and SLIT see the true order"));
        assert!(HybridOptions { variant: Variant::Paper, ..shuffled }.validate().is_ok());
    }

    #[test]
    fn the_warmup_of_the_collaborative_tower_is_the_same_share() {
        let options = HybridOptions { cf_steps: 2500, ..HybridOptions::default() };
        assert_eq!(options.cf().warmup, options.cbf.warmup / 2);
        assert_eq!(HybridOptions { cf_steps: u64::MAX, ..options }.cf().steps, u64::MAX, "without overflow");
    }

    #[test]
    fn unknown_keys_are_refused_in_spite_of_the_flattened_tower() {
        let read = |text: &str| serde_json::from_str::<HybridOptions>(text);
        assert_eq!(read(r#"{"hidden": 32, "head-negatives": 2}"#).unwrap().cbf.hidden, 32);
        let error = read(r#"{"hiden": 32}"#).unwrap_err().to_string();
        assert!(error.contains("hiden"), "{error}");
    }
}
