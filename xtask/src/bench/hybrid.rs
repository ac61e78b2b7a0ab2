//! A hybrid's profile store: everything once, one interaction, one question; and what they cost without a store.

use anyhow::Result;
use xshell::{Shell, cmd};

use super::{Row, example, parse};

/// What has a target, and the target in milliseconds on two cores. By the end of the name: before it stands the data set.
const TARGETS: [(&str, f64); 4] = [
    (", all profiles", 5000.0),
    (", one update", 5.0),
    (", top 10 of 3416 items", 0.2),
    (", top 10 of 1000000 items", 15.0),
];

/// HybridBERT4Rec's store, on the data set that the targets are for.
pub(super) fn measure(shell: &Shell) -> Result<Vec<Row>> {
    let mut rows = timed(shell, "profiles", "ml-1m")?;
    add_targets(&mut rows);
    Ok(rows)
}

/// The learners' store.
pub(super) fn measure_learners(shell: &Shell) -> Result<Vec<Row>> {
    timed(shell, "learners", "assistments-2009")
}

/// What an example says of a data set where `CLOZE_DATA_DIR` or the cache has it, otherwise of generated data of its size.
fn timed(shell: &Shell, name: &str, data: &str) -> Result<Vec<Row>> {
    let program = example(shell, name)?;
    let output = cmd!(shell, "{program} {data}").quiet().read().or_else(|_| {
        // The program has said why.
        eprintln!("{data} cannot be measured: generated data of its size instead");
        cmd!(shell, "{program}").quiet().read()
    })?;
    parse(&output)
}

fn add_targets(rows: &mut [Row]) {
    for row in rows {
        let name = row["benchmark"].as_str().unwrap_or_default();
        if let Some((_, target)) = TARGETS.iter().find(|(end, _)| name.ends_with(end)) {
            row.insert("target_ms".to_owned(), (*target).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_target_gets_it_and_the_naive_way_none() {
        let row = |name: &str| Row::from([("benchmark".to_owned(), name.into())]);
        let mut rows = [row("ml-1m, one update"), row("ml-1m, both towers for a pair, of 256")];
        add_targets(&mut rows);
        assert_eq!(rows[0]["target_ms"], 5.0);
        assert!(!rows[1].contains_key("target_ms"));
    }
}
