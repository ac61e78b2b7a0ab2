//! Times: seconds with a fraction, bounds of time, and the unit that goes with the data.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use cloze_data::log::{BadRows, LogOptions, TimeUnit, read_log, read_log_report};
use cloze_data::{Filters, Moment, Silent, read_prepared, write_prepared};
use common::{Folder, log, parquet};

fn times(log: &LogOptions) -> (Vec<i64>, TimeUnit) {
    let (data, report) = read_log_report(log, &Filters::default(), &BadRows::Error, &mut Silent).unwrap();
    assert_eq!(data.sequences.time_unit(), report.time_unit);
    (data.sequences.times(0).unwrap().to_vec(), report.time_unit.unwrap())
}

#[test]
fn seconds_with_a_fraction_are_times_in_every_format() {
    let folder = Folder::new();
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u", "u", "u"]));
    let floats: ArrayRef =
        Arc::new(Float64Array::from(vec![1_513_468_801.0, 1_513_468_800.25, 1_513_468_799.0]));
    let files = [
        ("a.csv", b"user,item,time\nu,u,1513468801\nu,u,1513468800.25\nu,u,1513468799.0\n".to_vec()),
        (
            "a.jsonl",
            b"{\"user\":\"u\",\"item\":\"u\",\"time\":1513468801}\n{\"user\":\"u\",\"item\":\"u\",\"time\":1513468800.25}\n\
              {\"user\":\"u\",\"item\":\"u\",\"time\":\"1513468799\"}\n"
                .to_vec(),
        ),
        ("a.parquet", parquet(vec![("user", users.clone()), ("item", users), ("time", floats)])),
    ];
    let expected = [1_513_468_799_000_000, 1_513_468_800_250_000, 1_513_468_801_000_000];
    for (name, content) in files {
        let path = folder.put(name, &content);
        for block_bytes in [1, 1 << 20] {
            let log = LogOptions { block_bytes, ..log(&path, "user", "item", Some("time")) };
            assert_eq!(times(&log), (expected.to_vec(), TimeUnit::Microseconds), "{name}");
        }
    }
    let whole = folder.put("b.csv", b"user,item,time\nu,u,1.0\nu,u,2.0\n");
    assert_eq!(times(&log(&whole, "user", "item", Some("time"))), (vec![1, 2], TimeUnit::Seconds));
}

/// How many rows of a log with these times are left between two bounds.
fn left(path: &Path, from: Option<&str>, until: Option<&str>) -> usize {
    let moment = |text: Option<&str>| text.map(|text| text.parse::<Moment>().unwrap());
    let filters = Filters { from_time: moment(from), until_time: moment(until), ..Filters::default() };
    let log = log(path, "user", "item", Some("time"));
    read_log(&log, &filters, &BadRows::Error, &mut Silent).map_or(0, |data| data.sequences.interactions())
}

#[test]
fn bounds_of_time_are_moments_whatever_the_unit_of_the_log() {
    let folder = Folder::new();
    let put = |name: &str, times: [&str; 4]| {
        let rows = times.map(|time| format!("u,i,{time}\n")).concat();
        folder.put(name, format!("user,item,time\n{rows}").as_bytes())
    };
    // 2017-12-17 is 1,513,468,800.
    let logs = [
        put("seconds.csv", ["1513468799", "1513468800", "1513468801", "1513555200"]),
        put("fraction.csv", ["1513468799.5", "1513468800", "1513468801.5", "1513555200"]),
        put("iso.csv", ["2017-12-16T23:59:59Z", "2017-12-17", "2017-12-17 00:00:01", "2017-12-18"]),
        put(
            "iso-fraction.csv",
            ["2017-12-16T23:59:59.5Z", "2017-12-17", "2017-12-17 00:00:01.5", "2017-12-18"],
        ),
    ];
    for path in &logs {
        let shown = path.display();
        assert_eq!(left(path, Some("2017-12-17"), None), 3, "{shown}");
        assert_eq!(left(path, Some("1513468800"), None), 3, "{shown}: Unix seconds");
        assert_eq!(left(path, Some("1513468800"), Some("1513555200")), 2, "{shown}");
        assert_eq!(left(path, None, Some("2017-12-18T00:00:00Z")), 3, "{shown}");
    }
    let millis = put("millis.csv", ["1513468799999", "1513468800000", "1513468801000", "1513555200000"]);
    assert_eq!(left(&millis, Some("1513468800000"), None), 3, "a number is in the unit of the log");
    assert_eq!(left(&millis, Some("2017-12-17"), Some("2017-12-18")), 2);
}

#[test]
fn the_unit_stays_with_prepared_data_even_where_magnitude_misleads() {
    let folder = Folder::new();
    let path = folder.put("log.csv", b"user,item,time\nu,a,1971-07-01T00:00:00.5\nu,b,1971-07-02\n");
    let data = read_log(
        &log(&path, "user", "item", Some("time")),
        &Filters::default(),
        &BadRows::Error,
        &mut Silent,
    )
    .unwrap();
    let place = folder.0.path().join("prepared");
    write_prepared(&place, &data).unwrap();
    let read = read_prepared(&place).unwrap();
    assert_eq!(read.sequences.time_unit(), Some(TimeUnit::Microseconds));
    assert_eq!(read, data);
    assert_eq!(cloze_data::describe(&read).time_unit, Some(TimeUnit::Microseconds));
}

#[test]
fn a_manifest_may_bound_time_by_a_date() {
    let filters: Filters = toml::from_str("from_time = \"2017-12-17\"\nuntil_time = 5").unwrap();
    assert_eq!(filters.to_string(), "from_time = 2017-12-17, until_time = 5");
    assert!(toml::from_str::<Filters>("from_time = \"soon\"").is_err());
}
