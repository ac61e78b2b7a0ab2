//! Options of the learners' hybrid.

use crate::help::{lines, with_bert4rec};
use crate::options::{HeadLoss, HybridOptions, LARGEST_WEIGHT, UserTokens, Variant, is_weight};
use crate::unread::{Changed, SUM, TOWER, flag};
use cloze_sequential::Bert4RecOptions;
use cloze_train::{Run, TrainError};
use serde::{Deserialize, Serialize};

/// How a learner's and a target's profile become a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearnerVariant {
    /// `ln P(x | u) + Σ α · f(u, x)`: the content tower's log-probability with EASE's and SLIT's scores, how much more often learners of
    /// the same difficulty take the exercise than all who work on the objective, and the score of `trained-projections`.
    Fused,
    /// The description as it stands: generalized matrix factorization of the two towers' profiles, of whole histories.
    Paper,
    /// As `paper`, with a trained linear map on either profile; each exercise is predicted from the history before it.
    TrainedProjections,
}

/// Who stands in a target's sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbours {
    /// Learners who took the exercise for the objective, and for whom the objective is as hard as for the one who is asked for.
    SameDifficulty,
    /// All who took it.
    All,
    /// Learners of one of three groups by chance, as a control: sequences as short as those of the same difficulty.
    Random,
}

/// Where a target's profile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetProfiles {
    /// A BERT4Rec over its learners.
    Tower,
    /// The mean of its learners' profiles.
    Users,
    /// iALS on who took which target.
    Ials,
}

/// Options of [`LearnerHybrid`](super::LearnerHybrid): those of BERT4Rec for both towers, and the rest here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LearnerHybridOptions {
    /// Options of the content tower.
    #[serde(flatten)]
    pub cbf: Bert4RecOptions,
    /// How profiles become a score.
    pub variant: LearnerVariant,
    /// Who stands in a target's sequence.
    pub neighbours: Neighbours,
    /// Where a target's profile comes from.
    pub profiles: TargetProfiles,
    /// The value of an answer with full credit: 1 where values are right or wrong, 100 where they are points of 100.
    pub full_score: f64,
    /// A table of learner, objective and difficulty (1 easy, 2 medium, 3 hard), where somebody knows it; `None`: from the answers.
    pub difficulties: Option<String>,
    /// `fused`: weight of each score that is added, for each of `ease_decays`, then of `slit_decays`, then for how often
    /// neighbours take it, then for the targets'; `None` for those chosen on validation items.
    pub alpha: Option<Vec<f64>>,
    /// `fused`: EASE's and SLIT's weight of the squared norm.
    pub lambda: f64,
    /// `fused`: decays of EASE; none: without it.
    pub ease_decays: Vec<f64>,
    /// `fused`: the same for SLIT.
    pub slit_decays: Vec<f64>,
    /// `fused`: most popular exercises that they model; 0 for all.
    pub max_items: usize,
    /// Longest sequence of learners.
    pub user_max_length: usize,
    /// That tower's vectors of learners.
    pub user_tokens: UserTokens,
    /// Optimizer steps of the tower over learners.
    pub cf_steps: u64,
    /// Optimizer steps of the head.
    pub head_steps: u64,
    /// Positives a step of the head.
    pub head_batch: usize,
    /// Learning rate of the head.
    pub head_learning_rate: f64,
    /// Sampled negatives for each positive.
    pub head_negatives: usize,
}

impl Default for LearnerHybridOptions {
    fn default() -> Self {
        let hybrid = HybridOptions::default();
        Self {
            cbf: hybrid.cbf,
            variant: LearnerVariant::Fused,
            neighbours: Neighbours::SameDifficulty,
            profiles: TargetProfiles::Tower,
            full_score: 1.0,
            difficulties: None,
            alpha: None,
            lambda: hybrid.lambda,
            ease_decays: Vec::new(),
            slit_decays: hybrid.slit_decays,
            max_items: hybrid.max_items,
            user_max_length: hybrid.user_max_length,
            user_tokens: hybrid.user_tokens,
            cf_steps: hybrid.cf_steps,
            head_steps: hybrid.head_steps,
            head_batch: hybrid.head_batch,
            head_learning_rate: hybrid.head_learning_rate,
            head_negatives: hybrid.head_negatives,
        }
    }
}

/// Lines of help beyond BERT4Rec's.
const OWN_HELP: [(&str, &str); 17] = [
    (
        "variant",
        "fused (log-probability with SLIT and what neighbours take), paper (product of profiles), trained-projections",
    ),
    (
        "neighbours",
        "Learners in a target's sequence: same-difficulty (for whom the objective is as hard), all, random (a control)",
    ),
    ("profiles", "A target's profile: tower (BERT4Rec over its learners), users (their mean) or ials"),
    ("full-score", "Value of an answer with full credit: 1, or 100 where values are points of 100"),
    (
        "difficulties",
        "Table (CSV, Parquet, ...) of learner, objective and difficulty, 1 easy to 3 hard, instead of what the answers say",
    ),
    (
        "alpha",
        "fused: weights of the scores that are added, for each of ease-decays, then slit-decays, then for how often neighbours take it, then for the targets; none: chosen on validation items",
    ),
    ("lambda", "fused: EASE's and SLIT's weight of the squared norm"),
    ("ease-decays", "fused: decays of EASE, for each a score; none for no EASE"),
    ("slit-decays", "fused: the same for SLIT, which is fitted with the first"),
    ("max-items", "fused: most popular exercises that EASE and SLIT model; 0 for all"),
    ("user-max-length", "Longest sequence of learners"),
    (
        "user-tokens",
        "Vectors of learners in the tower over them: learned, or profiles (the content tower's, frozen: one space for both)",
    ),
    ("cf-steps", "Optimizer steps of the tower over learners"),
    ("head-steps", "Optimizer steps of the head"),
    ("head-batch", "Positives a step of the head"),
    ("head-learning-rate", "Learning rate of the head"),
    ("head-negatives", "Sampled negatives for each positive of the head"),
];

impl LearnerHybridOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [(&'static str, &'static str)] =
        &with_bert4rec::<{ lines(OWN_HELP.len()) }>(&OWN_HELP);

    /// The same for the parts that HybridBERT4Rec has too.
    pub(super) fn hybrid(&self) -> HybridOptions {
        HybridOptions {
            cbf: self.cbf.clone(),
            variant: match self.variant {
                LearnerVariant::Paper => Variant::Paper,
                LearnerVariant::Fused | LearnerVariant::TrainedProjections => Variant::TrainedProjections,
            },
            lambda: self.lambda,
            ease_decays: self.ease_decays.clone(),
            slit_decays: self.slit_decays.clone(),
            max_items: self.max_items,
            user_max_length: self.user_max_length,
            user_tokens: self.user_tokens,
            cf_steps: self.cf_steps,
            head_steps: self.head_steps,
            head_batch: self.head_batch,
            head_learning_rate: self.head_learning_rate,
            head_loss: HeadLoss::Log,
            head_negatives: self.head_negatives,
            ..HybridOptions::default()
        }
    }

    /// What decides the linear scores.
    pub(super) fn linear(&self) -> (f64, &[f64], &[f64], usize) {
        (self.lambda, &self.ease_decays, &self.slit_decays, self.max_items)
    }

    /// Weights where validation items do not choose them: the linear scores' usual ones, and neighbours as they are.
    pub(super) fn usual_alpha(&self) -> Vec<f64> {
        let usual = || self.hybrid().usual_alpha().into_iter().chain([1.0, 1.0]).collect();
        self.alpha.clone().unwrap_or_else(usual)
    }

    /// Checks what the towers do not check themselves.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.hybrid().validate()?;
        if !(self.full_score > 0.0 && self.full_score.is_finite()) {
            return Err(TrainError::option("full-score", self.full_score, "must be positive"));
        }
        let Some(alpha) = &self.alpha else { return Ok(()) };
        let count = self.ease_decays.len() + self.slit_decays.len() + 2;
        if alpha.len() != count || !alpha.iter().all(|&weight| is_weight(weight)) {
            let rule = format!(
                "must have {count} weights from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}: for each of ease-decays and slit-decays, one \
                 for how often neighbours take it, and one for the targets"
            );
            return Err(TrainError::option("alpha", format!("{alpha:?}"), rule));
        }
        Ok(())
    }
}

impl LearnerHybridOptions {
    /// Refuses what the variant or the neighbours do not read, and notes what another option makes superfluous.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and what reads it.
    pub(super) fn check_read(&self, run: &mut Run<'_>) -> Result<(), TrainError> {
        let (changed, neighbours) = (Changed::of(self), flag("neighbours", &self.neighbours));
        if self.variant != LearnerVariant::Fused {
            changed.refuse(&SUM, &flag("variant", &self.variant), "--variant fused")?;
        }
        if self.neighbours != Neighbours::SameDifficulty {
            changed.refuse(&["difficulties"], &neighbours, "--neighbours same-difficulty")?;
            changed.note(&["full-score"], &neighbours, run);
        } else if self.difficulties.is_some() {
            changed.note(&["full-score"], "--difficulties", run);
        }
        if self.profiles != TargetProfiles::Tower {
            changed.note(&TOWER, &flag("profiles", &self.profiles), run);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloze_train::Reporter;

    #[test]
    fn what_is_not_read_is_refused_or_noted() {
        let said = |options: LearnerHybridOptions| {
            let mut reporter = Reporter::quiet();
            let checked = options.check_read(&mut Run::new(1, &mut reporter));
            checked.map(|()| reporter.notes().to_vec()).map_err(|error| error.to_string())
        };
        let given = || LearnerHybridOptions { difficulties: Some("t.csv".to_owned()), ..Default::default() };
        let error = said(LearnerHybridOptions { neighbours: Neighbours::All, ..given() }).unwrap_err();
        assert!(error.contains("t.csv") && error.contains("--neighbours same-difficulty"), "{error}");
        let variant = LearnerVariant::Paper;
        let error = said(LearnerHybridOptions { variant, lambda: 5.0, ..Default::default() }).unwrap_err();
        assert!(error.contains("lambda = 5") && error.contains("--variant fused"), "{error}");
        let profiles = TargetProfiles::Users;
        let options = LearnerHybridOptions { profiles, cf_steps: 7, full_score: 100.0, ..given() };
        let expected = [
            "full-score = 100.0 had no effect: it is not read with --difficulties",
            "cf-steps = 7 had no effect: it is not read with --profiles users",
        ];
        assert_eq!(said(options).unwrap(), expected);
        let read = LearnerHybridOptions { lambda: 5.0, cf_steps: 7, full_score: 100.0, ..Default::default() };
        assert_eq!(said(read).unwrap(), [""; 0]);
    }

    #[test]
    fn every_option_has_a_line_of_help_and_no_line_is_stale() {
        let options = serde_json::to_value(LearnerHybridOptions::default()).unwrap();
        let mut keys: Vec<&str> = options.as_object().unwrap().keys().map(String::as_str).collect();
        let mut lines: Vec<&str> = LearnerHybridOptions::HELP.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        lines.sort_unstable();
        assert_eq!(keys, lines);
    }

    #[test]
    fn weights_must_be_as_many_as_scores() {
        let options = LearnerHybridOptions { alpha: Some(vec![1.0, 2.0, 3.0, 4.0]), ..Default::default() };
        options.validate().unwrap();
        let error = LearnerHybridOptions { ease_decays: vec![1.0], ..options }.validate().unwrap_err();
        assert!(error.to_string().contains("5 weights"), "{error}");
        let error = LearnerHybridOptions { full_score: 0.0, ..Default::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("full-score"), "{error}");
    }
}
