//! Measurements as a table.

use serde_json::Value;

use super::Row;

/// The columns that come first, in this order; others follow by name.
const FIRST: [&str; 9] =
    ["benchmark", "shape", "mode", "engine", "level", "threads", "dropout", "median_ms", "total_s"];

/// Rows as a table with a column for every key.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut columns: Vec<&str> = FIRST.to_vec();
    columns.retain(|column| rows.iter().any(|row| row.contains_key(*column)));
    for key in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    let cell = |row: &Row, column: &str| match row.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| rows.iter().map(|row| cell(row, column).len()).max().unwrap_or(0).max(column.len()))
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(columns.iter().map(|column| (*column).to_owned()).collect());
    text += &line(widths.iter().map(|width| "-".repeat(*width)).collect());
    for row in rows {
        text += &line(columns.iter().map(|column| cell(row, column)).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            Row::from([("zeta".to_owned(), 1.into()), ("shape".to_owned(), "a-long-shape".into())]),
            Row::from([("shape".to_owned(), "s".into())]),
        ];
        assert_eq!(render(&rows), "shape         zeta\n------------  ----\na-long-shape  1\ns\n");
    }
}
