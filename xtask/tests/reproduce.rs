//! `cargo xtask reproduce` with a stand-in for the `cloze` binary: what is run, kept, redone and reported.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// One temporary output folder, and the calls that the stand-in has logged there.
struct Case {
    folder: PathBuf,
}

impl Case {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// Runs the experiment with one variable of the stand-in set.
    fn run(&self, arguments: &[&str], variable: (&str, &str)) -> Output {
        self.run_paper("hybridbert4rec", &[&["--quick"][..], arguments].concat(), variable)
    }

    fn run_paper(&self, paper: &str, arguments: &[&str], variable: (&str, &str)) -> Output {
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake-cloze");
        if self.log().exists() {
            fs::remove_file(self.log()).unwrap();
        }
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["reproduce", paper])
            .args(arguments)
            .arg("--output")
            .arg(self.folder.join("run"))
            .arg("--cloze")
            .arg(fake)
            .env("FAKE_LOG", self.log())
            .env(variable.0, variable.1)
            .output()
            .unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments, ("FAKE", ""));
        assert!(output.status.success(), "{}", stderr(&output));
        output
    }

    fn log(&self) -> PathBuf {
        self.folder.join("calls")
    }

    /// The logged calls of one subcommand in the last run.
    fn calls(&self, subcommand: &str) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap();
        log.lines().filter(|line| line.starts_with(subcommand)).map(str::to_owned).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join("run").join(name)).unwrap()
    }

    fn results(&self) -> Vec<serde_json::Value> {
        serde_json::from_str(&self.read("results.json")).unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Rows of a quick run.
const QUICK_ROWS: usize = 10;
/// Those that have one seed, since nothing is drawn.
const QUICK_ROWS_OF_ONE_SEED: usize = 3;

#[test]
fn every_row_is_trained_evaluated_and_compared() {
    let case = Case::new("every_row");
    let output = case.succeed(&["--data-dir", "/raw"]);
    assert_eq!(case.calls("data"), ["data fetch ml-100k --data-dir /raw"]);
    let trained = case.calls("train");
    assert_eq!(trained.len(), QUICK_ROWS);
    assert!(trained[3].starts_with(
        "train bert4rec --data ml-100k --data-dir /raw --split leave-one-out --fit train --seed 0 --resume --output "
    ));
    assert!(trained[3].contains("/rows/ml-100k/bert4rec-train-s0-") && trained[3].contains(" --hidden "));
    let hybrids: Vec<&String> =
        trained.iter().filter(|call| call.starts_with("train hybridbert4rec ")).collect();
    assert!(!hybrids[0].contains(" --variant ") && hybrids[1].contains(" --variant paper "), "{trained:?}");
    assert!(hybrids.iter().all(|call| call.contains(" --reuse ")), "{trained:?}");
    let evaluated = case.calls("evaluate");
    assert_eq!(evaluated.len(), QUICK_ROWS);
    assert!(evaluated.iter().all(|call| call.contains(" --data-dir /raw --output ")), "{evaluated:?}");
    let last = evaluated.last().unwrap();
    assert!(last.contains("/model --name hybridbert4rec-trained-projections "), "{evaluated:?}");
    assert_eq!(case.results().len(), QUICK_ROWS);
    let compared = &case.calls("compare")[0];
    for part in [" --baseline bert4rec", " --order hybridbert4rec-paper,bert4rec,sasrec,gru4rec,caser"] {
        assert!(compared.contains(part), "{compared}");
    }
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("the table"),
        "the comparison's output goes through"
    );
    assert!(
        stderr(&output).contains(&format!("[4/{QUICK_ROWS}] ml-100k · bert4rec · seed 0 (elapsed 0:0")),
        "{}",
        stderr(&output)
    );
    assert!(case.read("report.md").contains("Claim: HybridBERT4Rec > BERT4Rec"));
}

#[test]
fn finished_rows_are_kept_until_a_fresh_run() {
    let case = Case::new("kept");
    case.succeed(&[]);
    let output = case.succeed(&[]);
    assert_eq!(
        (case.calls("train").len(), case.calls("evaluate").len(), case.calls("compare").len()),
        (0, 0, 1)
    );
    assert!(stderr(&output).contains("kept from an earlier run"), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("10 of 10 rows were kept from earlier runs, commit "),
        "{}",
        stderr(&output)
    );
    assert_eq!(case.results().len(), QUICK_ROWS);
    case.succeed(&["--fresh"]);
    assert_eq!(case.calls("train").len(), QUICK_ROWS);
    case.succeed(&["--seeds", "2"]);
    let new = QUICK_ROWS - QUICK_ROWS_OF_ONE_SEED;
    assert_eq!(case.calls("train").len(), new, "only the second seed is new");
    case.succeed(&["--seeds", "1..3"]);
    assert_eq!(case.calls("train").len(), new, "only the third seed is new");
    assert_eq!(case.results().len(), 2 * new, "without the first seed");
}

#[test]
fn recorded_rows_are_not_trained_again_unless_a_row_needs_their_model() {
    let case = Case::new("recorded");
    let record = case.folder.join("measured");
    let at = ["--measured", record.to_str().unwrap()];
    let output = case.succeed(&[&at[..], &["--record"]].concat());
    assert!(stderr(&output).contains(&format!("{QUICK_ROWS} rows recorded in ")), "{}", stderr(&output));
    let from_record = [&at[..], &["--from-record"]].concat();
    fs::remove_dir_all(case.folder.join("run")).unwrap();
    case.succeed(&from_record);
    assert_eq!((case.calls("train").len(), case.calls("evaluate").len()), (0, 0));
    assert_eq!(case.results().len(), QUICK_ROWS);
    let note = format!("{QUICK_ROWS} of {QUICK_ROWS} rows were not trained now but measured before: ");
    assert!(case.read("report.md").contains(&note), "{}", case.read("report.md"));

    let rows = record.join("hybridbert4rec/ml-100k");
    let paper = fs::read_dir(rows).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
        path.file_name().unwrap().to_string_lossy().starts_with("hybridbert4rec-trained-projections-")
    });
    // As a copy that was cut off leaves it.
    fs::remove_file(paper.unwrap().join("measured.json")).unwrap();
    case.succeed(&from_record);
    let trained = case.calls("train");
    assert_eq!(trained.len(), 3, "the row, the paper's form that it uses, and BERT4Rec: {trained:?}");
    assert_eq!(case.results().len(), QUICK_ROWS);
    case.succeed(&[&from_record[..], &["--seeds", "2"]].concat());
    let new = QUICK_ROWS - QUICK_ROWS_OF_ONE_SEED;
    assert_eq!(case.calls("train").len(), new, "only the second seed is new");
}

#[test]
fn a_data_set_that_cannot_be_obtained_is_reported_and_the_others_run() {
    let case = Case::new("no_data");
    let output = case.run(&["--dataset", "ml-1m", "--dataset", "ml-100k"], ("FAKE_NO_DATA", "ml-1m"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(case.results().iter().all(|result| result["dataset"] == "ml-100k"));
    let report = case.read("report.md");
    assert!(report.contains("ml-1m: not run") && report.contains("put it there"), "{report}");
}

#[test]
fn the_baselines_name_every_data_set_run_or_not() {
    let case = Case::new("baselines");
    let output = case.run_paper("baselines", &[], ("FAKE_NO_DATA", "ml-20m steam amazon-books"));
    assert!(output.status.success(), "{}", stderr(&output));
    let results = case.results();
    let run: std::collections::BTreeSet<&str> =
        results.iter().filter_map(|result| result["dataset"].as_str()).collect();
    assert!(run.contains("ml-1m") && run.contains("online-retail"), "{run:?}");
    let report = case.read("report.md");
    for absent in ["ml-20m", "steam", "amazon-books"] {
        assert!(!run.contains(absent));
        assert!(
            report.contains(&format!("{absent}: not run, the data set could not be obtained")),
            "{report}"
        );
    }
}

#[test]
fn a_split_that_a_data_set_cannot_have_is_reported_and_the_others_run() {
    let case = Case::new("no_times");
    let data = ["--dataset", "ml-1m,ml-100k"];
    let output = case.run_paper("baselines", &data, ("FAKE_NO_TIMES", "ml-1m"));
    assert!(output.status.success(), "{}", stderr(&output));
    let splits = |dataset: &str| -> std::collections::BTreeSet<String> {
        let results = case.results();
        let of = results.iter().filter(|result| result["dataset"] == dataset);
        of.map(|result| format!("{} {}", result["split"], result["fit"])).collect()
    };
    assert_eq!((splits("ml-1m").len(), splits("ml-100k").len()), (2, 4), "{:?}", splits("ml-100k"));
    let report = case.read("report.md");
    assert!(
        report.contains("ml-1m under global-time:0.8,0.9: not run: ml-1m: the data have no times"),
        "{report}"
    );
}

#[test]
fn without_any_data_nothing_is_reported_as_done() {
    let case = Case::new("nothing");
    case.succeed(&[]);
    let output = case.run(&[], ("FAKE_NO_DATA", "ml-100k"));
    assert!(!output.status.success());
    assert!(stderr(&output).contains("nothing could be run"), "{}", stderr(&output));
    assert!(
        !case.folder.join("run/results.json").exists(),
        "the earlier report must not look like this run's"
    );
}

#[test]
fn an_interrupted_row_goes_on_and_the_rows_before_it_are_kept() {
    let case = Case::new("interrupted");
    let output = case.run(&[], ("FAKE_KILLS", "bert4rec"));
    assert!(!output.status.success());
    assert_eq!((case.calls("train").len(), case.calls("evaluate").len()), (4, 3));
    let output = case.succeed(&[]);
    let trained = case.calls("train");
    assert_eq!(trained.len(), QUICK_ROWS - 3, "{trained:?}");
    assert!(trained[0].starts_with("train bert4rec ") && trained[0].contains(" --resume "), "{trained:?}");
    let kept = format!("[2/{QUICK_ROWS}] ml-100k · item-knn · seed 0: kept");
    assert!(stderr(&output).contains(&kept), "{}", stderr(&output));
}

#[test]
fn chosen_rows_and_fits_alone_are_run() {
    let case = Case::new("chosen");
    case.succeed(&["--row", "hybridbert4rec", "--fit", "train+validation"]);
    let trained = case.calls("train");
    assert_eq!(trained.len(), 2, "{trained:?}");
    assert!(trained.iter().all(|call| call.contains(" --fit train+validation ")), "{trained:?}");
    let shuffled = ["--row", "bert4rec-shuffled", "--fit", "train+validation"];
    let output = case.run_paper("bert4rec", &shuffled, ("FAKE", ""));
    assert!(
        !output.status.success() && stderr(&output).contains("no row of the experiment"),
        "{}",
        stderr(&output)
    );
    let output = case.run(&["--row", "hybridbert5rec"], ("FAKE", ""));
    assert!(stderr(&output).contains("did you mean \"hybridbert4rec\"?"), "{}", stderr(&output));
}

#[test]
fn a_failed_row_stops_only_the_rows_that_use_it() {
    let case = Case::new("failed");
    let output = case.run(&[], ("FAKE_FAILS", "bert4rec"));
    assert!(!output.status.success());
    let message = stderr(&output);
    assert!(message.contains(&format!("error: 4 of {QUICK_ROWS} rows failed")), "{message}");
    assert!(message.contains("hybridbert4rec · seed 0: not run, because ml-100k · bert4rec"), "{message}");
    assert_eq!(case.results().len(), QUICK_ROWS - 4);
    let report = case.read("report.md");
    assert!(report.contains("bert4rec · seed 0: failed: bert4rec diverged"), "{report}");
}

#[test]
fn a_row_that_the_results_leave_out_is_an_error() {
    let case = Case::new("forgotten");
    let output = case.run(&[], ("FAKE_FORGETS", "item-knn"));
    assert!(!output.status.success());
    assert!(stderr(&output).contains("has no result of item-knn on ml-100k"), "{}", stderr(&output));
}
