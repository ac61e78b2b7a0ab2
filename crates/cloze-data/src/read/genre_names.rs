//! Names of genres that an item file has by number.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;

use super::items::ItemRecord;
use crate::DataError;
use crate::log::read_bytes;

/// Puts names in the place of numbers. The file is one JSON object, from name to number.
///
/// # Errors
/// The file is something else, gives a number to two names or a name to two numbers, or lacks the number of a genre.
pub(crate) fn rename_genres(path: &Path, items: &mut HashMap<String, ItemRecord>) -> Result<(), DataError> {
    let wrong = |reason: String| DataError::Malformed { file: path.to_owned(), reason };
    let bytes = read_bytes(path)?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let pairs = json.deserialize_map(Pairs).and_then(|pairs| json.end().map(|()| pairs));
    let pairs =
        pairs.map_err(|error| wrong(format!("expected one JSON object of name: number ({error})")))?;
    let mut names = HashMap::new();
    let mut numbers: HashMap<String, String> = HashMap::new();
    for (name, number) in pairs {
        let name = name.trim().to_owned();
        let number = match number {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            other => return Err(wrong(format!("{name:?} has {other}: expected the number of a genre"))),
        };
        if let Some(other) = numbers.insert(name.clone(), number.clone()) {
            return Err(wrong(format!(
                "{name:?} is the name of {other} and of {number}: expected one number"
            )));
        }
        if let Some(other) = names.insert(number.clone(), name.clone()) {
            return Err(wrong(format!("{number} has the names {other:?} and {name:?}: expected one name")));
        }
    }
    let mut ids: Vec<&String> = items.keys().collect();
    // The error is the same in every run.
    ids.sort_unstable();
    for id in ids {
        let missing = items[id].genres.iter().find(|genre| !names.contains_key(*genre));
        if let Some(genre) = missing {
            let reason =
                format!("no name for the genre {genre:?} (of item {id:?}): add it, or leave genre_names out");
            return Err(wrong(reason));
        }
    }
    for genre in items.values_mut().flat_map(|item| &mut item.genres) {
        if let Some(name) = names.get(genre) {
            genre.clone_from(name);
        }
    }
    Ok(())
}

/// The pairs of an object in its order; a map would keep only the last of two equal names.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}
