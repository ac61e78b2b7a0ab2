//! Options that a model has and that nothing reads as it is trained: to be refused, or at least said.

use crate::options::{HeadLoss, HybridOptions, ItemProfiles, Variant};
use cloze_train::{Run, TrainError};
use serde::Serialize;
use serde_json::{Map, Value};

/// Options of the tower over users, or learners.
pub(crate) const TOWER: [&str; 3] = ["user-max-length", "user-tokens", "cf-steps"];
/// Options of the linear scores, and of the weights of a sum.
pub(crate) const SUM: [&str; 5] = ["alpha", "lambda", "ease-decays", "slit-decays", "max-items"];
const GATE: [&str; 1] = ["gate"];
const HEAD: [&str; 7] = [
    "head-steps",
    "head-batch",
    "head-learning-rate",
    "head-loss",
    "head-negatives",
    "prefixes",
    "item-profiles",
];
const TOGETHER: [&str; 3] = ["joint-steps", "joint-batch", "joint-learning-rate"];

/// The options whose values are not the defaults.
pub(crate) struct Changed(Map<String, Value>);

impl Changed {
    pub(crate) fn of<T: Serialize + Default>(options: &T) -> Self {
        let map = |options: &T| match serde_json::to_value(options) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let (mut changed, defaults) = (map(options), map(&T::default()));
        changed.retain(|key, value| defaults.get(key) != Some(value));
        Self(changed)
    }

    /// # Errors
    /// [`TrainError::Option`], where one of these was given: `without` does not read it, `with` does.
    pub(crate) fn refuse(&self, keys: &[&'static str], without: &str, with: &str) -> Result<(), TrainError> {
        let given = keys.iter().find_map(|key| Some((key, self.0.get(*key)?)));
        given.map_or(Ok(()), |(key, value)| {
            let rule = format!("is not read with {without}: leave it out, or give {with}");
            Err(TrainError::option(key, value, rule))
        })
    }

    /// Says which of these were given for nothing.
    pub(crate) fn note(&self, keys: &[&str], without: &str, run: &mut Run<'_>) {
        for (key, value) in keys.iter().filter_map(|key| Some((key, self.0.get(*key)?))) {
            run.reporter.note(&format!("{key} = {value} had no effect: it is not read with {without}"));
        }
    }
}

/// A flag with a value of an enumeration.
pub(crate) fn flag(name: &str, value: &impl Serialize) -> String {
    let text = serde_json::to_value(value).ok();
    format!("--{name} {}", text.as_ref().and_then(Value::as_str).unwrap_or_default())
}

impl HybridOptions {
    /// Refuses what the variant does not read, and notes what another option makes superfluous.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and what reads it.
    pub(crate) fn check_read(&self, run: &mut Run<'_>) -> Result<(), TrainError> {
        let (changed, variant) = (Changed::of(self), flag("variant", &self.variant));
        if self.variant == Variant::Fused {
            let product =
                "a --variant that does: paper, as-printed, hidden, trained-projections or end-to-end";
            changed.refuse(&TOWER, &variant, product)?;
            changed.refuse(&HEAD, &variant, product)?;
        } else {
            changed.refuse(&SUM, &variant, "--variant fused")?;
            changed.refuse(&GATE, &variant, "--variant fused")?;
        }
        if self.variant != Variant::EndToEnd {
            changed.refuse(&TOGETHER, &variant, "--variant end-to-end")?;
        }
        if self.item_profiles != ItemProfiles::Tower {
            changed.note(&TOWER, &flag("item-profiles", &self.item_profiles), run);
        }
        if self.head_loss != HeadLoss::Log {
            changed.note(&["head-negatives"], &flag("head-loss", &self.head_loss), run);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::UserTokens;
    use cloze_train::Reporter;

    /// What is said of options: the refusal, or else the notes.
    fn said(change: impl FnOnce(&mut HybridOptions)) -> Vec<String> {
        let mut options = HybridOptions::default();
        change(&mut options);
        let mut reporter = Reporter::quiet();
        match options.check_read(&mut Run::new(1, &mut reporter)) {
            Ok(()) => reporter.notes().to_vec(),
            Err(error) => vec![error.to_string()],
        }
    }

    type Change = fn(&mut HybridOptions);

    #[test]
    fn what_the_variant_does_not_read_is_refused_with_the_one_that_does() {
        let refused: [(Change, &[&str]); 7] = [
            (|o| o.item_profiles = ItemProfiles::Users, &["item-profiles", "users", "trained-projections"]),
            (|o| o.user_tokens = UserTokens::Profiles, &["user-tokens", "profiles", "end-to-end"]),
            (|o| o.cf_steps = 7, &["cf-steps = 7", "not read with --variant fused"]),
            (|o| o.prefixes = Some(3), &["prefixes = 3"]),
            (|o| (o.variant, o.gate) = (Variant::Paper, true), &["gate = true", "give --variant fused"]),
            (|o| (o.variant, o.alpha) = (Variant::Hidden, Some(vec![1.0])), &["alpha", "--variant hidden"]),
            (|o| (o.variant, o.joint_steps) = (Variant::Paper, 9), &["joint-steps = 9", "end-to-end"]),
        ];
        for (change, parts) in refused {
            let said = said(change);
            assert!(said.len() == 1 && parts.iter().all(|part| said[0].contains(part)), "{said:?}");
        }
    }

    #[test]
    fn what_is_read_is_no_matter_and_what_is_superfluous_is_noted() {
        assert_eq!(said(|o| (o.gate, o.lambda, o.max_items) = (true, 5.0, 9)), [""; 0]);
        assert_eq!(said(|o| (o.variant, o.cf_steps, o.joint_steps) = (Variant::EndToEnd, 5, 7)), [""; 0]);
        let noted = said(|o| {
            (o.variant, o.cf_steps, o.head_negatives) = (Variant::TrainedProjections, 7, 9);
            (o.item_profiles, o.head_loss) = (ItemProfiles::Ials, HeadLoss::Softmax);
            o.user_tokens = UserTokens::Profiles;
        });
        let expected = [
            "user-tokens = \"profiles\" had no effect: it is not read with --item-profiles ials",
            "cf-steps = 7 had no effect: it is not read with --item-profiles ials",
            "head-negatives = 9 had no effect: it is not read with --head-loss softmax",
        ];
        assert_eq!(noted, expected);
    }
}
