//! Results as one self-contained page: tables and plots, without scripts and without anything to load.

mod breakdown;
mod curves;
mod figures;
mod lines;
mod overview;
mod svg;
pub(crate) mod tables;

use std::fmt::Write;

use crate::analysis::Analysis;
use crate::bootstrap::Bootstrap;
use crate::evaluation::{Evaluation, coverage_lines};
use crate::html::overview::overview;
use crate::part::Part;
use crate::protocol::Protocol;
use crate::published::Published;
use crate::questions;
use crate::ratings::rating_lines;
use crate::report::{describe, footer};
use crate::report_analysis::analysis_footer;
use crate::results::ResultRow;

const STYLE: &str = include_str!("style.css");

/// What stands above the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'a> {
    /// Title of the page.
    pub title: &'a str,
    /// Text below it; blank lines part paragraphs.
    pub note: &'a str,
}

impl Default for Heading<'_> {
    fn default() -> Self {
        Self { title: "Results", note: "" }
    }
}

/// An HTML page (`report.html`) on `rows` as made by [`results_with`](crate::results_with), and an analysis of
/// the same evaluations.
///
/// It needs no other file and no script, follows the reader's light or dark setting, and every plot has its values
/// as text. Bars show Recall@10 and NDCG@10 with their interval; a diamond is a published figure.
pub fn html(
    heading: &Heading<'_>,
    rows: &[ResultRow],
    evaluations: &[Evaluation],
    published: &[Published],
    bootstrap: &Bootstrap,
    analysis: &Analysis,
) -> String {
    let title = escape(heading.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    );
    for paragraph in heading.note.split("\n\n").map(str::trim).filter(|text| !text.is_empty()) {
        let _ = writeln!(page, "<p>{}</p>", prose(paragraph));
    }
    page.push_str("</header>\n<main>\n");
    let mut parts: Vec<Part<'_>> = Vec::new();
    for part in rows.iter().map(Part::of_row) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    overview(&mut page, &parts, rows);
    for part in parts {
        Section::new(part, rows, evaluations, published, analysis).write(&mut page);
    }
    page.push_str("</main>\n<footer>\n");
    let notes = footer(bootstrap, evaluations) + analysis_footer(analysis) + questions::footer(analysis);
    let notes = notes.trim_start_matches(['\n', '-']).trim();
    let _ = writeln!(page, "<p>{}</p>\n</footer>\n</body>\n</html>", escape(notes).replace(".\n", ".<br>\n"));
    page
}

/// A title as the name of a place in the page.
fn anchor(title: &str) -> String {
    title.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// One data set, split and fit, with what belongs to it of everything.
struct Section<'a> {
    rows: Vec<&'a ResultRow>,
    evaluations: Vec<&'a Evaluation>,
    published: &'a [Published],
    analysis: &'a Analysis,
    part: Part<'a>,
    /// In the order of first appearance: the place of a model is its colour.
    models: Vec<&'a str>,
    protocols: Vec<Protocol>,
}

impl<'a> Section<'a> {
    fn new(
        part: Part<'a>,
        rows: &'a [ResultRow],
        evaluations: &'a [Evaluation],
        published: &'a [Published],
        analysis: &'a Analysis,
    ) -> Self {
        let rows: Vec<&ResultRow> = rows.iter().filter(|row| Part::of_row(row) == part).collect();
        let of_part = |run: &&Evaluation| Part::of(&run.meta) == part;
        let (mut models, mut protocols) = (Vec::new(), Vec::new());
        for row in &rows {
            if !models.contains(&row.model.as_str()) {
                models.push(row.model.as_str());
            }
            if !protocols.contains(&row.protocol) {
                protocols.push(row.protocol);
            }
        }
        let evaluations = evaluations.iter().filter(of_part).collect();
        Self { rows, evaluations, published, analysis, part, models, protocols }
    }

    fn write(&self, page: &mut String) {
        let title = self.part.title();
        let _ = writeln!(page, "<section id=\"{}\">\n<h2>{}</h2>", anchor(&title), escape(&title));
        if let Some(meta) = self.evaluations.first().map(|run| &run.meta) {
            if meta.synthetic {
                page.push_str("<p><span class=\"synthetic\">SYNTHETIC: generated data</span></p>\n");
            }
            let (split, hash, users) = (escape(&meta.split), escape(&meta.split_hash), meta.users_line());
            let _ = writeln!(page, "<p class=\"soft\">Split {split}, hash <code>{hash}</code>; {users}.</p>");
        }
        let lines = coverage_lines(&self.evaluations);
        for line in lines.into_iter().chain(rating_lines(&self.evaluations)) {
            let _ = writeln!(page, "<p class=\"soft\">{}</p>", escape(&line));
        }
        self.runs_table(page);
        for &protocol in &self.protocols {
            let ranks = self
                .evaluations
                .iter()
                .flat_map(|run| &run.protocols)
                .find(|ranks| ranks.protocol == protocol);
            let _ = writeln!(page, "<h3>{}</h3>", escape(&describe(protocol, ranks)));
            self.plots(page, protocol);
            self.results_table(page, protocol, ranks);
            self.published_table(page, protocol);
            self.comparison_table(page, protocol);
        }
        self.order_table(page);
        self.questions(page);
        self.list_table(page);
        self.category_and_difficulty_tables(page);
        self.breakdowns(page);
        self.curves(page);
        page.push_str("</section>\n");
    }

    /// The colour of a model.
    fn series(&self, model: &str) -> usize {
        self.models.iter().position(|known| *known == model).unwrap_or(0)
    }
}

/// A paragraph for HTML, with what stands between backquotes as code.
fn prose(text: &str) -> String {
    let escaped = escape(text);
    // An unpaired backquote stays what it is.
    if !escaped.matches('`').count().is_multiple_of(2) {
        return escaped;
    }
    let parts = escaped.split('`').enumerate();
    parts.map(|(i, part)| if i % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

/// Text for HTML, also inside of attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn backquotes_are_code() {
        assert_eq!(prose("`a<b` and `c`"), "<code>a&lt;b</code> and <code>c</code>");
        assert_eq!(prose("one ` alone"), "one ` alone");
    }
}
