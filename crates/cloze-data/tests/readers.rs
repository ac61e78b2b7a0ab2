//! Every reader on small files, and every bad input with the message that names it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use cloze_data::read::{
    Column, Cutting, Encoding, GenreColumns, IdMapColumns, InteractionColumns, ItemColumns, ItemRecord,
    Table, read_id_map, read_interactions, read_items,
};
use cloze_data::{DataError, Dataset, Filters, Interactions, Manifest};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

fn table(separator: &str, header: bool, encoding: Encoding) -> Table {
    Table { separator: separator.to_owned(), header, encoding, quotes: None }
}

fn cut(separator: &str, header: bool, encoding: Encoding) -> Cutting {
    Cutting::Table(table(separator, header, encoding))
}

fn at(position: usize) -> Column {
    Column::Position(position)
}

fn named(name: &str) -> Column {
    Column::Name(name.to_owned())
}

/// User, item, value, time, as in `u.data` and `ratings.dat`.
fn movielens() -> InteractionColumns {
    InteractionColumns { user: at(1), item: at(2), value: Some(at(3)), time: Some(at(4)) }
}

fn by_name(user: &str, item: &str, value: &str, time: &str) -> InteractionColumns {
    InteractionColumns {
        user: named(user),
        item: named(item),
        value: Some(named(value)),
        time: Some(named(time)),
    }
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn read(content: &[u8], table: &Table, columns: &InteractionColumns) -> Result<Interactions, DataError> {
    read_interactions(file(content).path(), table, columns)
}

fn message(content: &[u8], table: &Table, columns: &InteractionColumns) -> String {
    read(content, table, columns).unwrap_err().to_string()
}

fn tabs() -> Table {
    table("\t", false, Encoding::Utf8)
}

fn check(content: &[u8], table: &Table, columns: &InteractionColumns) {
    let rows = read(content, table, columns).unwrap();
    assert_eq!(rows.users().iter().flatten().collect::<Vec<_>>(), ["196", "186"]);
    assert_eq!(rows.items().iter().flatten().collect::<Vec<_>>(), ["242", "302"]);
    assert_eq!(rows.times().unwrap(), [881_250_949, 891_717_742]);
    assert_eq!(rows.values().unwrap(), [3.0, 4.5]);
}

#[test]
fn movielens_files_in_their_three_shapes_are_read() {
    let tabbed = b"196\t242\t3\t881250949\n186\t302\t4.5\t891717742\n";
    check(tabbed, &tabs(), &movielens());
    let colons = b"196::242::3::881250949\r\n186::302::4.5::891717742\r\n\r\n";
    check(colons, &table("::", false, Encoding::Latin1), &movielens());
    let commas =
        b"\xef\xbb\xbfuserId,movieId,rating,timestamp\r\n196,242,3.0,881250949\r\n186,302,4.5,891717742";
    let columns = by_name("userId", "movieId", "rating", "timestamp");
    check(commas, &table(",", true, Encoding::Utf8), &columns);
}

#[test]
fn recbole_files_are_read_by_their_typed_header() {
    let inter = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n186\t302\t4.5\t891717742.0\n";
    let columns = by_name("user_id:token", "item_id:token", "rating:float", "timestamp:float");
    check(inter, &table("\t", true, Encoding::Utf8), &columns);
}

#[test]
fn sequence_text_and_gzip_are_read() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"1 10\n1  20\n2\t10\n").unwrap();
    let packed = gzip.finish().unwrap();
    let columns = InteractionColumns { user: at(1), item: at(2), time: None, value: None };
    let words = table("whitespace", false, Encoding::Utf8);
    let rows = read(&packed, &words, &columns).unwrap();
    assert_eq!(rows.items().iter().flatten().collect::<Vec<_>>(), ["10", "20", "10"]);
    assert!(rows.times().is_none() && rows.values().is_none());

    let error = message(&packed[..packed.len() - 9], &words, &columns);
    assert!(error.contains("truncated gzip data"), "{error}");
}

#[test]
fn a_bad_cell_is_named_by_file_line_column_and_value() {
    let content = file(b"1\t2\t3\t4\n1\t2\t3\tlater\n");
    let error = read_interactions(content.path(), &tabs(), &movielens()).unwrap_err().to_string();
    let name = content.path().display().to_string();
    assert_eq!(
        error,
        format!(
            r#"{name}, line 2, column 4 (time): found "later", expected a whole number, such as Unix seconds"#
        )
    );
    for (cell, expected) in [("1\t2\tNaN\t4", "finite"), ("1\t2\tinf\t4", "finite"), ("1\t2\tx\t4", "finite")]
    {
        let error = message(cell.as_bytes(), &tabs(), &movielens());
        assert!(error.contains("line 1, column 3 (value)") && error.contains(expected), "{error}");
    }
    for time in ["1.5", "NaN", "1e300", ""] {
        let error = message(format!("1\t2\t3\t{time}").as_bytes(), &tabs(), &movielens());
        assert!(error.contains("column 4 (time)") && error.contains("whole number"), "{error}");
    }
    let error = message(b"\t2\t3\t4", &tabs(), &movielens());
    assert!(error.contains("column 1 (user)") && error.contains("expected an id"), "{error}");
    let error = message(b"\"1\"\t2\t3\t4", &tabs(), &movielens());
    assert!(error.contains("without quotation marks"), "{error}");
}

#[test]
fn a_line_with_too_few_cells_is_named() {
    let error = message(b"1\t2\t3\t4\n5\t6\n", &tabs(), &movielens());
    assert!(
        error.contains("line 2: 2 fields, expected at least 4 separated by a tab in \"5\\t6\""),
        "{error}"
    );
    let error = message(b"1\t2\t3\t4\n\n1\t2\t3\t4\n", &tabs(), &movielens());
    assert!(error.contains("line 2: 0 fields"), "{error}");
}

#[test]
fn a_missing_column_is_named_with_the_header_found() {
    let columns = by_name("userId", "movieId", "stars", "timestamp");
    let error =
        message(b"userId,movieId,rating,timestamp\n1,2,3,4\n", &table(",", true, Encoding::Utf8), &columns);
    assert!(
        error.contains(r#"no column "stars" (value); the header has userId, movieId, rating, timestamp"#),
        "{error}"
    );
}

#[test]
fn an_empty_file_is_an_error() {
    for content in ["", "\n", "\r\n\r\n"] {
        assert!(message(content.as_bytes(), &tabs(), &movielens()).contains("has no interactions"));
    }
    let header = message(
        b"user,item\n",
        &table(",", true, Encoding::Utf8),
        &InteractionColumns { user: named("user"), item: named("item"), time: None, value: None },
    );
    assert!(header.contains("has no interactions"), "{header}");
}

#[test]
fn other_bytes_than_utf8_are_named_by_line() {
    let error = message(b"1\t2\t3\t4\n1\t\xe9\t3\t4\n", &tabs(), &movielens());
    assert!(error.contains("line 2: byte 0xe9 is not UTF-8") && error.contains("latin-1"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read_interactions("nowhere/u.data".as_ref(), &tabs(), &movielens()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read nowhere/u.data"), "{error}");
}

fn title<'a>(items: &'a HashMap<String, ItemRecord>, id: &str) -> &'a str {
    items[id].title.as_deref().unwrap()
}

#[test]
fn titles_are_read_as_they_stand_and_with_a_year() {
    let columns = ItemColumns { title: Some(at(2)), ..ItemColumns::of(at(1)) };
    let items =
        file(b"1|Toy Story (1995)|01-Jan-1995\n1542|Postino, Il (1994)|x\n543|Mis\xe9rables, Les (1995)|\n");
    let titles = read_items(items.path(), &cut("|", false, Encoding::Latin1), &columns).unwrap();
    assert_eq!(title(&titles, "1"), "Toy Story (1995)");
    assert_eq!(title(&titles, "1542"), "Postino, Il (1994)");
    assert_eq!(title(&titles, "543"), "Mis\u{e9}rables, Les (1995)");

    let movies = file(b"1::Toy Story (1995)::Animation|Comedy\n");
    let titles = read_items(movies.path(), &cut("::", false, Encoding::Latin1), &columns).unwrap();
    assert_eq!(title(&titles, "1"), "Toy Story (1995)");

    let recbole = file(
        b"item_id:token\tmovie_title:token_seq\trelease_year:token\n1\tToy Story\t1995\n2\tX\t\n3\t\t\n",
    );
    let columns = ItemColumns {
        title: Some(named("movie_title:token_seq")),
        year: Some(named("release_year:token")),
        ..ItemColumns::of(named("item_id:token"))
    };
    let titles = read_items(recbole.path(), &cut("\t", true, Encoding::Utf8), &columns).unwrap();
    assert_eq!((title(&titles, "1"), title(&titles, "2")), ("Toy Story (1995)", "X"));
    assert_eq!(titles["3"], ItemRecord::default(), "an empty title is none");
}

#[test]
fn an_id_with_two_titles_is_an_error() {
    let twice = file(b"1|A\n1|B\n");
    let columns = ItemColumns { title: Some(at(2)), ..ItemColumns::of(at(1)) };
    let error = read_items(twice.path(), &cut("|", false, Encoding::Utf8), &columns).unwrap_err().to_string();
    assert!(error.contains("line 2, column 1 (id)") && error.contains("not stood above"), "{error}");
}

#[test]
fn genres_and_text_are_read_from_a_cell_or_from_columns_of_0_and_1() {
    let genres = |column, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        GenreColumns { column, separator: "|".to_owned(), none: Some("(none)".to_owned()), names }
    };
    let cell = ItemColumns {
        genres: Some(genres(named("g"), &[])),
        text: Some(named("x")),
        ..ItemColumns::of(named("id"))
    };
    let csv = Cutting::Table(Table { quotes: Some(true), ..table(",", true, Encoding::Utf8) });
    let content = b"id,g,x\n1,Film-Noir| War,\"long, long\"\n2,(none), \n";
    let items = read_items(file(content).path(), &csv, &cell).unwrap();
    assert_eq!(items["1"].genres, ["Film-Noir", "War"]);
    assert_eq!(items["1"].text.as_deref(), Some("long, long"));
    assert_eq!(items["2"], ItemRecord::default());

    let flags = ItemColumns { genres: Some(genres(at(2), &["a", "b", "c"])), ..ItemColumns::of(at(1)) };
    let items =
        read_items(file(b"1|1|0|1\n2|0|0|0\n").path(), &cut("|", false, Encoding::Utf8), &flags).unwrap();
    assert_eq!((&items["1"].genres[..], items["2"].genres.len()), (&["a".to_owned(), "c".to_owned()][..], 0));
    let error =
        read_items(file(b"1|1|yes|1\n").path(), &cut("|", false, Encoding::Utf8), &flags).unwrap_err();
    assert!(
        error.to_string().contains("line 1, column 3 (genre): found \"yes\", expected 0 or 1"),
        "{error}"
    );
    let by_name = ItemColumns { genres: Some(genres(named("g"), &["a"])), ..cell };
    let error = read_items(file(content).path(), &csv, &by_name).unwrap_err().to_string();
    assert!(error.contains("position of the first"), "{error}");
}

#[test]
fn json_and_parquet_items_may_have_lists() {
    let columns = ItemColumns {
        title: Some(named("t")),
        genres: Some(GenreColumns {
            column: named("g"),
            separator: "|".to_owned(),
            none: None,
            names: Vec::new(),
        }),
        ..ItemColumns::of(named("id"))
    };
    let content =
        b"{\"id\":7,\"t\":\"A\",\"g\":[\"x\",[\"y\",\"z\"]],\"other\":{}}\n\n{\"id\":\"8\",\"t\":null}\n";
    let items = read_items(file(content).path(), &Cutting::JsonLines, &columns).unwrap();
    assert_eq!(items["7"].genres, ["x", "y", "z"]);
    assert_eq!((items["7"].title.as_deref(), items["8"].title.as_deref()), (Some("A"), None));
    // A number is what the file says, however many digits it has.
    let numbers = b"{\"id\":12345678901234567890123,\"t\":1.10,\"g\":[1e3,-0,true,\"\\u00e9\"]}\n";
    let items = read_items(file(numbers).path(), &Cutting::JsonLines, &columns).unwrap();
    let item = &items["12345678901234567890123"];
    assert_eq!(
        (item.title.as_deref(), &item.genres[..]),
        (Some("1.10"), &["1e3", "-0", "true", "\u{e9}"].map(String::from)[..])
    );
    let deep = format!("{{\"id\":1,\"t\":{}}}", "[".repeat(100_000) + &"]".repeat(100_000));
    for (content, parts) in [
        (deep.as_str(), ["line 1, field \"t\" (title)", "text, a number, or a list"]),
        ("{\"id\":1,\"t\":[1,{\"a\":2}]}\n", ["line 1, field \"t\" (title)", "text, a number, or a list"]),
        ("{\"id\":1}\n{\"id\":1}\n", ["line 2, field \"id\" (id)", "not stood above"]),
        ("{\"id\":1}\n[]\n", ["line 2, the line", "one JSON object"]),
        ("{\"id\":null,\"t\":1}\n", ["line 1, field \"id\" (id)", "an id"]),
        ("{\"id\":1,\"t\":{}}\n", ["line 1, field \"t\" (title)", "text, a number, or a list"]),
        ("{\"id\":1,\"title\":\"A\"}\n", ["no column \"t\" (title)", "id, title"]),
    ] {
        let error = read_items(file(content.as_bytes()).path(), &Cutting::JsonLines, &columns);
        let error = error.unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }

    let mut genres = ListBuilder::new(StringBuilder::new());
    genres.append_value([Some("x"), Some("y")]);
    genres.append_null();
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Float64Array::from(vec![7.0, 8.0])) as ArrayRef),
        ("unused", Arc::new(StringArray::from(vec!["u", "v"]))),
        ("g", Arc::new(genres.finish())),
        ("t", Arc::new(StringArray::from(vec![Some("A"), None]))),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let items = read_items(file(&bytes).path(), &Cutting::Parquet, &columns).unwrap();
    assert_eq!(items["7"].genres, ["x", "y"]);
    assert_eq!(items["7"].title.as_deref(), Some("A"));
    assert_eq!(items["8"], ItemRecord::default());
    let error = read_items(file(&bytes[..40]).path(), &Cutting::Parquet, &columns).unwrap_err().to_string();
    assert!(error.contains("truncated or no Parquet"), "{error}");
    let misspelt = ItemColumns { title: Some(named("titel")), ..columns };
    let error = read_items(file(&bytes).path(), &Cutting::Parquet, &misspelt).unwrap_err().to_string();
    assert!(error.contains("no column \"titel\" (title)") && error.contains("id, unused, g, t"), "{error}");
}

#[test]
fn a_map_of_ids_is_read() {
    let map = file(b"1 1198\n2 3552\n");
    let columns = IdMapColumns { id: at(1), original: at(2) };
    let map = read_id_map(map.path(), &cut("whitespace", false, Encoding::Utf8), &columns).unwrap();
    assert_eq!((map["1"].as_str(), map["2"].as_str()), ("1198", "3552"));
}

#[test]
fn rows_are_filtered_once_numbered_by_appearance_and_sorted_stably() {
    // Without item `rare`, user u2 has no row left; b and c are ties in time and keep their order.
    let content = b"u1\tb\t1\t5\nu2\trare\t1\t1\nu1\tc\t1\t5\nu3\tc\t1\t9\nu1\tb\t1\t2\n";
    let rows = read(content, &tabs(), &movielens()).unwrap();
    let c = ItemRecord { title: Some("C (2000)".to_owned()), ..ItemRecord::default() };
    let titles = HashMap::from([("c".to_owned(), c)]);
    let filters = Filters { min_item_interactions: 2, ..Filters::default() };
    let data = Dataset::from_interactions("t", "T", &rows, Some(&titles), &filters).unwrap();
    assert_eq!(data.users.ids(), ["u1", "u3"]);
    assert_eq!(data.items.ids(), ["b", "c"]);
    assert_eq!(data.sequences.get(0), [0, 0, 1], "repeated pairs stay");
    assert_eq!(data.sequences.times(0).unwrap(), [2, 5, 5]);
    assert_eq!(data.sequences.get(1), [1]);
    assert_eq!((data.items.title(0), data.items.title(1)), (None, Some("C (2000)")));

    let filters = Filters { min_item_interactions: 3, ..Filters::default() };
    let error = Dataset::from_interactions("t", "T", &rows, None, &filters).unwrap_err().to_string();
    assert!(
        error.contains("no interaction is left of 5") && error.contains("min_item_interactions"),
        "{error}"
    );
}

/// Bytes that look a little like the files: many separators, digits and line ends, now and then a gzip header.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![3 => b'0'..=b'9', 3 => Just(b'\t'), 2 => Just(b'\n'), 1 => Just(b':'), 1 => any::<u8>()];
    (any::<bool>(), proptest::collection::vec(byte, 0..80)).prop_map(|(gzip, rest)| {
        let head: &[u8] = if gzip { &[0x1f, 0x8b, 8, 0] } else { &[] };
        [head, &rest].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_content_makes_a_reader_panic(content in content(), header: bool, latin: bool, kind in 0..3_usize) {
        let encoding = if latin { Encoding::Latin1 } else { Encoding::Utf8 };
        let table = table(["\t", "::", "whitespace"][kind], header, encoding);
        let file = file(&content);
        let result = read_interactions(file.path(), &table, &movielens());
        prop_assert!(result.is_err() || !result.unwrap().is_empty());
        let columns = ItemColumns { title: Some(at(2)), year: Some(at(3)), ..ItemColumns::of(at(1)) };
        let _ = read_items(file.path(), &Cutting::Table(table), &columns);
        let _ = Manifest::parse("fuzz", &String::from_utf8_lossy(&content));
    }
}

#[test]
fn an_item_on_several_rows_has_the_genres_of_all_where_that_is_said() {
    let log = file(b"u,1,x\nv,1,y\nu,2,x\nw,1,x\n");
    let columns = ItemColumns {
        genres: Some(GenreColumns {
            column: at(3),
            separator: "|".to_owned(),
            none: None,
            names: Vec::new(),
        }),
        repeated: true,
        ..ItemColumns::of(at(2))
    };
    let cutting = cut(",", false, Encoding::Utf8);
    let items = read_items(log.path(), &cutting, &columns).unwrap();
    assert_eq!(
        (&items["1"].genres, &items["2"].genres),
        (&vec!["x".to_owned(), "y".to_owned()], &vec!["x".to_owned()])
    );
    let once = ItemColumns { repeated: false, ..columns };
    let error = read_items(log.path(), &cutting, &once).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("not stood above"), "{error}");
}
