//! Rows of JSON objects, one a line.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use memchr::memchr;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::blocks::Block;
use super::rows::{Keep, Lacks, Numbers, Part, Rejected, Time, finite};
use crate::error_text::NO_FIELD;
use crate::{DataError, Filters};

/// Names of the fields: user, item, time, value.
pub(crate) type Fields<'a> = [Option<&'a str>; 4];

const ROLES: [&str; 4] = ["user", "item", "time", "value"];

/// How the rows of a file are read.
pub(crate) struct JsonRows<'a> {
    pub(crate) path: &'a Path,
    pub(crate) fields: Fields<'a>,
    pub(crate) filters: &'a Filters,
    pub(crate) skip: bool,
    pub(crate) keep: Keep,
}

struct Values<'a> {
    user: Cow<'a, str>,
    item: Cow<'a, str>,
    time: Option<Time>,
    value: Option<f64>,
}

impl JsonRows<'_> {
    pub(crate) fn parse(&self, block: &Block, numbers: &mut Numbers) -> Part {
        let mut part = Part::new(block.index);
        let mut rest = block.bytes.as_slice();
        if block.index == 0 {
            rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
        }
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).unwrap_or(rest.len());
            let row = rest[..end].trim_ascii();
            rest = rest.get(end + 1..).unwrap_or_default();
            part.lines += 1;
            // Blank lines are no rows: JSON has white space anywhere.
            if row.is_empty() {
                continue;
            }
            part.content = true;
            if let Err(error) = self.row(row, numbers, &mut part) {
                part.error = Some(error);
                return part;
            }
        }
        part
    }

    fn row(&self, row: &[u8], numbers: &mut Numbers, part: &mut Part) -> Result<(), DataError> {
        let line = part.lines;
        let values = match self.values(row, line) {
            Ok(Ok(values)) => values,
            Ok(Err(lacks)) => {
                part.leave_out(lacks);
                return Ok(());
            }
            Err(error) if self.skip => {
                let text = String::from_utf8_lossy(row).into_owned();
                part.rejected.push(Rejected { line, reason: error.reason(), text });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        part.rows += 1;
        if self.filters.below(values.value) {
            return Ok(());
        }
        if let Some(time) = values.time {
            part.note_style(line, time);
        }
        let room = part.push(numbers, values.user.as_bytes(), values.item.as_bytes(), values.time);
        room.ok_or(DataError::TooManyIds { found: u32::MAX as usize })?;
        part.keep(line, values.value, self.keep);
        Ok(())
    }

    fn values<'r>(&self, row: &'r [u8], line: usize) -> Result<Result<Values<'r>, Lacks>, DataError> {
        let mut json = serde_json::Deserializer::from_slice(row);
        let found = Pick(self.fields).deserialize(&mut json).and_then(|found| json.end().map(|()| found));
        let text = || String::from_utf8_lossy(row).chars().take(60).collect::<String>();
        let found = found.map_err(|error| {
            // serde_json counts lines of the row, of which there is one.
            let reason = error.to_string();
            let reason = reason.split(" at line").next().unwrap_or_default();
            self.wrong(line, "the line", &text(), &format!("one JSON object ({reason})"))
        })?;
        let (user, value) = (self.filters.drop_without_user, self.filters.drop_without_value);
        if user && found[0].is_none_or(is_nothing) {
            return Ok(Err(Lacks::User));
        }
        if value && found[3].is_none_or(is_nothing) {
            return Ok(Err(Lacks::Value));
        }
        let cell = |role: usize, found: Option<&'r RawValue>, expected: &str| {
            let Some(name) = self.fields[role] else { return Ok(None) };
            let column = format!("field {name:?} ({})", ROLES[role]);
            match found.map(|found| scalar(found.get())) {
                Some(Some(scalar)) => Ok(Some(scalar)),
                Some(None) => {
                    let value = found.map_or("", RawValue::get).chars().take(60).collect::<String>();
                    Err(self.wrong(line, &column, &value, expected))
                }
                None => Err(self.wrong(line, &column, &text(), NO_FIELD)),
            }
        };
        let id = |role: usize| -> Result<Cow<'r, str>, DataError> {
            let id = cell(role, found[role], "an id, text or number")?.unwrap_or_default();
            let column = || format!("field {:?} ({})", self.fields[role].unwrap_or_default(), ROLES[role]);
            if id.is_empty() { Err(self.wrong(line, &column(), "", "an id")) } else { Ok(id) }
        };
        let time = cell(2, found[2], "a time")?.map(|text| {
            let column = format!("field {:?} (time)", self.fields[2].unwrap_or_default());
            Time::parse(&text)
                .ok_or_else(|| self.wrong(line, &column, &text, super::TimeRule::Any.expected()))
        });
        let value = cell(3, found[3], "a finite number")?.map(|text| {
            let value = text.parse().ok().and_then(finite);
            let column = format!("field {:?} (value)", self.fields[3].unwrap_or_default());
            value.ok_or_else(|| self.wrong(line, &column, &text, "a finite number"))
        });
        let (user, item) = (id(0)?, id(1)?);
        Ok(Ok(Values { user, item, time: time.transpose()?, value: value.transpose()? }))
    }

    fn wrong(&self, line: usize, column: &str, value: &str, expected: &str) -> DataError {
        DataError::Cell {
            file: self.path.to_owned(),
            line,
            column: column.to_owned(),
            value: value.chars().take(60).collect(),
            expected: expected.to_owned(),
        }
    }
}

/// Whether a field says that there is no user, or no value.
fn is_nothing(json: &RawValue) -> bool {
    json.get() == "null" || json.get() == "\"\""
}

/// The text of a JSON string or number; none for anything else.
fn scalar(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => {
            let plain = &json[1..json.len() - 1];
            if plain.contains('\\') {
                serde_json::from_str(json).ok().map(Cow::Owned)
            } else {
                Some(plain.into())
            }
        }
        b'-' | b'0'..=b'9' => Some(json.into()),
        _ => None,
    }
}

/// Takes the fields asked for out of an object, and passes over the others without building them.
struct Pick<'f>(Fields<'f>);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = [Option<&'de RawValue>; 4];

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = [Option<&'de RawValue>; 4];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = [None; 4];
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let wanted = |role: &usize| self.0[*role] == Some(key.as_ref());
            match (0..4).find(wanted) {
                // One field may serve two roles.
                Some(role) => {
                    let raw = map.next_value::<&'de RawValue>()?;
                    (role..4).filter(wanted).for_each(|role| found[role] = Some(raw));
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}
