//! Plain tables for a terminal.

use crate::text::{WIDTH, wrap};

/// How a column stands and whether it gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Text, to the left.
    Text,
    /// A number, to the right.
    Number,
    /// Text that is broken over several lines where the table would be wider than [`WIDTH`].
    Wrapped,
}

/// A table; columns stand two spaces apart.
pub(crate) struct Table<'a> {
    columns: Vec<(&'a str, Column)>,
    rows: Vec<Vec<String>>,
}

impl<'a> Table<'a> {
    /// Columns by title; with empty titles only, the table has no head.
    pub(crate) fn new(columns: &[(&'a str, Column)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    pub(crate) fn render(&self) -> String {
        let widths = self.widths();
        let header = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>();
        let rule = widths.iter().map(|&width| "-".repeat(width)).collect();
        let mut text = String::new();
        let titled = self.columns.iter().any(|(title, _)| !title.is_empty());
        let head = if titled { vec![&header, &rule] } else { Vec::new() };
        for row in head.into_iter().chain(&self.rows) {
            self.render_row(row, &widths, &mut text);
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let cells = |at: usize| self.rows.iter().map(move |row| row[at].chars().count());
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (title, _))| cells(at).chain([title.chars().count()]).max().unwrap_or(0))
            .collect();
        let gaps = 2 * widths.len().saturating_sub(1);
        let wrapped: Vec<usize> =
            (0..widths.len()).filter(|&at| self.columns[at].1 == Column::Wrapped).collect();
        // The widest gives way first. Below ten characters a column is not readable: then the table is too wide instead.
        while widths.iter().sum::<usize>() + gaps > WIDTH {
            let widest = wrapped.iter().copied().max_by_key(|&at| widths[at]).filter(|&at| widths[at] > 10);
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
        }
        widths
    }

    fn render_row(&self, row: &[String], widths: &[usize], text: &mut String) {
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(&self.columns)
            .zip(widths)
            .map(|((cell, (_, column)), &width)| match column {
                Column::Wrapped => wrap(cell, width),
                Column::Text | Column::Number => vec![cell.clone()],
            })
            .collect();
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let padded = cells.iter().zip(&self.columns).zip(widths).map(|((cell, (_, column)), &width)| {
                let cell = cell.get(line).map_or("", String::as_str);
                match column {
                    Column::Number => format!("{cell:>width$}"),
                    Column::Text | Column::Wrapped => format!("{cell:<width$}"),
                }
            });
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&[("name", Column::Text), ("users", Column::Number)]);
        table.row(["ml-1m".to_owned(), "6,040".to_owned()]);
        table.row(["é".to_owned(), "7".to_owned()]);
        assert_eq!(table.render(), "name   users\n-----  -----\nml-1m  6,040\né          7\n");
    }

    #[test]
    fn long_texts_share_the_width() {
        let wide = ("wide", Column::Wrapped);
        let mut table = Table::new(&[("rank", Column::Number), wide, ("short", Column::Wrapped), wide]);
        table.row(["1".to_owned(), "word ".repeat(60), "few words".to_owned(), "other ".repeat(90)]);
        let text = table.render();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("few words"), "what is narrow stays: {text}");
        assert_eq!((text.matches("word ").count() > 50, text.matches("other").count()), (true, 90));
    }

    #[test]
    fn a_long_text_is_broken_so_that_the_table_fits() {
        let mut table = Table::new(&[("rank", Column::Number), ("item", Column::Wrapped)]);
        table.row(["1".to_owned(), "word ".repeat(60)]);
        let text = table.render();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.matches("word").count(), 60);
    }
}
