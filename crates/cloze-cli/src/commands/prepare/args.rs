//! The groups of flags of `cloze prepare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cloze_data::log::LogFormat;
use cloze_data::read::{Column, Encoding, GenreColumns, ItemColumns};
use cloze_data::{Filters, ItemFile, Moment};

pub(super) const COLUMN: &str = "COL";

/// How the log is written, where its name does not tell.
#[derive(Debug, Args)]
#[command(next_help_heading = "Format")]
pub(super) struct FormArgs {
    /// How rows are written [default: by the extension, .gz or .zst aside]
    #[arg(long, value_enum)]
    pub(super) format: Option<FormatArg>,
    /// What stands between cells; `whitespace` for spaces and tabs [default: by the format]
    #[arg(long, value_name = "TEXT")]
    pub(super) separator: Option<String>,
    /// Whether the first line names the columns [default: yes if a column is given by name]
    #[arg(long, value_name = "BOOL")]
    pub(super) header: Option<bool>,
    /// Whether a cell in quotation marks may have separators; if not, marks are text [default: yes in CSV and TSV]
    #[arg(long, value_name = "BOOL")]
    pub(super) quotes: Option<bool>,
    /// Encoding of texts
    #[arg(long, value_enum, default_value_t = EncodingArg::Utf8)]
    pub(super) encoding: EncodingArg,
}

/// Titles, genres and text of the items.
#[derive(Debug, Args)]
#[command(next_help_heading = "Items")]
pub(super) struct ItemArgs {
    /// File with a row for each item
    #[arg(long, value_name = "FILE")]
    pub(super) items: Option<PathBuf>,
    /// Its column of the item id [default: as --item]
    #[arg(long, value_name = COLUMN, value_parser = column, requires = "items")]
    item_id: Option<Column>,
    /// Its column of the title
    #[arg(long, value_name = COLUMN, value_parser = column, requires = "items")]
    pub(super) title: Option<Column>,
    /// Its column of the year, appended to the title
    #[arg(long, value_name = COLUMN, value_parser = column, requires = "title")]
    year: Option<Column>,
    /// Its column of the genres
    #[arg(long, value_name = COLUMN, value_parser = column, requires = "items")]
    pub(super) genres: Option<Column>,
    /// What stands between genres
    #[arg(long, value_name = "TEXT", default_value = "|", requires = "genres")]
    genre_separator: String,
    /// Its column of a text, such as a description
    #[arg(long, value_name = COLUMN, value_parser = column, requires = "items")]
    pub(super) text: Option<Column>,
    /// An item may stand on several rows, and has the genres of all of them
    #[arg(long, requires = "items")]
    items_repeated: bool,
    /// How its rows are written [default: by the extension]
    #[arg(long, value_enum, requires = "items")]
    items_format: Option<FormatArg>,
    /// What stands between its cells [default: by the format]
    #[arg(long, value_name = "TEXT", requires = "items")]
    items_separator: Option<String>,
    /// What quotation marks are in it [default: as --quotes]
    #[arg(long, value_name = "BOOL", requires = "items")]
    items_quotes: Option<bool>,
    /// Its encoding [default: as --encoding]
    #[arg(long, value_enum, requires = "items")]
    items_encoding: Option<EncodingArg>,
}

/// Which interactions are kept, in the order of application.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters (applied in this order)")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct FilterArgs {
    /// Drop rows without a user, such as purchases of guests
    #[arg(long)]
    drop_without_user: bool,
    /// Drop rows without a value, such as exercises that nobody has marked
    #[arg(long, requires = "value")]
    drop_without_value: bool,
    /// Drop rows with a smaller value
    #[arg(long, value_name = "NUMBER", requires = "value", allow_negative_numbers = true)]
    min_value: Option<f32>,
    /// Drop rows before this: a date, a time in ISO 8601, or a number in the unit of the log (Unix seconds where its
    /// times are ISO 8601)
    #[arg(long, value_name = "TIME", requires = "time", allow_negative_numbers = true)]
    from_time: Option<Moment>,
    /// Drop rows at or after this
    #[arg(long, value_name = "TIME", requires = "time", allow_negative_numbers = true)]
    until_time: Option<Moment>,
    /// Keep only the first interaction of a user with an item
    #[arg(long)]
    first_of_pair: bool,
    /// Of interactions with the same item that follow on each other keep only the first
    #[arg(long)]
    once_in_a_row: bool,
    /// Drop items with fewer interactions, once
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    min_item_interactions: u64,
    /// Drop users and items with fewer interactions, until nothing changes
    #[arg(long, value_name = "N", conflicts_with_all = ["user_core", "item_core"])]
    k_core: Option<u64>,
    /// The same with a number of its own for users
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    user_core: u64,
    /// The same with a number of its own for items
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    item_core: u64,
    /// Keep N users, drawn at random from those that are left
    #[arg(long, value_name = "N")]
    sample_users: Option<u64>,
    /// Which users are drawn
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "sample_users")]
    sample_seed: u64,
    /// Drop users with fewer interactions
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    min_length: u64,
    /// Keep only the last N interactions of each user
    #[arg(long, value_name = "N")]
    max_length: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BadRowsArg {
    Error,
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FormatArg {
    Csv,
    Tsv,
    /// `::` between cells
    Dat,
    /// Spaces or tabs between cells
    Text,
    /// One JSON object a line
    #[value(name = "json-lines", alias = "jsonl")]
    JsonLines,
    Parquet,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EncodingArg {
    #[value(name = "utf-8")]
    Utf8,
    #[value(name = "latin-1")]
    Latin1,
}

impl From<FormatArg> for LogFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Csv => Self::Csv,
            FormatArg::Tsv => Self::Tsv,
            FormatArg::Dat => Self::Dat,
            FormatArg::Text => Self::Text,
            FormatArg::JsonLines => Self::JsonLines,
            FormatArg::Parquet => Self::Parquet,
        }
    }
}

impl From<EncodingArg> for Encoding {
    fn from(encoding: EncodingArg) -> Self {
        match encoding {
            EncodingArg::Utf8 => Self::Utf8,
            EncodingArg::Latin1 => Self::Latin1,
        }
    }
}

/// A column by name, or by position if it is a whole number.
pub(super) fn column(text: &str) -> Result<Column, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("columns are counted from 1".to_owned()),
        Ok(position) => Ok(Column::Position(position)),
        Err(_) if text.is_empty() => Err("expected a column's name or position".to_owned()),
        Err(_) => Ok(Column::Name(text.to_owned())),
    }
}

/// `\t` as one types it in a shell.
pub(super) fn separator(text: &str) -> String {
    if text == "\\t" { "\t".to_owned() } else { text.to_owned() }
}

impl ItemArgs {
    /// The item file, for which holds what is said of the log where that makes sense and nothing else is said.
    pub(super) fn file(&self, item: &Column, log: &FormArgs) -> Option<ItemFile> {
        let path = self.items.as_ref()?;
        let genres = self.genres.as_ref().map(|column| GenreColumns {
            column: column.clone(),
            separator: self.genre_separator.clone(),
            none: None,
            names: Vec::new(),
        });
        let columns = ItemColumns {
            id: self.item_id.as_ref().unwrap_or(item).clone(),
            title: self.title.clone(),
            year: self.year.clone(),
            genres,
            text: self.text.clone(),
            repeated: self.items_repeated,
        };
        let mut file = ItemFile::new(path, columns);
        file.format = self.items_format.map(LogFormat::from);
        file.separator = self.items_separator.as_deref().map(separator);
        let format = file.format.or_else(|| LogFormat::of(path));
        let text = !matches!(format, Some(LogFormat::JsonLines | LogFormat::Parquet));
        let quotable = match &file.separator {
            Some(separator) => text && separator.len() == 1,
            None => matches!(format, Some(LogFormat::Csv | LogFormat::Tsv)),
        };
        file.quotes = self.items_quotes.or(log.quotes.filter(|quotes| quotable || !quotes));
        let encoding = self.items_encoding.or(text.then_some(log.encoding));
        file.encoding = encoding.unwrap_or(EncodingArg::Utf8).into();
        Some(file)
    }
}

impl FilterArgs {
    pub(super) fn filters(&self) -> Filters {
        Filters {
            drop_without_user: self.drop_without_user,
            drop_without_value: self.drop_without_value,
            min_value: self.min_value,
            from_time: self.from_time.clone(),
            until_time: self.until_time.clone(),
            first_of_pair: self.first_of_pair,
            once_in_a_row: self.once_in_a_row,
            min_item_interactions: self.min_item_interactions,
            user_core: self.k_core.unwrap_or(self.user_core),
            item_core: self.k_core.unwrap_or(self.item_core),
            sample_users: self.sample_users,
            sample_seed: self.sample_seed,
            min_length: self.min_length,
            max_length: self.max_length,
        }
    }
}
