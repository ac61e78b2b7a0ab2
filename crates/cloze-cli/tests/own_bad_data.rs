//! What can be wrong with a user's own log, and with the machine that prepares it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::World;
use serde_json::Value;

/// Prepares `content` as the file `name` with the columns U, I and T; `flags` may overrule.
fn arguments<'a>(name: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["prepare", "--input", name, "--user", "U", "--item", "I", "--time", "T", "--output", "own"];
    [&fixed[..], flags].concat()
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_what_is_wrong() {
    let long = "a,".repeat(500);
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("column.csv", b"U,item,T\na,b,1\n", &["column.csv, line 1: no column \"I\" (item)", "U, item, T"]),
        ("semicolon.csv", b"U;I;T\na;b;1\n", &["no column \"U\"", "is the separator ';'?"]),
        ("short.csv", b"U,I,T\na,b,1\na,b\n", &["short.csv, line 3: 2 fields, expected at least 3"]),
        (
            "time.csv",
            b"U,I,T\na,b,1\na,c,soon\n",
            &["time.csv, line 3, column 3 (time)", "\"soon\"", "ISO 8601"],
        ),
        ("nan.csv", b"U,I,T\na,b,NaN\n", &["nan.csv, line 2", "\"NaN\""]),
        ("huge.csv", b"U,I,T\na,b,99999999999999999999\n", &["huge.csv, line 2", "99999999999999999999"]),
        ("id.csv", b"U,I,T\n,b,1\n", &["id.csv, line 2, column 1 (user)", "an id"]),
        (
            "quote.csv",
            b"U,I,T\n\"a,b,1\n",
            &["quote.csv, line 2", "a closing quotation mark", "with --quotes false marks are text"],
        ),
        (
            "comma.csv",
            b"U,I,T,title\na,b,1,One\na,b,1,One, two\n",
            &["comma.csv, line 3, column 5", "needs quotation marks"],
        ),
        ("zeros.csv", b"U,I,T\na\0,b,1\n", &["zeros.csv: no text, it has zero bytes", "UTF-8"]),
        ("log.csv.xz", b"\xfd7zXZ\0\0\x04", &["log.csv.xz", "the extension tells no format"]),
        (
            "mixed.csv",
            b"U,I,T\na,b,1500000000\na,c,1500000000000\n",
            &["mixed.csv, line 3", "milliseconds", "seconds"],
        ),
        ("iso.csv", b"U,I,T\na,b,2020-01-01\na,c,1500000000\n", &["iso.csv, line 3", "ISO 8601", "seconds"]),
        ("day.csv", b"U,I,T\na,b,2020-02-30\n", &["day.csv, line 2", "\"2020-02-30\""]),
        (
            "latin.csv",
            b"U,I,T\ncaf\xe9,b,1\n",
            &["latin.csv, line 2: byte 0xe9 is not UTF-8", "--encoding latin-1"],
        ),
        ("empty.csv", b"", &["empty.csv has no interactions"]),
        ("empty.csv.gz", b"", &["empty.csv.gz has no interactions"]),
        ("zip.csv", b"PK\x03\x04...", &["zip.csv: a zip archive", "unpack it"]),
        ("wide.csv", b"\xff\xfeU\x00,\x00", &["wide.csv: UTF-16 text", "iconv -f UTF-16 -t UTF-8"]),
        (
            "twice.csv",
            b"U,I,T,U\na,b,1,c\n",
            &["twice.csv: the header has \"U\" (user) twice, as columns 1 and 4"],
        ),
        ("head.csv", b"U,I,T\n", &["head.csv has no interactions"]),
        (
            "cut.csv.gz",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x0b\xd5",
            &["cut.csv.gz", "truncated gzip"],
        ),
        ("cut.csv.zst", b"\x28\xb5\x2f\xfd\x04\x58", &["cut.csv.zst", "truncated zstd"]),
        ("cut.parquet", b"PAR1\x15\x04\x15\x10", &["cut.parquet", "truncated or no Parquet"]),
        (
            "row.jsonl",
            b"{\"U\":1,\"I\":2,\"T\":3}\n{\"U\":1,\"I\":2\n",
            &["row.jsonl, line 2", "one JSON object"],
        ),
        ("none.jsonl", b"{\"U\":1,\"I\":null,\"T\":3}\n", &["none.jsonl, line 1, field \"I\" (item)"]),
        ("log.xlsx", b"PK", &["log.xlsx", "the extension tells no format", ".csv"]),
        ("long.csv", long.as_bytes(), &["long.csv, line 1: no column \"U\""]),
    ];
    let world = World::new();
    for (name, content, parts) in cases {
        std::fs::write(world.path(name), content).unwrap();
        world.fails_saying(1, &arguments(name, &[]), parts);
    }
    world.fails_saying(1, &arguments("absent.csv", &[]), &["cannot read absent.csv", "No such file"]);
    world.fails_saying(1, &arguments(".", &["--format", "csv"]), &["cannot read ."]);
    no_trace(&world);
}

/// Neither the folder nor anything on the way to it.
fn no_trace(world: &World) {
    assert!(!world.path("own").exists());
    assert_eq!(leftovers(world), Vec::<PathBuf>::new());
}

/// Files in temporary folders.
fn leftovers(world: &World) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(world.path(".")).unwrap().flatten();
    let folders = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(".preparing-"));
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    files.map(|entry| entry.path()).collect()
}

#[test]
fn odd_logs_have_a_defined_result() {
    // Content, flags, then users, items, interactions.
    let cases: &[(&str, &[&str], [u64; 3])] = &[
        ("a,x,1\na,x,1\na,x,2\n", &[], [1, 1, 3]),
        ("a,x,1\na,x,1\na,x,2\n", &["--first-of-pair"], [1, 1, 1]),
        ("a,x,1\na,y,2\na,z,3\n", &[], [1, 3, 3]),
        ("a,x,1\nb,x,2\nc,x,3\n", &[], [3, 1, 3]),
        ("\"Zo\u{eb}, \"\"Z\"\"\",\u{43c}\u{438}\u{440},1\n'a',b c,2\n", &[], [2, 2, 2]),
        ("a,x,-5\na,y,-10\na,z,-10\n", &[], [1, 3, 3]),
        ("a,x,1500000000000\na,y,1500000000001\n", &[], [1, 2, 2]),
        ("a,x,2020-01-01T00:00:00Z\na,y,2020-01-01 00:00:00.5+01:00\n", &[], [1, 2, 2]),
        ("a,x,1\r\nb,y,2\r\n", &[], [2, 2, 2]),
        (",x,1\na,x,2\n", &["--drop-without-user"], [1, 1, 1]),
        ("a,x\n\na,x,late\nb,y,1", &["--bad-rows", "skip"], [1, 1, 1]),
        ("a,x,1\nb,\"y,2\nc,z,3\n\"d\",x,4\n", &["--bad-rows", "skip"], [3, 2, 3]),
        ("a,\"x,1\nb,\"y\" z,2\n", &["--quotes", "false"], [2, 2, 2]),
        ("a,x,5\na,y,6\na,z,7\n", &["--from-time", "6", "--until-time", "7"], [1, 1, 1]),
    ];
    let world = World::new();
    for (content, flags, expected) in cases {
        std::fs::write(world.path("log.csv"), format!("U,I,T\n{content}")).unwrap();
        let json = world.ok(&arguments("log.csv", &[flags, &["--json"][..]].concat()));
        let json: Value = serde_json::from_str(&json).unwrap();
        let found = ["users", "items", "interactions"].map(|name| json[name].as_u64().unwrap());
        assert_eq!(found, *expected, "{content:?}");
        // Every result can be described, however small.
        world.ok(&["data", "describe", "own"]);
    }
    // A date is one, whatever its microseconds look like.
    let early = "U,I,T\na,x,1971-07-01T00:00:00.5\na,y,1971-07-02\nb,x,1971-07-03\n";
    std::fs::write(world.path("log.csv"), early).unwrap();
    world.ok(&arguments("log.csv", &["--from-time", "1971-07-02"]));
    let text = world.ok(&["data", "describe", "own"]);
    assert!(text.contains("1971-07-02 00:00:00 to 1971-07-03 00:00:00"), "{text}");
    // Negative times come first, equal ones stay in the order of the file.
    std::fs::write(world.path("log.csv"), "U,I,T\na,last,5\na,x,-5\na,first,-10\na,second,-10\n").unwrap();
    world.ok(&arguments("log.csv", &[]));
    world.ok(&["train", "popularity", "--data", "own", "--output", "pop", "--fit", "train+validation"]);
    let answer: Value =
        serde_json::from_str(&world.ok(&["recommend", "pop", "--user", "a", "--json"])).unwrap();
    let ids: Vec<_> = answer["history"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, ["first", "second", "x", "last"]);
}

#[test]
fn too_little_to_hold_out_is_told_where_it_matters() {
    let world = World::new();
    std::fs::write(world.path("log.csv"), "U,I,T\na,x,1\nb,y,2\n").unwrap();
    let prepared = world.ok(&arguments("log.csv", &[]));
    assert!(prepared.contains("users held out      0"), "{prepared}");
    let train = ["train", "popularity", "--data", "own", "--output", "pop"];
    world.fails_saying(1, &train, &["none of the 2 users has 3 interactions"]);
    assert!(!world.path("pop").exists());
}

#[test]
fn a_log_of_nothing_but_bad_rows_leaves_the_list_of_them() {
    let world = World::new();
    std::fs::write(world.path("log.csv"), "U,I,T\na\nb\n").unwrap();
    let parts = ["log.csv: all 2 rows are bad", "own-rejected.csv"];
    world.fails_saying(1, &arguments("log.csv", &["--bad-rows", "skip"]), &parts);
    no_trace(&world);
    let rejected = std::fs::read_to_string(world.path("own-rejected.csv")).unwrap();
    assert_eq!(rejected.lines().count(), 3, "{rejected}");
}

fn big_log(world: &World, rows: usize) {
    let mut text = "U,I,T\n".to_owned();
    for row in 0..rows {
        let _ = writeln!(text, "user {},item {},{}", row % 997, (row * 7) % 1009, 1_500_000_000 + row);
    }
    std::fs::write(world.path("log.csv"), text).unwrap();
}

/// A limit on the size of files is refused by the kernel in the same place as a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let world = World::new();
    big_log(&world, 20_000);
    for blocks in [0, 1, 16, 100, 200] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = std::process::Command::new("sh");
        command.current_dir(world.path(".")).args(["-c", &script, env!("CARGO_BIN_EXE_cloze")]);
        let output = command.args(arguments("log.csv", &[])).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{blocks}: {message}");
        assert!(
            message.contains("cannot write") && message.contains("File too large"),
            "{blocks}: {message}"
        );
        assert!(!message.contains("panicked"), "{message}");
        no_trace(&world);
    }
    // With room again, it works; and a replacement that fails leaves what was there.
    world.ok(&arguments("log.csv", &[]));
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.current_dir(world.path(".")).args(["-c", script, env!("CARGO_BIN_EXE_cloze")]);
    assert!(!command.args(arguments("log.csv", &[])).output().unwrap().status.success());
    assert!(world.ok(&["data", "prepare", "own"]).contains("20,000"));
}

/// The first path below a temporary folder that satisfies `wanted`.
fn appeared(world: &World, wanted: &str) -> bool {
    leftovers(world).iter().any(|path| match wanted {
        "new" => path.ends_with("new"),
        file => path.ends_with("new") && path.join(file).exists(),
    })
}

fn wait_until(child: &mut Child, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() && child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn a_killed_preparation_leaves_no_folder_and_the_next_one_succeeds() {
    let world = World::new();
    big_log(&world, 100_000);
    let mut seen = 0;
    for moment in ["", "1", "20", "new", "origin.json", "sequences.arrow", "users.json", "items.json"] {
        let mut command = world.command();
        command.args(arguments("log.csv", &[])).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        match moment.parse::<u64>() {
            Ok(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            Err(_) if moment.is_empty() => {}
            Err(_) => wait_until(&mut child, || appeared(&world, moment)),
        }
        seen += usize::from(appeared(&world, "new"));
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever stands under the name is whole.
        if world.path("own").exists() {
            assert!(world.ok(&["data", "prepare", "own"]).contains("100,000"), "{moment}");
            std::fs::remove_dir_all(world.path("own")).unwrap();
        }
    }
    assert!(seen >= 2, "killed amid the work {seen} times");
    world.ok(&arguments("log.csv", &[]));
    assert!(world.ok(&["data", "prepare", "own"]).contains("100,000"));
    assert_eq!(leftovers(&world), Vec::<PathBuf>::new(), "what killed processes left is gone");
    assert!(Path::new(&world.path("own/metadata.json")).exists());

    // Killed while it put a new one in the place of the old one.
    let aside = world.path(".preparing-own-Dead01");
    std::fs::create_dir(&aside).unwrap();
    std::fs::write(aside.join(".lock"), "").unwrap();
    std::fs::rename(world.path("own"), aside.join("old")).unwrap();
    assert!(world.ok(&["data", "describe", "own"]).contains("100,000"));
    assert!(world.path("own/metadata.json").exists() && !aside.exists());
}

#[test]
fn bad_rows_of_the_item_file_are_told_where_they_are_left_out() {
    let world = World::new();
    std::fs::write(world.path("log.csv"), "U,I,T\na,x,1\na,y,2\n").unwrap();
    std::fs::write(world.path("items.csv"), "I,name\nx,X\ny\n,Z\n").unwrap();
    let items = arguments("log.csv", &["--items", "items.csv", "--title", "name"]);
    world.fails_saying(1, &items, &["items.csv, line 3: 1 fields"]);
    no_trace(&world);
    let skip = [&items[..], &["--bad-rows", "skip"]].concat();
    let call = world.run(&skip);
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    let note = "2 bad rows of the item file were left out, the first: items.csv, line 3: 1 fields";
    assert!(call.stderr.contains(note), "{}", call.stderr);
    assert!(call.stdout.contains("bad items left out  2"), "{}", call.stdout);
    let json: Value = serde_json::from_str(&world.ok(&[&skip[..], &["--json"]].concat())).unwrap();
    assert_eq!(json["report"]["rejected_items"], 2);
}

#[cfg(unix)]
#[test]
fn a_log_from_a_pipe_is_refused_with_what_to_do() {
    let world = World::new();
    let mut command = world.command();
    command.args(arguments("/dev/stdin", &["--format", "csv"])).stdin(Stdio::piped());
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("/dev/stdin: no regular file") && message.contains("write it to a file first"),
        "{message}"
    );
    no_trace(&world);
}
