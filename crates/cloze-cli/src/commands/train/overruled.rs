//! A reused part brings options with it; what was asked for instead is not passed over in silence.

use serde_json::Value;

use crate::models::Entry;
use crate::options::Options;

/// What is to be said of the options that were asked for, with flags or by a file, where others were trained with.
pub(super) fn said(entry: &Entry, flags: &Options, asked: &Options, trained: &Value) -> Vec<String> {
    let defaults = entry.defaults();
    let one = |(key, value): (&String, &Value)| {
        // What is left to the model is no wish, and a default is one only where it was typed.
        let is_wish = !value.is_null() && (flags.contains_key(key) || defaults.get(key) != Some(value));
        let used = trained.get(key).filter(|used| is_wish && !same(used, value))?;
        Some(format!("note: {key} = {value} was not used: the reused part was trained with {used}"))
    };
    asked.iter().filter_map(one).collect()
}

/// Whether two values are the same to an option: 5 is 5.0.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::find;
    use serde_json::json;

    #[test]
    fn only_a_wish_that_was_overruled_is_told() {
        let hybrid = find("hybridbert4rec").unwrap();
        let told = |flags: Value, trained: Value| {
            let Value::Object(flags) = flags else { panic!("no object") };
            let mut asked = hybrid.defaults();
            asked.extend(flags.clone());
            let mut all = hybrid.defaults();
            let Value::Object(trained) = trained else { panic!("no object") };
            all.extend(trained);
            said(hybrid, &flags, &asked, &Value::Object(all))
        };
        let chosen = json!({"alpha": [5.0, 25.0, 64.0]});
        assert_eq!(told(json!({"alpha": [5, 25, 64]}), chosen.clone()), [""; 0]);
        assert_eq!(told(json!({"alpha": null}), chosen.clone()), [""; 0], "left to the model");
        assert_eq!(told(json!({}), json!({"hidden": 8})), [""; 0]);
        let overruled = told(json!({"hidden": 64, "lambda": 7}), json!({"hidden": 8, "lambda": 7.0}));
        assert!(overruled.len() == 1 && overruled[0].contains("hidden = 64"), "{overruled:?}");
    }
}
