//! The rules of manifests that their types can't say.

use super::{FileSpec, Form, Manifest, Source, base_name};
use crate::read::Column;

impl Manifest {
    pub(super) fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err(format!("name = {:?}: expected letters, digits, '-', '_' and '.'", self.name));
        }
        if self.synthetic.is_some() {
            let alone = self.forms.is_empty() && self.sources.is_empty();
            return if alone {
                Ok(())
            } else {
                Err("generated data have neither forms nor sources".to_owned())
            };
        }
        if self.forms.is_empty() || self.sources.is_empty() {
            return Err("expected at least one [[forms]] and one [[sources]], or [synthetic]".to_owned());
        }
        self.forms.iter().try_for_each(Form::check)?;
        self.sources.iter().try_for_each(|source| self.check_source(source))
    }

    fn check_source(&self, source: &Source) -> Result<(), String> {
        let (sha256, name, members) = match source {
            Source::Local | Source::ByHand { .. } => return Ok(()),
            Source::Https { sha256, form, members, .. }
            | Source::PythonPackage { sha256, form, members, .. } => (sha256, form, members),
        };
        check_sha256(sha256)?;
        let known: Vec<&str> = self.forms.iter().map(|form| form.name.as_str()).collect();
        let form = self.form(name);
        let form = form.ok_or_else(|| format!("form = {name:?}: there is {}", known.join(", ")))?;
        let files = &form.interactions.files;
        if let Some(bad) = members.iter().find(|member| ["", ".", ".."].contains(&base_name(member))) {
            return Err(format!("members: {bad:?} is no file name"));
        }
        let given = members.iter().map(|member| base_name(member));
        if members.is_empty()
            || given.clone().any(|member| files.iter().any(|file| base_name(file) == member))
        {
            Ok(())
        } else {
            Err(format!("members have none of the files of form {name:?}: {}", files.join(", ")))
        }
    }
}

impl Form {
    fn check(&self) -> Result<(), String> {
        let columns = &self.interactions.columns;
        let mut used = vec![&columns.user, &columns.item];
        used.extend(columns.time.iter().chain(&columns.value));
        self.interactions.check(&used)?;
        if let Some(items) = &self.items {
            items.columns.check()?;
            let used = items.columns.used();
            items.check(&used.iter().collect::<Vec<_>>())?;
        }
        if let Some(map) = &self.item_ids {
            map.check(&[&map.columns.id, &map.columns.original])?;
        }
        if let Some(names) = &self.genre_names {
            let genres = self.items.as_ref().is_some_and(|items| items.columns.genres.is_some());
            if names.files.is_empty() || !genres {
                return Err("genre_names: expected a file name, and genres in [forms.items]".to_owned());
            }
            names.sha256.as_deref().map_or(Ok(()), check_sha256)?;
        }
        self.check_periods()
    }

    fn check_periods(&self) -> Result<(), String> {
        let Some(periods) = &self.periods else { return Ok(()) };
        let Some(items) = self.items.as_ref().filter(|_| self.item_ids.is_none()) else {
            return Err("periods: expected [forms.items] with the ids of the interactions".to_owned());
        };
        if self.interactions.columns.time.is_none() {
            return Err("periods: expected a column of the time, which counts days".to_owned());
        }
        if periods.starts.is_empty() {
            return Err("periods: starts = {}: expected the first day of each period".to_owned());
        }
        items.check(&[&periods.column])
    }
}

impl<C> FileSpec<C> {
    fn check(&self, columns: &[&Column]) -> Result<(), String> {
        let Some(first) = self.files.first() else {
            return Err("files = []: expected a file name".to_owned());
        };
        if self.table.is_some() == self.format.is_some() {
            return Err(format!("{first}: expected either table = {{ ... }} or format"));
        }
        if self.table.as_ref().is_some_and(|table| table.separator.is_empty()) {
            return Err(format!("{first}: separator = \"\": expected one or more characters"));
        }
        let quoted = self.table.as_ref().filter(|table| table.quotes == Some(true));
        if let Some(table) = quoted.filter(|table| table.quoted().is_none()) {
            let separator = &table.separator;
            return Err(format!(
                "{first}: quotes = true with separator = {separator:?}: expected one of one byte"
            ));
        }
        let header = self.table.as_ref().is_none_or(|table| table.header);
        self.sha256.as_deref().map_or(Ok(()), check_sha256)?;
        for column in columns {
            match column {
                Column::Position(0) => return Err(format!("{first}: column 0: columns are counted from 1")),
                Column::Name(name) if !header => {
                    return Err(format!("{first}: column {name:?} needs header = true"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn check_sha256(text: &str) -> Result<(), String> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let good = text.len() == 64 && text.chars().all(hex);
    if good { Ok(()) } else { Err(format!("sha256 = {text:?}: expected 64 lower-case hexadecimal digits")) }
}
