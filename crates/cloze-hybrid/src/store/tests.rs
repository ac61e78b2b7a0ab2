//! What a change touches, and that it leads to what a new build would.

mod files;

use super::tables::{FORMAT_KEY, OWNERS};
use super::*;
use crate::options::{HybridOptions, ItemProfiles, Variant};
use cloze_data::Sequences;
use cloze_eval::{Query, Recommender as _};
use cloze_sequential::Bert4RecOptions;
use cloze_train::{Model as _, Reporter, Run, TrainedOn, TrainingData};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redb::{Key as RedbKey, TableDefinition, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

const USERS: usize = 12;
const ITEMS: usize = 9;

type Lists = (Vec<Vec<u32>>, Option<Vec<Vec<i64>>>);

fn lists(timed: bool) -> Lists {
    // Users 3 and 9 have nothing, users 4 and 10 the same, and item 8 nobody.
    let items = |user: usize| {
        let user = if user == 10 { 4 } else { user };
        (0..[5, 3, 7, 0, 4, 6][user % 6]).map(|step| ((user + step * 3) % 8) as u32).collect()
    };
    let items: Vec<Vec<u32>> = (0..USERS).map(items).collect();
    let times =
        |(user, list): (usize, &Vec<u32>)| (0..list.len()).map(|i| (10 * i + user % 3) as i64).collect();
    let times = items.iter().enumerate().map(times).collect();
    (items, timed.then_some(times))
}

fn sequences((items, times): &Lists) -> Sequences {
    Sequences::from_lists(items, times.as_deref()).unwrap()
}

fn model(change: impl FnOnce(&mut HybridOptions)) -> HybridBert4Rec {
    let cbf = Bert4RecOptions {
        hidden: 16,
        layers: 1,
        max_length: 5,
        steps: 2,
        batch: 4,
        warmup: 1,
        validate_every: 0,
        ..Bert4RecOptions::default()
    };
    let mut options = HybridOptions {
        cbf,
        variant: Variant::TrainedProjections,
        user_max_length: 6,
        cf_steps: 2,
        head_steps: 20,
        ..HybridOptions::default()
    };
    change(&mut options);
    let origin = TrainedOn {
        dataset: "test".to_owned(),
        synthetic: true,
        split: "leave-one-out".to_owned(),
        split_hash: "0".to_owned(),
        fit: "train".to_owned(),
        user_share: 1.0,
    };
    let sequences = sequences(&lists(true));
    let data = TrainingData { leak: Some(&sequences), ..TrainingData::new(&sequences, ITEMS, &origin) };
    let mut reporter = Reporter::quiet();
    HybridBert4Rec::fit(&data, &options, &mut Run::new(3, &mut reporter)).unwrap()
}

/// A folder with a store in it.
struct World {
    folder: TempDir,
    model: HybridBert4Rec,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), model: model(|_| {}) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn build(&mut self, name: &str, lists: &Lists) -> ProfileStore<'_> {
        let path = self.path(name);
        ProfileStore::build(&path, &mut self.model, &sequences(lists), &mut Reporter::quiet()).unwrap()
    }

    /// Why the store cannot be opened.
    fn refusal(&mut self, name: &str) -> String {
        let path = self.path(name);
        ProfileStore::open(&path, &mut self.model).map(|_| ()).unwrap_err().to_string()
    }
}

type Dump = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

fn dump_table<K: RedbKey + 'static, V: Value + 'static>(
    dump: &mut Dump,
    name: &'static str,
    reading: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) {
    use redb::ReadableTable as _;
    for entry in reading.open_table(table).unwrap().iter().unwrap() {
        let (key, value) = entry.unwrap();
        let key = K::as_bytes(&key.value()).as_ref().to_vec();
        dump.insert((name, key), V::as_bytes(&value.value()).as_ref().to_vec());
    }
}

/// Every stored byte.
fn dump(store: &ProfileStore<'_>) -> Dump {
    let (reading, mut dump) = (store.read().unwrap(), Dump::new());
    dump_table(&mut dump, "about", &reading, ABOUT);
    dump_table(&mut dump, "profiles", &reading, PROFILES);
    dump_table(&mut dump, "owners", &reading, OWNERS);
    for (side, sequences, keys) in
        [(Side::User, "user sequences", "user keys"), (Side::Item, "item sequences", "item keys")]
    {
        dump_table(&mut dump, sequences, &reading, side.sequences());
        dump_table(&mut dump, keys, &reading, side.keys());
    }
    dump
}

/// The keys under which two dumps differ, with how many entries of each table.
fn differences(before: &Dump, after: &Dump) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let mut found: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
    let all: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for entry in all.into_iter().filter(|entry| before.get(entry) != after.get(entry)) {
        found.entry(entry.0).or_default().push(entry.1.clone());
    }
    found
}

#[test]
fn profiles_are_those_that_the_towers_make_of_the_sequences() {
    let (mut world, lists) = (World::new(), lists(true));
    let sequences = sequences(&lists);
    let users_of = sequences.transpose(ITEMS).unwrap();
    let store = world.build("store", &lists);
    let found =
        |side, n: usize| (0..n as u32).flat_map(|i| store.profile(side, i).unwrap()).collect::<Vec<_>>();
    let (users, items) = (found(Side::User, USERS), found(Side::Item, ITEMS));
    for (side, sequences, stored) in [(Side::User, &sequences, users), (Side::Item, &users_of, items)] {
        let (tower, profile) = store.model.tower(side).unwrap();
        assert_eq!(tower.profiles(&sequences.iter().collect::<Vec<_>>(), profile).unwrap(), stored);
    }
}

#[test]
fn an_interaction_touches_one_user_and_one_item_and_no_other_byte() {
    let mut world = World::new();
    let mut store = world.build("store", &lists(true));
    // Two who share their profile with nobody: of those who do, the test below.
    let alone = |side, n: usize| {
        let all: Vec<_> = (0..n as u32).map(|number| store.profile(side, number).unwrap()).collect();
        (0..n).find(|&i| all.iter().filter(|one| **one == all[i]).count() == 1).unwrap() as u32
    };
    let (user, item) = (alone(Side::User, USERS), alone(Side::Item, ITEMS));
    let before = dump(&store);
    store.observe(user, item, Some(1000)).unwrap();
    let found = differences(&before, &dump(&store));
    let one = |number: u32| vec![number.to_le_bytes().to_vec()];
    assert_eq!(found["user sequences"], one(user));
    assert_eq!(found["item sequences"], one(item));
    assert_eq!((&found["user keys"], &found["item keys"]), (&one(user), &one(item)));
    assert_eq!(found["profiles"].len(), 4, "two old profiles gone, two new ones");
    assert_eq!(found["profiles"], found["owners"]);
    assert_eq!(found.len(), 6, "{found:?}");
}

#[test]
fn a_shared_profile_stays_until_its_last_owner_leaves_it() {
    let mut world = World::new();
    let mut store = world.build("store", &lists(true));
    let shared = store.profile(Side::User, 4).unwrap();
    assert_eq!(store.sequence(Side::User, 4).unwrap(), store.sequence(Side::User, 10).unwrap()[..]);
    let profiles =
        |store: &ProfileStore<'_>| dump(store).keys().filter(|(table, _)| *table == "profiles").count();
    let before = profiles(&store);
    store.observe(4, 8, Some(1000)).unwrap();
    assert_eq!(store.profile(Side::User, 10).unwrap(), shared);
    assert_eq!(profiles(&store), before + 1, "user 4's is new, item 8's replaces the one of no user");
}

#[test]
fn any_series_of_interactions_leads_to_the_store_of_the_final_sequences() {
    for timed in [true, false] {
        let world = RefCell::new(World::new());
        let mut runner =
            TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
        let interaction = (0..USERS as u32, 0..ITEMS as u32, 0..60i64);
        let series = prop::collection::vec(interaction, 0..12);
        runner
            .run(&series, |series| {
                let (world, (mut items, mut times)) = (&mut *world.borrow_mut(), lists(timed));
                let observed = {
                    let mut store = world.build("observed", &lists(timed));
                    for (user, item, time) in series {
                        store.observe(user, item, timed.then_some(time)).unwrap();
                        let list = &mut items[user as usize];
                        match &mut times {
                            None => list.push(item),
                            Some(times) => {
                                let times = &mut times[user as usize];
                                let place = times.iter().filter(|at| **at <= time).count();
                                list.insert(place, item);
                                times.insert(place, time);
                            }
                        }
                    }
                    dump(&store)
                };
                let anew = dump(&world.build("anew", &(items, times)));
                fs::remove_file(world.path("observed")).unwrap();
                fs::remove_file(world.path("anew")).unwrap();
                prop_assert_eq!(differences(&observed, &anew), BTreeMap::new());
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn recommendations_are_the_models_own_also_after_an_interaction() {
    let mut world = World::new();
    let mut store = world.build("store", &lists(true));
    store.recommend(2, 3, true).unwrap();
    store.observe(2, 7, Some(1000)).unwrap();
    let found = store.recommend(2, ITEMS, true).unwrap();
    let profiles: Vec<f32> =
        (0..ITEMS as u32).flat_map(|item| store.profile(Side::Item, item).unwrap()).collect();
    let (head, user) = (store.model.head().unwrap(), store.profile(Side::User, 2).unwrap());
    let mut scores = vec![0.0; ITEMS];
    head.rank(&user, &head.map_items(&profiles), &mut scores);
    assert!(found.iter().all(|&(item, score)| scores[item as usize] == score) && found.len() == ITEMS);
    let seen = store.sequence(Side::User, 2).unwrap();
    let unseen = store.recommend(2, ITEMS, false).unwrap();
    assert!(!unseen.is_empty() && unseen.iter().all(|(item, _)| !seen.contains(item)));
    // With nothing observed, and all of it trained on, the model's own ranking is the same.
    drop(store);
    let (timed, folder) = (lists(true), tempfile::tempdir().unwrap());
    let mut model = model(|_| {});
    let mut scores = vec![f32::NAN; ITEMS];
    model.score(&[Query { user: None, history: &timed.0[2] }], &mut scores).unwrap();
    let path = folder.path().join("store");
    let mut store =
        ProfileStore::build(&path, &mut model, &sequences(&timed), &mut Reporter::quiet()).unwrap();
    let found = store.recommend(2, ITEMS, true).unwrap();
    assert!(found.iter().all(|&(item, score)| scores[item as usize] == score));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut world = World::new();
    let mut store = world.build("store", &lists(true));
    let before = dump(&store);
    for (user, item, time, part) in [
        (USERS as u32, 0, Some(1), "user 12 is unknown"),
        (0, ITEMS as u32, Some(1), "item 9 is unknown"),
        (0, 0, None, "needs a time"),
    ] {
        let error = store.observe(user, item, time).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(store.recommend(99, 1, false).is_err());
    assert_eq!(differences(&before, &dump(&store)), BTreeMap::new());
    drop(store);
    let mut store = world.build("without times", &lists(false));
    assert!(store.observe(0, 0, Some(1)).unwrap_err().to_string().contains("takes none"));
    for change in [
        |options: &mut HybridOptions| {
            *options = HybridOptions { cbf: options.cbf.clone(), ..HybridOptions::default() };
        },
        |options: &mut HybridOptions| options.item_profiles = ItemProfiles::Users,
    ] {
        let path = store.path.clone();
        let error = ProfileStore::open(&path, &mut model(change)).map(|_| ()).unwrap_err();
        assert!(matches!(error, StoreError::NoProfiles) && error.to_string().contains("trained-projections"));
    }
}
