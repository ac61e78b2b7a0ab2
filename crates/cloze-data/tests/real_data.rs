//! The published numbers, on the real files of `CLOZE_DATA_DIR`. Without it they are skipped, with a word; with it, ml-100k and
//! ml-1m must be there.
//!
//! `CLOZE_TEST_NETWORK=1` adds the tests that fetch.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use cloze_data::{DataError, DataOptions, Dataset, LeaveOneOut, Silent, load};

fn options(cache: &tempfile::TempDir) -> DataOptions {
    let data_dir = std::env::var_os("CLOZE_DATA_DIR").map(PathBuf::from);
    DataOptions { data_dir, cache: Some(cache.path().to_owned()), offline: true }
}

/// The data sets that a folder of raw data has to have.
const REQUIRED: [&str; 2] = ["ml-100k", "ml-1m"];

/// Tells of a test that does nothing. The test harness keeps what `eprintln!` says to itself; this it does not.
fn skipped(what: &str, reason: &str) {
    std::io::stderr().write_all(format!("skipped: {what}: {reason}\n").as_bytes()).unwrap();
}

/// What to do about the absence of a data set: the reason for skipping it, or why that will not do.
fn absence(name: &str, folder: Option<&Path>) -> Result<String, String> {
    match folder {
        None => Ok("CLOZE_DATA_DIR is not set".to_owned()),
        Some(folder) if REQUIRED.contains(&name) => Err(format!(
            "CLOZE_DATA_DIR is {}, which has no {name}: put its files there (datasets/{name}.toml names them), or unset \
             CLOZE_DATA_DIR to skip the tests on real data",
            folder.display()
        )),
        Some(folder) => Ok(format!("{} does not have it", folder.display())),
    }
}

/// The data set, or `None` with a printed reason.
fn local(name: &str, options: &DataOptions) -> Option<Dataset> {
    match load(name, options, &mut Silent) {
        Ok(dataset) => return Some(dataset),
        Err(DataError::Unobtainable { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    match absence(name, options.data_dir.as_deref()) {
        Ok(reason) => skipped(name, &reason),
        Err(problem) => panic!("{problem}"),
    }
    None
}

#[test]
fn absent_data_are_skipped_without_a_folder_and_required_with_one() {
    let folder = Some(Path::new("raw"));
    assert!(absence("ml-100k", None).unwrap().contains("not set"));
    assert!(absence("online-retail", folder).unwrap().contains("raw does not have it"));
    for name in REQUIRED {
        let problem = absence(name, folder).unwrap_err();
        assert!(problem.contains(&format!("has no {name}")) && problem.contains("raw"), "{problem}");
    }
}

/// A captured line would leave a skipped test looking like one that passed.
#[test]
fn what_is_skipped_is_said_aloud() {
    if std::env::var_os("CLOZE_TEST_INNER").is_some() {
        return skipped("this", "inner run");
    }
    let name = "what_is_skipped_is_said_aloud";
    let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
    let output = inner.args([name, "--exact"]).env("CLOZE_TEST_INNER", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("skipped: this: inner run"), "{said}");
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
fn oulad_is_its_submissions_with_a_score_in_the_order_of_presentations() {
    let cache = tempfile::tempdir().unwrap();
    let Some(data) = local("oulad", &options(&cache)) else { return };
    assert_eq!((data.users.len(), data.items.len(), data.sequences.interactions()), (23_351, 188, 173_739));
    assert_eq!(data.details.distinct_genres(), ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG"]);
    let first = data.items.get("1752").unwrap();
    assert_eq!(data.items.title(first), Some("TMA (2013J)"));
    let scores = (0..data.users.len()).flat_map(|user| data.sequences.ratings(user).unwrap());
    assert!(scores.into_iter().all(|score| (0.0..=100.0).contains(score)));
    let mut several = 0;
    for (user, items) in data.sequences.iter().enumerate() {
        assert!(data.sequences.times(user).unwrap().is_sorted());
        let title = |item: &u32| data.items.title(*item).unwrap();
        let years = items.iter().map(|item| title(item).split('(').nth(1).unwrap());
        several += usize::from(years.collect::<std::collections::BTreeSet<_>>().len() > 1);
    }
    assert_eq!(several, 1770 + 60, "students of two and of three presentations");
}

#[test]
fn assistments_2009_has_its_numbers_and_the_names_of_skills() {
    let cache = tempfile::tempdir().unwrap();
    let Some(data) = local("assistments-2009", &options(&cache)) else { return };
    assert_eq!((data.users.len(), data.items.len(), data.sequences.interactions()), (4151, 16_891, 274_566));
    let genres = data.details.distinct_genres();
    assert_eq!(genres.len(), 110);
    assert!(genres.contains(&"Pythagorean Theorem") && genres.contains(&"Circumference"), "{genres:?}");
}

#[test]
fn the_recbole_package_gives_the_split_of_u_data() {
    if std::env::var_os("CLOZE_TEST_NETWORK").is_none() {
        return skipped("the network", "CLOZE_TEST_NETWORK is not set");
    }
    let cache = tempfile::tempdir().unwrap();
    let Some(official) = local("ml-100k", &options(&cache)) else { return };
    let other_cache = tempfile::tempdir().unwrap();
    let online = DataOptions { data_dir: None, cache: Some(other_cache.path().to_owned()), offline: false };
    let fetched = match load("ml-100k", &online, &mut Silent) {
        Ok(dataset) => dataset,
        Err(error) => return skipped("ml-100k by recbole", &error.to_string()),
    };
    let hash = |data: &Dataset| LeaveOneOut::new(&data.sequences).unwrap().hash();
    assert_eq!(hash(&official), hash(&fetched));
    assert_eq!(official.users, fetched.users);
    assert_eq!(official.items.ids(), fetched.items.ids());
    let title = fetched.items.get("1").unwrap();
    assert_eq!(fetched.items.title(title), Some("Toy Story (1995)"));
}
