//! Runs that are killed, stopped, starved of disk space or broken, and go on to the same bits.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside a test function")]

mod common;

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::World;

/// Settings with which a step takes milliseconds.
const TINY: [&str; 20] = [
    "--hidden",
    "16",
    "--heads",
    "2",
    "--layers",
    "1",
    "--max-length",
    "20",
    "--steps",
    "120",
    "--batch",
    "16",
    "--warmup",
    "5",
    "--validate-every",
    "40",
    "--checkpoint-every",
    "0",
    "--seed",
    "3",
];

fn arguments<'a>(model: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let train = ["train", model, "--data", "synthetic", "--output", output];
    [&train[..], &TINY, more].concat()
}

/// The bits depend on the number of threads.
fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command();
    command.args(arguments).env("RAYON_NUM_THREADS", "2").stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs to the end; standard error.
fn finish(world: &World, arguments: &[&str]) -> String {
    let output = command(world, arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    stderr
}

/// Standard error and exit code of a run that must not succeed.
fn fail(world: &World, arguments: &[&str]) -> (String, Option<i32>) {
    let output = command(world, arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    (stderr, output.status.code())
}

fn weights(world: &World, output: &str) -> Vec<u8> {
    std::fs::read(world.path(output).join("model.safetensors")).unwrap()
}

/// Waits until the run has written a checkpoint.
fn wait_for_checkpoint(world: &World, output: &str, child: &mut Child) {
    let last = world.path(output).join("training/last/state.json");
    let began = Instant::now();
    while !last.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before its first checkpoint");
        assert!(began.elapsed() < Duration::from_mins(2), "no checkpoint");
        sleep(Duration::from_millis(1));
    }
}

/// Waits until the run's checkpoint has changed so often; whether it was still running then.
fn wait_for_changes(world: &World, output: &str, child: &mut Child, changes: u64) -> bool {
    let last = world.path(output).join("training/last/state.json");
    let mut seen = std::fs::read(&last).ok();
    let mut left = changes;
    while left > 0 {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        // Absent for a moment between two renames.
        let now = std::fs::read(&last).ok();
        if now.is_some() && now != seen {
            (seen, left) = (now, left - 1);
        }
    }
    true
}

/// Kills the run again and again, after a drawn number of checkpoints and a drawn moment more, then lets it finish; the
/// weights must be those of a run that nobody touched.
fn survives_kills(model: &str, more: &[&str]) {
    let world = World::new();
    world.ok(&["data", "prepare", "synthetic"]);
    finish(&world, &arguments(model, "undisturbed", more));
    let resumed = arguments(model, "killed", &[more, &["--resume"]].concat());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut kills = 0;
    loop {
        let mut child = command(&world, &resumed).stderr(Stdio::null()).spawn().unwrap();
        let running = wait_for_changes(&world, "killed", &mut child, draw(30));
        sleep(Duration::from_micros(draw(20_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        if !running {
            break;
        }
        kills += 1;
        assert!(kills < 500, "the run does not get on");
    }
    finish(&world, &resumed);
    assert!(kills >= 3, "the run was hardly disturbed");
    assert_eq!(weights(&world, "killed"), weights(&world, "undisturbed"));
    assert!(!world.path("killed/training").exists(), "a finished run leaves no checkpoints");
    let metrics = |output: &str| {
        let text = std::fs::read_to_string(world.path(output).join("metrics.jsonl")).unwrap();
        text.lines().count()
    };
    assert_eq!(metrics("killed"), metrics("undisturbed"));
}

#[test]
fn killed_bert4rec_ends_with_the_same_bits() {
    survives_kills("bert4rec", &[]);
}

#[test]
fn killed_sasrec_ends_with_the_same_bits() {
    survives_kills("sasrec", &["--recency", "0.8"]);
}

#[test]
fn a_killed_hybrid_ends_with_the_same_bits_in_all_its_phases() {
    let phases = ["--cf-steps", "60", "--head-steps", "100", "--head-batch", "64", "--user-max-length", "20"];
    survives_kills("hybridbert4rec", &[&phases[..], &["--variant", "trained-projections"]].concat());
}

/// The options with one of them changed.
fn with<'a>(arguments: &[&'a str], name: &str, value: &'a str) -> Vec<&'a str> {
    let mut changed = arguments.to_vec();
    let at = changed.iter().position(|word| *word == name).unwrap();
    changed[at + 1] = value;
    changed
}

#[test]
fn ctrl_c_writes_a_checkpoint_and_says_how_to_go_on() {
    let world = World::new();
    let long = |output| with(&arguments("bert4rec", output, &[]), "--steps", "2000");
    let long = |output| with(&long(output), "--checkpoint-every", "0.2");
    let (undisturbed, run) = (long("undisturbed"), long("stopped"));
    finish(&world, &undisturbed);
    let mut child = command(&world, &run).spawn().unwrap();
    wait_for_checkpoint(&world, "stopped", &mut child);
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    for part in
        ["stopped in bert4rec after step", "of 2000", "Go on with:\n  cloze train bert4rec", "--resume"]
    {
        assert!(stderr.contains(part), "no {part} in {stderr}");
    }
    // Nor is a run trained by two at a time.
    let resumed = [&run[..], &["--resume"]].concat();
    let mut child = command(&world, &resumed).stderr(Stdio::null()).spawn().unwrap();
    assert!(wait_for_changes(&world, "stopped", &mut child, 1));
    let (message, _) = fail(&world, &resumed);
    assert!(message.contains("another process trains this run"), "{message}");
    child.kill().unwrap();
    child.wait().unwrap();
    // Not overwritten by accident.
    let (message, _) = fail(&world, &run);
    assert!(message.contains("unfinished run (bert4rec at step"), "{message}");
    let said = finish(&world, &[&run[..], &["--resume"]].concat());
    assert!(said.contains("going on after step"), "{said}");
    assert_eq!(weights(&world, "stopped"), weights(&world, "undisturbed"));
}

#[test]
fn a_finished_run_is_not_trained_again_and_another_is_not_taken_for_it() {
    let world = World::new();
    let again = arguments("bert4rec", "run", &["--resume"]);
    finish(&world, &again);
    for file in ["config.json", "run.json", "metrics.jsonl", "learning-curve.svg"] {
        assert!(world.path("run").join(file).is_file(), "{file}");
    }
    let before = weights(&world, "run");
    let said = finish(&world, &again);
    assert!(said.contains("finished: nothing was trained"), "{said}");
    let (message, _) = fail(&world, &with(&again, "--steps", "121"));
    assert!(message.contains("steps is 120 there and 121 here"), "{message}");
    let (message, _) = fail(&world, &[&again[..], &["--user-share", "0.5"]].concat());
    assert!(message.contains("user-share is 1.0 there and 0.5 here"), "{message}");
    // Nothing is written, so that nothing can be lost.
    std::fs::write(world.path("run/notes.txt"), "").unwrap();
    let said = finish(&world, &again);
    assert!(said.contains("finished: nothing was trained"), "{said}");
    let (message, _) = fail(&world, &arguments("bert4rec", "run", &[]));
    assert!(message.contains("run holds notes.txt"), "{message}");
    std::fs::remove_file(world.path("run/notes.txt")).unwrap();
    assert_eq!(weights(&world, "run"), before);
    // Trained anew, it takes the old model's place with all that belonged to that.
    std::fs::create_dir(world.path("run/evaluation")).unwrap();
    let (message, _) = fail(&world, &with(&arguments("bert4rec", "run", &[]), "--steps", "121"));
    assert!(message.contains("finished model (bert4rec on synthetic"), "{message}");
    finish(&world, &with(&arguments("bert4rec", "run", &["--replace"]), "--steps", "121"));
    assert_eq!(world.json("run/config.json")["options"]["steps"], 121);
    assert_eq!(world.json("run/run.json")["options"]["steps"], 121);
    assert!(!world.path("run/evaluation").exists() && !world.path("run/training").exists());
}

/// A limit on the size of files stands for the full disk: writing beyond it fails in the same way.
#[test]
fn a_full_disk_stops_with_the_reason_and_the_last_checkpoint_survives() {
    let world = World::new();
    finish(&world, &arguments("bert4rec", "undisturbed", &[]));
    let all = arguments("bert4rec", "full", &["--resume"]);
    let mut child = command(&world, &all).stderr(Stdio::null()).spawn().unwrap();
    wait_for_checkpoint(&world, "full", &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let last = world.path("full/training/last/tensors.safetensors");
    let image = std::fs::read(&last).unwrap();
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut starved = Command::new("sh");
    starved.args(["-c", script, env!("CARGO_BIN_EXE_cloze")]).args(&all);
    starved.current_dir(world.path("")).env_remove("CLOZE_DATA_DIR").env("CLOZE_CACHE", world.path("cache"));
    starved.env("RAYON_NUM_THREADS", "2");
    let output = starved.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in ["cannot write the checkpoint", "File too large", "is intact", "--resume"] {
        assert!(stderr.contains(part), "no {part} in {stderr}");
    }
    assert_eq!(std::fs::read(&last).unwrap(), image, "the checkpoint is untouched");
    finish(&world, &all);
    assert_eq!(weights(&world, "full"), weights(&world, "undisturbed"));
}

#[test]
fn a_learning_rate_that_diverges_stops_with_step_norm_and_what_is_left() {
    let world = World::new();
    let wild = arguments("sasrec", "wild", &["--learning-rate", "1e25", "--clip", "1e30"]);
    let (message, code) = fail(&world, &wild);
    assert_eq!(code, Some(1));
    for part in ["sasrec, step", "norm is", "lower the learning rate"] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    assert!(!world.path("wild/config.json").exists());
}
