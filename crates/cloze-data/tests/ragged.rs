//! Rows with more cells than the first of their file.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::Path;

use cloze_data::log::{BadRows, LogFormat, LogOptions, read_log_report};
use cloze_data::read::{
    Column, Cutting, Encoding, InteractionColumns, ItemColumns, Table, read_interactions, read_items,
};
use cloze_data::{Filters, Silent};
use common::{Folder, counted, load, log, refused};

fn all(path: &Path) -> Vec<LogOptions> {
    let base = if path.extension().unwrap() == "csv" {
        log(path, "user", "item", None)
    } else {
        counted(path, None)
    };
    [1, 8, 1 << 20].map(|block_bytes| LogOptions { block_bytes, ..base.clone() }).to_vec()
}

#[test]
fn more_cells_than_the_first_row_are_an_error_in_every_text() {
    let folder = Folder::new();
    let files = [
        // Plain rows, whose cells behind the last needed one nobody looks at.
        ("log.csv", "user,item,title\na,x,Postino\nb,y,Postino, Il\nc,z,A\n"),
        ("quoted.csv", "user,item,title\na,\"x\",Postino\nb,y,Postino, Il\nc,z,A\n"),
        ("u.data", "\na\tx\t1\nb\ty\t2\t3\nc\tz\t1\n"),
        ("u.dat", "a::x::1\n\nb::y::2::3\nc::z::1\n"),
    ];
    let rejected = folder.0.path().join("rejected.csv");
    for (name, content) in files {
        let blank = usize::from(content.contains("\n\n") || content.starts_with('\n'));
        let path = folder.put(name, content.as_bytes());
        for log in all(&path) {
            if blank == 0 {
                let error = refused(&log);
                assert!(error.contains("line 3, column 4: 4 fields, the first row has 3"), "{error}");
                assert!(error.contains("a cell with a separator in it needs quotation marks"), "{error}");
            }
            let skip = BadRows::Skip { rejected: rejected.clone() };
            let (data, report) = read_log_report(&log, &Filters::default(), &skip, &mut Silent).unwrap();
            assert_eq!(data.users.ids(), ["a", "c"], "{name}, {}", log.block_bytes);
            assert_eq!(report.rejected as usize, 1 + blank, "{name}, {}", log.block_bytes);
            let text = std::fs::read_to_string(&rejected).unwrap();
            assert!(text.contains(",3,\"4 fields, the first row has 3"), "{text}");
        }
    }
}

#[test]
fn empty_cells_at_the_end_and_fewer_cells_are_none() {
    let folder = Folder::new();
    for (name, content) in [
        ("log.csv", "user,item,n\na,x,1,\nb,y,,,\nc,z\nd,x,4\n"),
        ("u.data", "a\tx\t1\nb\ty\t2\t\t\nc\tz\nd\tx\t1\n"),
        ("u.dat", "a::x::1\nb::y::1::\nc::z\nd::x::1\n"),
    ] {
        for log in all(&folder.put(name, content.as_bytes())) {
            assert_eq!(load(&log).unwrap().users.len(), 4, "{name}, {}", log.block_bytes);
        }
    }
}

#[test]
fn tables_of_manifests_and_item_files_are_held_to_it_too() {
    let folder = Folder::new();
    let path = folder.put("items.csv", b"id,title\n1,Heat\n2,Postino, Il\n");
    let table =
        Table { separator: ",".to_owned(), header: true, encoding: Encoding::Utf8, quotes: Some(true) };
    let at = Column::Position;
    let columns = InteractionColumns { user: at(1), item: at(2), time: None, value: None };
    let error = read_interactions(&path, &table, &columns).unwrap_err().to_string();
    assert!(error.contains("line 3, column 3: 3 fields, the first row has 2"), "{error}");
    let columns = ItemColumns { title: Some(at(2)), ..ItemColumns::of(at(1)) };
    let error = read_items(&path, &Cutting::Table(table.clone()), &columns).unwrap_err().to_string();
    assert!(error.contains("items.csv, line 3, column 3: 3 fields, the first row has 2"), "{error}");
    let bars = folder.put("u.item", b"1|Heat|\n2|Sabrina||\n3|Postino|x|y\n");
    let table = Table { separator: "|".to_owned(), header: false, quotes: None, ..table };
    let error = read_items(&bars, &Cutting::Table(table), &columns).unwrap_err().to_string();
    assert!(error.contains("line 3, column 4: 4 fields, the first row has 3"), "{error}");
    assert_eq!(LogFormat::of(&bars), Some(LogFormat::Tsv));
}
