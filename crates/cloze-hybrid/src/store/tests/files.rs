//! That no file is trusted, and what killed programs leave.

use super::*;

#[test]
fn a_store_of_another_model_or_format_is_refused_with_the_way_out() {
    let mut world = World::new();
    drop(world.build("store", &lists(true)));
    let path = world.path("store");
    let mut other = model(|options| options.cf_steps = 3);
    let error = ProfileStore::open(&path, &mut other).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::OtherModel { .. }), "{error}");
    let build = |path: &Path, model: &mut HybridBert4Rec, lists: &Lists| {
        ProfileStore::build(path, model, &sequences(lists), &mut Reporter::quiet()).map(|_| ()).unwrap_err()
    };
    let error = build(&path, &mut other, &lists(true));
    assert!(matches!(error, StoreError::OtherModel { .. }), "{error}");
    let error = build(&path, &mut world.model, &lists(true));
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    {
        let database = Database::open(&path).unwrap();
        let writing = database.begin_write().unwrap();
        writing.open_table(ABOUT).unwrap().insert(FORMAT_KEY, &b"7"[..]).unwrap();
        writing.commit().unwrap();
        let refusal = world.refusal("store");
        assert!(refusal.contains("another process"), "{refusal}");
    }
    let refusal = world.refusal("store");
    assert!(refusal.contains("format 7") && refusal.contains("build a new store"), "{refusal}");
    assert!(world.refusal("nowhere").contains("cloze profiles build"));
}

#[test]
fn a_stopped_build_goes_on_with_the_same_data_only() {
    let mut world = World::new();
    let lists = lists(true);
    let whole = dump(&world.build("whole", &lists));
    // A build that reads and writes all sequences, and is stopped at its first profile.
    let (path, sequences) = (world.path("store"), sequences(&lists));
    let users_of = sequences.transpose(ITEMS).unwrap();
    let origin = Origin {
        model: fingerprint(&mut world.model).unwrap(),
        times: true,
        unfinished: Some(build::data_hash([&sequences, &users_of])),
    };
    build::write_sequences(&path, &origin, [&sequences, &users_of]).unwrap();
    let refusal = world.refusal("store");
    assert!(refusal.contains("goes on with it"), "{refusal}");
    let others = Sequences::from_lists(&vec![vec![1]; USERS], None).unwrap();
    let error = ProfileStore::build(&path, &mut world.model, &others, &mut Reporter::quiet());
    let error = error.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::OtherData { .. }), "{error}");
    assert_eq!(differences(&whole, &dump(&world.build("store", &lists))), BTreeMap::new());
}

/// The first bytes of a store are written beside it: under its own name nothing stands that cannot be gone on with.
#[test]
fn what_a_build_leaves_that_was_killed_at_its_beginning_is_in_nobodys_way() {
    let mut world = World::new();
    let lists = lists(true);
    let whole = dump(&world.build("whole", &lists));
    fs::write(world.path("store.new"), [0; 4096]).unwrap();
    assert_eq!(differences(&whole, &dump(&world.build("store", &lists))), BTreeMap::new());
    assert!(!world.path("store.new").exists());
    // Another build is at its beginning.
    let other = Database::create(world.path("second.new")).unwrap();
    let path = world.path("second");
    let error = ProfileStore::build(&path, &mut world.model, &sequences(&lists), &mut Reporter::quiet());
    assert!(matches!(error.map(|_| ()).unwrap_err(), StoreError::Busy { .. }));
    assert!(!path.exists());
    drop(other);
    world.build("second", &lists);
}

#[test]
fn a_write_that_is_cut_off_leaves_the_last_whole_one() {
    let mut world = World::new();
    let copy = world.path("copy");
    let mut store = world.build("store", &lists(true));
    store.observe(1, 1, Some(5)).unwrap();
    let before = dump(&store);
    let path = store.path.clone();
    let cut_off = store.transaction(|store, writing| {
        let change = store.change(Side::User, &[0], &[&[5, 5, 5]], writing)?;
        store.write(&change, writing)?;
        // As a killed process leaves it: the file of this moment.
        fs::copy(&path, &copy).unwrap();
        Err::<(), _>(StoreError::NeedsTime)
    });
    assert!(cut_off.is_err());
    assert_eq!(differences(&before, &dump(&store)), BTreeMap::new());
    drop(store);
    let store = ProfileStore::open(&copy, &mut world.model).unwrap();
    assert_eq!(differences(&before, &dump(&store)), BTreeMap::new());
}

#[test]
fn a_damaged_file_is_told_from_a_store_without_a_panic() {
    let mut world = World::new();
    drop(world.build("store", &lists(true)));
    let whole = fs::read(world.path("store")).unwrap();
    let mut refused = 0;
    for (place, cut) in
        (0..whole.len()).step_by(whole.len() / 40).flat_map(|place| [(place, true), (place, false)])
    {
        let mut bytes = whole.clone();
        if cut {
            bytes.truncate(place);
        } else {
            bytes[place..(place + 64).min(whole.len())].iter_mut().for_each(|byte| *byte ^= 0x5A);
        }
        fs::write(world.path("damaged"), bytes).unwrap();
        let path = world.path("damaged");
        match ProfileStore::open(&path, &mut world.model) {
            // Pages that hold nothing may be damaged.
            Ok(_) => assert!(!cut, "a file cut off at {place} was opened"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("build it again"), "{place} {cut}: {error}");
            }
        }
    }
    assert!(refused > 40, "{refused}");
    fs::write(world.path("text"), "not a store").unwrap();
    assert!(world.refusal("text").contains("is no profile store"));
}
