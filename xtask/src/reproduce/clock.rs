//! How long it has taken, and about how long it will still take.

use std::time::{Duration, Instant};

/// The share of the plan's estimated cost that counts as if it had been measured to take as long as estimated. It keeps
/// the first cheap rows, which mostly measure a program's start, from deciding the estimate.
const TRUST_IN_WEIGHTS: f64 = 0.1;

/// Remaining time from the rows' cost weights, scaled by what was measured so far.
pub(crate) struct Clock {
    started: Instant,
    remaining: f64,
    scale: Scale,
}

impl Clock {
    /// A clock for rows with these weights, in estimated seconds.
    pub(crate) fn start(weights: impl IntoIterator<Item = f64>) -> Self {
        let remaining: f64 = weights.into_iter().sum();
        Self { started: Instant::now(), remaining, scale: Scale::new(remaining) }
    }

    /// A row was run, or had been run before, in this many seconds.
    pub(crate) fn finish(&mut self, weight: f64, seconds: f64) {
        self.remaining -= weight;
        self.scale.measure(weight, seconds);
    }

    /// A row will not be run.
    pub(crate) fn drop_row(&mut self, weight: f64) {
        self.remaining -= weight;
    }

    /// `elapsed 2:10, about 3:40 left`.
    pub(crate) fn describe(&self) -> String {
        let left = self.scale.seconds(self.remaining.max(0.0));
        format!("elapsed {}, about {} left", clock_time(self.started.elapsed()), clock_time(left))
    }
}

/// Measured seconds per estimated second.
struct Scale {
    seconds: f64,
    weight: f64,
}

impl Scale {
    fn new(total_weight: f64) -> Self {
        let prior = TRUST_IN_WEIGHTS * total_weight;
        Self { seconds: prior, weight: prior }
    }

    fn measure(&mut self, weight: f64, seconds: f64) {
        self.weight += weight;
        self.seconds += seconds;
    }

    fn seconds(&self, weight: f64) -> Duration {
        Duration::try_from_secs_f64(weight * self.seconds / self.weight).unwrap_or(Duration::ZERO)
    }
}

/// `3:40`, or `1:03:40` from one hour.
pub(crate) fn clock_time(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_millis() >= 500);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_anything_is_measured_the_weights_are_seconds() {
        assert_eq!(Scale::new(100.0).seconds(100.0), Duration::from_secs(100));
    }

    #[test]
    fn a_slower_machine_scales_what_is_left() {
        let mut scale = Scale::new(100.0);
        scale.measure(40.0, 120.0);
        // (10 + 120) measured over (10 + 40) estimated: 2.6 times 60.
        assert_eq!(scale.seconds(60.0), Duration::from_secs(156));
    }

    #[test]
    fn a_cheap_row_that_took_long_hardly_counts() {
        let mut scale = Scale::new(1000.0);
        scale.measure(1.0, 5.0);
        let left = scale.seconds(999.0).as_secs_f64();
        assert!((left - 999.0 * 105.0 / 101.0).abs() < 1e-6, "{left}");
    }

    #[test]
    fn finished_and_dropped_rows_are_no_longer_left() {
        let mut clock = Clock::start([60.0, 60.0, 60.0]);
        clock.finish(60.0, 60.0);
        clock.drop_row(60.0);
        assert_eq!(clock.describe(), "elapsed 0:00, about 1:00 left");
    }

    #[test]
    fn times_read_like_a_clock() {
        assert_eq!(clock_time(Duration::from_secs(130)), "2:10");
        assert_eq!(clock_time(Duration::from_secs(3820)), "1:03:40");
        assert_eq!(clock_time(Duration::from_millis(59_700)), "1:00");
    }
}
