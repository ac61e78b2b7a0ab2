//! Vocabularies, sequences, splits, generated and prepared data: what must hold.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use cloze_data::{
    Dataset, ItemDetails, LeaveOneOut, Sequences, Split, SyntheticOptions, UnknownItem, Vocabulary,
    read_prepared, write_prepared,
};
use proptest::prelude::*;

fn vocabulary() -> Vocabulary {
    let ids = ["10", "20", "30", "40"].map(str::to_owned).to_vec();
    let titles = [Some("Heat (1995)"), Some("Sabrina (1954)"), Some("Heat (1995)"), None];
    Vocabulary::new(ids, Some(titles.map(|title| title.map(str::to_owned)).to_vec())).unwrap()
}

#[test]
fn items_are_found_by_id_then_title_then_title_in_any_case() {
    let items = vocabulary();
    assert_eq!(items.find("20"), Ok(1));
    assert_eq!(items.find("Sabrina (1954)"), Ok(1));
    assert_eq!(items.find("sabrina (1954)"), Ok(1));
    let ids = vec!["10".to_owned(), "30".to_owned()];
    let error = items.find("Heat (1995)").unwrap_err();
    assert_eq!(error, UnknownItem::Ambiguous { query: "Heat (1995)".to_owned(), ids });
    assert!(error.to_string().contains("give one of the ids 10, 30"), "{error}");
    let error = items.find("Sabrina").unwrap_err().to_string();
    assert!(
        error.contains("\"Sabrina\" is neither an id nor a title (did you mean Sabrina (1954)?)"),
        "{error}"
    );
    assert_eq!(
        (items.label(1), items.label(3), items.label(9)),
        ("Sabrina (1954)".into(), "40".into(), "#9".into())
    );
}

#[test]
fn a_vocabulary_is_checked_when_made_and_when_loaded() {
    let text = serde_json::to_string(&vocabulary()).unwrap();
    assert_eq!(serde_json::from_str::<Vocabulary>(&text).unwrap(), vocabulary());
    let error = serde_json::from_str::<Vocabulary>(r#"{"ids": ["a", "b", "a"]}"#).unwrap_err().to_string();
    assert!(error.contains("id \"a\" stands twice in the vocabulary, at 0 and 2"), "{error}");
    let error =
        serde_json::from_str::<Vocabulary>(r#"{"ids": ["a"], "titles": []}"#).unwrap_err().to_string();
    assert!(error.contains("1 ids and 0 titles"), "{error}");
}

#[test]
fn malformed_sequences_are_errors() {
    let error = |offsets: Vec<i64>, values: Vec<u32>, times: Option<Vec<i64>>| {
        Sequences::from_parts(offsets, values, times).unwrap_err().to_string()
    };
    assert!(error(vec![], vec![], None).contains("no offsets"));
    assert!(error(vec![1, 1], vec![7], None).contains("begin at 1"));
    assert!(error(vec![0, 2], vec![7], None).contains("end at 2, there are 1 values"));
    assert!(error(vec![0, 1, 0, 1], vec![7], None).contains("fall after sequence 1"));
    assert!(error(vec![0, 1], vec![7], Some(vec![])).contains("1 values and 0 times"));
    let error = Sequences::from_lists(&[vec![1]], Some(&[vec![1, 2]])).unwrap_err().to_string();
    assert!(error.contains("list 0 has 1 values and 2 times"), "{error}");
    let rated =
        |ratings: Vec<f32>| Sequences::from_lists(&[vec![1]], None).unwrap().with_ratings(Some(ratings));
    assert!(rated(vec![]).unwrap_err().to_string().contains("1 values and 0 ratings"));
    assert!(rated(vec![f32::NAN]).unwrap_err().to_string().contains("rating 0 is NaN"));
}

#[test]
fn transposing_orders_users_by_time_and_ties_by_sequence() {
    let lists = [vec![0, 1, 0], vec![1, 0], vec![1]];
    let times = [vec![5, 6, 9], vec![2, 5], vec![6]];
    let sequences = Sequences::from_lists(&lists, Some(&times)).unwrap();
    let users = sequences.transpose(3).unwrap();
    assert_eq!(users.iter().collect::<Vec<_>>(), [&[0, 1, 0][..], &[1, 0, 2], &[]]);
    assert_eq!(users.times(0).unwrap(), [5, 5, 9]);
    assert_eq!(sequences.counts(3), [3, 3, 0]);
    let error = sequences.transpose(1).unwrap_err().to_string();
    assert!(error.contains("sequence 0 contains id 1, the catalogue has 1"), "{error}");
}

#[test]
fn the_hash_is_the_published_one_and_ignores_times() {
    let lists = [vec![1, 2], vec![3]];
    let plain = Sequences::from_lists(&lists, None).unwrap();
    let timed = Sequences::from_lists(&lists, Some(&[vec![1, 2], vec![3]])).unwrap();
    assert_eq!(plain.hash(), timed.hash());
    // sha256 of 0, 2, 3 as i64 and 1, 2, 3 as u32, little endian.
    assert_eq!(plain.hash(), "c7c7d4119665c38d8ec9091dae9a45121d8ba2fe2b27eb08bf5f53743f389724");
    assert_ne!(plain.hash(), Sequences::from_lists(&[vec![1], vec![2, 3]], None).unwrap().hash());
}

#[test]
fn leave_one_out_holds_out_users_with_three_interactions() {
    let lists = [vec![1, 2, 3, 4], vec![5, 6], vec![7, 8, 9], vec![]];
    let times = [vec![1, 2, 3, 4], vec![5, 6], vec![7, 8, 9], vec![]];
    let ratings: Vec<f32> = (1..=9).map(|item| item as f32).collect();
    let sequences = Sequences::from_lists(&lists, Some(&times)).unwrap().with_ratings(Some(ratings)).unwrap();
    let split = LeaveOneOut::new(&sequences).unwrap();
    assert_eq!(split.train.iter().collect::<Vec<_>>(), [&[1, 2][..], &[5, 6], &[7], &[]]);
    assert_eq!(split.validation, [Some(3), None, Some(8), None]);
    assert_eq!(split.test, [Some(4), None, Some(9), None]);
    assert_eq!(split.held_out(), 2);
    let both = split.train_and_validation();
    assert_eq!(both.iter().collect::<Vec<_>>(), [&[1, 2, 3][..], &[5, 6], &[7, 8], &[]]);
    assert_eq!(both.times(0).unwrap(), [1, 2, 3]);
    assert_eq!((both.ratings(2), split.train.ratings(2)), (Some(&[7.0, 8.0][..]), Some(&[7.0][..])));
    assert_eq!(split.whole().ratings(2).unwrap()[both.get(2).len()..], [9.0], "the rating of the test item");
    let short = Sequences::from_lists(&[vec![1, 2], vec![3]], None).unwrap();
    let error = LeaveOneOut::new(&short).unwrap_err().to_string();
    assert!(error.contains("none of the 2 users has 3 interactions"), "{error}");
}

#[test]
fn generated_data_have_the_structure_that_they_promise() {
    let options = SyntheticOptions::default();
    let data = options.generate().unwrap();
    assert!(data.synthetic && data.title.contains("Synthetic"));
    assert_eq!((data.users.len(), data.items.len()), (300, 200));
    let mean = data.sequences.interactions() as f64 / 300.0;
    assert!((28.0..32.0).contains(&mean), "{mean}");
    assert_eq!(data.items.title(17), Some("Synthetic item 17 (group 2)"));
    assert_eq!(data, options.generate().unwrap(), "the seed decides");
    assert_ne!(data, SyntheticOptions { seed: 2, ..options }.generate().unwrap());

    // The commonest follower of the last two items is the next item far more often than chance (1 in 200).
    let mut followers = std::collections::HashMap::<_, std::collections::HashMap<u32, u32>>::new();
    for items in data.sequences.iter() {
        let mut distinct = items.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), items.len(), "no item twice");
        for three in items.windows(3) {
            *followers.entry((three[0], three[1])).or_default().entry(three[2]).or_default() += 1;
        }
    }
    for (user, items) in data.sequences.iter().enumerate() {
        assert_eq!(items.len(), data.sequences.times(user).unwrap().len());
        assert!(data.sequences.times(user).unwrap().is_sorted_by(|a, b| a < b));
    }
    let often: Vec<_> = followers.values().filter(|next| next.values().sum::<u32>() >= 10).collect();
    let hits: u32 = often.iter().filter_map(|next| next.values().max()).sum();
    let all: u32 = often.iter().flat_map(|next| next.values()).sum();
    assert!(f64::from(hits) / f64::from(all) > 0.5, "{hits} of {all}");
}

#[test]
fn senseless_options_of_the_generator_are_errors() {
    let default = SyntheticOptions::default;
    for (options, part) in [
        (SyntheticOptions { users: 0, ..default() }, "users = 0"),
        (
            SyntheticOptions { groups: 51, ..default() },
            "groups = 51, expected at least 1, and at most a quarter",
        ),
        (SyntheticOptions { mean_length: 1, ..default() }, "mean_length = 1"),
        (SyntheticOptions { follow: f64::NAN, ..default() }, "follow = NaN, expected a probability"),
        (SyntheticOptions { drift: 1.5, ..default() }, "drift = 1.5"),
    ] {
        let error = options.generate().unwrap_err().to_string();
        assert!(error.contains(part), "{part} in {error}");
    }
    for mean_length in [2, 3, u32::MAX] {
        SyntheticOptions { users: 3, items: 4, groups: 1, mean_length, ..default() }.generate().unwrap();
    }
}

/// Lists over a catalogue of 12, with times (ties included) or without, with ratings or without.
fn sequences() -> impl Strategy<Value = Sequences> {
    let list = proptest::collection::vec((0_u32..12, 0_i64..6), 0..9);
    (proptest::collection::vec(list, 0..9), any::<[bool; 2]>()).prop_map(
        |(rows, [timed, rated]): (Vec<Vec<(u32, i64)>>, _)| {
            let (mut lists, mut times) = (Vec::new(), Vec::<Vec<i64>>::new());
            for mut row in rows {
                row.sort_by_key(|(_, time)| *time);
                lists.push(row.iter().map(|(item, _)| *item).collect());
                times.push(row.iter().map(|(_, time)| *time).collect());
            }
            let ratings =
                rated.then(|| times.concat().iter().map(|time| *time as f32 / 2.0).collect::<Vec<_>>());
            let sequences = Sequences::from_lists(&lists, timed.then_some(&times[..])).unwrap();
            sequences.with_ratings(ratings).unwrap()
        },
    )
}

fn pairs(sequences: &Sequences) -> Vec<(u32, u32)> {
    let rows = sequences.iter().enumerate();
    let mut pairs: Vec<_> =
        rows.flat_map(|(u, items)| items.iter().map(move |item| (u as u32, *item))).collect();
    pairs.sort_unstable();
    pairs
}

fn dataset(sequences: Sequences) -> Dataset {
    let ids =
        |prefix: &str, n: usize| (0..n).map(|i| format!("{prefix}{i} \"\u{e9}\"\n")).collect::<Vec<_>>();
    let titles = (0..12).map(|i| (i % 3 > 0).then(|| format!("Title {i}"))).collect();
    Dataset {
        name: "n".to_owned(),
        title: "t".to_owned(),
        synthetic: true,
        users: Vocabulary::new(ids("u", sequences.len()), None).unwrap(),
        items: Vocabulary::new(ids("i", 12), Some(titles)).unwrap(),
        sequences,
        details: ItemDetails {
            genres: Some((0..12).map(|i| vec!["a".to_owned(); i % 3]).collect()),
            text: Some((0..12).map(|i| (i % 2 > 0).then(|| format!("text \u{e9} {i}"))).collect()),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn transposing_twice_keeps_every_pair(sequences in sequences()) {
        let back = sequences.transpose(12).unwrap().transpose(sequences.len()).unwrap();
        prop_assert_eq!(pairs(&back), pairs(&sequences));
        prop_assert_eq!(back.has_times(), sequences.has_times());
    }

    #[test]
    fn leave_one_out_conserves_interactions(sequences in sequences()) {
        let Ok(split) = LeaveOneOut::new(&sequences) else {
            prop_assert!(sequences.iter().all(|items| items.len() < 3));
            return Ok(());
        };
        let with_validation = split.train_and_validation();
        for (user, items) in sequences.iter().enumerate() {
            let mut all = with_validation.get(user).to_vec();
            all.extend(split.test[user]);
            prop_assert_eq!(&all, items);
            let kept = with_validation.times(user);
            prop_assert_eq!(kept, sequences.times(user).map(|times| &times[..times.len() - usize::from(split.test[user].is_some())]));
        }
        prop_assert_eq!(split.train.interactions() + 2 * split.held_out(), sequences.interactions());
    }

    #[test]
    fn prepared_data_come_back_equal_and_damage_is_an_error(sequences in sequences(), place in 0.0..1.0, file in 0..5_usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prepared");
        let data = dataset(sequences);
        write_prepared(&path, &data).unwrap();
        prop_assert_eq!(&read_prepared(&path).unwrap(), &data);

        let file = path.join(["sequences.arrow", "users.json", "items.json", "metadata.json", "details.json"][file]);
        let bytes = std::fs::read(&file).unwrap();
        let cut = (place * bytes.len() as f64) as usize;
        std::fs::write(&file, &bytes[..cut]).unwrap();
        prop_assert!(read_prepared(&path).unwrap_err().to_string().contains("prepared data in"));
        let mut flipped = bytes;
        flipped[cut] ^= 0x55;
        std::fs::write(&file, flipped).unwrap();
        // A changed title in the metadata is a valid file; anything else is found out.
        let result = read_prepared(&path);
        prop_assert!(result.is_err() || file.ends_with("metadata.json"));
        std::fs::remove_file(&file).unwrap();
        prop_assert!(read_prepared(&path).is_err());
    }
}
