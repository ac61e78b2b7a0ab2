//! Quotation marks that are not in order, and those that are text.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::PathBuf;

use cloze_data::log::{BadRows, LogOptions, read_log_report};
use cloze_data::read::{Column, Cutting, Encoding, ItemColumns, Table, read_items};
use cloze_data::{DataError, Dataset, Filters, Silent};
use common::{Folder, counted, load, log, refused};
use proptest::prelude::*;

/// Reads a log without its bad rows: the data, and line and row of each bad one.
fn skipping(log: &LogOptions, rejected: &PathBuf) -> Result<(Dataset, Vec<(usize, String)>), DataError> {
    let skip = BadRows::Skip { rejected: rejected.clone() };
    let _ = std::fs::remove_file(rejected);
    let (data, report) = read_log_report(log, &Filters::default(), &skip, &mut Silent)?;
    let Some(file) = report.rejected_file else { return Ok((data, Vec::new())) };
    let mut list = counted(&file, None);
    (list.format, list.header) = (Some(cloze_data::log::LogFormat::Csv), Some(true));
    (list.user, list.item) = (Column::Name("line".to_owned()), Column::Name("row".to_owned()));
    let list = load(&list)?;
    let row = |user: usize| (list.users.ids()[user].parse().unwrap(), list.sequences.get(user)[0]);
    let rows =
        (0..list.users.len()).map(row).map(|(line, row)| (line, list.items.ids()[row as usize].clone()));
    Ok((data, rows.collect()))
}

/// Content, the users that are left, line and text of the bad rows.
type Case<'a> = (&'a str, &'a [&'a str], &'a [(usize, &'a str)]);

#[test]
fn a_stray_mark_takes_no_more_than_its_line() {
    let folder = Folder::new();
    let rejected = folder.0.path().join("rejected.csv");
    let cases: &[Case<'_>] = &[
        // Never closed.
        ("a,x\nb,\"y\nc,z\nd,x\n", &["a", "c", "d"], &[(3, "b,\"y")]),
        // Closed by the next one, amid a cell.
        ("a,x\n\"b,y\nc,z\n\"d\",\"x, y\"\ne,x\n", &["a", "c", "d", "e"], &[(3, "\"b,y")]),
        // Closed in its line.
        ("\"a\"b,x\nc,\"y\"\n", &["c"], &[(2, "\"a\"b,x")]),
        // Lines in cells count, and the rows on both sides stay.
        ("\"a\nb\",x\nc,\"y\n\"d\n\ne\",\"z\"\nf,x", &["a\nb", "d\n\ne", "f"], &[(4, "c,\"y")]),
        // Each line its own.
        ("\"a,x\n\"b,y\n\"c,z\nd,x\n", &["d"], &[(2, "\"a,x"), (3, "\"b,y"), (4, "\"c,z")]),
        // In order, with a line break.
        ("a,\"x\ny\"\nb,z\n", &["a", "b"], &[]),
    ];
    for (content, users, bad) in cases {
        for end in ["\n", "\r\n"] {
            let content = format!("user,item\n{content}").replace('\n', end);
            let path = folder.put("log.csv", content.as_bytes());
            for (block_bytes, threads) in [(1, 2), (4, 1), (9, 3), (1 << 20, 1)] {
                let options =
                    LogOptions { block_bytes, threads: Some(threads), ..log(&path, "user", "item", None) };
                let (data, found) = skipping(&options, &rejected).unwrap();
                let users: Vec<_> = users.iter().map(|user| user.replace('\n', end)).collect();
                assert_eq!(data.users.ids(), users, "{content:?}, {block_bytes}");
                let bad: Vec<_> = bad.iter().map(|(line, row)| (*line, (*row).to_owned())).collect();
                assert_eq!(found, bad, "{content:?}, {block_bytes}");
                let Some((line, _)) = bad.first() else { continue };
                let error = refused(&options);
                assert!(
                    error.contains(&format!("log.csv, line {line}, ")) && error.contains("(quoted)"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn a_mark_may_be_quoted_behind_a_byte_order_mark() {
    let folder = Folder::new();
    let path = folder.put("log.csv", b"\xef\xbb\xbf\"us\ner\",item\na,x\n");
    for block_bytes in [1, 1 << 20] {
        let log = LogOptions { block_bytes, ..log(&path, "us\ner", "item", None) };
        assert_eq!(load(&log).unwrap().users.ids(), ["a"]);
    }
}

#[test]
fn a_long_file_of_stray_marks_is_read_in_no_time() {
    let folder = Folder::new();
    let content =
        "user,item\n".to_owned() + &"\"a,x\n".repeat(20_000) + &"\"\",y\n".repeat(20_000) + "b,\"\"\nc,x\n";
    let log = log(&folder.put("log.csv", content.as_bytes()), "user", "item", None);
    let (data, bad) = skipping(&log, &folder.0.path().join("rejected.csv")).unwrap();
    assert_eq!((data.users.ids(), bad.len()), (&["c".to_owned()][..], 40_001));
}

#[test]
fn marks_are_text_where_that_is_said() {
    let folder = Folder::new();
    let content = "user_id:token\titem_id:token\n\"Heroes\" 7\" disc\tx\nb\t\"y\n";
    let path = folder.put("log.inter", content.as_bytes());
    let options = log(&path, "user_id", "item_id", None);
    let error = refused(&options);
    assert!(
        error.contains("line 2, column 1 (quoted)") && error.contains("with quotes = false marks are text"),
        "{error}"
    );
    let data = load(&LogOptions { quotes: Some(false), ..options }).unwrap();
    assert_eq!(
        (data.users.ids(), data.items.ids()),
        (&["\"Heroes\" 7\" disc", "b"].map(String::from)[..], &["x", "\"y"].map(String::from)[..])
    );

    // Where nothing is said, an id that seems to be quoted is an error, in which both ways out stand.
    let dat = folder.put("log.dat", b"\"a\"::x\n");
    let error = refused(&counted(&dat, None));
    assert!(error.contains("(quoting is not interpreted); with quotes = false marks are text"), "{error}");
    let text = LogOptions { quotes: Some(false), ..counted(&dat, None) };
    assert_eq!(load(&text).unwrap().users.ids(), ["\"a\""]);
    // Another separator of one byte allows for quoted cells in any format of text.
    let bars = folder.put("bars.dat", b"\"a|b\"|x\n");
    let (separator, quotes) = (Some("|".to_owned()), Some(true));
    let options = LogOptions { separator, quotes, ..counted(&bars, None) };
    assert_eq!(load(&options).unwrap().users.ids(), ["a|b"]);
}

#[test]
fn quoted_cells_need_a_separator_of_one_byte() {
    let folder = Folder::new();
    let files = [("a.dat", "::"), ("a.txt", "whitespace"), ("a.csv", "||")];
    for (name, separator) in files {
        let mut log = counted(&folder.put(name, b"a,x\n"), None);
        log.quotes = Some(true);
        log.separator = Some(separator.to_owned()).filter(|_| name == "a.csv");
        let error = refused(&log);
        assert!(
            error.contains("quotes = true") && error.contains(separator) && error.contains("one byte"),
            "{error}"
        );
    }
    for name in ["a.jsonl", "a.parquet"] {
        let log = log(&folder.put(name, b"{}\n"), "user", "item", None);
        let error = refused(&LogOptions { quotes: Some(true), ..log });
        assert!(error.contains("quotes is given") && error.contains("leave it out"), "{error}");
    }
}

#[test]
fn a_stray_mark_of_an_item_file_is_told_with_its_line() {
    let folder = Folder::new();
    let path = folder.put("items.csv", b"id,title\n1,\"A\nB\"\n2,\"C\n3,D\n");
    let columns = ItemColumns {
        title: Some(Column::Name("title".to_owned())),
        ..ItemColumns::of(Column::Name("id".to_owned()))
    };
    let table = |quotes| Table { separator: ",".to_owned(), header: true, encoding: Encoding::Utf8, quotes };
    let error = read_items(&path, &Cutting::Table(table(Some(true))), &columns).unwrap_err().to_string();
    assert!(
        error.contains("items.csv, line 4, column 2 (quoted)") && error.contains("a closing quotation mark"),
        "{error}"
    );
}

/// Bytes that quotation marks, separators and line breaks are most of; now and then one that is no UTF-8.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 14] =
        [b"a", b"a", b"a", b"\"", b"\"", b"\"", b",", b",", b",", b"\n", b"\n", b"\n", b"\r\n", b"\xe9"];
    proptest::collection::vec(0..pieces.len(), 0..60)
        .prop_map(move |places| places.into_iter().flat_map(|place| pieces[place].iter().copied()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn rows_and_what_is_wrong_with_them_do_not_depend_on_blocks(
        content in content(), header: bool, size in 1..30_usize, threads in 1..4_usize,
    ) {
        let folder = Folder::new();
        let path = folder.put("log.csv", &[if header { &b"u,i\n"[..] } else { b"" }, &content].concat());
        let rejected = folder.0.path().join("rejected.csv");
        let mut whole = LogOptions { threads: Some(1), ..counted(&path, None) };
        whole.header = Some(header);
        let cut = LogOptions { block_bytes: size, threads: Some(threads), ..whole.clone() };
        let read = |log: &LogOptions, bad_rows: &BadRows| {
            let _ = std::fs::remove_file(&rejected);
            let read = read_log_report(log, &Filters::default(), bad_rows, &mut Silent);
            (read.map_err(|error| error.to_string()), std::fs::read(&rejected).ok())
        };
        for bad_rows in [BadRows::Error, BadRows::Skip { rejected: rejected.clone() }] {
            prop_assert_eq!(read(&whole, &bad_rows), read(&cut, &bad_rows));
        }
    }
}
