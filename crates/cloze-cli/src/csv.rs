//! Comma-separated values with quotes (RFC 4180), as people edit them in a spreadsheet.

use std::path::Path;

use anyhow::{Result, bail, ensure};

/// A row that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its first line in the file, counted from 1.
    pub(crate) line: usize,
    pub(crate) fields: Vec<String>,
}

/// A row of cells, quoted where they have to be, with its line break.
pub(crate) fn row(cells: &[&str]) -> String {
    let quoted = |cell: &&str| {
        let plain = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == *cell;
        if plain { (*cell).to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

/// The rows of a file, the header among them, all with as many fields as it has.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Record>> {
    let shown = path.display();
    let text = match std::str::from_utf8(bytes) {
        // Spreadsheets begin a file with a mark of its encoding.
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let line = 1 + String::from_utf8_lossy(&bytes[..error.valid_up_to()]).matches('\n').count();
            bail!("{shown}, line {line}: not UTF-8: save the file as CSV in UTF-8");
        }
    };
    let mut records: Vec<Record> = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let mut record = Record { line, fields: Vec::new() };
        loop {
            let (field, after, breaks) = field(rest, line, path)?;
            record.fields.push(field);
            line += breaks;
            rest = after;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('\r').unwrap_or(rest);
        rest = rest.strip_prefix('\n').unwrap_or(rest);
        line += 1;
        if record.fields.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let (expected, found) = (records.first().map(|header| header.fields.len()), record.fields.len());
        ensure!(
            expected.is_none_or(|expected| expected == found),
            "{shown}, line {}: {found} fields, the header has {}: a comma inside of a text needs quotes around it",
            record.line,
            expected.unwrap_or_default()
        );
        records.push(record);
    }
    Ok(records)
}

/// The first field, what stands behind it, and the line breaks inside of it.
fn field<'a>(text: &'a str, line: usize, path: &Path) -> Result<(String, &'a str, usize)> {
    let ends = [',', '\n', '\r'];
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(ends).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..], 0));
    };
    let mut field = String::new();
    loop {
        let Some(end) = rest.find('"') else {
            bail!("{}, line {line}: a quote that begins here has no end", path.display());
        };
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            // Two quotes inside of quotes are one.
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => break,
        }
    }
    let breaks = field.matches('\n').count();
    ensure!(
        rest.is_empty() || rest.starts_with(ends),
        "{}, line {}: text stands behind a closing quote: a quote inside of a text is written twice",
        path.display(),
        line + breaks
    );
    Ok((field, rest, breaks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Result<Vec<(usize, Vec<String>)>> {
        let records = parse(Path::new("pool.csv"), text.as_bytes())?;
        Ok(records.into_iter().map(|record| (record.line, record.fields)).collect())
    }

    #[test]
    fn what_is_written_is_read_with_its_lines() {
        let cells = [["a,b", "say \"hi\"", ""], ["two\nlines", " space", "ü"], ["plain", "1", "x"]];
        let text: String = cells.iter().map(|cells| row(cells)).collect();
        let read = fields(&text).unwrap();
        let expected: Vec<Vec<String>> =
            cells.iter().map(|cells| cells.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(read.iter().map(|(_, fields)| fields.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let read = fields("\u{feff}user,item\r\n1,2\r\n\r\n,\r\n3,4").unwrap();
        assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 5]);
        assert_eq!(read[0].1, ["user", "item"]);
        assert_eq!(read[2].1, ["3", "4"]);
        assert_eq!(fields("").unwrap(), []);
    }

    #[test]
    fn damaged_rows_are_named() {
        let error = |text: &str| fields(text).unwrap_err().to_string();
        assert!(error("a,b\n1,2,3\n").contains("line 2: 3 fields, the header has 2"));
        assert!(error("a,b\n1,\"2\n").contains("line 2: a quote that begins here has no end"));
        assert!(error("a,b\n\"1\"x,2\n").contains("line 2: text stands behind a closing quote"));
        let bytes = parse(Path::new("pool.csv"), b"a\nb\xff\n").unwrap_err().to_string();
        assert!(bytes.contains("pool.csv, line 2: not UTF-8"), "{bytes}");
    }
}
