//! The training loop: the same for every model that learns by gradient steps.

use crate::checkpoint::{Checkpoints, Mark, Saved};
use crate::interrupt::Interrupt;
use crate::model::{Run, TrainError};
use crate::progress::{Record, Reporter};
use cloze_encoder::{EncoderError, GradientNorm, OptimizerState, Schedule};
use std::time::Instant;

/// Steps between two records where nothing is validated.
const RECORD_EVERY: u64 = 50;

/// What one optimizer step says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Mean loss of the batch.
    pub loss: f64,
    /// The gradient's norm.
    pub norm: GradientNorm,
    /// Items that were read: tokens of sequences, or pairs.
    pub items: usize,
}

/// What the loop drives: parameters in one flat buffer, an optimizer, and batches that depend on the seed and their
/// number only.
pub trait Task {
    /// One optimizer step on batch number `step` at learning rate `rate`.
    ///
    /// # Errors
    /// Divergence, or a failure of the engine.
    fn step(&mut self, step: u64, rate: f64) -> Result<Step, TrainError>;

    /// NDCG@10 on the validation items; `None` where there are none.
    ///
    /// # Errors
    /// A failure of the engine.
    fn validate(&mut self) -> Result<Option<f64>, TrainError>;

    /// A copy of the parameters.
    ///
    /// # Errors
    /// A failure of the engine.
    fn parameters(&self) -> Result<Vec<f32>, TrainError>;

    /// Replaces the parameters.
    ///
    /// # Errors
    /// Another number of values, or a failure of the engine.
    fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), TrainError>;

    /// A copy of the optimizer's state.
    ///
    /// # Errors
    /// A failure of the engine.
    fn optimizer(&self) -> Result<OptimizerState, TrainError>;

    /// Replaces the optimizer's state.
    ///
    /// # Errors
    /// Another number of values, or a failure of the engine.
    fn load_optimizer(&mut self, state: OptimizerState) -> Result<(), TrainError>;
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
/// with the last. With checkpoints, a phase that is over is taken as it is, and one that was cut off goes on.
///
/// # Errors
/// The task's, [`TrainError::Diverged`], [`TrainError::Interrupted`], and those of checkpoints.
pub fn train(task: &mut dyn Task, phase: &str, plan: &Plan, run: &mut Run<'_>) -> Result<(), TrainError> {
    let Run { reporter, checkpoints, .. } = run;
    let interrupt = checkpoints.as_ref().and_then(Checkpoints::interrupt).cloned();
    let this = Loop {
        task,
        plan,
        reporter,
        checkpoints: checkpoints.as_mut(),
        began: Instant::now(),
        before: 0.0,
        items: 0,
        mark: Mark::start(phase),
        best: None,
    };
    if let Some(interrupt) = &interrupt {
        interrupt.listen(true);
    }
    let result = this.run();
    if let Some(interrupt) = &interrupt {
        interrupt.listen(false);
    }
    result
}

struct Loop<'a> {
    task: &'a mut dyn Task,
    plan: &'a Plan,
    reporter: &'a mut Reporter,
    checkpoints: Option<&'a mut Checkpoints>,
    began: Instant,
    /// Seconds of the phase in earlier processes.
    before: f64,
    /// Items read in this process.
    items: usize,
    mark: Mark,
    /// The parameters of the best validation.
    best: Option<Saved>,
}

impl Loop<'_> {
    fn run(mut self) -> Result<(), TrainError> {
        let steps = self.plan.schedule.steps;
        self.reporter.start(&self.mark.phase, steps, "steps");
        if self.resume()? {
            self.reporter.finish("taken from the interrupted run,");
            return Ok(());
        }
        while self.mark.step < steps {
            self.step()?;
        }
        let message = match self.best.take() {
            Some(best) => {
                self.task.load_parameters(&best.parameters)?;
                let (value, step) = (best.mark.validation, best.mark.step);
                format!("best validation NDCG@10 {value:.4} after {step} of {steps} steps,")
            }
            None => format!("{steps} steps"),
        };
        let parameters = self.task.parameters()?;
        if !parameters.iter().all(|value| value.is_finite()) {
            self.mark.step = steps - 1;
            return Err(self.diverged(None, f64::INFINITY, self.plan.schedule.rate(steps - 1)));
        }
        if let Some(checkpoints) = &mut self.checkpoints {
            let finished = saved(&self.mark, parameters, self.reporter, None);
            checkpoints.write_finished(&finished, self.reporter.records())?;
        }
        self.reporter.finish(&message);
        Ok(())
    }

    /// Goes to where an interrupted run stands; whether the phase was over then.
    fn resume(&mut self) -> Result<bool, TrainError> {
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(false) };
        self.reporter.restore(checkpoints.take_records());
        let phase = self.mark.phase.clone();
        if let Some(done) = checkpoints.finished(&phase)? {
            self.task.load_parameters(&done.parameters)?;
            return Ok(true);
        }
        let Some(last) = checkpoints.last(&phase)? else { return Ok(false) };
        self.best = checkpoints.best(&phase)?;
        self.task.load_parameters(&last.parameters)?;
        if let Some(state) = last.optimizer {
            self.task.load_optimizer(state)?;
        }
        self.before = last.mark.seconds;
        self.mark = last.mark;
        self.reporter.say(&format!("{phase}: going on after step {}", self.mark.step));
        self.reporter.skip_to(self.mark.step);
        Ok(false)
    }

    fn step(&mut self) -> Result<(), TrainError> {
        let steps = self.plan.schedule.steps;
        let rate = self.plan.schedule.rate(self.mark.step);
        let Step { loss, norm, items } = match self.task.step(self.mark.step, rate) {
            Err(TrainError::Encoder(EncoderError::Diverged { norm, .. })) => {
                return Err(self.diverged(None, norm, rate));
            }
            other => other?,
        };
        if !loss.is_finite() {
            return Err(self.diverged(Some(loss), norm.norm, rate));
        }
        if self.mark.first_loss.is_nan() {
            self.mark.first_loss = loss;
        }
        self.mark.loss_sum += loss;
        self.mark.loss_count += 1;
        self.mark.step += 1;
        let done = self.mark.step;
        let every = self.plan.validate_every;
        let looks = every > 0 && (done.is_multiple_of(every) || done == steps);
        let records = looks || done.is_multiple_of(RECORD_EVERY) || done == steps;
        let mean = self.mark.loss_sum / f64::from(self.mark.loss_count);
        // Adam's steps are as long as the rate whatever the gradient, so a run can be lost with finite numbers. An
        // untrained model's loss is that of guessing; far above it nothing is learned any more.
        if records && mean > 2.0 * self.mark.first_loss + 5.0 {
            self.mark.step -= 1;
            return Err(self.diverged(Some(mean), norm.norm, rate));
        }
        if looks {
            self.validate()?;
        }
        if records {
            self.record(mean, rate, norm, looks);
        }
        self.items += items;
        let speed = self.items as f64 / self.began.elapsed().as_secs_f64();
        let validation = self.mark.validated();
        self.reporter.advance_to(done, || {
            let so_far = format!("· loss {loss:.3} · {} items/s", indicatif::HumanCount(speed as u64));
            match validation {
                Some(value) => format!("{so_far} · validation NDCG@10 {value:.4}"),
                None => so_far,
            }
        });
        self.checkpoint(looks, norm, rate)
    }

    fn validate(&mut self) -> Result<(), TrainError> {
        let Some(value) = self.task.validate()? else { return Ok(()) };
        self.mark.validation = value;
        if self.best.as_ref().is_none_or(|best| value > best.mark.validation) {
            let best = saved(&self.mark, self.task.parameters()?, self.reporter, None);
            if let Some(checkpoints) = &mut self.checkpoints {
                checkpoints.write_best(&best)?;
            }
            self.best = Some(best);
        }
        Ok(())
    }

    fn record(&mut self, loss: f64, rate: f64, norm: GradientNorm, looks: bool) {
        self.reporter.record(Record {
            phase: self.mark.phase.clone(),
            step: self.mark.step,
            loss,
            learning_rate: rate,
            gradient_norm: norm.norm,
            validation_ndcg_10: self.mark.validated().filter(|_| looks),
            seconds: self.before + self.began.elapsed().as_secs_f64(),
        });
        (self.mark.loss_sum, self.mark.loss_count) = (0.0, 0);
    }

    /// Writes a checkpoint where one is due, and stops if that was asked for.
    fn checkpoint(&mut self, looks: bool, norm: GradientNorm, rate: f64) -> Result<(), TrainError> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        let stops = checkpoints.interrupt().is_some_and(Interrupt::is_asked);
        if !(looks || stops || checkpoints.is_due()) {
            return Ok(());
        }
        let (parameters, optimizer) = (self.task.parameters()?, self.task.optimizer()?);
        let all = [&parameters, &optimizer.first, &optimizer.second];
        if !all.into_iter().flatten().all(|value| value.is_finite()) {
            return Err(self.diverged(None, norm.norm, rate));
        }
        let mut state = saved(&self.mark, parameters, self.reporter, Some(optimizer));
        state.mark.seconds = self.before + self.began.elapsed().as_secs_f64();
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        checkpoints.write_last(&state, self.reporter.records())?;
        if stops {
            let (phase, step) = (self.mark.phase.clone(), self.mark.step);
            let folder = checkpoints.folder().to_owned();
            self.reporter.abandon();
            return Err(TrainError::Interrupted { phase, step, steps: self.plan.schedule.steps, folder });
        }
        Ok(())
    }

    fn diverged(&mut self, loss: Option<f64>, norm: f64, rate: f64) -> TrainError {
        self.reporter.abandon();
        TrainError::Diverged {
            phase: self.mark.phase.clone(),
            step: self.mark.step,
            loss: loss.map_or_else(String::new, |loss| format!(", loss {loss:.3}")),
            norm,
            rate,
            kept: self.checkpoints.as_ref().map(|checkpoints| checkpoints.kept()).unwrap_or_default(),
        }
    }
}

fn saved(mark: &Mark, parameters: Vec<f32>, reporter: &Reporter, optimizer: Option<OptimizerState>) -> Saved {
    let mut mark = mark.clone();
    mark.records = reporter.records().len();
    Saved { mark, parameters, optimizer }
}

#[cfg(test)]
mod tests;
