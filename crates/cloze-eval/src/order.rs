//! Whether an order that somebody claims holds.

use crate::bootstrap::Bootstrap;
use crate::comparison::{Comparison, Finding, adjusted, compare, families};
use crate::error::EvalError;
use crate::evaluation::Evaluation;

/// Each model of a claimed order, best first, against the next one: by data set, split, fit and protocol, with the tests of
/// [`comparisons`](crate::comparisons) and Holm's correction over the steps of one order.
///
/// A model that a group lacks is passed over: the one before it is compared with the one behind it.
///
/// # Errors
/// As [`comparisons`](crate::comparisons), for any name of the order.
pub fn ordered(
    evaluations: &[Evaluation],
    order: &[String],
    bootstrap: &Bootstrap,
) -> Result<Vec<Comparison>, EvalError> {
    let mut rows = Vec::new();
    for models in families(evaluations, order)? {
        let of = |name: &String| models.iter().find(|model| model.name() == name);
        let present: Vec<_> = order.iter().filter_map(of).collect();
        let steps = present.array_windows().map(|[better, worse]| compare(better, worse, bootstrap));
        rows.extend(adjusted(steps.collect::<Result<_, _>>()?));
    }
    Ok(rows)
}

/// A claimed order in words: the chain of the protocol that has most of its models, and for each protocol whether it holds, with the
/// models where it has fewer.
pub(crate) fn claim(steps: &[&Comparison]) -> Option<(String, Vec<String>)> {
    let by_protocol = || steps.chunk_by(|a, b| a.protocol == b.protocol);
    let whole = chain(by_protocol().rev().max_by_key(|steps| steps.len())?);
    let line = |steps: &[&Comparison]| {
        let own = chain(steps);
        let part = if own == whole { String::new() } else { format!(" (of {own}: there are no others)") };
        format!("{}: {}{part}", steps[0].protocol, verdict(steps))
    };
    let lines = by_protocol().map(line).collect();
    Some((whole, lines))
}

/// What the steps of one order say together.
fn verdict(steps: &[&Comparison]) -> String {
    let found = steps.iter().filter(|step| step.finding == Finding::Better).count();
    if found == steps.len() {
        "holds".to_owned()
    } else {
        format!("does not hold: {found} of {} steps found", steps.len())
    }
}

/// The models of an order as text, `a > b > c`.
fn chain(steps: &[&Comparison]) -> String {
    let first = steps.first().map(|step| step.model.as_str());
    let names: Vec<&str> = first.into_iter().chain(steps.iter().map(|step| step.baseline.as_str())).collect();
    names.join(" > ")
}
