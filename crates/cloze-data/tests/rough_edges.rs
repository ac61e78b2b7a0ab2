//! What files of the world look like beside the rule: read where it is clear what is meant, refused with a hint else.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Float64Array, Int64Array, LargeBinaryArray, ListBuilder, StringArray,
    StringBuilder,
};
use cloze_data::log::{BadRows, LogFormat, LogOptions, read_log_report, read_scores};
use cloze_data::read::{Column, Cutting, IdMapColumns, ItemColumns, read_id_map, read_items};
use cloze_data::{Filters, Silent};
use common::{Folder, counted, gzip, load, log, parquet, refused};

#[test]
fn a_user_with_many_items_in_a_row_is_refused_and_not_cut_off() {
    let folder = Folder::new();
    // As LightGCN's train.txt.
    let path = folder.put("train.txt", b"0 10 11\n1 12 13 14 15\n2 16\n");
    for block_bytes in [3, 1 << 20] {
        let error = refused(&LogOptions { block_bytes, ..counted(&path, None) });
        assert!(error.contains("train.txt, line 2, column 4: 5 fields, the first row has 3"), "{error}");
        assert!(error.contains("Make a row of each item"), "{error}");
    }
    let rejected = folder.0.path().join("rejected.csv");
    let skip = BadRows::Skip { rejected };
    let (_, report) =
        read_log_report(&counted(&path, None), &Filters::default(), &skip, &mut Silent).unwrap();
    assert_eq!((report.rows, report.rejected), (1, 2), "rows of another length are counted as bad");
    // Columns that are not asked for may be there, as long as all rows have them.
    let wide = folder.put("checkins.txt", b"0 10 1.5 x\n1  12\t2.5 y\n");
    assert_eq!(load(&counted(&wide, None)).unwrap().items.ids(), ["10", "12"]);
}

#[test]
fn a_whole_number_with_a_point_is_one_id_with_the_plain_one_in_every_reader() {
    let folder = Folder::new();
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![17850.0, 17851.0]));
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![17850, 17851]));
    let words: ArrayRef = Arc::new(StringArray::from(vec!["17850.0", "17851"]));
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("log.csv", b"user,item\n17850.0,a1.0\n17851,7.50\n17850,x\n".to_vec()),
        ("quoted.csv", b"user,item\n\"17850.0\",a1.0\n\"17851\",7.50\n".to_vec()),
        ("log.inter", b"user:token\titem:token\n17850.0\ta1.0\n17851\t7.50\n".to_vec()),
        (
            "number.jsonl",
            b"{\"user\":17850.0,\"item\":\"a1.0\"}\n{\"user\":17851,\"item\":\"7.50\"}\n".to_vec(),
        ),
        (
            "text.jsonl",
            b"{\"user\":\"17850.0\",\"item\":\"a1.0\"}\n{\"user\":17851,\"item\":\"7.50\"}\n".to_vec(),
        ),
        ("float.parquet", parquet(vec![("user", floats.clone()), ("item", floats.clone())])),
        ("whole.parquet", parquet(vec![("user", whole), ("item", floats.clone())])),
        ("words.parquet", parquet(vec![("user", words), ("item", floats)])),
    ];
    for (name, content) in files {
        let path = folder.put(name, &content);
        let data = load(&log(&path, "user", "item", None)).unwrap();
        assert_eq!(data.users.ids(), ["17850", "17851"], "{name}");
        if !name.ends_with("parquet") {
            assert_eq!(data.items.ids()[..2], ["a1.0", "7.50"], "{name}: no whole numbers");
        }
    }
    let mut scores =
        log(&folder.put("scores.csv", b"user,item,score\n17850.0,3.0,0.5\n"), "user", "item", None);
    scores.value = Some(Column::Name("score".to_owned()));
    let scores = read_scores(&scores, &mut Silent).unwrap();
    assert_eq!((scores.users, scores.items), (vec!["17850".to_owned()], vec!["3".to_owned()]));

    let at = Column::Position;
    let items = folder.put("items.jsonl", b"{\"id\":7.0,\"t\":\"A\"}\n");
    let columns = ItemColumns {
        title: Some(Column::Name("t".to_owned())),
        ..ItemColumns::of(Column::Name("id".to_owned()))
    };
    assert!(read_items(&items, &Cutting::JsonLines, &columns).unwrap().contains_key("7"));
    let map = folder.put("map.tsv", b"1.0\t1198.0\n");
    let table = cloze_data::read::Table {
        separator: "\t".to_owned(),
        header: false,
        encoding: cloze_data::read::Encoding::Utf8,
        quotes: None,
    };
    let columns = IdMapColumns { id: at(1), original: at(2) };
    assert_eq!(read_id_map(&map, &Cutting::Table(table), &columns).unwrap()["1"], "1198");
}

#[test]
fn a_column_is_found_by_its_name_without_the_type_of_recbole_and_must_stand_once() {
    let folder = Folder::new();
    let path = folder.put("a.inter", b"user_id:token\titem_id:token\ttime:float\nu\ti\t1\n");
    assert_eq!(load(&log(&path, "user_id", "item_id", Some("time"))).unwrap().users.ids(), ["u"]);
    assert_eq!(load(&log(&path, "user_id:token", "item_id", None)).unwrap().items.ids(), ["i"]);
    assert!(refused(&log(&path, "user", "item_id", None)).contains("no column \"user\""));
    // The name letter for letter goes first.
    let both = folder.put("b.inter", b"user:token\tuser\titem\nx\tu\ti\n");
    assert_eq!(load(&log(&both, "user", "item", None)).unwrap().users.ids(), ["u"]);
    let twice = folder.put("twice.csv", b"user,item,user\nu,i,v\n");
    let error = refused(&log(&twice, "user", "item", None));
    assert!(error.contains("the header has \"user\" (user) twice, as columns 1 and 3"), "{error}");
    let other = folder.put("other.csv", b"user,item,x,x\nu,i,1,2\n");
    assert!(load(&log(&other, "user", "item", None)).is_ok(), "nobody asked for x");
}

#[test]
fn empty_files_say_so_however_they_are_packed() {
    let folder = Folder::new();
    let zst = zstd::encode_all(&b""[..], 3).unwrap();
    for (end, content) in [("", Vec::new()), (".gz", Vec::new()), (".gz", gzip(b"")), (".zst", zst)] {
        for name in ["a.csv", "a.txt", "a.dat", "a.jsonl", "a.parquet"] {
            let path = folder.put(&format!("{name}{end}"), &content);
            let error = refused(&log(&path, "user", "item", None));
            assert!(error.contains("has no interactions"), "{name}{end}: {error}");
        }
        let items = folder.put(&format!("items{end}"), &content);
        let columns = ItemColumns::of(Column::Name("id".to_owned()));
        for cutting in [Cutting::JsonLines, Cutting::Parquet] {
            let error = read_items(&items, &cutting, &columns).unwrap_err().to_string();
            assert!(error.contains("the file is empty"), "{error}");
        }
    }
}

#[test]
fn files_of_another_kind_are_called_by_it() {
    let folder = Folder::new();
    let wide: Vec<u8> = "\u{feff}user,item\nu,i\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let cases = [
        (b"PK\x03\x04\x14\x00".to_vec(), "a zip archive"),
        (wide, "UTF-16 text: convert it first, as `iconv -f UTF-16 -t UTF-8` does"),
        (parquet(vec![("user", whole)]), "a Parquet file"),
        (gzip(&gzip(b"user,item\nu,i\n")), "packed twice"),
        (gzip(b"\x5f\x2a\x4d\x18\0\0\0\0"), "packed twice"),
        (b"\xfd7zXZ\0\0\x04".to_vec(), "packed as xz: unpack it first"),
        (b"BZh91AY&SY\x01\x02".to_vec(), "packed as bzip2: unpack it first"),
        (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "a 7z archive: unpack it first"),
        (b"user,item\nu,i\0\n".to_vec(), "no text, it has zero bytes: export it as CSV"),
    ];
    for (content, part) in cases {
        for name in ["a.csv", "a.txt", "a.jsonl"] {
            // One row a block: what tells a kind apart may stand behind the first.
            let log = log(&folder.put(name, &content), "user", "item", None);
            let error = refused(&LogOptions { block_bytes: 1, ..log });
            assert!(error.contains(part), "{name}: {error}");
        }
    }
    let text = folder.put("a.csv", b"BZh9,item\nu,i\n");
    assert_eq!(load(&log(&text, "BZh9", "item", None)).unwrap().users.ids(), ["u"], "letters are no archive");
}

#[test]
fn parquet_columns_of_lists_and_of_other_bytes_are_told_as_what_they_are() {
    let folder = Folder::new();
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("x"), Some("y")]);
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u"]));
    let path =
        folder.put("a.parquet", &parquet(vec![("user", users.clone()), ("item", Arc::new(lists.finish()))]));
    let error = refused(&log(&path, "user", "item", None));
    assert!(error.contains("column \"item\" (item) has the type List"), "{error}");
    assert!(error.contains("one value a row"), "{error}");

    let good: &[u8] = b"u";
    let bad: &[u8] = b"caf\xe9";
    let small: ArrayRef = Arc::new(BinaryArray::from(vec![good, bad]));
    let large: ArrayRef = Arc::new(LargeBinaryArray::from(vec![good, bad]));
    let items: ArrayRef = Arc::new(StringArray::from(vec!["i", "j"]));
    for users in [small, large] {
        let path = folder.put("b.parquet", &parquet(vec![("user", users), ("item", items.clone())]));
        let error = refused(&log(&path, "user", "item", None));
        assert!(error.contains("line 2, column \"user\" (user)"), "{error}");
        assert!(error.contains("not UTF-8") && !error.contains("null"), "{error}");
        // Nor is it a row without a user, which a filter may drop.
        let guests = Filters { drop_without_user: true, ..Filters::default() };
        let log = log(&path, "user", "item", None);
        assert!(cloze_data::log::read_log(&log, &guests, &BadRows::Error, &mut Silent).is_err());
    }
    let mut rated = log(&path, "user", "user", None);
    rated.value = Some(Column::Name("user".to_owned()));
    rated.format = Some(LogFormat::Parquet);
    let error = refused(&rated);
    assert!(error.contains("found \"u\", expected a finite number"), "{error}");
}
