//! Markdown tables that also line up in a terminal.

use std::fmt;

use crate::comparison::Finding;
use crate::html::{escape, tables};
use crate::metrics::Metric;

/// A table; numbers stand to the right, text to the left.
pub(crate) struct Table {
    header: Vec<String>,
    text: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Column titles; a title that begins with `<` is a column of text.
    pub(crate) fn new(titles: &[&str]) -> Self {
        Self {
            header: titles.iter().map(|title| title.trim_start_matches('<').to_owned()).collect(),
            text: titles.iter().map(|title| title.starts_with('<')).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.header.len());
        // A bar inside a cell would end it.
        self.rows.push(cells.into_iter().map(|cell| cell.replace('|', "/")).collect());
    }

    /// The same as a table of a page.
    pub(crate) fn write_html(&self, page: &mut String, caption: &str) {
        let titles: Vec<String> = self
            .header
            .iter()
            .zip(&self.text)
            .map(|(title, text)| if *text { format!("<{title}") } else { title.clone() })
            .collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        tables::open(page, caption, &titles);
        for cells in &self.rows {
            if let Some((first, others)) = cells.split_first() {
                let others = others.iter().zip(&self.text[1..]).map(|(cell, text)| html_cell(cell, *text));
                tables::row(page, first, &others.collect::<Vec<_>>());
            }
        }
        tables::close(page);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A cell of a page: an interval behind a figure is soft, a verdict has its colour.
fn html_cell(cell: &str, text: bool) -> String {
    let verdict = [Finding::Better, Finding::Worse].iter().any(|finding| finding.to_string() == cell);
    match cell.split_once(" [") {
        _ if text && verdict => format!("<td class=\"text {cell}\">{cell}"),
        _ if text => format!("<td class=\"text\">{}", escape(cell)),
        Some((value, range)) if range.ends_with(']') => {
            format!("{} <span class=\"range\">[{}</span>", escape(value), escape(range))
        }
        _ => escape(cell),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.header;
        let width = |column: usize| {
            let cells = self.rows.iter().chain([header]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let rule = |column: usize| {
            if self.text[column] { "-".repeat(widths[column]) } else { "-".repeat(widths[column] - 1) + ":" }
        };
        let rules: Vec<String> = (0..header.len()).map(rule).collect();
        for row in [header, &rules].into_iter().chain(&self.rows) {
            for ((cell, &width), &text) in row.iter().zip(&widths).zip(&self.text) {
                if text {
                    write!(f, "| {cell:<width$} ")?;
                } else {
                    write!(f, "| {cell:>width$} ")?;
                }
            }
            writeln!(f, "|")?;
        }
        Ok(())
    }
}

/// Four decimals without the leading zero, as papers print them: `.2853`, `-.0032`, `1.0000`.
pub(crate) fn figure(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.strip_prefix("0.") {
        Some(digits) => format!(".{digits}"),
        None => text.replacen("-0.", "-.", 1),
    }
}

/// A whole number with a comma between thousands.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `+.0132`: a difference, with its sign.
pub(crate) fn signed(value: f64) -> String {
    let text = figure(value);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

/// A p-value: `.0312`, or `<.0001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.0001 { "<.0001".to_owned() } else { figure(p) }
}

/// A range of whole numbers: `7`, `8-1,200`.
pub(crate) fn range(from: u64, to: u64) -> String {
    let (from_text, to_text) = (count(from as usize), count(to as usize));
    if from == to { from_text } else { format!("{from_text}-{to_text}") }
}

/// A metric as in a column title: `R@10`, `N@10`, `M@10`, `MRR`.
pub(crate) fn short(metric: Metric) -> String {
    match metric {
        Metric::Recall(k) => format!("R@{k}"),
        Metric::Ndcg(k) => format!("N@{k}"),
        Metric::MrrAt(k) => format!("M@{k}"),
        Metric::Mrr => "MRR".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_in_papers() {
        assert_eq!([0.28531, 1.0, -0.0032, 0.0].map(figure), [".2853", "1.0000", "-.0032", ".0000"]);
        assert_eq!([7, 999, 1000, 1_234_567].map(count), ["7", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn differences_p_values_and_ranges() {
        assert_eq!([0.0132, -0.0132, -0.00001].map(signed), ["+.0132", "-.0132", "-.0000"]);
        assert_eq!([0.03123, 0.00009, 1.0].map(p_value), [".0312", "<.0001", "1.0000"]);
        assert_eq!((range(7, 7), range(8, 1200)), ("7".to_owned(), "8-1,200".to_owned()));
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["<model", "R@10"]);
        table.row(vec!["a|b".to_owned(), ".1000".to_owned()]);
        assert_eq!(table.to_string(), "| model |  R@10 |\n| ----- | ----: |\n| a/b   | .1000 |\n");
    }
}
