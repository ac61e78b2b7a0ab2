//! `cloze convert`: exports of learning platforms become a log that `cloze prepare` takes.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use cloze_data::convert::{ConvertOptions, Converted, Platform, convert, write_events};

use crate::commands::prepare::EncodingArg;
use crate::output::{note, print};
use crate::table::{Column, Table};
use crate::text::{count, quoted};

const EXAMPLES: &str = "\
Examples:
  cloze convert moodle Fractions-grades.csv Angles-grades.csv --output log.csv
  cloze convert ilias Fractions_results.csv --output log.csv";

const MOODLE_EXAMPLES: &str = "\
Examples:
  cloze convert moodle Fractions-grades.csv Angles-grades.csv --output log.csv
  cloze convert moodle 'Maths Grades.csv' --objective Arithmetic \\
      --output log.csv

What is read, in English: the report \"Grades\" of a quiz with marks for each
question, and the gradebook as plain text with percentages.";

const ILIAS_EXAMPLES: &str = "\
Examples:
  cloze convert ilias Fractions_results.csv --output log.csv
  cloze convert ilias Week_1_results.csv --encoding latin-1 \\
      --points Halves=2 --output log.csv

What is read, in English or German: the results of a test, exported as CSV.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Convert {
    #[command(subcommand)]
    platform: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Quiz reports and gradebooks of Moodle
    #[command(after_help = MOODLE_EXAMPLES)]
    Moodle(Files),
    /// Test results of ILIAS
    #[command(after_help = ILIAS_EXAMPLES)]
    Ilias(Ilias),
}

#[derive(Debug, Args)]
struct Files {
    /// The exports: plain, gzip or zstd
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// The log to write: learner,exercise,objective,score,time
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Learning objective of all exercises [default: the name of the file that an exercise is from]
    #[arg(long, value_name = "NAME")]
    objective: Option<String>,
    /// Encoding of the exports
    #[arg(long, value_enum, default_value_t = EncodingArg::Utf8)]
    encoding: EncodingArg,
}

#[derive(Debug, Args)]
struct Ilias {
    #[command(flatten)]
    files: Files,
    /// The most points of a question, where nobody reached them and the totals do not tell; once for each such question
    #[arg(long, value_name = "TITLE=POINTS", value_parser = points)]
    points: Vec<(String, f64)>,
}

/// A title and a number behind its last `=`.
fn points(text: &str) -> Result<(String, f64), String> {
    let wrong = || "expected TITLE=POINTS, such as 'Adding halves=2'".to_owned();
    let (title, most) = text.rsplit_once('=').ok_or_else(wrong)?;
    let most = most.trim().parse().ok().filter(|most: &f64| most.is_finite() && *most >= 0.0);
    most.map(|most| (title.trim().to_owned(), most)).ok_or_else(wrong)
}

impl Convert {
    pub(crate) fn run(self) -> Result<()> {
        match self.platform {
            Command::Moodle(files) => files.run(Platform::Moodle, Vec::new()),
            Command::Ilias(ilias) => ilias.files.run(Platform::Ilias, ilias.points),
        }
    }
}

impl Files {
    fn run(&self, platform: Platform, points: Vec<(String, f64)>) -> Result<()> {
        let same = |input: &PathBuf| input.canonicalize().ok() == self.output.canonicalize().ok();
        ensure!(
            !self.output.exists() || !self.inputs.iter().any(same),
            "--output {} is one of the inputs: choose another file",
            self.output.display()
        );
        let options = ConvertOptions {
            objective: self.objective.clone(),
            points: points.into_iter().collect(),
            encoding: self.encoding.into(),
        };
        let converted = convert(platform, &self.inputs, &options)?;
        write_events(&self.output, &converted.events)?;
        for text in &converted.notes {
            note(&format!("note: {text}"));
        }
        self.print(&converted)
    }

    fn print(&self, converted: &Converted) -> Result<()> {
        let left_out: Vec<String> = converted
            .left_out
            .iter()
            .map(|(what, times)| format!("{} {what}", count(*times as usize)))
            .collect();
        let left_out = if left_out.is_empty() { "nothing".to_owned() } else { left_out.join(", ") };
        let mut table = Table::new(&[("", Column::Text), ("", Column::Wrapped)]);
        for (name, value) in [
            ("answers", count(converted.events.len())),
            ("learners", count(converted.learners())),
            ("exercises", count(converted.exercises())),
            ("left out", left_out),
        ] {
            table.row([name.to_owned(), value]);
        }
        let log = quoted(&self.output.display().to_string());
        let next = format!(
            "\nNext:\n  cloze prepare --input {log} --user learner --item exercise --time time --value score \\\n      \
             --items {log} --item-id exercise --genres objective --items-repeated --once-in-a-row --output school\n"
        );
        print(&(table.render() + &next))
    }
}
