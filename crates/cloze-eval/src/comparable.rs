//! Which evaluations may stand in one table.

use std::fmt::Display;

use serde_json::Value;

use crate::error::EvalError;
use crate::evaluation::Evaluation;
use crate::ranks::ProtocolRanks;

/// An evaluation beside earlier ones of its data set and kind of split, whatever their models: each of its protocols beside the first
/// that has it.
pub(crate) fn check_comparable(earlier: &[&Evaluation], right: &Evaluation) -> Result<(), EvalError> {
    let Some(left) = earlier.first() else { return Ok(()) };
    let (a, b) = (&left.meta, &right.meta);
    let fields = [
        ("split hash", a.split_hash.clone(), b.split_hash.clone()),
        ("target", a.target.to_string(), b.target.to_string()),
        ("synthetic", a.synthetic.to_string(), b.synthetic.to_string()),
        ("number of users", a.users.to_string(), b.users.to_string()),
    ];
    for (field, x, y) in fields {
        if x != y {
            return Err(not_comparable(left, right, field, x, y));
        }
    }
    for ranks in &right.protocols {
        let same = |other: &&ProtocolRanks| other.protocol == ranks.protocol;
        let first = earlier.iter().find_map(|left| Some((left, left.protocols.iter().find(same)?)));
        if let Some((left, reference)) = first {
            check_candidates(left, right, reference, ranks)?;
        }
    }
    Ok(())
}

fn check_candidates(
    left: &Evaluation,
    right: &Evaluation,
    a: &ProtocolRanks,
    b: &ProtocolRanks,
) -> Result<(), EvalError> {
    let differ = |field, x: String, y: String| Err(not_comparable(left, right, field, x, y));
    if a.exclude_seen != b.exclude_seen {
        return differ("exclude_seen", a.exclude_seen.to_string(), b.exclude_seen.to_string());
    }
    if a.protocol.is_sampled() && a.candidate_seed != b.candidate_seed {
        return differ("candidate seed", a.candidate_seed.to_string(), b.candidate_seed.to_string());
    }
    let columns = [
        ("list of users", &a.users, &b.users),
        ("list of targets", &a.targets, &b.targets),
        ("number of candidates", &a.candidates, &b.candidates),
    ];
    for (field, x, y) in columns {
        if x.len() != y.len() {
            return differ(field, format!("{} long", x.len()), format!("{} long", y.len()));
        }
        if let Some(at) = (0..x.len()).find(|&at| x[at] != y[at]) {
            return differ(field, format!("{} at row {at}", x[at]), format!("{} at row {at}", y[at]));
        }
    }
    Ok(())
}

/// Options that training chooses: seeds need not have the same.
const CHOSEN: [&str; 1] = ["alpha"];

/// What held before there was an option: evaluations of earlier versions do not name it.
pub fn held_before(option: &str) -> Option<Value> {
    match option {
        "initial-identity" | "initial-bias" | "distance-slope" => Some(0.0.into()),
        "user-tokens" => Some("learned".into()),
        _ => None,
    }
}

/// The first option that two runs of a model do not share. Evaluations of earlier versions know no options, and files have none.
fn differing(a: &Evaluation, b: &Evaluation) -> Option<(String, String)> {
    let (Some(Value::Object(a)), Some(Value::Object(b))) = (&a.meta.options, &b.meta.options) else {
        return None;
    };
    let value =
        |of: &serde_json::Map<String, Value>, key: &str| of.get(key).cloned().or_else(|| held_before(key));
    let key = a
        .keys()
        .chain(b.keys())
        .find(|key| !CHOSEN.contains(&key.as_str()) && value(a, key) != value(b, key))?;
    let shown = |of: &serde_json::Map<String, Value>| match value(of, key) {
        Some(value) => format!("{key} {value}"),
        None => format!("no {key}"),
    };
    Some((shown(a), shown(b)))
}

/// Evaluations of one model: every seed once, with the same options, all under the same protocols.
pub(crate) fn check_seeds(seeds: &[&Evaluation]) -> Result<(), EvalError> {
    let protocols = |evaluation: &Evaluation| {
        let names: Vec<String> =
            evaluation.protocols.iter().map(|ranks| ranks.protocol.to_string()).collect();
        names.join(", ")
    };
    for (at, evaluation) in seeds.iter().enumerate() {
        let meta = &evaluation.meta;
        if seeds[..at].iter().any(|other| other.meta.seed == meta.seed) {
            return Err(EvalError::DuplicateRun {
                dataset: meta.dataset.clone(),
                fit: meta.fit.to_string(),
                model: meta.model.clone(),
                seed: meta.seed,
            });
        }
        // The first may be one without options.
        let other = seeds[..at].iter().find_map(|other| Some((other, differing(other, evaluation)?)));
        if let Some((other, (first, this))) = other {
            return Err(not_comparable(other, evaluation, "options, as seeds of one model,", first, this));
        }
        let (first, this) = (protocols(seeds[0]), protocols(evaluation));
        if first != this {
            return Err(not_comparable(seeds[0], evaluation, "list of protocols", first, this));
        }
    }
    Ok(())
}

pub(crate) fn not_comparable(
    left: &Evaluation,
    right: &Evaluation,
    field: &'static str,
    a: impl Display,
    b: impl Display,
) -> EvalError {
    let run = |evaluation: &Evaluation| {
        let meta = &evaluation.meta;
        format!("{} (fit on {}, seed {})", meta.model, meta.fit, meta.seed)
    };
    EvalError::NotComparable {
        dataset: left.meta.dataset.clone(),
        field,
        left: format!("{a} for {}", run(left)),
        right: format!("{b} for {}", run(right)),
    }
}
