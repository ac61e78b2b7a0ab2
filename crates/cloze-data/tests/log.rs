//! Any log: every format and packing gives the same data, every bad input its error, whatever the threads.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use cloze_data::log::{BadRows, LogFormat, LogOptions, ReadReport, TimeUnit, read_log, read_log_report};
use cloze_data::read::{Column, Encoding, InteractionColumns, Table, read_interactions};
use cloze_data::{DataError, Dataset, Filters, Silent};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

fn named(name: &str) -> Column {
    Column::Name(name.to_owned())
}

fn options(path: &Path) -> LogOptions {
    let mut log = LogOptions::new(path, named("user"), named("item"));
    log.time = Some(named("time"));
    log.value = Some(named("rating"));
    log
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn load(log: &LogOptions) -> Result<Dataset, DataError> {
    read_log(log, &Filters::default(), &BadRows::Error, &mut Silent)
}

/// The message of a log with this name and content.
fn message(name: &str, content: &str) -> String {
    let folder = Folder::new();
    load(&options(&folder.put(name, content.as_bytes()))).unwrap_err().to_string()
}

/// With an id that needs quotes in CSV, one of other letters, a tie and a repeat.
const CSV: &str = "user,rating,item,time\r\nanna,4.5,\"a, \"\"b\"\"\r\nc\",20\r\nbørge,3,x,10\r\nanna,1,x,10\r\nanna,2,é,20\r\nbørge,5,x,-10\r\n";

fn check(data: &Dataset) {
    assert_eq!(data.users.ids(), ["anna", "børge"]);
    assert_eq!(data.items.ids(), ["a, \"b\"\r\nc", "x", "é"]);
    assert_eq!(data.sequences.iter().collect::<Vec<_>>(), [&[1, 0, 2][..], &[1, 1]]);
    assert_eq!(data.sequences.times(0).unwrap(), [10, 20, 20]);
    assert_eq!(data.sequences.times(1).unwrap(), [-10, 10]);
    let ratings = [data.sequences.ratings(0), data.sequences.ratings(1)];
    assert_eq!(ratings, [Some(&[1.0, 4.5, 2.0][..]), Some(&[5.0, 3.0])]);
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

fn parquet(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn text(values: [&str; 5]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn one_log_in_every_format_and_packing_is_one_data_set() {
    let folder = Folder::new();
    for size in [1, 7, 64, 1 << 20] {
        for threads in [1, 3] {
            let csv = LogOptions {
                block_bytes: size,
                threads: Some(threads),
                ..options(&folder.put("log.csv", CSV.as_bytes()))
            };
            check(&load(&csv).unwrap());
        }
    }
    check(
        &load(&options(
            &folder.put(
                "log.tsv",
                CSV.replace("a, ", "a; ").replace(',', "\t").replace("a; ", "a, ").as_bytes(),
            ),
        ))
        .unwrap(),
    );
    check(&load(&options(&folder.put("log.csv.gz", &gzip(CSV.as_bytes())))).unwrap());
    let zst = zstd::encode_all(CSV.as_bytes(), 3).unwrap();
    check(&load(&options(&folder.put("log.csv.zst", &zst))).unwrap());
    check(&load(&options(&folder.put("gzip-without-its-name.csv", &gzip(CSV.as_bytes())))).unwrap());

    let json = r#"{"user": "anna", "item": "a, \"b\"\r\nc", "time": 20, "rating": 4.5, "more": {"user": [1]}}
{"item": "x", "user": "b\u00f8rge", "time": "10", "rating": 3}

{"user": "anna", "item": "x", "time": 10.0, "rating": "1"}
{"user": "anna", "item": "é", "time": 20, "rating": 2}
{"user": "børge", "item": "x", "time": -10, "rating": 5}"#;
    check(&load(&options(&folder.put("log.jsonl", json.as_bytes()))).unwrap());
    check(&load(&options(&folder.put("log.ndjson.gz", &gzip(json.as_bytes())))).unwrap());

    let users = || text(["anna", "børge", "anna", "anna", "børge"]);
    let items = || text(["a, \"b\"\r\nc", "x", "x", "é", "x"]);
    let rating: ArrayRef = Arc::new(Float64Array::from(vec![4.5, 3.0, 1.0, 2.0, 5.0]));
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![20, 10, 10, 20, -10]));
    let stamps: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![20, 10, 10, 20, -10]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![20.0, 10.0, 10.0, 20.0, -10.0]));
    let level = ZstdLevel::try_new(3).unwrap();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(level)] {
        for times in [&whole, &stamps, &floats] {
            let columns = vec![
                ("user", users()),
                ("rating", rating.clone()),
                ("item", items()),
                ("time", times.clone()),
            ];
            let bytes = parquet(columns, compression);
            check(&load(&options(&folder.put("log.parquet", &bytes))).unwrap());
        }
    }
    let columns = vec![("user", users()), ("rating", rating), ("item", items()), ("time", whole)];
    let bytes = gzip(&parquet(columns, Compression::SNAPPY));
    check(&load(&options(&folder.put("log.parquet.gz", &bytes))).unwrap());
}

#[test]
fn times_are_in_one_unit_or_iso_8601() {
    let folder = Folder::new();
    let times = |times: [&str; 2]| {
        let content = format!("user,rating,item,time\na,1,x,{}\na,1,y,{}\n", times[0], times[1]);
        let log = options(&folder.put("log.csv", content.as_bytes()));
        let (data, report): (Dataset, ReadReport) =
            read_log_report(&log, &Filters::default(), &BadRows::Error, &mut Silent)?;
        Ok::<_, DataError>((data.sequences.times(0).unwrap().to_vec(), report.time_unit.unwrap()))
    };
    assert_eq!(
        times(["1513468800", "1513468801"]).unwrap(),
        (vec![1_513_468_800, 1_513_468_801], TimeUnit::Seconds)
    );
    assert_eq!(times(["1513468800000", "1513468800001"]).unwrap().1, TimeUnit::Milliseconds);
    let iso = times(["2017-12-17T00:00:01Z", "2017-12-17"]).unwrap();
    assert_eq!(iso, (vec![1_513_468_800, 1_513_468_801], TimeUnit::Seconds));
    let fraction = times(["2017-12-17 00:00:01.5", "2017-12-17"]).unwrap();
    assert_eq!(fraction, (vec![1_513_468_800_000_000, 1_513_468_801_500_000], TimeUnit::Microseconds));
    let error = times(["1513468800", "1513468800000"]).unwrap_err().to_string();
    assert!(error.contains("line 3: the time \"1513468800000\" is in milliseconds"), "{error}");
    assert!(error.contains("one unit in all of its files; convert"), "{error}");
    let error = times(["1513468800", "2017-12-17"]).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("ISO 8601, those before it in seconds"), "{error}");
    let error = times(["1", "yesterday"]).unwrap_err().to_string();
    assert!(error.contains("line 3, column 4 (time): found \"yesterday\""), "{error}");
    for unsupported in ["1513468800000.5", "9999-12-31"] {
        let error = times(["1", unsupported]).unwrap_err().to_string();
        assert!(
            error.contains("only they may have a fraction") && error.contains("before 9999-12-31"),
            "{error}"
        );
    }
}

#[test]
fn bad_files_are_named_with_what_is_wrong() {
    let error = load(&options("nowhere/log.csv".as_ref())).unwrap_err().to_string();
    assert!(error.starts_with("cannot read nowhere/log.csv"), "{error}");
    assert!(message("log.xyz", "").contains("the extension tells no format"));
    assert!(
        message("log.csv", "user,item,time\n")
            .contains("no column \"rating\" (value); the header has user, item, time")
    );
    assert!(message("log.csv", "").contains("log.csv has no interactions"));
    assert!(message("log.csv", "user,item,time,rating\n").contains("has no interactions"));
    let error = message("log.csv", "user,item,time,rating\na,b,1,NaN\n");
    assert!(error.contains("line 2, column 4 (value): found \"NaN\""), "{error}");
    let error = message("log.csv", "user,item,time,rating\n\"a\nb\",x,1,1\n\"a,b,1,1\nc,d,1,1\n");
    assert!(error.contains("line 4") && error.contains("expected a closing quotation mark"), "{error}");
    let error = message("log.csv", "user,item,time,rating\n\"a\"b,x,1,1\n");
    assert!(error.contains("a separator behind the closing quotation mark"), "{error}");
    let error =
        message("log.jsonl", "{\"user\": 1, \"item\": 2, \"time\": 3, \"rating\": 1}\n{\"user\": 1\n");
    assert!(error.contains("line 2, the line: found") && error.contains("one JSON object (EOF"), "{error}");
    let error = message("log.jsonl", "{\"user\": null, \"item\": 2, \"time\": 3, \"rating\": 1}\n");
    assert!(error.contains("line 1, field \"user\" (user): found \"null\", expected an id"), "{error}");
    let error = message("log.jsonl", "{\"item\": 2, \"time\": 3, \"rating\": 1}\n");
    assert!(error.contains("field \"user\" (user)") && error.contains("an object that has it"), "{error}");
    assert!(message("log.parquet", "PAR1").contains("damaged, truncated or no Parquet"));
}

#[test]
fn packed_and_columnar_files_that_are_cut_are_errors_at_every_place() {
    let folder = Folder::new();
    let users: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200));
    let columns = ["user", "item", "time", "rating"].map(|name| (name, users.clone())).to_vec();
    let parquet = parquet(columns, Compression::SNAPPY);
    let lines: Vec<_> = (0..200).map(|row| format!("{row},{row},{row},{row}")).collect();
    let csv = format!("user,item,time,rating\n{}\n", lines.join("\n"));
    let zst = zstd::encode_all(csv.as_bytes(), 3).unwrap();
    for (name, whole) in [("a.csv.gz", gzip(csv.as_bytes())), ("a.csv.zst", zst), ("a.parquet", parquet)] {
        assert_eq!(load(&options(&folder.put(name, &whole))).unwrap().users.len(), 200);
        for end in (5..whole.len()).step_by(whole.len() / 40) {
            let error = load(&options(&folder.put(name, &whole[..end]))).unwrap_err().to_string();
            assert!(error.contains("truncated"), "{name} {end}: {error}");
        }
    }
}

#[test]
fn bad_rows_are_skipped_counted_and_kept_with_line_and_reason() {
    let folder = Folder::new();
    let content = "user,item,time,rating\na,b,1,1\na,c\n\n\"x\",b,late,1\na,d,3,1\n\n";
    let rejected = folder.0.path().join("rejected.csv");
    let skip = BadRows::Skip { rejected: rejected.clone() };
    for block_bytes in [1, 9, 1 << 20] {
        let log = LogOptions { block_bytes, ..options(&folder.put("log.csv", content.as_bytes())) };
        let (data, report) = read_log_report(&log, &Filters::default(), &skip, &mut Silent).unwrap();
        assert_eq!(data.items.ids(), ["b", "d"]);
        assert_eq!((report.rows, report.rejected), (2, 3));
        let text = std::fs::read_to_string(&rejected).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].contains("log.csv\",3,\"2 fields, expected at least 3 separated by"), "{text}");
        assert!(lines[2].contains("log.csv\",4,\"0 fields"), "{text}");
        assert!(
            lines[3].contains("log.csv\",5,\"column 3 (time): found \"\"late\"\"")
                && lines[3].ends_with("\"\"\"x\"\",b,late,1\""),
            "{text}"
        );
    }
    let log = options(&folder.put("log.csv", b"user,item,time,rating\na\nb\n"));
    let error = read_log(&log, &Filters::default(), &skip, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("all 2 rows are bad"), "{error}");
    std::fs::remove_file(&rejected).unwrap();
    let good = options(&folder.put("log.csv", b"user,item,time,rating\na,b,1,1\n"));
    read_log(&good, &Filters::default(), &skip, &mut Silent).unwrap();
    assert!(!rejected.exists(), "no bad rows, no file");
}

#[test]
fn formats_are_told_by_the_extension() {
    let format = |name: &str| LogFormat::of(name.as_ref());
    assert_eq!(format("x/ratings.CSV.gz"), Some(LogFormat::Csv));
    assert_eq!(format("ml-100k.inter"), Some(LogFormat::Tsv));
    assert_eq!(format("ratings.dat"), Some(LogFormat::Dat));
    assert_eq!(format("beauty.txt.gz"), Some(LogFormat::Text));
    assert_eq!(format("log.parquet"), Some(LogFormat::Parquet));
    assert_eq!(format("log"), None);
}

/// Rows of a small log: ids of both kinds, times with ties, now and then something bad.
fn rows() -> impl Strategy<Value = Vec<String>> {
    let id = || prop_oneof![4 => (0..9_u32).prop_map(|id| id.to_string()), 1 => "[a-cé0]{1,3}", 1 => Just("12345678".to_owned())];
    let time = prop_oneof![30 => (-3..4_i32).prop_map(|t| t.to_string()), 1 => Just("1e3".to_owned()), 1 => "[x.]{0,2}"];
    let value = prop_oneof![20 => (0..50_u32).prop_map(|v| format!("{}.{}", v / 10, v % 10)), 1 => Just("nan".to_owned())];
    let more = prop_oneof![30 => Just(""), 2 => Just("\t"), 2 => Just("\tx"), 1 => Just("\t\t1")];
    let row = (id(), id(), value, time, more)
        .prop_map(|(user, item, value, time, more)| format!("{user}\t{item}\t{value}\t{time}{more}"));
    proptest::collection::vec(prop_oneof![40 => row, 1 => Just(String::new())], 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_fast_reader_gives_the_data_and_the_errors_of_the_plain_one(rows in rows(), size in 1..200_usize, threads in 1..4_usize) {
        let folder = Folder::new();
        let path = folder.put("u.data", rows.join("\n").as_bytes());
        let at = Column::Position;
        let mut log = LogOptions::new(&path, at(1), at(2));
        (log.value, log.time, log.block_bytes, log.threads) = (Some(at(3)), Some(at(4)), size, Some(threads));
        let table = Table { separator: "\t".to_owned(), header: false, encoding: Encoding::Utf8, quotes: None };
        let columns = InteractionColumns { user: at(1), item: at(2), value: Some(at(3)), time: Some(at(4)) };
        let plain = read_interactions(&path, &table, &columns)
            .and_then(|rows| Dataset::from_interactions("u", "u", &rows, None, &Filters::default()));
        match (load(&log), plain) {
            (Ok(fast), Ok(plain)) => prop_assert_eq!(fast, plain),
            (Err(fast), Err(plain)) => {
                let any = "a whole number, such as Unix seconds (only they may have a fraction), or an ISO 8601 date or \
                           time before 9999-12-31";
                let numbers = "a whole number, such as Unix seconds";
                prop_assert_eq!(fast.to_string().replace(any, numbers), plain.to_string());
            }
            (fast, plain) => prop_assert!(false, "{fast:?} {plain:?}"),
        }
    }

    #[test]
    fn no_flipped_byte_of_a_parquet_file_makes_its_reader_panic(
        flips in proptest::collection::vec((0.0..1.0, any::<u8>()), 1..4), packing in 0..3_usize,
    ) {
        let users: ArrayRef = Arc::new(Int64Array::from_iter_values(0..50));
        let items: ArrayRef = Arc::new(StringArray::from_iter_values((0..50).map(|row| format!("i{}", row % 7))));
        let columns = vec![("user", users.clone()), ("item", items), ("time", users.clone()), ("rating", users)];
        let packings = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())];
        let mut bytes = parquet(columns, packings[packing]);
        for (place, mask) in flips {
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] ^= mask;
        }
        let folder = Folder::new();
        let _ = load(&options(&folder.put("a.parquet", &bytes)));
    }

    #[test]
    fn no_content_makes_a_log_reader_panic(content in proptest::collection::vec(any::<u8>(), 0..60), kind in 0..4_usize, head in 0..4_usize) {
        let folder = Folder::new();
        let heads: [&[u8]; 4] = [b"", b"user,item,time,rating\n", &[0x28, 0xb5, 0x2f, 0xfd], b"{\"user\":\"a\",\"item\":"];
        let name = ["a.csv", "a.jsonl", "a.parquet", "a.txt"][kind];
        let _ = load(&options(&folder.put(name, &[heads[head], &content].concat())));
    }
}
