//! The warning about sequence structure.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use cloze_data::{Dataset, ItemDetails, Sequences, Vocabulary, describe};

const WARNING: &str = "Little sequence structure";

fn dataset(lists: &[Vec<u32>], times: Option<&[Vec<i64>]>) -> Dataset {
    let ids = |count: usize| (0..count).map(|id| id.to_string()).collect::<Vec<_>>();
    let items = lists.iter().flatten().max().map_or(0, |last| *last as usize + 1);
    Dataset {
        name: "n".to_owned(),
        title: "t".to_owned(),
        synthetic: true,
        users: Vocabulary::new(ids(lists.len()), None).unwrap(),
        items: Vocabulary::new(ids(items), None).unwrap(),
        sequences: Sequences::from_lists(lists, times).unwrap(),
        details: ItemDetails::default(),
    }
}

/// Users who have 20 items that follow on each other, from a place of their own in 400.
fn walks() -> Vec<Vec<u32>> {
    (0..60).map(|user| (0..20).map(|step| (user * 37 % 380) + step).collect()).collect()
}

#[test]
fn items_that_follow_on_each_other_bring_no_warning_and_no_order_does() {
    let times: Vec<Vec<i64>> = (0..60).map(|_| (0..20).collect()).collect();
    let data = describe(&dataset(&walks(), Some(&times)));
    assert!(data.recurring_pairs > 0.9 && data.recurring_pairs_shuffled < 0.5, "{data:?}");
    assert!(!data.warnings.iter().any(|warning| warning.contains(WARNING)), "{:?}", data.warnings);

    // The same items in an order that no two users share.
    let mixed: Vec<Vec<u32>> = walks()
        .iter()
        .enumerate()
        .map(|(user, items)| {
            let step = [3, 7, 9, 11, 13, 17, 19][user % 7];
            (0..20).map(|at| items[(at * step + user) % 20]).collect()
        })
        .collect();
    let data = describe(&dataset(&mixed, Some(&times)));
    assert!(data.warnings.iter().any(|warning| warning.contains(WARNING)), "{data:?}");
}

#[test]
fn the_order_of_the_file_among_equal_times_is_no_structure() {
    // One invoice with all items at one time, listed in the order of a catalogue.
    let times = vec![vec![5; 20]; 60];
    let data = describe(&dataset(&walks(), Some(&times)));
    assert!(data.recurring_pairs < 1.2 * data.recurring_pairs_shuffled + 0.001, "{data:?}");
    assert!(data.warnings.iter().any(|warning| warning.contains(WARNING)), "{:?}", data.warnings);
    // Without times the order of the file is all there is, and another warning says so.
    let data = describe(&dataset(&walks(), None));
    assert!(data.recurring_pairs > 0.9, "{data:?}");
    assert!(!data.warnings.iter().any(|warning| warning.contains(WARNING)), "{:?}", data.warnings);
}
