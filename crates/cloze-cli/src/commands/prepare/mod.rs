//! `cloze prepare`: a user's own log becomes a folder that `--data` takes.

mod args;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use cloze_data::log::{LogFormat, LogOptions, ReadReport};
use cloze_data::read::Column;
use cloze_data::{DataError, Dataset, LeaveOneOut, PrepareOptions, prepare};
use cloze_train::Reporter;

pub(crate) use self::args::EncodingArg;
use self::args::{BadRowsArg, COLUMN, FilterArgs, FormArgs, ItemArgs, column, separator};
use crate::output::{note, print, print_json};
use crate::table::{Column as Cells, Table};
use crate::text::{count, quoted};

const EXAMPLES: &str = "\
Examples:
  cloze prepare --input log.parquet --user U --item I --time T --output mydata
  cloze prepare --input day1.csv.gz day2.csv.gz --user visitor --item page \\
      --time when \\
      --k-core 5 --bad-rows skip --output mydata
  cloze prepare --input ratings.dat --user 1 --item 2 --value 3 --time 4 \\
      --min-value 4 \\
      --items movies.dat --item-id 1 --title 2 --genres 3 --output mydata
Then:
  cloze data describe mydata
  cloze train item-knn --data mydata --output runs/knn";

/// What errors of the library call the flag that makes text of quotation marks.
const NO_QUOTES: &str = "quotes = false";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prepare {
    /// The log; several files are read one after the other. Plain, gzip or zstd
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    input: Vec<PathBuf>,
    /// Folder for the prepared data; a prepared folder that is there is replaced
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Column of the user: its name, or its position counted from 1
    #[arg(long, value_name = COLUMN, value_parser = column)]
    user: Column,
    /// Column of the item
    #[arg(long, value_name = COLUMN, value_parser = column)]
    item: Column,
    /// Column of the time: numbers (s, ms, us, ns) or ISO 8601 [default: the order of the rows]
    #[arg(long, value_name = COLUMN, value_parser = column)]
    time: Option<Column>,
    /// Column of a value such as a rating
    #[arg(long, value_name = COLUMN, value_parser = column)]
    value: Option<Column>,
    /// Rows that can't be read: stop at the first, or leave them out and keep those of the log in rejected.csv. Times in two
    /// units still stop: which is meant is not for a row to say
    #[arg(long, value_enum, default_value_t = BadRowsArg::Error)]
    bad_rows: BadRowsArg,
    /// Name of the data set in tables and reports [default: the name of the first file]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    items: ItemArgs,
    #[command(flatten)]
    filters: FilterArgs,
}

impl Prepare {
    pub(crate) fn run(self) -> Result<()> {
        self.check()?;
        let items = &self.items;
        ensure!(
            items.items.is_none() || items.title.is_some() || items.genres.is_some() || items.text.is_some(),
            "--items needs to know what to take from the file: --title, --genres or --text"
        );
        let options = self.options();
        let prepared = prepare(&options, &self.output, &mut Reporter::stderr());
        let (dataset, report) = prepared.map_err(|error| self.with_flag(error))?;
        if let Some(rejected) = &report.rejected_file {
            let bad = count(report.rejected as usize);
            note(&format!("note: {bad} bad rows were left out, see {}", rejected.display()));
        }
        if report.rejected_items > 0 {
            let bad = count(report.rejected_items as usize);
            let first = report.first_rejected_item.as_deref().unwrap_or_default();
            note(&format!("note: {bad} bad rows of the item file were left out, the first: {first}"));
        }
        if self.json {
            return print_json(&self.summary(&dataset, &report));
        }
        self.print(&dataset, &report)
    }

    /// What reads well and makes no sense.
    fn check(&self) -> Result<()> {
        ensure!(self.user != self.item, "--user and --item are the same column: name that of the item");
        let real: Vec<_> = self.input.iter().map(|file| file.canonicalize().ok()).collect();
        let twice = (1..real.len()).find(|&at| real[at].is_some() && real[..at].contains(&real[at]));
        match twice {
            Some(at) => bail!("--input {} is given twice", self.input[at].display()),
            None => Ok(()),
        }
    }

    /// Where an option of the library would help, says which flag that is.
    fn with_flag(&self, error: DataError) -> anyhow::Error {
        let prefix = |file: &Path| {
            let of_items =
                self.items.items.as_deref() == Some(file) && self.input.iter().all(|log| log != file);
            if of_items { "--items-" } else { "--" }
        };
        match &error {
            DataError::Encoding { file, line, byte } => anyhow!(
                "{}, line {line}: byte {byte:#04x} is not UTF-8; if the file is old, add {}encoding latin-1",
                file.display(),
                prefix(file)
            ),
            DataError::Cell { file, expected, .. } if expected.contains(NO_QUOTES) => {
                anyhow!(error.to_string().replace(NO_QUOTES, &format!("{}quotes false", prefix(file))))
            }
            DataError::Cell { line: 1, .. }
                if self.form.header.is_none() && matches!(self.user, Column::Position(_)) =>
            {
                anyhow!("{error} (if the first line names the columns, add --header true)")
            }
            _ => error.into(),
        }
    }

    fn options(&self) -> PrepareOptions {
        // clap refuses a call without an input.
        let mut inputs = self.input.iter();
        let first = inputs.next().cloned().unwrap_or_default();
        let mut log = LogOptions::new(first, self.user.clone(), self.item.clone());
        log.more = inputs.cloned().collect();
        log.time.clone_from(&self.time);
        log.value.clone_from(&self.value);
        log.format = self.form.format.map(LogFormat::from);
        log.separator = self.form.separator.as_deref().map(separator);
        log.header = self.form.header;
        log.quotes = self.form.quotes;
        log.encoding = self.form.encoding.into();
        log.name.clone_from(&self.name);
        let mut options = PrepareOptions::new(log);
        options.skip_bad_rows = self.bad_rows == BadRowsArg::Skip;
        options.filters = self.filters.filters();
        options.items = self.items.file(&self.item, &self.form);
        options
    }

    fn print(&self, dataset: &Dataset, report: &ReadReport) -> Result<()> {
        let sequences = &dataset.sequences;
        let unit = report.time_unit.map_or("none: the order of the rows", |unit| unit.name());
        let titled = (0..dataset.items.len() as u32).filter(|item| dataset.items.title(*item).is_some());
        let mut rows = vec![
            ("data set", dataset.name.clone()),
            ("rows", count(report.rows as usize)),
            ("bad rows left out", count(report.rejected as usize)),
        ];
        if self.items.items.is_some() {
            rows.push(("bad items left out", count(report.rejected_items as usize)));
        }
        let removed: Vec<_> = report
            .removed
            .iter()
            .map(|removed| format!("{} by {}", count(removed.interactions as usize), removed.rule))
            .collect();
        rows.push((
            "filtered out",
            if removed.is_empty() { "nothing".to_owned() } else { removed.join(", ") },
        ));
        rows.extend([
            ("users", count(dataset.users.len())),
            ("items", count(dataset.items.len())),
            ("interactions", count(sequences.interactions())),
            ("times", unit.to_owned()),
            ("items with a title", count(titled.count())),
            ("items with a genre", count(with_genre(dataset))),
            ("users held out", count(held_out(dataset))),
        ]);
        let mut table = Table::new(&[("", Cells::Text), ("", Cells::Wrapped)]);
        for (name, value) in rows {
            table.row([name.to_owned(), value]);
        }
        let folder = quoted(&self.output.display().to_string());
        let next = format!(
            "\nNext:\n  cloze data describe {folder}\n  cloze train item-knn --data {folder} --output runs/knn\n"
        );
        print(&(table.render() + &next))
    }

    fn summary(&self, dataset: &Dataset, report: &ReadReport) -> serde_json::Value {
        serde_json::json!({
            "folder": self.output,
            "name": dataset.name,
            "users": dataset.users.len(),
            "items": dataset.items.len(),
            "interactions": dataset.sequences.interactions(),
            "users_held_out": held_out(dataset),
            "report": report,
        })
    }
}

/// Items of which at least one genre is known: without one they are nowhere in an answer about a genre.
fn with_genre(dataset: &Dataset) -> usize {
    dataset.details.genres.iter().flatten().filter(|own| !own.is_empty()).count()
}

/// Users whose last items the split holds out; none of a data set that is too short for it.
fn held_out(dataset: &Dataset) -> usize {
    LeaveOneOut::new(&dataset.sequences).map_or(0, |split| split.held_out())
}
