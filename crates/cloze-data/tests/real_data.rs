//! The published numbers, on the real files: run when `CLOZE_DATA_DIR` has them, else skipped with a word.
//!
//! `CLOZE_TEST_NETWORK=1` adds the tests that fetch.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::PathBuf;

use cloze_data::{DataError, DataOptions, Dataset, LeaveOneOut, Silent, load};

fn options(cache: &tempfile::TempDir) -> DataOptions {
    let data_dir = std::env::var_os("CLOZE_DATA_DIR").map(PathBuf::from);
    DataOptions { data_dir, cache: Some(cache.path().to_owned()), offline: true }
}

/// The data set, or `None` with a printed reason.
fn local(name: &str, options: &DataOptions) -> Option<Dataset> {
    match load(name, options, &mut Silent) {
        Ok(dataset) => Some(dataset),
        Err(error @ DataError::Unobtainable { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn ml_100k_has_the_published_numbers_and_titles() {
    let cache = tempfile::tempdir().unwrap();
    let Some(data) = local("ml-100k", &options(&cache)) else { return };
    assert_eq!((data.users.len(), data.items.len(), data.sequences.interactions()), (943, 1682, 100_000));
    assert!(data.sequences.has_times());
    assert_eq!(data.users.id(0), Some("196"), "numbered by first appearance");
    let toy_story = data.items.find("Toy Story (1995)").unwrap();
    assert_eq!(data.items.id(toy_story), Some("1"));
    let genres = data.details.genres.as_ref().unwrap();
    assert_eq!(genres[toy_story as usize], ["Animation", "Children's", "Comedy"]);
    assert_eq!(data.details.distinct_genres().len(), 19);
    assert_eq!(data.items.find("toy story (1995)").unwrap(), toy_story);
    let error = data.items.find("Toy Stori (1995)").unwrap_err().to_string();
    assert!(error.contains("did you mean Toy Story (1995)"), "{error}");
    for user in 0..data.users.len() {
        assert!(data.sequences.times(user).unwrap().is_sorted());
    }
    let again = load("ml-100k", &options(&cache), &mut Silent).unwrap();
    assert_eq!(again, data);
}

#[test]
fn ml_1m_has_the_numbers_of_sasrec_and_bert4rec() {
    let cache = tempfile::tempdir().unwrap();
    let Some(data) = local("ml-1m", &options(&cache)) else { return };
    assert_eq!((data.users.len(), data.items.len(), data.sequences.interactions()), (6040, 3416, 999_611));
    let split = LeaveOneOut::new(&data.sequences).unwrap();
    assert_eq!(split.held_out(), 6040);
    if data.items.has_titles() && !data.sequences.has_times() {
        let first = data.items.get("1").unwrap();
        assert_eq!(data.items.title(first), Some("Raiders of the Lost Ark (1981)"));
    }
}

#[test]
fn ml_latest_small_has_the_published_numbers_and_quoted_titles() {
    let cache = tempfile::tempdir().unwrap();
    let Some(data) = local("ml-latest-small", &options(&cache)) else { return };
    assert_eq!((data.users.len(), data.items.len(), data.sequences.interactions()), (610, 9724, 100_836));
    let quoted = data.items.find("American President, The (1995)").unwrap();
    assert_eq!(data.items.id(quoted), Some("11"));
    let genres = data.details.genres.as_ref().unwrap();
    assert_eq!(genres[quoted as usize], ["Comedy", "Drama", "Romance"]);
    assert_eq!(data.details.distinct_genres().len(), 19, "without \"(no genres listed)\"");
}

#[test]
fn amazon_beauty_has_the_numbers_of_bert4rec() {
    let cache = tempfile::tempdir().unwrap();
    let Some(data) = local("amazon-beauty", &options(&cache)) else { return };
    assert_eq!(
        (data.users.len(), data.items.len(), data.sequences.interactions()),
        (40_226, 54_542, 353_962)
    );
}

#[test]
fn online_retail_is_its_purchases_by_customers() {
    let cache = tempfile::tempdir().unwrap();
    let Some(data) = local("online-retail", &options(&cache)) else { return };
    assert_eq!((data.users.len(), data.items.len(), data.sequences.interactions()), (4339, 3877, 397_924));
    assert!(data.users.get("17850").is_some(), "a customer's number has no point");
    let times = data.sequences.all_times().unwrap();
    assert!(
        times.iter().all(|time| cloze_data::log::TimeUnit::of(*time).date(*time).unwrap().starts_with("201"))
    );
}

#[test]
fn the_recbole_package_gives_the_split_of_u_data() {
    if std::env::var_os("CLOZE_TEST_NETWORK").is_none() {
        eprintln!("skipped: CLOZE_TEST_NETWORK is not set");
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let Some(official) = local("ml-100k", &options(&cache)) else { return };
    let other_cache = tempfile::tempdir().unwrap();
    let online = DataOptions { data_dir: None, cache: Some(other_cache.path().to_owned()), offline: false };
    let fetched = match load("ml-100k", &online, &mut Silent) {
        Ok(dataset) => dataset,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let hash = |data: &Dataset| LeaveOneOut::new(&data.sequences).unwrap().hash();
    assert_eq!(hash(&official), hash(&fetched));
    assert_eq!(official.users, fetched.users);
    assert_eq!(official.items.ids(), fetched.items.ids());
    let title = fetched.items.get("1").unwrap();
    assert_eq!(fetched.items.title(title), Some("Toy Story (1995)"));
}
