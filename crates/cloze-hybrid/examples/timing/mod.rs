//! What the timing examples share.

use std::time::Instant;

use cloze_train::TrainedOn;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// Since a moment.
pub(crate) fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

/// A line of the result.
pub(crate) fn row(what: &str, mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let threads = rayon::current_num_threads();
    format!(
        r#"{{"benchmark": "{what}", "threads": {threads}, "times": {}, "median_ms": {:.3}, "least_ms": {:.3}}}"#,
        times.len(),
        times[times.len() / 2],
        times[0]
    )
}

/// A model that is trained for its speed comes from nowhere.
pub(crate) fn nowhere() -> TrainedOn {
    TrainedOn {
        dataset: String::new(),
        synthetic: false,
        split: String::new(),
        split_hash: String::new(),
        fit: String::new(),
        user_share: 1.0,
    }
}
