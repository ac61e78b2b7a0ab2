//! A log and an item file as a prepared folder.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::Path;

use cloze_data::log::{LogFormat, ReadReport};
use cloze_data::read::{Column, Encoding, GenreColumns, ItemColumns};
use cloze_data::{DataError, Dataset, ItemFile, PrepareOptions, Silent, prepare, read_origin};
use common::{Folder, counted, log};

const LOG: &[u8] = b"user,item\na,1\na,2\nb,3\n";

fn named(name: &str) -> Column {
    Column::Name(name.to_owned())
}

/// Columns `id` and `title`.
fn items(path: &Path) -> ItemFile {
    ItemFile::new(path, ItemColumns { title: Some(named("title")), ..ItemColumns::of(named("id")) })
}

fn with_items(folder: &Folder, items: ItemFile) -> PrepareOptions {
    let mut options = PrepareOptions::new(log(&folder.put("log.csv", LOG), "user", "item", None));
    options.items = Some(items);
    options
}

fn run(folder: &Folder, options: &PrepareOptions) -> Result<(Dataset, ReadReport), DataError> {
    prepare(options, &folder.0.path().join("out"), &mut Silent)
}

fn refused(folder: &Folder, options: &PrepareOptions) -> String {
    let error = run(folder, options).unwrap_err().to_string();
    assert!(!folder.0.path().join("out").exists());
    error
}

#[test]
fn bad_rows_of_the_item_file_are_left_out_and_counted_on_request() {
    let folder = Folder::new();
    // Content, what is wrong with the first bad row, how many there are.
    let cases: [(&str, &[u8], &str, u64); 8] = [
        ("a.csv", b"id,title\n1,One\n,Two\n3,Three\n", "line 3, column 1 (id)", 1),
        ("b.csv", b"id,title\n1,One\n\n3,Three\n\n", "line 3: 0 fields", 1),
        ("c.csv", b"id,title\n1,One\n2\n3,Three\n2,a,b\n", "line 3: 1 fields", 2),
        ("d.csv", b"id,title\n1,One\n2,\xe9\n3,Three\n", "line 3: byte 0xe9 is not UTF-8", 1),
        ("e.csv", b"id,title\n1,One\n1,Two\n3,Three\n", "line 3, column 1 (id): found \"1\", expected an id that has not", 1),
        ("f.csv", b"id,title\n1,One\n2,\"Two\n3,Three\n", "line 3, column 2 (quoted)", 1),
        (
            "g.jsonl",
            b"{\"id\":1,\"title\":\"One\"}\n{\"id\":2,\"title\":{}}\n{\"id\":3,\"title\":\"Three\"}\nnone\n{\"title\":1}\n",
            "line 2, field \"title\" (title)",
            3,
        ),
        ("h.tsv", b"id\ttitle\n1\tOne\n\"2\"x\t\n3\tThree\n", "line 3, column 1 (quoted)", 1),
    ];
    for (name, content, wrong, bad) in cases {
        let path = folder.put(name, content);
        let mut options = with_items(&folder, items(&path));
        let error = refused(&folder, &options);
        assert!(error.contains(&format!("{name}, {wrong}")), "{error}");
        options.skip_bad_rows = true;
        let (data, report) = run(&folder, &options).unwrap();
        let titles = [0, 1, 2].map(|item| data.items.title(item));
        assert_eq!(titles, [Some("One"), None, Some("Three")], "{name}");
        assert_eq!((report.rejected, report.rejected_items), (0, bad), "{name}");
        assert!(report.first_rejected_item.unwrap().contains(wrong), "{name}");
        let out = folder.0.path().join("out");
        assert_eq!(read_origin(&out).unwrap().unwrap().report.rejected_items, bad);
        std::fs::remove_dir_all(out).unwrap();
    }
    // A cell of 0 and 1 that is neither.
    let flags = GenreColumns {
        column: Column::Position(2),
        separator: "|".to_owned(),
        none: None,
        names: vec!["g".to_owned()],
    };
    let path = folder.put("flags.csv", b"1,1\n2,yes\n3,0\n");
    let columns = ItemColumns { genres: Some(flags), ..ItemColumns::of(Column::Position(1)) };
    let mut options = with_items(&folder, ItemFile::new(&path, columns));
    options.skip_bad_rows = true;
    assert_eq!(run(&folder, &options).unwrap().1.rejected_items, 1);
}

#[test]
fn an_item_file_of_nothing_but_bad_rows_is_an_error_with_the_first() {
    let folder = Folder::new();
    let mut options = with_items(&folder, items(&folder.put("items.csv", b"id,title\n,One\n,Two\n")));
    options.skip_bad_rows = true;
    let error = refused(&folder, &options);
    assert!(error.contains("items.csv: all 2 rows are bad; the first: "), "{error}");
    assert!(error.contains("items.csv, line 2, column 1 (id)"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_can_be_read_only_once_is_refused_before_it_is_read() {
    let folder = Folder::new();
    let pipe = folder.0.path().join("pipe.csv");
    // Nobody writes to it: to open it would take for ever.
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let one = PrepareOptions::new(log(&pipe, "user", "item", None));
    let mut more = PrepareOptions::new(log(&folder.put("log.csv", LOG), "user", "item", None));
    more.log.more.push(pipe.clone());
    for options in [one, more, with_items(&folder, items(&pipe))] {
        let error = refused(&folder, &options);
        assert!(
            error.contains("pipe.csv: no regular file") && error.contains("write it to a file first"),
            "{error}"
        );
    }
}

#[test]
fn options_of_delimited_text_are_refused_where_there_is_none() {
    let folder = Folder::new();
    let json = folder.put("log.jsonl", b"{\"user\":\"a\",\"item\":1}\n");
    let parquet = folder.put("log.parquet", b"PAR1");
    for (path, kind) in [(&json, "JSON lines"), (&parquet, "Parquet")] {
        let base = log(path, "user", "item", None);
        let mut logs = [base.clone(), base.clone(), base.clone(), base];
        logs[0].separator = Some(";".to_owned());
        logs[1].header = Some(true);
        logs[2].encoding = Encoding::Latin1;
        logs[3].quotes = Some(true);
        for (log, option) in logs.into_iter().zip(["separator", "header", "encoding", "quotes"]) {
            let error = refused(&folder, &PrepareOptions::new(log));
            assert!(
                error.contains(&format!("{option} is given"))
                    && error.contains(&format!("this is {kind}: leave")),
                "{error}"
            );
        }
        let base = items(path);
        let separator = ItemFile { separator: Some(";".to_owned()), ..base.clone() };
        let encoding = ItemFile { encoding: Encoding::Latin1, ..base };
        for (file, option) in [(separator, "separator"), (encoding, "encoding")] {
            let error = refused(&folder, &with_items(&folder, file));
            assert!(error.contains(&format!("{option} is given")) && error.contains(kind), "{error}");
        }
    }
    // For one of several files they may be meant; what says nothing is no option.
    let mut both = log(&json, "user", "item", None);
    both.more = vec![folder.put("more.csv", b"user;item\nb;2\n")];
    both.separator = Some(";".to_owned());
    assert_eq!(run(&folder, &PrepareOptions::new(both)).unwrap().0.users.ids(), ["a", "b"]);
    let mut plain = log(&json, "user", "item", None);
    plain.quotes = Some(false);
    assert!(run(&folder, &PrepareOptions::new(plain)).is_ok());
}

#[test]
fn a_wrong_mark_is_told_with_the_option_that_makes_it_text() {
    let folder = Folder::new();
    let options = with_items(&folder, items(&folder.put("items.tsv", b"id\ttitle\n1\t\"One\" more\n")));
    let error = refused(&folder, &options);
    assert!(error.contains("items.tsv, line 2, column 2 (quoted)"), "{error}");
    assert!(error.ends_with("closing quotation mark; with quotes = false marks are text"), "{error}");
    for content in [&b"\"user\"x,item\n"[..], b"user,item\n\"a,1\n"] {
        let log = log(&folder.put("log.csv", content), "user", "item", None);
        let error = refused(&folder, &PrepareOptions::new(log));
        assert!(error.ends_with("closing quotation mark; with quotes = false marks are text"), "{error}");
    }
}

#[test]
fn what_marks_are_is_kept_and_older_folders_do_not_say() {
    let folder = Folder::new();
    let mut options = PrepareOptions::new(counted(&folder.put("log.tsv", b"\"a\" b\t1\n"), None));
    options.log.quotes = Some(false);
    options.items = Some(ItemFile {
        quotes: Some(false),
        format: Some(LogFormat::Tsv),
        ..items(&folder.put("items", b"id\ttitle\n1\t\"One\" more\n"))
    });
    let (data, _) = run(&folder, &options).unwrap();
    assert_eq!((data.users.ids(), data.items.title(0)), (&["\"a\" b".to_owned()][..], Some("\"One\" more")));
    let out = folder.0.path().join("out");
    assert_eq!(read_origin(&out).unwrap().unwrap().quotes, Some(false));
    let path = out.join("origin.json");
    let mut origin: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    origin.as_object_mut().unwrap().remove("quotes");
    for newer in ["rejected_items", "first_rejected_item"] {
        assert!(origin["report"].as_object_mut().unwrap().remove(newer).is_some());
    }
    std::fs::write(&path, origin.to_string()).unwrap();
    let origin = read_origin(&out).unwrap().unwrap();
    assert_eq!((origin.quotes, origin.report.rejected_items), (None, 0));
}
