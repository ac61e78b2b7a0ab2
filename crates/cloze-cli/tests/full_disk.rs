//! A full disk is told, and what was there before stays readable.
//!
//! A limit on the size of files is refused by the kernel in the same place as a full disk.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::World;

/// Runs the binary with files of at most so many blocks; returns standard error of what must fail.
fn without_room(world: &World, blocks: u32, arguments: &[&str]) -> String {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = std::process::Command::new("sh");
    command.current_dir(world.path(".")).env_remove("CLOZE_DATA_DIR").env("CLOZE_CACHE", world.path("cache"));
    command.args(["-c", &script, env!("CARGO_BIN_EXE_cloze")]).args(arguments);
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{blocks}: {message}");
    assert!(message.contains("File too large") && !message.contains("panicked"), "{blocks}: {message}");
    message
}

/// All files below a folder, with their content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.append(&mut files(&entry.path()));
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn evaluations_and_comparisons_stay_whole() {
    let world = World::new();
    world.train("popularity", "pop");
    world.train("item-knn", "knn");
    let compare = ["compare", "pop", "knn", "--output", "table"];
    for model in ["pop", "knn"] {
        without_room(&world, 1, &["evaluate", model]);
        assert!(files(&world.path(model).join("evaluation")).is_empty(), "nothing half written");
        world.ok(&["evaluate", model]);
    }
    without_room(&world, 4, &compare);
    assert!(files(&world.path("table")).is_empty(), "nothing half written");
    world.ok(&compare);

    let (evaluation, table) = (files(&world.path("pop/evaluation")), files(&world.path("table")));
    assert_eq!((evaluation.len(), table.len()), (2, 4));
    for blocks in [0, 1, 8] {
        without_room(&world, blocks, &["evaluate", "pop"]);
        assert_eq!(files(&world.path("pop/evaluation")), evaluation, "{blocks}");
    }
    for blocks in [0, 2, 8, 16] {
        without_room(&world, blocks, &[&compare[..], &["--title", "Other"]].concat());
        assert_eq!(files(&world.path("table")), table, "{blocks}");
    }
    world.ok(&[&compare[..], &["--title", "Other"]].concat());
    assert!(std::fs::read_to_string(world.path("table/report.md")).unwrap().starts_with("# Other"));
}

#[test]
fn a_page_of_a_description_stays_whole() {
    let world = World::new();
    let describe = ["data", "describe", "synthetic", "--html", "page.html"];
    without_room(&world, 2, &describe);
    assert!(files(&world.path(".")).is_empty(), "nothing half written");
    world.ok(&describe);
    let whole = files(&world.path("."));
    for blocks in [0, 2] {
        without_room(&world, blocks, &describe);
        assert_eq!(files(&world.path(".")), whole, "{blocks}");
    }
}

#[test]
fn the_cache_of_prepared_data_stays_whole() {
    let world = World::new();
    let manifest = "name = \"own\"\ntitle = \"Own\"\ncitation = \"c\"\nlicence = \"l\"\nlicence_url = \"u\"\n\
                    [[forms]]\nname = \"text\"\n[forms.interactions]\nfiles = [\"own.txt\"]\n\
                    table = { separator = \"whitespace\" }\ncolumns = { user = 1, item = 2 }\n\
                    [[sources]]\nkind = \"local\"\n";
    std::fs::write(world.path("own.toml"), manifest).unwrap();
    let rows: Vec<_> = (0..9000).map(|row| format!("u{} i{}\n", row % 700, row % 800)).collect();
    std::fs::write(world.path("own.txt"), rows.concat()).unwrap();
    for blocks in [0, 1, 16, 64] {
        let message = without_room(&world, blocks, &["data", "prepare", "own.toml"]);
        assert!(message.contains("cannot write"), "{message}");
        assert!(files(&world.path("cache")).is_empty(), "{blocks}: nothing half written");
    }
    assert!(world.ok(&["data", "prepare", "own.toml"]).contains("9,000"));
    let whole = files(&world.path("cache"));
    world.ok(&["data", "describe", "own.toml"]);
    assert_eq!(files(&world.path("cache")), whole);
}
