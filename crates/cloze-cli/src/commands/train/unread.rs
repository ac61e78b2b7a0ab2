//! Options that were given for nothing: the loss that was asked for does not read them.

use serde_json::Value;

use crate::models::Entry;
use crate::options::Options;

/// Losses that draw no items.
const WITHOUT_NEGATIVES: [&str; 2] = ["softmax", "squared"];
/// The loss that makes up for the sampling.
const CALIBRATED: &str = "gbce";

/// What is to be said of the options that were asked for, with flags or by a file.
pub(super) fn said(entry: &Entry, flags: &Options, asked: &Options) -> Vec<String> {
    let Some(loss) = asked.get("loss").and_then(Value::as_str) else { return Vec::new() };
    let defaults = entry.defaults();
    let unread = [("negatives", WITHOUT_NEGATIVES.contains(&loss)), ("calibration", loss != CALIBRATED)];
    let one = |(key, is_unread): (&str, bool)| {
        let value = asked.get(key).filter(|_| is_unread)?;
        let is_wish = flags.contains_key(key) || defaults.get(key) != Some(value);
        is_wish.then(|| format!("note: {key} = {value} had no effect: it is not read with --loss {loss}"))
    };
    unread.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::find;
    use serde_json::json;

    #[test]
    fn what_the_loss_does_not_read_is_told() {
        let told = |model: &str, flags: Value| {
            let entry = find(model).unwrap();
            let Value::Object(flags) = flags else { panic!("no object") };
            let mut asked = entry.defaults();
            asked.extend(flags.clone());
            said(entry, &flags, &asked).len()
        };
        for model in ["bert4rec", "sasrec", "gru4rec", "caser"] {
            assert_eq!(told(model, json!({})), 0);
            assert_eq!(told(model, json!({"negatives": 10, "calibration": 0.5})), 2);
            assert_eq!(told(model, json!({"loss": "bce", "negatives": 10, "calibration": 0.5})), 1);
            assert_eq!(told(model, json!({"loss": "gbce", "negatives": 10, "calibration": 0.5})), 0);
        }
        assert_eq!(told("mf", json!({"loss": "squared", "negatives": 9})), 1);
        assert_eq!(told("mf", json!({"loss": "bpr", "negatives": 9})), 0);
        assert_eq!(told("item-knn", json!({"neighbours": 9})), 0);
    }
}
