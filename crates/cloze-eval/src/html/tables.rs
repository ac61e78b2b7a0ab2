//! The tables of a page.

use std::fmt::Write;

use crate::chance::chance;
use crate::difficulty::{self, DifficultyRow};
use crate::html::{Section, escape};
use crate::metrics::Metric;
use crate::order::claim;
use crate::part::Part;
use crate::protocol::Protocol;
use crate::published::{Published, Verdict};
use crate::questions;
use crate::ranks::ProtocolRanks;
use crate::report::{deviations, first_of_each_model, seconds, titles};
use crate::report_analysis::{category_table, comparison_table, list_table, order_table};
use crate::results::ResultRow;
use crate::table::{figure, short, signed};

/// The metrics of a protocol's table; those of `true` are shown with their interval.
const SHOWN: [(Metric, bool); 8] = [
    (Metric::Recall(1), false),
    (Metric::Recall(3), false),
    (Metric::Recall(5), false),
    (Metric::Recall(10), true),
    (Metric::Ndcg(3), false),
    (Metric::Ndcg(5), false),
    (Metric::Ndcg(10), true),
    (Metric::Mrr, false),
];

/// Opens a table; a title that begins with `<` is a column of text.
pub(crate) fn open(page: &mut String, caption: &str, titles: &[&str]) {
    let _ = write!(page, "<div class=\"scroll\"><table><caption>{}</caption><thead><tr>", escape(caption));
    for title in titles {
        let class = if title.starts_with('<') { " class=\"text\"" } else { "" };
        let _ = write!(page, "<th scope=\"col\"{class}>{}</th>", escape(title.trim_start_matches('<')));
    }
    page.push_str("</tr></thead><tbody>\n");
}

pub(crate) fn close(page: &mut String) {
    page.push_str("</tbody></table></div>\n");
}

pub(crate) fn row(page: &mut String, model: &str, cells: &[String]) {
    let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(model));
    for cell in cells {
        page.push_str(if cell.starts_with("<td") { "" } else { "<td>" });
        let _ = write!(page, "{cell}</td>");
    }
    page.push_str("</tr>\n");
}

fn interval(value: &str, low: &str, high: &str) -> String {
    format!("{value} <span class=\"range\">[{low}, {high}]</span>")
}

impl<'a> Section<'a> {
    /// What each model cost.
    pub(super) fn runs_table(&self, page: &mut String) {
        open(page, "Training and scoring", &["<model", "seeds", "seconds a seed"]);
        for one in first_of_each_model(&self.rows) {
            row(page, &one.model, &[one.seeds.to_string(), seconds(one)]);
        }
        close(page);
    }

    pub(super) fn results_table(&self, page: &mut String, protocol: Protocol, ranks: Option<&ProtocolRanks>) {
        open(
            page,
            "Means over users, in brackets with their interval",
            &titles(&SHOWN).iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let of = |metric| {
            self.rows.iter().copied().filter(move |row| row.protocol == protocol && row.metric == metric)
        };
        for model in &self.models {
            let cells: Vec<String> = SHOWN
                .iter()
                .map(|&(metric, with_interval)| {
                    let best = of(metric).map(|row| row.value).fold(f64::NEG_INFINITY, f64::max);
                    let Some(row) = of(metric).find(|row| row.model == *model) else { return String::new() };
                    let value = figure(row.value);
                    let value =
                        if row.value >= best { format!("<span class=\"top\">{value}</span>") } else { value };
                    if with_interval { interval(&value, &figure(row.low), &figure(row.high)) } else { value }
                })
                .collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                row(page, model, &cells);
            }
            let rows: Vec<&ResultRow> =
                self.rows.iter().copied().filter(|row| row.protocol == protocol).collect();
            let of_model = rows.iter().find(|row| row.model == *model);
            if let Some(cells) = of_model.and_then(|one| deviations(&rows, one, &SHOWN)) {
                row(page, &cells[0], &cells[1..]);
            }
        }
        if let Some(ranks) = ranks {
            let cells: Vec<String> =
                SHOWN.iter().map(|&(metric, _)| figure(chance(metric, &ranks.candidates))).collect();
            row(page, "(chance)", &cells);
        }
        close(page);
    }

    /// The published figures of a row.
    pub(super) fn figures_of(&self, row: &'a ResultRow) -> impl Iterator<Item = &'a Published> + use<'a> {
        self.published.iter().filter(move |figure| {
            figure.is_of(Part::of_row(row), &row.model, row.protocol) && figure.metric == row.metric
        })
    }

    pub(super) fn published_table(&self, page: &mut String, protocol: Protocol) {
        let rows = || self.rows.iter().copied().filter(|row| row.protocol == protocol);
        if rows().all(|row| self.figures_of(row).next().is_none()) {
            return;
        }
        open(
            page,
            "Beside published figures",
            &["<model", "metric", "ours", "published", "difference", "<verdict", "<source"],
        );
        for ours in rows() {
            for theirs in self.figures_of(ours) {
                let dagger = if theirs.from_memory { "†" } else { "" };
                let note = theirs.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
                row(
                    page,
                    &ours.model,
                    &[
                        short(ours.metric),
                        interval(&figure(ours.value), &figure(ours.low), &figure(ours.high)),
                        format!("{}{dagger}", figure(theirs.value)),
                        signed(ours.value - theirs.value),
                        format!("<td class=\"text\">{}", Verdict::of(ours.low, ours.high, ours.fit, theirs)),
                        format!("<td class=\"text\">{}{}", escape(&theirs.source), escape(&note)),
                    ],
                );
            }
        }
        close(page);
    }

    pub(super) fn comparison_table(&self, page: &mut String, protocol: Protocol) {
        let of_table = |row: &&crate::Comparison| {
            self.part.has(&row.dataset, &row.split, row.fit) && row.protocol == protocol
        };
        let all: Vec<&crate::Comparison> = self.analysis.comparisons.iter().filter(of_table).collect();
        let Some(first) = all.first() else { return };
        let caption = format!("NDCG@10 against {}, user by user", first.baseline);
        self.differences_plot(page, &all);
        comparison_table(all).write_html(page, &caption);
    }

    /// The claimed order, step by step.
    pub(super) fn order_table(&self, page: &mut String) {
        let of_part = |row: &&crate::Comparison| self.part.has(&row.dataset, &row.split, row.fit);
        let steps: Vec<&crate::Comparison> = self.analysis.order.iter().filter(of_part).collect();
        let Some((order, lines)) = claim(&steps) else { return };
        let _ = writeln!(page, "<h3>The claimed order {}</h3>\n<ul>", escape(&order));
        for line in lines {
            let _ = writeln!(page, "<li>{}</li>", escape(&line));
        }
        page.push_str("</ul>\n");
        order_table(&steps).write_html(page, "NDCG@10 of each model against the next one, user by user");
    }

    /// The questions that pairs of models answer.
    pub(super) fn questions(&self, page: &mut String) {
        for asked in questions::shown(self.analysis, self.part) {
            let _ = writeln!(page, "<h3>{}</h3>\n<ul>", escape(&asked.question));
            for words in &asked.words {
                let _ = writeln!(page, "<li>{}</li>", escape(words));
            }
            page.push_str("</ul>\n");
            asked.differences.write_html(page, "The first of a pair less the second, user by user");
            if !asked.beside.is_empty() {
                asked.beside.write_html(
                    page,
                    "The same on scarce targets; of lists and training the first / the second",
                );
            }
        }
    }

    /// What the lists have of the categories, and how difficult they are.
    pub(super) fn category_and_difficulty_tables(&self, page: &mut String) {
        let categories = category_table(self.part, self.analysis);
        if !categories.is_empty() {
            page.push_str("<h3>Categories (genres, learning objectives)</h3>\n");
            categories.write_html(page, "The users' top 10 of the whole catalogue");
        }
        let of_part = |row: &&DifficultyRow| self.part.has(&row.dataset, &row.split, row.fit);
        let rows: Vec<&DifficultyRow> = self.analysis.difficulty.iter().filter(of_part).collect();
        for shown in difficulty::tables(&rows) {
            let _ = writeln!(page, "<h3>{}</h3>", escape(&shown.title));
            shown.table.write_html(page, "Means over users, in brackets with their interval");
            let _ = writeln!(page, "<p class=\"soft\">{}</p>", escape(&shown.note));
        }
    }

    pub(super) fn list_table(&self, page: &mut String) {
        let table = list_table(self.part, self.analysis);
        if !table.is_empty() {
            page.push_str("<h3>Beyond accuracy</h3>\n");
            table.write_html(page, "The users' top 10 of the whole catalogue");
        }
    }
}
