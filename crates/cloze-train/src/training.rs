//! The training loop: the same for every model that learns by gradient steps.

use crate::model::TrainError;
use crate::progress::{Record, Reporter};
use cloze_encoder::{GradientNorm, Schedule};
use std::time::Instant;

/// What the loop drives.
pub trait Task {
    /// One optimizer step on batch number `step` at learning rate `rate`; the batch must depend on the seed and the
    /// number only. Returns the mean loss and the gradient's norm.
    ///
    /// # Errors
    /// Divergence, or a failure of the engine.
    fn step(&mut self, step: u64, rate: f64) -> Result<(f64, GradientNorm), TrainError>;

    /// NDCG@10 on the validation items; `None` where there are none.
    ///
    /// # Errors
    /// A failure of the engine.
    fn validate(&mut self) -> Result<Option<f64>, TrainError>;

    /// Remembers the present parameters as the best so far.
    ///
    /// # Errors
    /// A failure of the engine.
    fn keep(&mut self) -> Result<(), TrainError>;

    /// Goes back to the parameters kept last.
    ///
    /// # Errors
    /// A failure of the engine.
    fn restore(&mut self) -> Result<(), TrainError>;
}

/// How long to train and how often to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Learning rates and number of steps.
    pub schedule: Schedule,
    /// Steps between two validations; the last step is always validated. 0: never, the last parameters are taken.
    pub validate_every: u64,
}

/// Trains to the end of the plan and leaves the task with the parameters of the best validation, or, without one,
/// with the last.
///
/// # Errors
/// The task's.
pub fn train(
    task: &mut dyn Task,
    phase: &str,
    plan: &Plan,
    reporter: &mut Reporter,
) -> Result<(), TrainError> {
    let steps = plan.schedule.steps;
    let began = Instant::now();
    let (mut best, mut sum, mut count) = (None, 0.0, 0u32);
    let mut validation = None;
    reporter.start(phase, steps, "steps");
    for step in 0..steps {
        let rate = plan.schedule.rate(step);
        let (loss, norm) = task.step(step, rate)?;
        sum += loss;
        count += 1;
        let done = step + 1;
        let looks = plan.validate_every > 0 && (done.is_multiple_of(plan.validate_every) || done == steps);
        if looks {
            validation = task.validate()?;
            if let Some(value) = validation.filter(|&value| best.is_none_or(|(_, highest)| value > highest)) {
                best = Some((done, value));
                task.keep()?;
            }
        }
        if looks || done.is_multiple_of(50) || done == steps {
            reporter.record(Record {
                phase: phase.to_owned(),
                step: done,
                loss: sum / f64::from(count),
                learning_rate: rate,
                gradient_norm: norm.norm,
                validation_ndcg_10: validation.filter(|_| looks),
                seconds: began.elapsed().as_secs_f64(),
            });
            (sum, count) = (0.0, 0);
        }
        reporter.advance_to(done, || match validation {
            Some(value) => format!("· loss {loss:.3} · validation NDCG@10 {value:.4}"),
            None => format!("· loss {loss:.3}"),
        });
    }
    match best {
        Some((step, value)) => {
            task.restore()?;
            reporter.finish(&format!("best validation NDCG@10 {value:.4} after {step} of {steps} steps,"));
        }
        None => reporter.finish(&format!("{steps} steps")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task whose validation rises to step 4 and falls after it.
    #[derive(Default)]
    struct Hill {
        parameter: u64,
        kept: u64,
        rates: Vec<f64>,
        validates: bool,
    }

    impl Task for Hill {
        fn step(&mut self, step: u64, rate: f64) -> Result<(f64, GradientNorm), TrainError> {
            self.parameter = step + 1;
            self.rates.push(rate);
            Ok((1.0 / self.parameter as f64, GradientNorm { norm: 1.0, clipped: false }))
        }

        fn validate(&mut self) -> Result<Option<f64>, TrainError> {
            Ok(self.validates.then(|| -(self.parameter as f64 - 4.0).abs()))
        }

        fn keep(&mut self) -> Result<(), TrainError> {
            self.kept = self.parameter;
            Ok(())
        }

        fn restore(&mut self) -> Result<(), TrainError> {
            self.parameter = self.kept;
            Ok(())
        }
    }

    fn plan() -> Plan {
        Plan { schedule: Schedule { peak: 1.0, warmup: 2, steps: 9 }, validate_every: 2 }
    }

    #[test]
    fn best_validation_wins() {
        let mut task = Hill { validates: true, ..Hill::default() };
        let mut reporter = Reporter::quiet();
        train(&mut task, "hill", &plan(), &mut reporter).unwrap();
        assert_eq!(task.parameter, 4);
        assert_eq!(task.rates.len(), 9);
        let looked: Vec<u64> = reporter.records().iter().map(|record| record.step).collect();
        assert_eq!(looked, [2, 4, 6, 8, 9]);
        assert!((reporter.records()[0].loss - 0.75).abs() < 1e-12, "mean of 1 and 1/2");
    }

    #[test]
    fn without_validation_the_last_parameters_stay() {
        let mut task = Hill::default();
        train(&mut task, "hill", &plan(), &mut Reporter::quiet()).unwrap();
        assert_eq!(task.parameter, 9);
    }
}
