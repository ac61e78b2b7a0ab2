//! `cloze data describe`: a data set in numbers and plots.

mod html;
mod plot;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use cloze_data::log::TimeUnit;
use cloze_data::whole_file::write_whole;
use cloze_data::{Description, Distribution, Manifest, Origin, describe, load, manifest, read_origin};
use cloze_train::Reporter;

use crate::data_args::DataArgs;
use crate::output::{note, print, print_json};
use crate::table::{Column, Table};
use crate::text::{WIDTH, count, wrap};

const EXAMPLES: &str = "\
Examples:
  cloze data describe ml-100k
  cloze data describe mydata --html mydata.html
  cloze data describe mydata --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Describe {
    /// A built-in data set, a prepared folder, or the path of a manifest (.toml)
    name: String,
    /// Also write a page with plots, one self-contained file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the description as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// The manifest behind a name; none for a prepared folder.
pub(crate) fn known(name: &str) -> Result<Option<Manifest>> {
    let path = Path::new(name);
    if path.is_dir() || path.file_name().is_some_and(|file| file == "metadata.json") {
        let built_in = cloze_data::manifests().iter().find(|manifest| manifest.name == name);
        return Ok(built_in.cloned());
    }
    Ok(Some(manifest(name)?))
}

/// What is shown of a data set.
struct Shown {
    title: String,
    synthetic: bool,
    data: Description,
    facts: Vec<(&'static str, String)>,
}

impl Shown {
    /// Name and title, once where they are the same.
    fn heading(&self) -> String {
        let (name, title) = (&self.data.name, &self.title);
        if name == title { name.clone() } else { format!("{name}: {title}") }
    }
}

impl Describe {
    pub(crate) fn run(self) -> Result<()> {
        let dataset = load(&self.name, &self.data.options(), &mut Reporter::stderr())?;
        let data = describe(&dataset);
        let mut facts = facts(&data);
        match known(&self.name)? {
            Some(manifest) => facts.extend([("licence", manifest.licence), ("citation", manifest.citation)]),
            None => facts.extend(self.origin()?.iter().flat_map(origin_facts)),
        }
        let shown = Shown { title: dataset.title, synthetic: dataset.synthetic, data, facts };
        if let Some(file) = &self.html {
            write_whole(file, |page| page.write_all(html::page(&shown).as_bytes()))?;
            note(&format!("saved: {}", file.display()));
        }
        if self.json { print_json(&shown.data) } else { print(&text(&shown)) }
    }

    fn origin(&self) -> Result<Option<Origin>> {
        let path = Path::new(&self.name);
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        Ok(read_origin(folder)?)
    }
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.0005 { "below 0.05 %".to_owned() } else { format!("{:.1} %", 100.0 * share) }
}

/// A time of the data as a date where it is one, else as it stands.
fn time(data: &Description, time: i64) -> String {
    let unit = data.time_unit.unwrap_or_else(|| TimeUnit::of(time));
    unit.date(time).unwrap_or_else(|| time.to_string())
}

/// The numbers, with words for them.
fn facts(data: &Description) -> Vec<(&'static str, String)> {
    let range = data.time_range.map(|(first, last)| format!("{} to {}", time(data, first), time(data, last)));
    let number = |number: u64| count(number as usize);
    let mut facts = vec![
        ("users", number(data.users)),
        ("items", number(data.items)),
        ("interactions", number(data.interactions)),
        ("density", format!("{:.4} %", 100.0 * data.density)),
        ("share of the top tenth of items", percent(data.head_share)),
        ("repeats of an item by its user", percent(data.repeat_share)),
        ("time", range.unwrap_or_else(|| "none".to_owned())),
    ];
    facts.extend(data.tie_share.map(|share| ("at the time of the one before", percent(share))));
    facts.extend([
        ("users with an arbitrary order", percent(data.arbitrary_order_share)),
        (
            "pairs in a row that recur",
            format!("{}, shuffled {}", percent(data.recurring_pairs), percent(data.recurring_pairs_shuffled)),
        ),
        ("values", if data.values { "yes" } else { "none" }.to_owned()),
        ("items with a title", number(data.titled_items)),
        ("genres", number(data.genres)),
        ("items with a text", number(data.items_with_text)),
    ]);
    facts
}

fn origin_facts(origin: &Origin) -> Vec<(&'static str, String)> {
    let mut facts: Vec<_> = origin
        .inputs
        .iter()
        .chain(&origin.items)
        .map(|input| {
            let (size, sum) = (count(input.size as usize), &input.sha256);
            ("made from", format!("{} ({size} bytes, sha256 {sum})", input.file.display()))
        })
        .collect();
    facts.push(("filters", origin.filters.to_string()));
    facts.push(("bad rows left out", count(origin.report.rejected as usize)));
    facts
}

fn text(shown: &Shown) -> String {
    let data = &shown.data;
    let generated = if shown.synthetic { " (generated data)" } else { "" };
    let heading = format!("{}{generated}", shown.heading());
    let mut text = wrap(&heading, WIDTH).join("\n") + "\n\n";
    let mut table = Table::new(&[("", Column::Text), ("", Column::Wrapped)]);
    for (name, value) in &shown.facts {
        table.row([(*name).to_owned(), value.clone()]);
    }
    text.push_str(&table.render());
    text.push('\n');
    text.push_str(&distributions(data));
    for plot in plot::plots(data) {
        text.push('\n');
        text.push_str(&plot.render());
    }
    if data.warnings.is_empty() {
        return text + "\nNo warnings.\n";
    }
    text.push_str("\nWarnings:\n");
    for warning in &data.warnings {
        let lines = wrap(warning, WIDTH - 4);
        let _ = writeln!(text, "  - {}", lines.join("\n    "));
    }
    text
}

fn distributions(data: &Description) -> String {
    let number = |title| (title, Column::Number);
    let titles = ["min", "25 %", "median", "75 %", "90 %", "99 %", "max", "mean"];
    let mut columns = vec![("interactions", Column::Text)];
    columns.extend(titles.map(number));
    let mut table = Table::new(&columns);
    for (name, of) in [("per user", &data.lengths), ("per item", &data.popularity)] {
        let [min, p25, p50, p75, p90, p99, max, mean] = quantiles(of);
        table.row([name.to_owned(), min, p25, p50, p75, p90, p99, max, mean]);
    }
    table.render()
}

/// Minimum, quartiles, 90th and 99th percentile, maximum, mean.
fn quantiles(of: &Distribution) -> [String; 8] {
    let number = |number: u64| count(number as usize);
    let [min, p25, p50, p75] = [of.min, of.p25, of.p50, of.p75].map(number);
    let [p90, p99, max] = [of.p90, of.p99, of.max].map(number);
    [min, p25, p50, p75, p90, p99, max, format!("{:.1}", of.mean)]
}
