//! Filters, splits by time and descriptions: what must hold for any log.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use cloze_data::log::{BadRows, LogOptions, read_log, read_log_report};
use cloze_data::read::Column;
use cloze_data::{
    Cut, DataError, Dataset, Filters, GlobalTime, LeaveOneOut, Moment, Sequences, Silent, Split, check_leaks,
    describe,
};
use proptest::prelude::*;

/// User, item, time; the value is the item's number.
type Row = (u32, u32, i64);

fn load(rows: &[Row], filters: &Filters, threads: usize) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for (user, item, time) in rows {
        writeln!(text, "u{user},{item},{time},{item}").unwrap();
    }
    let path = folder.path().join("log.csv");
    std::fs::write(&path, text).unwrap();
    let mut log = LogOptions::new(path, Column::Position(1), Column::Position(2));
    (log.time, log.value) = (Some(Column::Position(3)), Some(Column::Position(4)));
    (log.threads, log.block_bytes) = (Some(threads), 40);
    read_log(&log, filters, &BadRows::Error, &mut Silent)
}

/// The interactions of a data set as (user, item, time), sorted.
fn triples(data: &Dataset) -> Vec<(String, String, i64)> {
    let mut all = Vec::new();
    for (user, items) in data.sequences.iter().enumerate() {
        for (item, time) in items.iter().zip(data.sequences.times(user).unwrap()) {
            let (user, item) = (data.users.id(user as u32).unwrap(), data.items.id(*item).unwrap());
            all.push((user.to_owned(), item.to_owned(), *time));
        }
    }
    all.sort();
    all
}

fn named(rows: &[Row]) -> Vec<(String, String, i64)> {
    let mut all: Vec<_> =
        rows.iter().map(|(user, item, time)| (format!("u{user}"), item.to_string(), *time)).collect();
    all.sort();
    all
}

/// The definition: remove whoever has too few, until nobody has.
fn naive_core(rows: &[Row], users: usize, items: usize) -> Vec<Row> {
    let mut rows = rows.to_vec();
    loop {
        let (mut by_user, mut by_item) = (BTreeMap::new(), BTreeMap::new());
        for (user, item, _) in &rows {
            *by_user.entry(*user).or_insert(0) += 1;
            *by_item.entry(*item).or_insert(0) += 1;
        }
        let before = rows.len();
        rows.retain(|(user, item, _)| by_user[user] >= users && by_item[item] >= items);
        if rows.len() == before {
            return rows;
        }
    }
}

#[test]
fn rules_apply_in_their_order_and_say_what_they_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    let rows = "a,x,5,1\na,x,4,5\na,y,6,5\na,z,7,5\nb,x,9,5\nb,x,8,5\nb,y,99,5\n";
    std::fs::write(&path, rows).unwrap();
    let mut log = LogOptions::new(path, Column::Position(1), Column::Position(2));
    (log.time, log.value) = (Some(Column::Position(3)), Some(Column::Position(4)));
    let filters = Filters {
        min_value: Some(2.0),
        until_time: Some(Moment::Number(50)),
        first_of_pair: true,
        item_core: 2,
        ..Filters::default()
    };
    let (data, report) = read_log_report(&log, &filters, &BadRows::Error, &mut Silent).unwrap();
    assert_eq!(triples(&data), [("a".into(), "x".into(), 4), ("b".into(), "x".into(), 8)]);
    let removed: Vec<_> = report.removed.iter().map(|one| (one.rule.as_str(), one.interactions)).collect();
    assert_eq!(removed, [("min_value", 1), ("time", 1), ("first_of_pair", 1), ("core", 2)]);
    let last = Filters { max_length: Some(2), min_length: 4, ..Filters::default() };
    let data = read_log(&log, &last, &BadRows::Error, &mut Silent).unwrap();
    assert_eq!(triples(&data), [("a".into(), "y".into(), 6), ("a".into(), "z".into(), 7)]);
    let error = read_log(&log, &Filters::k_core(5), &BadRows::Error, &mut Silent).unwrap_err().to_string();
    assert!(
        error.contains("no interaction is left of 7: the filters (user_core = 5, item_core = 5)"),
        "{error}"
    );
    log.value = None;
    let error = read_log(&log, &filters, &BadRows::Error, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("the filter min_value needs a column with the value"), "{error}");
}

#[test]
fn what_follows_on_itself_counts_once_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    // User a in the order of time: x x y x; b has x after it, which is no repetition of a's.
    std::fs::write(&path, "a,x,4\na,x,1\na,y,3\na,x,2\nb,x,5\n").unwrap();
    let mut log = LogOptions::new(path, Column::Position(1), Column::Position(2));
    log.time = Some(Column::Position(3));
    let filters = Filters { once_in_a_row: true, ..Filters::default() };
    let (data, report) = read_log_report(&log, &filters, &BadRows::Error, &mut Silent).unwrap();
    let row = |user: &str, item: &str, time| (user.to_owned(), item.to_owned(), time);
    assert_eq!(triples(&data), [row("a", "x", 1), row("a", "x", 4), row("a", "y", 3), row("b", "x", 5)]);
    assert_eq!(report.removed[0].interactions, 1);
    assert_eq!(filters.to_string(), "once_in_a_row = true");
}

#[test]
fn users_are_drawn_by_the_seed_from_those_who_are_left() {
    // Users 0 to 19 with three items each, users 20 to 39 with one.
    let rows: Vec<Row> =
        (0..40).flat_map(|user| (0..if user < 20 { 3 } else { 1 }).map(move |n| (user, n, 0))).collect();
    let drawn = |seed, threads| {
        let filters =
            Filters { user_core: 2, sample_users: Some(5), sample_seed: seed, ..Filters::default() };
        let data = load(&rows, &filters, threads).unwrap();
        assert!(data.sequences.iter().all(|items| items.len() == 3), "whole sequences of the core");
        assert_eq!(data.users.len(), 5);
        data.users.ids().to_vec()
    };
    assert_eq!(drawn(1, 1), drawn(1, 3));
    assert_ne!(drawn(1, 1), drawn(2, 1));
    let all = Filters { sample_users: Some(100), ..Filters::default() };
    assert_eq!(load(&rows, &all, 2).unwrap().users.len(), 40, "no more than there are");
    assert_eq!(all.to_string(), "sample_users = 100, sample_seed = 0");
}

#[test]
fn one_user_and_one_item_are_a_data_set() {
    let data = load(&[(1, 1, 0)], &Filters::default(), 2).unwrap();
    let description = describe(&data);
    assert_eq!((description.users, description.items, description.interactions), (1, 1, 1));
    assert!(description.warnings.iter().any(|text| text.contains("nothing can be compared")));
    assert!(LeaveOneOut::new(&data.sequences).is_err());
}

#[test]
fn the_split_by_time_knows_nothing_at_or_after_its_cut() {
    let lists = [vec![0, 1, 2, 3], vec![1, 2], vec![3], vec![2, 0]];
    let times = [vec![1, 5, 5, 9], vec![2, 7], vec![9], vec![1, 2]];
    let sequences = Sequences::from_lists(&lists, Some(&times)).unwrap();
    let split = GlobalTime::new(&sequences, Cut::Time(5), Cut::Time(7)).unwrap();
    assert_eq!(split.train.iter().collect::<Vec<_>>(), [&[0][..], &[1], &[], &[2, 0]]);
    assert_eq!(split.validation, [Some(1), None, None, None]);
    assert_eq!(split.test, [Some(3), Some(2), None, None]);
    assert_eq!(split.train_and_validation().get(0), [0, 1, 2]);
    check_leaks(&sequences, &split).unwrap();
    let share = GlobalTime::new(&sequences, Cut::Share(0.5), Cut::Share(0.7)).unwrap();
    assert_eq!((share.validation_cut, share.test_cut), (5, 7));
    assert_eq!(share.hash(), split.hash());

    let error = |validation, test| GlobalTime::new(&sequences, validation, test).unwrap_err().to_string();
    assert!(error(Cut::Time(8), Cut::Time(7)).contains("after the test"));
    assert!(error(Cut::Share(0.0), Cut::Time(7)).contains("expected one above 0"));
    assert!(error(Cut::Time(0), Cut::Time(100)).contains("none of the 4 users"));
    let plain = Sequences::from_lists(&lists, None).unwrap();
    let error = GlobalTime::new(&plain, Cut::Share(0.8), Cut::Share(0.9)).unwrap_err().to_string();
    assert!(error.contains("needs a time column"), "{error}");
}

#[test]
fn a_doctored_split_fails_the_check() {
    let lists = [vec![0, 1, 2, 3], vec![1, 2, 0]];
    let times = [vec![1, 5, 6, 9], vec![2, 7, 8]];
    let sequences = Sequences::from_lists(&lists, Some(&times)).unwrap();
    let reason = |split: &GlobalTime| check_leaks(&sequences, split).unwrap_err().to_string();
    let good = GlobalTime::new(&sequences, Cut::Time(5), Cut::Time(7)).unwrap();
    check_leaks(&sequences, &good).unwrap();
    let mut bad = good.clone();
    bad.train = sequences.clone();
    assert!(reason(&bad).contains("user 0: train: "), "{}", reason(&bad));
    let mut bad = good.clone();
    bad.test[1] = Some(0);
    assert!(reason(&bad).contains("the item to predict is 0, not the next one"), "{}", reason(&bad));
    let mut bad = good.clone();
    bad.validation_cut = 0;
    assert!(reason(&bad).contains("has an interaction at 1, the cut is at 0"), "{}", reason(&bad));

    let good = LeaveOneOut::new(&sequences).unwrap();
    check_leaks(&sequences, &good).unwrap();
    let mut bad = good.clone();
    bad.train = sequences.clone();
    assert!(check_leaks(&sequences, &bad).is_err());
    let mut bad = good;
    bad.test.swap(0, 1);
    assert!(check_leaks(&sequences, &bad).is_err());
}

#[test]
fn a_description_counts_what_is_there() {
    // Two users with the same walk, one with a repeat and a tie.
    let rows = [(1, 1, 1), (1, 2, 2), (1, 3, 3), (2, 1, 1), (2, 2, 2), (2, 3, 3), (3, 9, 4), (3, 9, 4)];
    let data = describe(&load(&rows, &Filters::default(), 1).unwrap());
    assert_eq!((data.users, data.items, data.interactions), (3, 4, 8));
    assert!((data.density - 8.0 / 12.0).abs() < 1e-12);
    assert_eq!((data.lengths.min, data.lengths.p50, data.lengths.max), (2, 3, 3));
    let bars: Vec<_> = data.lengths.histogram.iter().map(|bar| (bar.from, bar.to, bar.count)).collect();
    assert_eq!(bars, [(2, 3, 3)]);
    assert_eq!((data.repeat_share, data.tie_share, data.time_range), (0.125, Some(0.125), Some((1, 4))));
    assert!((data.arbitrary_order_share - 1.0 / 3.0).abs() < 1e-12);
    assert!((data.recurring_pairs - 0.8).abs() < 1e-12, "{}", data.recurring_pairs);
    let text = data.warnings.join("\n");
    assert!(text.contains("equal times") && text.contains("repeat an item"), "{text}");
    let synthetic = describe(&cloze_data::SyntheticOptions::default().generate().unwrap());
    assert!(synthetic.recurring_pairs > 1.4 * synthetic.recurring_pairs_shuffled, "{synthetic:?}");
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec((0..8_u32, 0..8_u32, -4..8_i64), 1..90)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_core_is_what_the_definition_leaves_and_a_fixed_point(rows in rows(), users in 1..6_usize, items in 1..6_usize) {
        let filters = Filters { user_core: users as u64, item_core: items as u64, ..Filters::default() };
        let wanted = naive_core(&rows, users, items);
        match load(&rows, &filters, 2) {
            Err(DataError::NothingLeft { .. }) => prop_assert!(wanted.is_empty()),
            Err(error) => prop_assert!(false, "{error}"),
            Ok(data) => {
                prop_assert_eq!(triples(&data), named(&wanted));
                prop_assert!(data.sequences.iter().all(|items| items.len() >= users));
                let counts = data.sequences.counts(data.items.len());
                prop_assert!(counts.iter().all(|count| *count as usize >= items));
            }
        }
    }

    #[test]
    fn filters_only_remove_and_threads_make_no_difference(
        rows in rows(), value in 0..4_u32, from in -4..4_i64, first: bool, core in 0..3_u64, least in 0..4_u64, most in 0..9_u64,
    ) {
        let filters = Filters {
            min_value: Some(value as f32), from_time: Some(Moment::Number(from)), first_of_pair: first, min_item_interactions: core,
            user_core: core, item_core: core, min_length: least, max_length: Some(most), ..Filters::default()
        };
        let Ok(data) = load(&rows, &filters, 1) else {
            prop_assert!(load(&rows, &filters, 3).is_err());
            return Ok(());
        };
        prop_assert_eq!(&load(&rows, &filters, 3).unwrap(), &data);
        let (mut all, left) = (named(&rows), triples(&data));
        for one in &left {
            let place = all.binary_search(one);
            prop_assert!(place.is_ok(), "{one:?} is not in the log");
            all.remove(place.unwrap());
            prop_assert!(one.2 >= from && one.1.parse::<u32>().unwrap() >= value);
        }
        let pairs: BTreeSet<_> = left.iter().map(|one| (&one.0, &one.1)).collect();
        prop_assert!(!first || pairs.len() == left.len());
        for user in 0..data.users.len() {
            prop_assert!(data.sequences.times(user).unwrap().is_sorted());
            prop_assert!(data.sequences.get(user).len() as u64 <= most);
        }
    }

    #[test]
    fn every_row_is_kept_or_removed_by_a_rule_or_rejected(
        rows in rows(), cut in 0..90_usize, guests: bool, core in 0..4_u64, threads in 1..4_usize,
    ) {
        // User 0 has no name, and the time of item 7 is no time.
        let line = |(user, item, time): &Row| {
            let user = if *user == 0 { String::new() } else { format!("u{user}") };
            format!("{user},{item},{}\n", if *item == 7 { "late".to_owned() } else { time.to_string() })
        };
        let lines: Vec<String> = rows.iter().map(line).collect();
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, lines: &[String]| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("U,I,T\n{}", lines.concat())).unwrap();
            path
        };
        let named = |name: &str| Column::Name(name.to_owned());
        let read = |first: PathBuf, more: Vec<PathBuf>| {
            let mut log = LogOptions::new(first, named("U"), named("I"));
            (log.more, log.time, log.name) = (more, Some(named("T")), Some("log".to_owned()));
            (log.threads, log.block_bytes) = (Some(threads), 30);
            let filters = Filters { drop_without_user: guests, first_of_pair: true, ..Filters::k_core(core) };
            let skip = BadRows::Skip { rejected: folder.path().join("rejected.csv") };
            read_log_report(&log, &filters, &skip, &mut Silent)
        };
        let (before, behind) = lines.split_at(cut.min(lines.len()));
        let two = read(put("a.csv", before), vec![put("b.csv", behind)]);
        let one = read(put("all.csv", &lines), Vec::new());
        let Ok((data, report)) = one else {
            prop_assert!(two.is_err());
            return Ok(());
        };
        let removed: u64 = report.removed.iter().map(|rule| rule.interactions).sum();
        prop_assert_eq!(report.rows + report.rejected, rows.len() as u64);
        prop_assert_eq!(data.sequences.interactions() as u64, report.rows - removed);
        let guest_rows = rows.iter().filter(|row| row.0 == 0).count() as u64;
        let dropped = report.removed.iter().find(|rule| rule.rule == "drop_without_user");
        prop_assert_eq!(dropped.map(|rule| rule.interactions), guests.then_some(guest_rows));
        // Where the log is cut into files makes no difference.
        let (again, other) = two.unwrap();
        prop_assert_eq!(&again, &data);
        prop_assert_eq!((other.rows, other.rejected, other.removed), (report.rows, report.rejected, report.removed));
    }

    #[test]
    fn splits_by_time_do_not_leak_and_conserve(rows in rows(), one in 0.01..0.99, two in 0.01..0.99) {
        let data = load(&rows, &Filters::default(), 2).unwrap();
        let (first, second) = if one < two { (one, two) } else { (two, one) };
        if let Ok(split) = GlobalTime::new(&data.sequences, Cut::Share(first), Cut::Share(second)) {
            check_leaks(&data.sequences, &split).unwrap();
            let before = data.sequences.all_times().unwrap().iter().filter(|time| **time < split.validation_cut).count();
            prop_assert_eq!(split.train.interactions(), before);
        }
        if let Ok(split) = LeaveOneOut::new(&data.sequences) {
            check_leaks(&data.sequences, &split).unwrap();
        }
    }
}
