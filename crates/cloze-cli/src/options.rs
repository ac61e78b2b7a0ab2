//! A model's options: from flags and configuration files, with the types of their defaults.
//!
//! Defaults give way to the configuration file, and both to flags.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Number, Value};

use crate::models::Entry;
use crate::text::did_you_mean;

/// Values by name, kebab-case.
pub(crate) type Options = serde_json::Map<String, Value>;

/// All options of a model with their values.
///
/// # Errors
/// A configuration file that cannot be read, has an unknown key or a value of the wrong type.
pub(crate) fn resolve(entry: &Entry, config: Option<&Path>, flags: &Options) -> Result<Options> {
    let mut given = match config {
        Some(path) => from_file(entry, path)?,
        None => Options::new(),
    };
    given.extend(flags.clone());
    entry.complete(given)
}

fn from_file(entry: &Entry, path: &Path) -> Result<Options> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration {shown}"))?;
    let table: toml::Table = toml::from_str(&text)
        .with_context(|| format!("{shown} is not valid TOML: expected `option = value`"))?;
    let defaults = entry.defaults();
    let mut options = Options::new();
    for (key, value) in table {
        let Some(default) = defaults.get(&key) else {
            let known: Vec<&str> = entry.help.iter().map(|(name, _)| *name).collect();
            let hint = did_you_mean(&key, known.iter().copied());
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("known: {}", known.join(", "))
            };
            bail!("{shown}: unknown option `{key}` of {}{hint}; {known}", entry.name);
        };
        let typed = serde_json::to_value(&value).ok().and_then(|value| of_type(value, default));
        let checked = typed.ok_or_else(|| expected(default).to_owned());
        match checked.and_then(|value| check_value(entry, &key, value)) {
            Ok(value) => options.insert(key, value),
            Err(rule) => bail!("{shown}: `{key}` = {value}: expected {rule}"),
        };
    }
    Ok(options)
}

/// The value that a flag's text stands for.
///
/// # Errors
/// What was expected instead.
pub(crate) fn from_flag(entry: &Entry, key: &str, text: &str) -> Result<Value, String> {
    let default = entry.defaults().get(key).cloned().unwrap_or(Value::Null);
    let value = match &default {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Array(_) => list(text),
        // An absent value says nothing of its type: whatever the text looks like.
        Value::Null | Value::Object(_) => {
            Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
        }
        Value::Bool(_) => text.parse().ok().map(Value::Bool),
        Value::Number(number) => parse_number(text, number),
    };
    let value = value.and_then(|value| of_type(value, &default));
    check_value(entry, key, value.ok_or_else(|| format!("expected {}", expected(&default)))?)
        .map_err(|rule| format!("expected {rule}"))
}

/// A list as TOML has it, or without its brackets.
fn list(text: &str) -> Option<Value> {
    let whole = serde_json::from_str(text).ok().filter(Value::is_array);
    whole.or_else(|| serde_json::from_str(&format!("[{text}]")).ok())
}

fn parse_number(text: &str, default: &Number) -> Option<Value> {
    if default.is_f64() {
        text.parse().ok().and_then(Number::from_f64).map(Value::Number)
    } else {
        let whole = text.parse::<u64>().map(Number::from);
        whole.or_else(|_| text.parse::<i64>().map(Number::from)).ok().map(Value::Number)
    }
}

/// The value, if its type is that of the default; whole numbers are taken for real ones.
fn of_type(value: Value, default: &Value) -> Option<Value> {
    match (&value, default) {
        (Value::Number(number), Value::Number(default)) if default.is_f64() => {
            number.as_f64().and_then(Number::from_f64).map(Value::Number)
        }
        (Value::Number(number), Value::Number(_)) if number.is_f64() => None,
        (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::String(_), Value::String(_))
        | (Value::Array(_), Value::Array(_))
        | (_, Value::Null) => Some(value),
        _ => None,
    }
}

/// The type that a default has, in words.
fn expected(default: &Value) -> &'static str {
    match default {
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list, such as 64,32",
        Value::Null | Value::Object(_) => "another value",
    }
}

/// Asks the model about one value, with defaults for everything else, so that a refusal is about this one.
fn check_value(entry: &Entry, key: &str, value: Value) -> Result<Value, String> {
    let given = Options::from_iter([(key.to_owned(), value.clone())]);
    match entry.complete(given) {
        Ok(_) => Ok(value),
        Err(error) if value.is_number() => {
            let default = entry.defaults().get(key).cloned().unwrap_or(Value::Null);
            Err(format!("{} ({error})", expected(&default)))
        }
        Err(error) => {
            let error = error.to_string();
            let hint = value.as_str().map(|value| did_you_mean(value, words(&error))).unwrap_or_default();
            // serde lists what it knows.
            let listed = error.split_once("expected ").map(|(_, listed)| listed);
            Err(format!("{}{hint}", listed.map_or_else(|| format!("something else: {error}"), str::to_owned)))
        }
    }
}

/// The words in backquotes behind `expected`, as serde lists the values of an enumeration.
fn words(error: &str) -> impl Iterator<Item = &str> {
    let listed = error.split_once("expected").map_or("", |(_, listed)| listed);
    listed.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::find;

    #[test]
    fn flags_have_the_type_of_their_default() {
        let knn = find("item-knn").unwrap();
        assert_eq!(from_flag(knn, "neighbours", "20"), Ok(Value::from(20_u64)));
        assert_eq!(from_flag(knn, "shrinkage", "3"), Ok(Value::from(3.0)));
        assert_eq!(from_flag(knn, "shrinkage", "1e-3"), Ok(Value::from(0.001)));
        let mlp = find("mlp").unwrap();
        for text in ["64,32", "64, 32", "[64,32]"] {
            assert_eq!(from_flag(mlp, "layers", text), Ok(serde_json::json!([64, 32])), "{text}");
        }
        assert!(from_flag(mlp, "layers", "wide").is_err());
        for (key, text, rule) in [
            ("neighbours", "many", "expected a whole number"),
            ("neighbours", "2.5", "expected a whole number"),
            ("neighbours", "-2", "expected a whole number"),
            ("shrinkage", "much", "expected a number"),
            ("shrinkage", "nan", "expected a number"),
        ] {
            let error = from_flag(knn, key, text).unwrap_err();
            assert!(error.starts_with(rule), "{key} = {text}: {error}");
        }
    }

    #[test]
    fn types_of_defaults() {
        let (text, yes) = (Value::from("paper"), Value::from(true));
        assert_eq!(of_type(Value::from("other"), &text), Some(Value::from("other")));
        assert_eq!(of_type(Value::from(false), &yes), Some(Value::from(false)));
        assert_eq!(of_type(Value::from("true"), &yes), None);
        assert_eq!(of_type(Value::from(1), &text), None);
        assert_eq!(of_type(Value::from(1), &Value::Null), Some(Value::from(1)));
    }

    #[test]
    fn a_default_may_depend_on_what_is_given() {
        let resolved = |name: &str, given: &[(&str, Value)]| {
            let flags = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            resolve(find(name).unwrap(), None, &flags).unwrap()
        };
        let adam = ("optimizer", Value::from("adam"));
        assert_eq!(resolved("mlp", &[])["learning-rate"], 0.2);
        assert_eq!(resolved("mlp", std::slice::from_ref(&adam))["learning-rate"], 0.001);
        let named = resolved("neumf", &[adam, ("learning-rate", Value::from(0.005))]);
        assert_eq!(
            (&named["learning-rate"], &named["mlp-learning-rate"]),
            (&Value::from(0.005), &Value::from(0.001))
        );
    }

    #[test]
    fn flags_go_before_files_and_files_before_defaults() {
        let knn = find("item-knn").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("knn.toml");
        std::fs::write(&path, "neighbours = 7\nshrinkage = 5\n").unwrap();
        let flags = Options::from_iter([("neighbours".to_owned(), Value::from(9))]);
        let options = resolve(knn, Some(&path), &flags).unwrap();
        assert_eq!(options["neighbours"], 9);
        assert_eq!(options["shrinkage"], 5.0);
    }
}
