use super::*;
use crate::checkpoint::{CheckpointError, RunIdentity};
use crate::folder::TrainedOn;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A task with one parameter, whose validation rises to step 4 and falls after it. A step depends on the optimizer's
/// state and on the batch number, so that a loss of either shows.
struct Hill {
    parameter: f32,
    optimizer: OptimizerState,
    rates: Vec<f64>,
    validates: bool,
    /// The step at which the gradient breaks.
    breaks: Option<u64>,
    /// Asks to stop during this step.
    stops: Option<(u64, Interrupt)>,
    loss: fn(u64) -> f64,
}

impl Hill {
    fn new() -> Self {
        Self {
            parameter: 0.0,
            optimizer: OptimizerState { step: 0, first: vec![0.0], second: vec![0.0] },
            rates: Vec::new(),
            validates: true,
            breaks: None,
            stops: None,
            loss: |step| 1.0 / (step + 1) as f64,
        }
    }
}

impl Task for Hill {
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError> {
        if self.breaks == Some(step) {
            return Err(EncoderError::Diverged { step, norm: f64::INFINITY }.into());
        }
        if let Some((_, interrupt)) = self.stops.as_ref().filter(|(at, _)| *at == step) {
            assert!(!interrupt.exits().load(Ordering::SeqCst), "the loop listens");
            interrupt.asked().store(true, Ordering::SeqCst);
        }
        assert_eq!(self.optimizer.step, step);
        self.optimizer.step += 1;
        self.optimizer.first[0] = 0.9 * self.optimizer.first[0] + (step as f32).sin();
        self.optimizer.second[0] += 0.1;
        self.parameter += self.optimizer.first[0] / (1.0 + self.optimizer.second[0]);
        self.rates.push(rate);
        let norm = GradientNorm { norm: 1.0, clipped: false };
        Ok(Step { loss: (self.loss)(step), norm, items: 1 })
    }

    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        Ok(self.validates.then(|| -(self.optimizer.step as f64 - 4.0).abs()))
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok(vec![self.parameter])
    }

    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        self.parameter = parameters[0];
        Ok(())
    }

    fn optimizer(&self) -> Result<OptimizerState, TrainError> {
        Ok(self.optimizer.clone())
    }

    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError> {
        self.optimizer = state;
        Ok(())
    }
}

fn plan() -> Plan {
    Plan { schedule: Schedule { peak: 1.0, warmup: 2, steps: 9 }, validate_every: 2 }
}

fn identity() -> RunIdentity {
    RunIdentity {
        model: "hill".to_owned(),
        options: serde_json::json!({"steps": 9}),
        reuse: None,
        trained_on: TrainedOn {
            dataset: "none".to_owned(),
            synthetic: true,
            split: "leave-one-out".to_owned(),
            split_hash: "0".to_owned(),
            fit: "train".to_owned(),
            user_share: 1.0,
        },
        seed: 0,
        version: "0".to_owned(),
        engine: "none".to_owned(),
    }
}

/// Runs the phase, with a checkpoint after every step if there is a folder.
fn go(task: &mut Hill, output: Option<&Path>, interrupt: Option<Interrupt>) -> Result<Reporter, TrainError> {
    let mut reporter = Reporter::quiet();
    let mut run = Run::new(0, &mut reporter);
    if let Some(output) = output {
        let mut checkpoints = Checkpoints::open(output, identity(), true)?.every(Duration::ZERO);
        if let Some(interrupt) = interrupt {
            checkpoints = checkpoints.interruptible(interrupt);
        }
        run.checkpoints = Some(checkpoints);
    }
    train(task, "hill", &plan(), &mut run)?;
    Ok(reporter)
}

fn undisturbed() -> (f32, Reporter) {
    let mut task = Hill::new();
    let reporter = go(&mut task, None, None).unwrap();
    (task.parameter, reporter)
}

#[test]
fn best_validation_wins() {
    let mut task = Hill::new();
    let reporter = go(&mut task, None, None).unwrap();
    assert_eq!(task.rates.len(), 9);
    let mut four = Hill::new();
    (0..4).for_each(|step| assert!(four.step(step, 0.0).is_ok()));
    assert_eq!(task.parameter.to_bits(), four.parameter.to_bits());
    let looked: Vec<u64> = reporter.records().iter().map(|record| record.step).collect();
    assert_eq!(looked, [2, 4, 6, 8, 9]);
    assert!((reporter.records()[0].loss - 0.75).abs() < 1e-12, "mean of 1 and 1/2");
}

#[test]
fn without_validation_the_last_parameters_stay() {
    let mut task = Hill { validates: false, ..Hill::new() };
    go(&mut task, None, None).unwrap();
    let mut nine = Hill::new();
    (0..9).for_each(|step| assert!(nine.step(step, 0.0).is_ok()));
    assert_eq!(task.parameter.to_bits(), nine.parameter.to_bits());
}

/// Records, but for the time that they took.
fn timeless(reporter: &Reporter) -> Vec<Record> {
    reporter.records().iter().map(|record| Record { seconds: 0.0, ..record.clone() }).collect()
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits_and_records_from_every_step() {
    let (parameter, records) = undisturbed();
    for stop in 0..9 {
        let folder = tempfile::tempdir().unwrap();
        let interrupt = Interrupt::default();
        let mut first = Hill { stops: Some((stop, interrupt.clone())), ..Hill::new() };
        let error = go(&mut first, Some(folder.path()), Some(interrupt.clone())).unwrap_err();
        assert!(interrupt.exits().load(Ordering::SeqCst), "nobody listens any more");
        assert!(matches!(error, TrainError::Interrupted { step, .. } if step == stop + 1), "{error}");
        let mut second = Hill::new();
        let reporter = go(&mut second, Some(folder.path()), None).unwrap();
        assert_eq!(second.rates.len() as u64, 9 - stop - 1, "no step is taken twice");
        assert_eq!(second.parameter.to_bits(), parameter.to_bits(), "stopped in step {stop}");
        assert_eq!(timeless(&reporter), timeless(&records));
        // A phase that is over is not trained again.
        let mut third = Hill::new();
        let reporter = go(&mut third, Some(folder.path()), None).unwrap();
        assert_eq!((third.rates.len(), third.parameter.to_bits()), (0, parameter.to_bits()));
        assert_eq!(timeless(&reporter), timeless(&records));
    }
}

/// A run that was cut off in step 6, with checkpoints of steps 6 and 5.
fn cut_off() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let error = go(&mut Hill { breaks: Some(6), ..Hill::new() }, Some(folder.path()), None).unwrap_err();
    let message = error.to_string();
    for part in ["hill, step 6", "norm is inf", "lower the learning rate", "(step 6)", "(step 4)", "best"] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    folder
}

#[test]
fn divergence_keeps_the_last_good_checkpoint() {
    let folder = cut_off();
    let mut task = Hill::new();
    go(&mut task, Some(folder.path()), None).unwrap();
    assert_eq!(task.rates.len(), 3);
    assert_eq!(task.parameter.to_bits(), undisturbed().0.to_bits());
}

#[test]
fn a_loss_that_is_no_number_or_far_above_guessing_is_divergence() {
    for loss in
        [
            (|step| if step == 3 { f64::NAN } else { 1.0 }) as fn(u64) -> f64,
            |step| {
                if step > 3 { 50.0 } else { 1.0 }
            },
        ]
    {
        let error = go(&mut Hill { loss, ..Hill::new() }, None, None).unwrap_err();
        assert!(matches!(&error, TrainError::Diverged { loss, .. } if loss.contains("loss")), "{error}");
    }
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_one_before_it_goes_on() {
    let breaks: [fn(&Path); 4] = [
        |last| {
            let path = last.join("tensors.safetensors");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        |last| {
            let path = last.join("tensors.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() - 4;
            bytes[at..].copy_from_slice(&f32::NAN.to_le_bytes());
            fs::write(path, bytes).unwrap();
        },
        |last| fs::write(last.join("state.json"), "{").unwrap(),
        |last| fs::remove_file(last.join("tensors.safetensors")).unwrap(),
    ];
    for damage in breaks {
        let folder = cut_off();
        let last = folder.path().join("training/last");
        damage(&last);
        let error = go(&mut Hill::new(), Some(folder.path()), None).unwrap_err();
        assert!(matches!(error, TrainError::Checkpoint(CheckpointError::Damaged { .. })), "{error}");
        assert!(error.to_string().contains("of step 5, is intact: remove"), "{error}");
        fs::remove_dir_all(last).unwrap();
        let mut task = Hill::new();
        go(&mut task, Some(folder.path()), None).unwrap();
        assert_eq!(task.rates.len(), 4);
        assert_eq!(task.parameter.to_bits(), undisturbed().0.to_bits());
    }
}

#[test]
fn an_unfinished_run_is_neither_overwritten_nor_taken_for_another() {
    let folder = cut_off();
    let error = Checkpoints::open(folder.path(), identity(), false).unwrap_err().to_string();
    assert!(error.contains("hill at step 6") && error.contains("--resume"), "{error}");
    let other = RunIdentity { options: serde_json::json!({"steps": 10}), ..identity() };
    let error = Checkpoints::open(folder.path(), other, true).unwrap_err().to_string();
    assert!(error.contains("steps is 9 there and 10 here"), "{error}");
    let threads = RunIdentity { engine: "more threads".to_owned(), ..identity() };
    let checkpoints = Checkpoints::open(folder.path(), threads, true).unwrap();
    assert!(checkpoints.notes()[0].contains("last bits"), "{:?}", checkpoints.notes());
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_the_run_and_leaves_the_last_one() {
    let folder = cut_off();
    // A file where a folder must be staged.
    fs::write(folder.path().join("training/last.new"), "").unwrap();
    let error = go(&mut Hill::new(), Some(folder.path()), None).unwrap_err();
    assert!(matches!(error, TrainError::Checkpoint(CheckpointError::Write { .. })), "{error}");
    assert!(error.to_string().contains("step 6 is intact: make room"), "{error}");
    fs::remove_file(folder.path().join("training/last.new")).unwrap();
    let mut task = Hill::new();
    go(&mut task, Some(folder.path()), None).unwrap();
    assert_eq!(task.parameter.to_bits(), undisturbed().0.to_bits());
}

/// A kill while the checkpoints of a finished run are removed: half of them must not look like a run to go on with.
#[test]
fn half_removed_checkpoints_of_a_finished_run_are_cleared_away() {
    let folder = cut_off();
    let (training, aside) = (folder.path().join("training"), folder.path().join("training.old"));
    fs::copy(training.join("run.json"), folder.path().join("run.json")).unwrap();
    fs::rename(&training, &aside).unwrap();
    fs::remove_file(aside.join("metrics.jsonl")).unwrap();
    assert!(Checkpoints::is_finished(folder.path(), &identity()).unwrap());
    assert!(!aside.exists());
}

#[test]
fn the_seconds_of_an_interrupted_run_are_those_of_all_its_phases() {
    assert!(Checkpoints::open(Path::new("none"), identity(), true).unwrap().earlier_seconds().abs() < 1e-12);
    let folder = cut_off();
    let path = folder.path().join("training/metrics.jsonl");
    let line = fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned();
    let record: Record = serde_json::from_str(&line).unwrap();
    let of = |phase: &str, seconds| Record { phase: phase.to_owned(), seconds, ..record.clone() };
    // Three, as many as the checkpoint counts.
    let records = [of("first", 4.0), of("second", 2.0), of("second", 2.5), of("second", 9.0)];
    let lines: String = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    fs::write(&path, lines).unwrap();
    let seconds = Checkpoints::open(folder.path(), identity(), true).unwrap().earlier_seconds();
    assert!((seconds - 6.5).abs() < 1e-12, "{seconds}");
}

/// A kill between the two renames of a checkpoint, in a phase that has one before it.
#[test]
fn the_records_of_a_phase_survive_where_only_the_previous_checkpoint_stands() {
    let folder = cut_off();
    let training = folder.path().join("training");
    let records = || Checkpoints::open(folder.path(), identity(), true).unwrap().take_records().len();
    let whole = records();
    // The phase before, over after its first record.
    let done = training.join("done-before");
    fs::create_dir(&done).unwrap();
    let state = fs::read_to_string(training.join("last/state.json")).unwrap();
    let first = state.replace(&format!("\"records\": {whole}"), "\"records\": 1");
    assert_ne!(first, state);
    fs::write(done.join("state.json"), first).unwrap();
    fs::remove_dir_all(training.join("previous")).unwrap();
    fs::rename(training.join("last"), training.join("previous")).unwrap();
    assert_eq!(records(), whole);
}

/// A kill right after a phase is over, in a run without any checkpoint in between.
#[test]
fn a_phase_that_is_over_has_its_records_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let never = Plan { validate_every: 0, ..plan() };
    let run = |task: &mut Hill| {
        let mut reporter = Reporter::quiet();
        let checkpoints = Checkpoints::open(folder.path(), identity(), true).unwrap();
        let mut run = Run { checkpoints: Some(checkpoints), ..Run::new(0, &mut reporter) };
        train(task, "hill", &never, &mut run).unwrap();
        reporter.records().to_vec()
    };
    let records = run(&mut Hill::new());
    assert_eq!(records.len(), 1);
    assert!(!folder.path().join("training/last").exists());
    let mut again = Hill::new();
    assert_eq!((run(&mut again), again.rates.len()), (records, 0));
}

#[test]
fn lost_records_are_told_and_cost_no_training() {
    let folder = cut_off();
    let path = folder.path().join("training/metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let open = || Checkpoints::open(folder.path(), identity(), true).unwrap();
    assert!(open().notes().is_empty());
    fs::write(&path, text.lines().next().unwrap()).unwrap();
    assert!(open().notes()[0].contains("has 1 of the 3 records"), "{:?}", open().notes());
    fs::remove_file(&path).unwrap();
    assert!(open().notes()[0].contains("has 0 of the 3 records"), "{:?}", open().notes());
    let mut task = Hill::new();
    let reporter = go(&mut task, Some(folder.path()), None).unwrap();
    assert_eq!((task.rates.len(), task.parameter.to_bits()), (3, undisturbed().0.to_bits()));
    assert_eq!(reporter.records().len(), 2);
    // From now on they are not counted.
    assert!(open().notes().is_empty(), "{:?}", open().notes());
    fs::write(&path, "{").unwrap();
    let error = Checkpoints::open(folder.path(), identity(), true).unwrap_err().to_string();
    assert!(error.contains("metrics.jsonl to go on without the records"), "{error}");
}
