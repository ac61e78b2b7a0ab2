//! The analysis in the Markdown report.

use std::fmt::Write;

use crate::analysis::Analysis;
use crate::breakdown::{BreakdownRow, Factor};
use crate::comparison::Comparison;
use crate::difficulty;
use crate::metrics::Metric;
use crate::order::claim;
use crate::part::Part;
use crate::protocol::Protocol;
use crate::questions;
use crate::table::{Table, count, figure, p_value, range, signed};

/// What the analysis says of one data set, split and fit.
pub(crate) fn analysis_section(text: &mut String, part: Part<'_>, analysis: &Analysis) {
    let compared = analysis.comparisons.iter().filter(|row| part.has(&row.dataset, &row.split, row.fit));
    comparison_tables(text, &compared.collect::<Vec<_>>());
    let steps = analysis.order.iter().filter(|row| part.has(&row.dataset, &row.split, row.fit));
    order_section(text, &steps.collect::<Vec<_>>());
    for asked in questions::shown(analysis, part) {
        let _ = write!(
            text,
            "\n### {}\n\n- {}\n\n{}",
            asked.question,
            asked.words.join("\n- "),
            asked.differences
        );
        if !asked.beside.is_empty() {
            let _ = write!(text, "\n{}", asked.beside);
        }
    }
    let lists = list_table(part, analysis);
    if !lists.is_empty() {
        let _ = write!(text, "\n### Beyond accuracy: top 10 of the whole catalogue\n\n{lists}");
    }
    let categories = category_table(part, analysis);
    if !categories.is_empty() {
        let title = "Categories (genres, learning objectives): top 10 of the whole catalogue";
        let _ = write!(text, "\n### {title}\n\n{categories}");
    }
    let measured = analysis.difficulty.iter().filter(|row| part.has(&row.dataset, &row.split, row.fit));
    for shown in difficulty::tables(&measured.collect::<Vec<_>>()) {
        let _ = write!(text, "\n### {}\n\n{}\n{}\n", shown.title, shown.table, shown.note);
    }
    let broken: Vec<&BreakdownRow> =
        analysis.breakdowns.iter().filter(|row| part.has(&row.dataset, &row.split, row.fit)).collect();
    if let Some(protocol) = main_protocol(&broken) {
        for by in Factor::ALL {
            breakdown_table(text, by, protocol, &broken);
        }
    }
}

fn comparison_tables(text: &mut String, rows: &[&Comparison]) {
    let mut protocols: Vec<Protocol> = Vec::new();
    for row in rows {
        if !protocols.contains(&row.protocol) {
            protocols.push(row.protocol);
        }
    }
    for protocol in protocols {
        let rows: Vec<&Comparison> = rows.iter().copied().filter(|row| row.protocol == protocol).collect();
        let _ = writeln!(text, "\n### NDCG@10 against {}, {protocol}\n", rows[0].baseline);
        let _ = write!(text, "{}", comparison_table(rows));
    }
}

/// Models against one baseline under one protocol.
pub(crate) fn comparison_table<'a>(rows: impl IntoIterator<Item = &'a Comparison>) -> Table {
    let mut table = Table::new(&["<model", "difference", "p", "p (Holm)", "p (Wilcoxon)", "<verdict"]);
    for row in rows {
        table.row(vec![
            row.model.clone(),
            format!("{} [{}, {}]", signed(row.difference), signed(row.low), signed(row.high)),
            p_value(row.t),
            p_value(row.holm),
            row.wilcoxon.map_or_else(|| "-".to_owned(), p_value),
            row.finding.to_string(),
        ]);
    }
    table
}

/// The claimed order under each protocol.
fn order_section(text: &mut String, steps: &[&Comparison]) {
    let Some((order, lines)) = claim(steps) else { return };
    let table = order_table(steps);
    let _ = write!(text, "\n### The claimed order {order}\n\n- {}\n\n{table}", lines.join("\n- "));
}

/// Its steps.
pub(crate) fn order_table(steps: &[&Comparison]) -> Table {
    let mut table = Table::new(&["<protocol", "<step", "difference", "p (Holm)", "<verdict"]);
    for step in steps {
        table.row(vec![
            step.protocol.to_string(),
            format!("{} > {}", step.model, step.baseline),
            format!("{} [{}, {}]", signed(step.difference), signed(step.low), signed(step.high)),
            p_value(step.holm),
            step.finding.to_string(),
        ]);
    }
    table
}

/// What the lists are like; empty where none were kept.
pub(crate) fn list_table(part: Part<'_>, analysis: &Analysis) -> Table {
    let mut table =
        Table::new(&["<model", "coverage", "popularity", "novelty (bits)", "Gini", "distance", "unfamiliar"]);
    for row in analysis.lists.iter().filter(|row| part.has(&row.dataset, &row.split, row.fit)) {
        let of = &row.statistics;
        table.row(vec![
            row.model.clone(),
            figure(of.coverage),
            format!("{:.1}", of.popularity),
            format!("{:.2}", of.novelty),
            figure(of.gini),
            of.distance.map_or_else(|| "-".to_owned(), figure),
            of.unfamiliarity.map_or_else(|| "-".to_owned(), figure),
        ]);
    }
    table
}

/// What the lists have of the categories; empty where there are none.
pub(crate) fn category_table(part: Part<'_>, analysis: &Analysis) -> Table {
    let mut table = Table::new(&["<model", "category coverage", "categories a list", "new to the user"]);
    for row in analysis.lists.iter().filter(|row| part.has(&row.dataset, &row.split, row.fit)) {
        let of = &row.statistics;
        if let (Some(coverage), Some(categories)) = (of.category_coverage, of.categories) {
            let new = of.new_categories.map_or_else(|| "-".to_owned(), figure);
            table.row(vec![row.model.clone(), figure(coverage), format!("{categories:.2}"), new]);
        }
    }
    table
}

/// The full catalogue where there is one, else the first protocol.
pub(crate) fn main_protocol(rows: &[&BreakdownRow]) -> Option<Protocol> {
    let full = rows.iter().find(|row| row.protocol == Protocol::Full);
    full.or(rows.first()).map(|row| row.protocol)
}

/// The buckets of a breakdown with their number of users, in ascending order.
pub(crate) fn buckets_of(rows: &[&BreakdownRow], by: Factor) -> Vec<(u64, u64, usize)> {
    let mut found: Vec<(u64, u64, usize)> =
        rows.iter().filter(|row| row.by == by).map(|row| (row.from, row.to, row.users)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// How a bucket is called.
pub(crate) fn bucket_name(by: Factor, from: u64, to: u64) -> String {
    match (by, to) {
        (Factor::TargetPopularity, 0) => "cold".to_owned(),
        _ => range(from, to),
    }
}

fn breakdown_table(text: &mut String, by: Factor, protocol: Protocol, rows: &[&BreakdownRow]) {
    let rows: Vec<&BreakdownRow> = rows
        .iter()
        .copied()
        .filter(|row| row.by == by && row.protocol == protocol && row.metric == Metric::Ndcg(10))
        .collect();
    let buckets = buckets_of(&rows, by);
    if buckets.is_empty() {
        return;
    }
    let names: Vec<String> = buckets.iter().map(|&(from, to, _)| bucket_name(by, from, to)).collect();
    let titles: Vec<&str> = std::iter::once("<model").chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new(&titles);
    let mut models: Vec<&str> = Vec::new();
    for row in &rows {
        if !models.contains(&row.model.as_str()) {
            models.push(&row.model);
        }
    }
    for model in models {
        let of = |&(from, to, _): &(u64, u64, usize)| {
            let found = rows.iter().find(|row| row.model == model && (row.from, row.to) == (from, to));
            found.map_or_else(String::new, |row| figure(row.value))
        };
        table.row(std::iter::once(model.to_owned()).chain(buckets.iter().map(of)).collect());
    }
    let users = buckets.iter().map(|&(_, _, users)| count(users));
    table.row(std::iter::once("(users)".to_owned()).chain(users).collect());
    let _ = write!(text, "\n### NDCG@10 by {by}, {protocol}\n\n{table}");
}

/// Explains what the analysis shows; empty without one.
pub(crate) fn analysis_footer(analysis: &Analysis) -> &'static str {
    if *analysis == Analysis::default() {
        return "";
    }
    "\
Against the baseline (named, or the best by mean NDCG@10): p of the two-sided paired t test on users, each with the\n\
mean over a model's seeds; Holm adjusts over the models of a table. A verdict needs p (Holm) below .05. \"no\n\
difference shown\" does not say that models are equally good. Wilcoxon: the signed-rank test, zeros by Pratt, of models\n\
with one seed; means over seeds are not of a kind with single values, and ranks would take that for a difference.\n\
A baseline that is chosen for being the best is favoured by the choice: name one beforehand where it matters.\n\
Beyond accuracy: coverage = share of the catalogue in any list; popularity = mean training count; novelty = mean\n\
self-information; Gini of how often items are listed (0 even, 1 all on one); distance = mean of 1 - cosine within\n\
a list, of the users who have both items in training unless item vectors were given; unfamiliar = mean of 1 -\n\
familiarity. Familiarity of an item: share of the user's history that has its categories, mean over these.\n\
Categories: coverage = share of all that some list has; new = share of items with one that the history lacks.\n\
Breakdowns: buckets end at quartiles of the users' values; cold = never in training.\n"
}
